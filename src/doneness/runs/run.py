"""Run: one training run, whoever trained it. What it lacks is absent, never guessed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doneness.core import UnreadableError, tr
from doneness.runs.records import LAST_STEP

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

TRAIN_LOSS = "train/loss"
EVAL_LOSS = "eval/loss"
LEARNING_RATE = "train/learning_rate"
GRAD_NORM = "train/grad_norm"
SPAN_LOSS = "eval/span/"  # and the span's name
HEALTH = "health/"  # and what was measured: grad/<kind of module>, update/<kind>, lora/<layer>, noise/…

_LARGEST = 1e30  # a logged value beyond is an overflow in all but name; squares of it would overflow
_KNOWN_AT_END = frozenset(
    ("train_seconds", "train_runtime", "total_flos", "train_loss", "final_train_loss", "final_eval_loss", "best_step")
)
_FARTHEST = 1e18  # tokens or seconds beyond are damage


@dataclass(frozen=True)
class Series:
    """One column over steps; all arrays have the length of `step`, NaN where the log is silent.

    Attributes:
        step: optimizer steps done when the value was taken, ascending.
        value: the value itself.
        epoch: passes over the training data, fractional.
        tokens: tokens seen, padding apart.
        targets: target tokens seen (those that carry loss).
        time: seconds of training since the start, pauses apart.
    """

    step: Ints
    value: Floats
    epoch: Floats
    tokens: Floats
    targets: Floats
    time: Floats

    @classmethod
    def of(cls, step: Any, value: Any, **columns: Any) -> Series:
        """Build a series from sequences; columns that are not given are NaN.

        Values beyond ±1e30 become infinite, places beyond 1e18 NaN: both are damage, not losses.

        Raises:
            ValueError: lengths differ, or a step is no whole number from 0 to 10^12.
        """
        steps = _steps(step)
        values = tamed(_floats(value))
        if steps.shape != values.shape or steps.ndim != 1:
            raise ValueError(f"step and value must be vectors of one length, got {steps.shape} and {values.shape}")
        rest = {}
        absent = np.full(steps.shape, np.nan)
        for name in ("epoch", "tokens", "targets", "time"):
            given = columns.get(name)
            if given is None:
                rest[name] = absent
                continue
            column = _floats(given)
            if column.shape != steps.shape:
                raise ValueError(f"{name} must have the length of step, got {column.shape} and {steps.shape}")
            beyond = np.abs(column) > _FARTHEST
            rest[name] = np.where(beyond, np.nan, column) if beyond.any() else column
        return cls(steps, values, **rest)

    def __len__(self) -> int:
        return int(self.step.size)

    def upto(self, step: int) -> Series:
        """The part up to and including `step`."""
        keep = self.step <= step
        return Series(*(getattr(self, name)[keep] for name in ("step", "value", "epoch", "tokens", "targets", "time")))

    def axis(self, name: str) -> Floats:
        """The column to draw on the x-axis: step, epoch, tokens, targets or time."""
        column: Any = getattr(self, name)
        return np.asarray(column, dtype=np.float64)


@dataclass(frozen=True)
class SpanLosses:
    """One evaluation on one span of each example's target tokens.

    Attributes:
        nll: summed negative log-likelihood of the span's tokens, in nats; shape (n,).
        tokens: number of them; 0 where an example has none; shape (n,).
    """

    nll: Floats
    tokens: Ints

    @property
    def mean(self) -> float:
        """Token-weighted mean loss, nats per token; NaN where no example has a token."""
        total = int(self.tokens.sum())
        return float(self.nll.sum() / total) if total else float("nan")


@dataclass(frozen=True)
class ExampleLosses:
    """One evaluation, example by example.

    Attributes:
        step: optimizer steps done.
        ids: example ids, unique, in the order evaluated; shape (n,).
        nll: summed negative log-likelihood of each example's target tokens, in nats; shape (n,).
        tokens: number of target tokens of each example; shape (n,).
        spans: the same by span ("label", "end", …); spans may overlap.
        cluster: the conversation or document of each example, where known; shape (n,). Examples of one are
            not independent, so statistics count clusters.
        groups: what sort of example each is, by the name of the sorting ("source", "turn", "label"); shape (n,).
    """

    step: int
    ids: NDArray[np.str_]
    nll: Floats
    tokens: Ints
    spans: Mapping[str, SpanLosses] = field(default_factory=dict)
    cluster: NDArray[np.str_] | None = None
    groups: Mapping[str, NDArray[np.str_]] = field(default_factory=dict)

    @property
    def mean(self) -> float:
        """Token-weighted mean loss, nats per target token."""
        return float(self.nll.sum() / self.tokens.sum())


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that the run wrote; `exists` is False where it was rotated away."""

    step: int
    path: Path | None
    exists: bool


@dataclass(frozen=True)
class Event:
    """Anything that is not a number over steps: decisions, resumes, errors."""

    kind: str
    step: int
    data: Mapping[str, Any]
    at: str = ""


@dataclass(frozen=True)
class Damage:
    """How much of a log could not be read. Rows that a resume superseded are no loss.

    Attributes:
        lost: rows that are damaged, or whose step or loss is; of a damaged stretch, about as many
            as would fit into it.
        seen: rows in all, lost ones among them; 0 where nobody counted.
        cut: whether the log ends in the middle of a whole that was written at once, so that nobody
            knows how much is missing.
    """

    lost: int = 0
    seen: int = 0
    cut: bool = False

    @property
    def share(self) -> float:
        """Lost rows as a share of all."""
        return self.lost / self.seen if self.seen else 0.0


@dataclass(frozen=True)
class Run:
    """One training run.

    Attributes:
        name: what to call it.
        path: where it was read from; None for a run made in memory.
        kind: the format it was read from ("journal", "hf_trainer", "synthetic", …).
        meta: facts about the run where known: planned_steps, warmup_steps, steps_per_epoch,
            vocab_size, train_rows, eval_rows, method, model, seed, versions, …; where a cooldown was begun, its
            cooldown_step, and planned_steps is its end (planned_before what it was).
        series: columns by name, "train/loss", "eval/loss", "train/learning_rate", …
        events: what happened, in order.
        checkpoints: those written, in order of step.
        example_source: loads the per-example losses of one evaluation by step; None where the
            log has none for that step.
        notes: what the reader had to leave out or repair, one line each.
        damage: how many rows of the log were lost, and of how many. It speaks of the whole file,
            also where that holds several runs.
    """

    name: str
    path: Path | None = None
    kind: str = "synthetic"
    meta: Mapping[str, Any] = field(default_factory=dict)
    series: Mapping[str, Series] = field(default_factory=dict)
    events: tuple[Event, ...] = ()
    checkpoints: tuple[Checkpoint, ...] = ()
    example_steps: tuple[int, ...] = ()
    example_source: Callable[[int], ExampleLosses] | None = None
    notes: tuple[str, ...] = ()
    damage: Damage = Damage()

    @property
    def train(self) -> Series | None:
        """Training loss, where logged."""
        return self.series.get(TRAIN_LOSS)

    @property
    def evals(self) -> Series | None:
        """Evaluation loss of the main evaluation set, where logged."""
        return self.series.get(EVAL_LOSS)

    @property
    def last_step(self) -> int:
        """The last step that any column speaks of; 0 for an empty run."""
        return max((int(s.step[-1]) for s in self.series.values() if len(s)), default=0)

    @property
    def exploratory(self) -> bool:
        """Whether it was trained to see the shape of its curve alone: none of its checkpoints is to be used."""
        return self.meta.get("mode") == "explore"

    @property
    def examples(self) -> tuple[ExampleLosses, ...]:
        """Per-example evaluations in order of step; empty where the log has none.

        Those whose file is damaged are left out; `faults` names them.
        """
        return self._loaded[0]

    @property
    def faults(self) -> tuple[str, ...]:
        """The evaluations whose per-example losses could not be read, one line each."""
        return self._loaded[1]

    @cached_property
    def _loaded(self) -> tuple[tuple[ExampleLosses, ...], tuple[str, ...]]:
        found: list[ExampleLosses] = []
        faults: list[str] = []
        if self.example_source is None:
            return (), ()
        for step in self.example_steps:
            try:
                found.append(self.example_source(step))
            except UnreadableError as error:
                faults.append(tr("errors.examples_fault", step=step, reason=str(error)))
            except KeyError:
                # A source in memory that does not know the step.
                faults.append(tr("errors.examples_fault", step=step, reason=tr("errors.examples.absent")))
        return tuple(found), tuple(faults)

    def number(self, key: str) -> float | None:
        """A numeric fact of `meta` (finite, at most 1e18 in size), or None."""
        value = self.meta.get(key)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return None
        return float(value) if abs(value) <= _FARTHEST else None

    def until(self, step: int) -> Run:
        """The run as it was at `step`: nothing later is left in it.

        Where later rows are cut off, so is what only the end of a run tells: how long it took, its best step
        and its final losses, that it ended; and `damage`, as nobody knows which of the lost rows lay before
        `step` (0 of 0 rows: not counted). `planned_steps` stays: it is the plan. That a later resume changed
        the plan cannot be told from the last state file alone, and `notes` speak of the whole file.
        """
        cooled = self.number("cooldown_step")
        if cooled is not None and step <= cooled:
            # What was decided at that step was decided on the plan as it was.
            return self._uncooled().until(step)
        later = [*(e.step for e in self.events), *(c.step for c in self.checkpoints), *self.example_steps]
        if step >= max([self.last_step, *later]):
            return self
        return replace(
            self,
            meta={key: fact for key, fact in self.meta.items() if key not in _KNOWN_AT_END},
            series={name: part for name, s in self.series.items() if len(part := s.upto(step))},
            events=tuple(e for e in self.events if e.step <= step and e.kind != "end"),
            damage=Damage(),
            checkpoints=tuple(c for c in self.checkpoints if c.step <= step),
            example_steps=tuple(s for s in self.example_steps if s <= step),
        )

    def _uncooled(self) -> Run:
        """The run without its cooldown, as the plan was before."""
        meta = {k: fact for k, fact in self.meta.items() if k not in ("cooldown_step", "planned_before")}
        before = self.meta.get("planned_before")
        meta = meta | {"planned_steps": before} if before is not None else _without(meta, "planned_steps")
        return replace(self, meta=meta, events=tuple(e for e in self.events if e.kind != "cooldown"))


def _without(meta: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {name: fact for name, fact in meta.items() if name != key}


def tamed(values: Floats) -> Floats:
    """`values` with everything beyond ±1e30 made infinite, and what is smaller than 1e-30 zero: neither has shares."""
    size = np.abs(values)
    beyond, nothing = size > _LARGEST, (size < 1.0 / _LARGEST) & (size > 0.0)
    if nothing.any():
        values = np.where(nothing, 0.0, values)
    return np.where(beyond, np.copysign(np.inf, values), values) if beyond.any() else values


def _floats(values: Any) -> Floats:
    try:
        return np.asarray(values, dtype=np.float64)
    except OverflowError:
        # Integers beyond all floats; np.array would refuse the whole column for one of them.
        return np.array([_float(v) for v in values], dtype=np.float64)


def _float(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:
        return np.inf if value > 0 else -np.inf


def _steps(step: Any) -> Ints:
    try:
        exact = np.asarray(step)
        steps = np.asarray(step, dtype=np.int64)
    except OverflowError as error:
        raise ValueError("a step is beyond 10^12") from error
    except TypeError as error:
        raise ValueError("a step is no number") from error
    # Floats beyond int64 wrap round silently; what they were is compared as well.
    if steps.size and not (exact.dtype.kind in "biuf" and exact.min() >= 0 and exact.max() <= LAST_STEP):
        raise ValueError("steps must be whole numbers from 0 to 10^12")
    return steps
