"""What a check remembers of the rows it has seen: little, whatever their number, and so that it can be written down.

A tally holds counters, lists of a few examples, and the places of the rows it flags (eight bytes each). All of it goes
into the state file of an audit that is interrupted, as plain values: nothing in it is ever executed when it is read.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from doneness.audit.entry import Entry
from doneness.audit.params import AuditParams
from doneness.audit.sample import Sample

FEW = 5  # examples that a tally keeps of each sort


class Flags:
    """Places of rows of one sort, on both sides, ascending."""

    def __init__(self) -> None:
        self.train = array("q")
        self.eval = array("q")

    def add(self, entry: Entry) -> None:
        """Flag a row."""
        (self.train if entry.train else self.eval).append(entry.place)

    def __len__(self) -> int:
        return len(self.train) + len(self.eval)


class Tally:
    """The base of all tallies; a subclass sets its attributes in `begin` and looks at rows in `see`."""

    made: tuple[str, ...] = ()  # attributes that `begin` makes out of the parameters and rows do not change

    def __init__(self, params: AuditParams, probes: Sequence[Any] = ()) -> None:
        self.params, self.probes = params, probes
        self.flags = Flags()
        self.n = 0  # rows judged
        self.begin()

    def begin(self) -> None:
        """Set further attributes: numbers, texts, lists, dicts, Counters, sets, Flags."""

    def see(self, entry: Entry) -> None:
        """Look at one row."""
        raise NotImplementedError

    def state(self) -> dict[str, Any]:
        """All attributes as plain values."""
        return {
            name: _plain(value) for name, value in vars(self).items() if name not in ("params", "probes", *self.made)
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Set all attributes to what `state` returned."""
        for name, value in state.items():
            setattr(self, name, _restored(value, getattr(self, name)))


def note(examples: list[Any], example: Any, most: int = FEW) -> None:
    """Keep an example while there are few."""
    if len(examples) < most:
        examples.append(example)


def _plain(value: Any) -> Any:
    if isinstance(value, Flags):
        return [value.train.tobytes(), value.eval.tobytes()]
    if isinstance(value, Sample):
        return value.state()
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    return value


def _are_flags(value: Any) -> bool:
    """Whether a plain value was flags; a dict of them has no attribute to tell by before its rows are seen."""
    return isinstance(value, list) and len(value) == 2 and all(isinstance(each, bytes) for each in value)


def _restored(value: Any, like: Any) -> Any:
    if isinstance(like, Flags) or _are_flags(value):
        found = Flags()
        found.train.frombytes(value[0])
        found.eval.frombytes(value[1])
        return found
    if isinstance(like, Sample):
        like.restore(value)
        return like
    if isinstance(like, set):
        return set(value)
    if isinstance(like, Counter):
        return Counter(value)
    if isinstance(like, dict):
        return {key: _restored(each, like.get(key)) for key, each in value.items()}
    return value


def top(counts: Iterable[tuple[str, int]], most: int = FEW) -> list[tuple[str, int]]:
    """The largest counts, equals by name."""
    return sorted(counts, key=lambda item: (-item[1], item[0]))[:most]
