"""Several runs beside each other, as plain values: where they are compared, and what is said of each."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from doneness.core import Diagnosis, Message, tr
from doneness.core.text import printable
from doneness.diagnose.between import (
    Reading,
    difference,
    hindrances,
    kind_of_loss,
    noise_between,
    reading,
    rows_known_alike,
)
from doneness.report.build import written
from doneness.report.curve import Curve, EvalPoint
from doneness.report.numbers import general
from doneness.runs import LEARNING_RATE, Run

# Tokens say what was paid, and two runs of other batch sizes share them; steps every log has.
PREFERRED = ("tokens", "step")
_LEVEL = 0.95
# What names a run rather than describes it.
_OWN = ("folder", "name", "path", "output_dir", "run_name", "started", "ended", "final_eval_loss", "resumed")


@dataclass(frozen=True)
class Compared:
    """One run of a comparison: a name that tells it apart, the run, the verdict on it, and its curve."""

    label: str
    run: Run
    diagnosis: Diagnosis
    curve: Curve


@dataclass(frozen=True)
class Standing:
    """What the table says of one run.

    Attributes:
        best: its lowest evaluation, or None.
        best_at: where that lies on the axis.
        loss: at the common place, NaN where there is none.
        interpolated: whether that lies between two evaluations.
        diff, low, high: difference to the first run there with its interval, where both hold losses of the same
            examples; None otherwise.
        n: paired examples.
    """

    best: EvalPoint | None
    best_at: float
    loss: float
    interpolated: bool
    diff: float | None = None
    low: float | None = None
    high: float | None = None
    n: int = 0


@dataclass(frozen=True)
class Comparison:
    """Several runs on one axis.

    Attributes:
        axis: the x-axis; `axes` are all that every run has.
        chosen: why that axis, a sentence.
        place: the last place that all runs reach with an evaluation, or None.
        differing: facts that differ: (name, value of each run).
        warnings: what keeps losses from being compared; empty where nothing is seen.
        notes: what to know when reading the table.
        kinds: what each run's loss is, in words; empty where all are of one kind. Losses of several kinds share no
            y-axis and no place to be held against each other.
    """

    runs: tuple[Compared, ...]
    axis: str
    axes: tuple[str, ...]
    chosen: str
    place: float | None
    standings: tuple[Standing, ...]
    differing: tuple[tuple[str, tuple[str, ...]], ...]
    warnings: tuple[str, ...]
    notes: tuple[str, ...]
    kinds: tuple[str, ...] = ()

    @property
    def by_kind(self) -> dict[str, tuple[int, ...]]:
        """The places of the runs by kind of loss; one entry "" where all are of one kind."""
        found: dict[str, tuple[int, ...]] = {}
        for i in range(len(self.runs)):
            kind = self.kinds[i] if self.kinds else ""
            found[kind] = (*found.get(kind, ()), i)
        return found


def compare(runs: Sequence[Compared], axis: str | None = None) -> Comparison:
    """Compare `runs` on `axis`, by default on what all of them have, tokens before steps.

    Raises:
        ValueError: a run has no such axis; the text names both.
    """
    shared = tuple(a for a in runs[0].curve.axes if all(a in r.curve.axes for r in runs))
    if axis is not None and axis not in shared:
        lacking = next(r for r in runs if axis not in r.curve.axes)
        raise ValueError(tr("compare.no_axis", run=lacking.label, axis=tr(f"report.axis_short.{axis}")))
    used = axis or next(a for a in PREFERRED if a in shared)
    why = "asked" if axis else "tokens" if used == "tokens" else "steps"
    kinds = kinds_of([r.run for r in runs])
    place = None if kinds else common_place(runs, used)
    standings = _standings(runs, used, place)
    warnings = [m for r in runs[1:] for m in hindrances(runs[0].run, r.run, (runs[0].label, r.label))]
    return Comparison(
        runs=tuple(runs),
        axis=used,
        axes=shared,
        chosen=tr(f"compare.on_{why}", axis=tr(f"report.axis_short.{used}")),
        place=place,
        standings=standings,
        differing=differing([r.run for r in runs]),
        warnings=tuple(m.text() for m in warnings),
        notes=(tr("compare.kinds_apart"),) if kinds else _notes(runs, standings, place, warnings),
        kinds=kinds,
    )


def kinds_of(runs: Sequence[Run]) -> tuple[str, ...]:
    """What the loss of each run is, in words; empty where nothing says that they are of several kinds."""
    kinds = [kind_of_loss(run) for run in runs]
    told = {kind for kind in kinds if kind != "preference"}
    if len(set(kinds)) < 2 or (len(told) < 2 and "" not in told):
        return ()
    known = {"": "likelihood", "preference": "preference"}
    return tuple(tr(f"compare.kind.{known.get(kind, 'method')}", method=printable(kind).upper()) for kind in kinds)


def common_place(runs: Sequence[Compared], axis: str) -> float | None:
    """The last place on `axis` that every run reaches with an evaluation; None where they do not overlap."""
    spans = [_places(r, axis) for r in runs]
    if not all(spans):
        return None
    last = min(span[-1] for span in spans)
    return last if last >= max(span[0] for span in spans) else None


def differing(runs: Sequence[Run]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The facts in which the runs differ, with each run's value; a dash where one lacks it.

    The learning rate's peak, read off its logged column, comes first. That a log is silent is no difference: at
    least two runs must name a fact, and not alike.
    """
    tables = [_rate(run) | _flat(run.meta) for run in runs]
    names = dict.fromkeys(name for table in tables for name in table)
    found = []
    for name in names:
        if len({table[name] for table in tables if name in table}) > 1:
            found.append((name, tuple(table.get(name, tr("compare.absent")) for table in tables)))
    return tuple(found)


def _standings(runs: Sequence[Compared], axis: str, place: float | None) -> tuple[Standing, ...]:
    readings = [Reading(math.nan, False) if place is None else reading(r.run, _places(r, axis), place) for r in runs]
    # All intervals hold together with 95 %: each against the first gets its share of the error.
    level = 1.0 - (1.0 - _LEVEL) / max(len(runs) - 1, 1)
    found = []
    for i, (each, read) in enumerate(zip(runs, readings, strict=True)):
        best = min(each.curve.evals, key=lambda e: e.loss, default=None)
        best_at = each.curve.place(axis, [best.step])[0] if best else math.nan
        effect = difference(readings[0], read) if i else None
        if effect is None:
            found.append(Standing(best, best_at, read.loss, read.interpolated))
            continue
        low, high = effect.interval(level, noise_between(runs[0].run, each.run))
        found.append(Standing(best, best_at, read.loss, read.interpolated, effect.diff, low, high, effect.n))
    return tuple(found)


def _places(each: Compared, axis: str) -> list[float]:
    return each.curve.place(axis, [e.step for e in each.curve.evals])


def _notes(
    runs: Sequence[Compared], standings: Sequence[Standing], place: float | None, warnings: Sequence[Message]
) -> tuple[str, ...]:
    said = []
    if place is None:
        said.append(tr("compare.no_place"))
    elif any(s.interpolated for s in standings):
        between = [r.label for r, s in zip(runs, standings, strict=True) if s.interpolated]
        said.append(tr("compare.interpolated", runs=tr("report.list_comma").join(between)))
    paired = [s for s in standings[1:] if s.diff is not None]
    if paired:
        key = "paired" if len(runs) == 2 else "paired_many"
        said.append(tr(f"compare.{key}", first=runs[0].label, n=min(s.n for s in paired)))
    if place is not None and len(paired) < len(runs) - 1:
        said.append(tr("compare.unpaired"))
    if not warnings and not all(rows_known_alike(runs[0].run, r.run) for r in runs[1:]):
        said.append(tr("compare.rows_unknown"))
    return tuple(said)


def _rate(run: Run) -> dict[str, str]:
    column = run.series.get(LEARNING_RATE)
    values = column.value[np.isfinite(column.value)] if column is not None else np.empty(0)
    return {tr("compare.rate_peak"): general(float(values.max()))} if values.size else {}


def _flat(table: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for key, value in table.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            found |= _flat(value, f"{name}.")
        elif str(key) not in _OWN and value is not None:
            found[name] = written(value)
    return found
