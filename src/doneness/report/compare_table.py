"""The rows and sentences of a comparison, written out once for terminal and page."""

from __future__ import annotations

import math

from doneness.core import tr
from doneness.report.compare_figure import letter
from doneness.report.comparison import Comparison, Standing
from doneness.report.numbers import ABSENT, between, compact, count, duration, plain, signed

HEADS = ("run", "verdict", "sweet", "best", "there", "diff")
_ALONE = 4  # of them, those that hold no run against another


def rows(found: Comparison) -> list[tuple[str, ...]]:
    """One row a run, in the order of `HEADS`."""
    made: list[tuple[str, ...]] = []
    for i, (each, row) in enumerate(zip(found.runs, found.standings, strict=True)):
        spot = each.diagnosis.sweet_spot
        sweet = ABSENT if spot is None else _stretch(spot.first, spot.last)
        best = ABSENT
        if row.best is not None:
            best = tr("compare.best_at", loss=plain(row.best.loss), place=at(row.best_at, found.axis))
            best += f" · {found.kinds[i]}" if found.kinds else ""
        mark = "≈ " if row.interpolated else ""
        there = mark + plain(row.loss) if math.isfinite(row.loss) else ABSENT
        verdict = tr(f"report.verdict.{each.diagnosis.verdict.value}")
        cells = (f"{letter(i)} {each.label}", verdict, sweet, best, there, _difference(row, i))
        made.append(cells[: len(_heads(found))])
    return made


def heads(found: Comparison) -> tuple[str, ...]:
    """The table's head; the place all are compared at is named there."""
    place = ABSENT if found.place is None else at(found.place, found.axis)
    return tuple(tr(f"compare.head.{name}", place=place) for name in _heads(found))


def summary(found: Comparison) -> str:
    """What the comparison comes to, in one sentence; nothing is ranked that cannot be told apart."""
    if found.warnings:
        return tr("compare.not_comparable")
    paired = [(i, s) for i, s in enumerate(found.standings) if s.diff is not None]
    if found.place is None or not paired:
        return tr("compare.cannot")
    lower = [letter(i) for i, s in paired if s.high is not None and s.high < 0]
    higher = [letter(i) for i, s in paired if s.low is not None and s.low > 0]
    level = [letter(i) for i, s in paired if letter(i) not in (*lower, *higher)]
    said = []
    for key, names in (("lower", lower), ("higher", higher), ("level", level)):
        if names:
            runs = tr("report.list_comma").join(names)
            said.append(tr(f"compare.is_{key}", runs=runs, first=letter(0), place=at(found.place, found.axis)))
    return tr("report.figure.alt_join").join(said)


def at(place: float, axis: str) -> str:
    """A place on an axis, with its unit."""
    return short(place, axis) if axis == "time" else tr(f"compare.at.{axis}", value=short(place, axis))


def short(place: float, axis: str) -> str:
    """A place on an axis; the unit is that of the head above it."""
    if axis == "time":
        return duration(place)
    if axis == "epoch":
        return plain(place, 2).rstrip("0").rstrip(".")
    return count(place) if axis == "step" else compact(place)


def _heads(found: Comparison) -> tuple[str, ...]:
    """Columns in which runs are held against each other stand only where their losses are of one kind."""
    return HEADS[:_ALONE] if found.kinds else HEADS


def _stretch(first: int, last: int) -> str:
    return count(first) if first == last else between(count(first), count(last))


def _difference(row: Standing, index: int) -> str:
    if not index:
        return tr("compare.reference")
    if row.diff is None or row.low is None or row.high is None:
        return ABSENT
    half = (row.high - row.low) / 2.0
    return tr("compare.difference", diff=signed(row.diff), half=plain(half) if math.isfinite(half) else "∞")
