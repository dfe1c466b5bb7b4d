"""What a probing tells of the behaviours of the user's own: which of them bore on no answer at all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from doneness.core import Message, say
from doneness.runs.probes import ProbeTable

if TYPE_CHECKING:
    from doneness.probe.measure import Measure


def unscored(table: ProbeTable, measures: Sequence[Measure]) -> tuple[Message, ...]:
    """A line for every behaviour of the user's own that scored no answer: it has no row, so it would go unseen."""
    from doneness.probe.behaviours import MEASURES
    from doneness.probe.phrases import title

    there = {b.name for b in (*table.behaviours, *(m.behaviour for m in MEASURES))}
    names = [m.behaviour.name for m in measures if m.behaviour.name not in there]
    return tuple(say("probing.own_unscored", behaviour=title(name)) for name in names)
