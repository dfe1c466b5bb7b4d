"""Numbers of a behaviour in words: its title, an amount in its unit, a change with its sign."""

from __future__ import annotations

from doneness.core import Message, say
from doneness.core.catalogue import entries
from doneness.runs.probes import UNDECIDED, Behaviour, Cell

_UNITS = ("share", "tokens", "nats", "ratio")


def title(name: str) -> Message:
    """A behaviour's title; one of the user's own goes by its name."""
    key = f"probe.{name}.title"
    return say(key) if key in entries("en") else say("choice.named", name=name)


def amount(behaviour: Behaviour, value: float) -> Message:
    """A value in the behaviour's unit."""
    unit = behaviour.unit if behaviour.unit in _UNITS else "ratio"
    return say(f"choice.amount.{unit}", value=value)


def change(behaviour: Behaviour, value: float) -> Message:
    """A difference in the behaviour's unit, with its sign; of shares in points."""
    if behaviour.unit == "share":
        return say("choice.change.share", points=100 * value)
    unit = behaviour.unit if behaviour.unit in _UNITS else "ratio"
    return say(f"choice.change.{unit}", value=value)


def apart(behaviour: Behaviour, value: float) -> Message:
    """A difference in the behaviour's unit, without a sign; of shares in points."""
    return say("choice.apart", points=100 * value) if behaviour.unit == "share" else amount(behaviour, value)


def item(behaviour: Behaviour, cell: Cell) -> Message:
    """A title with both numbers, so that nobody has to look up which way a behaviour went."""
    base = amount(behaviour, cell.value - (cell.diff or 0.0))
    numbers = {"behaviour": title(cell.behaviour), "base": base, "now": amount(behaviour, cell.value), "n": cell.n}
    if cell.needs is not None and cell.mark in UNDECIDED:
        return say("choice.item_needs", **numbers, needs=cell.needs)
    return say("choice.item_of", **numbers)


def listed(items: list[Message]) -> Message:
    """Several in one sentence."""
    joined = items[0]
    for each in items[1:]:
        joined = say("probe.choice.join", left=joined, right=each)
    return joined
