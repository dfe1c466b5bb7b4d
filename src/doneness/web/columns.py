"""The columns of a run as arrays: what figures are drawn from, however long the run is."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doneness.report.curve import axes_of, eval_points
from doneness.runs import GRAD_NORM, LEARNING_RATE, TRAIN_LOSS, Run
from doneness.runs.run import EVAL_LOSS

SHORT = {TRAIN_LOSS: "train", EVAL_LOSS: "eval", LEARNING_RATE: "rate", GRAD_NORM: "grad"}
_AXIS_POINTS = 20_000  # between which an axis is taken for straight
_ROOM = 192 << 20  # bytes of columns that are kept
Small = NDArray[np.float32]
Steps = NDArray[np.int64]


class Track:
    """One column: steps, values, and bounds where it has any; it grows at its end."""

    def __init__(self, step: Any, value: Any, low: Any = None, high: Any = None) -> None:
        self._step = np.asarray(step, dtype=np.int64)
        self._value = np.asarray(value, dtype=np.float32)
        self.low = None if low is None else np.asarray(low, dtype=np.float32)
        self.high = None if high is None else np.asarray(high, dtype=np.float32)
        self.size = int(self._step.size)

    @property
    def step(self) -> Steps:
        """Optimizer steps, ascending."""
        return self._step[: self.size]

    @property
    def value(self) -> Small:
        """The values; NaN where what was logged is none."""
        return self._value[: self.size]

    @property
    def last(self) -> int:
        """The last step; -1 for none."""
        return int(self._step[self.size - 1]) if self.size else -1

    def append(self, step: int, value: float) -> bool:
        """Add a point behind the last; False where it lies not behind it."""
        if step <= self.last:
            return False
        if self.size == self._step.size:
            room = max(1024, self.size // 2)
            self._step = np.concatenate([self._step, np.zeros(room, dtype=np.int64)])
            self._value = np.concatenate([self._value, np.zeros(room, dtype=np.float32)])
        self._step[self.size], self._value[self.size] = step, value
        self.size += 1
        if self.low is not None and self.high is not None:
            self.low, self.high = np.append(self.low, np.float32(np.nan)), np.append(self.high, np.float32(np.nan))
        return True

    @property
    def bytes(self) -> int:
        """What it takes in memory."""
        return self._step.nbytes + self._value.nbytes + (2 * self.low.nbytes if self.low is not None else 0)


@dataclass
class Columns:
    """All columns of a run.

    Attributes:
        tracks: by name; "train", "eval", "rate" and "grad" for short.
        axes: x-axis name → (steps, places), both ascending.
    """

    tracks: dict[str, Track]
    axes: dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]] = field(default_factory=dict)

    @property
    def bytes(self) -> int:
        """What they take in memory."""
        return sum(t.bytes for t in self.tracks.values()) + sum(s.nbytes + p.nbytes for s, p in self.axes.values())

    def place(self, axis: str, steps: Any) -> NDArray[np.float64]:
        """Where steps lie on an axis; beyond the log, at the average rate so far."""
        at = np.asarray(steps, dtype=np.float64)
        if axis == "step":
            return at
        known, values = self.axes[axis]
        inside = np.interp(at, known, values)
        rate = values[-1] / known[-1] if known[-1] else 0.0
        return np.where(at > known[-1], values[-1] + (at - known[-1]) * rate, inside)

    def step_at(self, axis: str, place: float) -> float:
        """The step at a place of an axis."""
        if axis == "step":
            return place
        known, values = self.axes[axis]
        rate = known[-1] / values[-1] if values[-1] else 0.0
        return float(known[-1] + (place - values[-1]) * rate if place > values[-1] else np.interp(place, values, known))


def columns_of(run: Run) -> Columns:
    """The columns of a run; evaluations have their 95 % intervals where rows were recorded."""
    tracks = {SHORT.get(name, name): Track(s.step, s.value) for name, s in run.series.items() if len(s)}
    points, _ = eval_points(run)
    bounds = {p.step: (p.low, p.high) for p in points if p.low is not None}
    evals = run.evals
    if evals is not None and len(evals) and bounds:
        low, high = (
            [np.nan if (b := bounds.get(s)) is None or b[k] is None else b[k] for s in evals.step.tolist()]
            for k in (0, 1)
        )
        tracks["eval"] = Track(evals.step, evals.value, low, high)
    axes = {}
    for name, (steps, places) in axes_of(run).items():
        if name == "step":
            continue
        pick = np.unique(np.linspace(0, steps.size - 1, min(steps.size, _AXIS_POINTS)).astype(np.int64))
        axes[name] = (steps[pick], places[pick])
    return Columns(tracks, axes)


def save(columns: Columns, path: Path) -> None:
    """Write columns to a file of plain arrays."""
    held: dict[str, Any] = {}
    for k, (name, track) in enumerate(columns.tracks.items()):
        held |= {f"name{k}": np.array(name), f"step{k}": track.step, f"value{k}": track.value}
        if track.low is not None:
            held |= {f"low{k}": track.low, f"high{k}": track.high}
    for name, (steps, places) in columns.axes.items():
        held |= {f"axis:{name}": np.stack([steps, places])}
    with path.open("wb") as handle:
        np.savez(handle, **held)


def load(path: Path) -> Columns:
    """Read what `save` wrote; nothing pickled.

    Raises:
        OSError, ValueError, KeyError: it is not there, or damaged.
    """
    with np.load(path, allow_pickle=False) as held:
        tracks = {}
        for k in range(sum(name.startswith("name") for name in held.files)):
            bounds = (held[f"low{k}"], held[f"high{k}"]) if f"low{k}" in held.files else ()
            tracks[str(held[f"name{k}"])] = Track(held[f"step{k}"], held[f"value{k}"], *bounds)
        axes = {n.partition(":")[2]: (held[n][0], held[n][1]) for n in held.files if n.startswith("axis:")}
    return Columns(tracks, axes)


class Shelf:
    """The columns of the runs looked at last, as many as there is room for."""

    def __init__(self, room: int = _ROOM) -> None:
        self._held: OrderedDict[str, tuple[str, Columns]] = OrderedDict()
        self._room = room

    def get(self, run: str, version: str) -> Columns | None:
        """Those of a run in a version."""
        found = self._held.get(run)
        if found is None or found[0] != version:
            return None
        self._held.move_to_end(run)
        return found[1]

    def put(self, run: str, version: str, columns: Columns) -> None:
        """Keep them, and let those go that were looked at longest ago."""
        self._held[run] = (version, columns)
        self._held.move_to_end(run)
        while len(self._held) > 1 and sum(c.bytes for _, c in self._held.values()) > self._room:
            self._held.popitem(last=False)

    def drop(self, run: str) -> None:
        """Forget them."""
        self._held.pop(run, None)
