"""Near-duplicates among the rows of an audit: found once, asked for by several checks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from doneness.audit.columns import Columns
from doneness.audit.params import AuditParams
from doneness.data import normalise
from doneness.data.near_join import Sketches, join
from doneness.data.sketch import Sketcher

if TYPE_CHECKING:
    from doneness.audit.subject import Question, Side

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Pairs:
    """Places of the rows of each pair, and how alike they are; `crowded` as in `near_join.Joined`."""

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    value: NDArray[np.float64]
    crowded: int = 0

    def best_of_second(self) -> Pairs:
        """Of each second row the nearest first one, by place."""
        order = np.lexsort((self.first, -self.value, self.second))
        _, kept = np.unique(self.second[order], return_index=True)
        kept = order[kept]
        return Pairs(self.first[kept], self.second[kept], self.value[kept], self.crowded)


class Near:
    """The joins of an audit. A row stands for all others with the same question."""

    def __init__(self, params: AuditParams, train: Side, held_out: Side | None, probes: Sequence[Question]) -> None:
        self._threshold = params.near
        self._train, self._eval, self._probes = train, held_out, probes
        self.progress: Progress = lambda done, total: None
        self.folder: Path | None = None  # where joins are kept, so that they need not be made again

    @cached_property
    def firsts(self) -> NDArray[np.int64]:
        """The first place of each different training question, ascending; rows without a question are left out."""
        return _firsts(self._train.columns.get("question"))

    @cached_property
    def within(self) -> Pairs:
        """Different training questions that are nearly the same, first place < second place."""
        found = self._kept("within", lambda: self._joined(self._train.columns, self.firsts, None, self.firsts))
        swapped = found.first > found.second
        first = np.where(swapped, found.second, found.first)
        return Pairs(first, np.where(swapped, found.first, found.second), found.value, found.crowded)

    @cached_property
    def across(self) -> Pairs:
        """Training places and evaluation places whose questions are nearly the same without being equal."""
        assert self._eval is not None
        held = self._eval.columns
        questions = held.get("question")
        fresh = (questions != 0) & ~np.isin(questions, self._train.columns.get("question"))
        some = np.flatnonzero(fresh)
        return self._kept("across", lambda: self._joined(self._train.columns, self.firsts, held, some))

    @cached_property
    def probed(self) -> Pairs:
        """Training places, and places of probes, whose questions are nearly the same or equal."""
        columns = Columns(None, "")
        sketcher = Sketcher()
        for probe in self._probes:
            sketched(columns, sketcher, normalise(probe.prompt))
        asked = np.arange(len(self._probes))
        one = self._joined(self._train.columns, self.firsts, columns, asked)
        turns = self._train.turns
        other = self._joined(turns, _firsts(turns.get("question")), columns, asked)
        places = turns.get("line").astype(np.int64)
        return Pairs(
            np.concatenate((one.first, places[other.first])),
            np.concatenate((one.second, other.second)),
            np.concatenate((one.value, other.value)),
            one.crowded + other.crowded,
        )

    def _kept(self, name: str, made: Callable[[], Pairs]) -> Pairs:
        """A join, from the folder where it was made before."""
        if self.folder is None:
            return made()
        file = self.folder / f"{name}.npz"
        if not file.exists():
            found = made()
            half = file.with_suffix(".half.npz")
            np.savez(half, first=found.first, second=found.second, value=found.value, crowded=found.crowded)
            half.replace(file)
            return found
        with np.load(file, allow_pickle=False) as told:
            return Pairs(told["first"], told["second"], told["value"], int(told["crowded"]))

    def _joined(self, a: Columns, some_a: NDArray[np.int64], b: Columns | None, some_b: NDArray[np.int64]) -> Pairs:
        """Pairs by either measure, the larger value of the two, as places."""
        keys, values, crowded = [], [], 0
        for part, (measure, content) in enumerate((("short", True), ("long", False))):
            one = _sketches(a, measure, some_a)
            two = None if b is None else _sketches(b, measure, some_b)

            def told(done: int, total: int, part: int = part) -> None:
                self.progress(part * total + done, 2 * total)

            found = join(one, two, self._threshold, content, told)
            keys.append((found.first.astype(np.uint64) << np.uint64(32)) | found.second.astype(np.uint64))
            values.append(found.value)
            crowded += found.crowded
        key, value = np.concatenate(keys), np.concatenate(values)
        order = np.lexsort((-value, key))
        key, kept = np.unique(key[order], return_index=True)
        first, second = (key >> np.uint64(32)).astype(np.int64), (key & np.uint64(0xFFFFFFFF)).astype(np.int64)
        return Pairs(some_a[first], some_b[second], value[order][kept], crowded)


def sketched(columns: Columns, sketcher: Sketcher, normal: str) -> None:
    """Add the features of one text."""
    short, long = sketcher.features(normal) if normal else ([], [])
    columns.extend("short", short)
    columns.append("short_end", columns.size("short"))
    columns.extend("long", long)
    columns.append("long_end", columns.size("long"))


def _firsts(questions: NDArray[Any]) -> NDArray[np.int64]:
    found, first = np.unique(questions, return_index=True)
    return np.sort(first[found != 0])


def _sketches(columns: Columns, measure: str, some: NDArray[np.int64]) -> Sketches:
    return Sketches(columns.get(measure), columns.get(f"{measure}_end")).of(some)
