"""What a plan says beyond its numbers: does it fit, what would, how fast on more cards, what it costs."""

from __future__ import annotations

import math
from dataclasses import dataclass

from doneness.core import Message, say
from doneness.plan.card import Choice, choices, evidence
from doneness.plan.cards import usable_bytes
from doneness.plan.fit import Largest, fits, largest
from doneness.plan.folk import Folk, folk_formulas
from doneness.plan.relief import Relief, reliefs
from doneness.plan.scaling import LINKS, Machine, SpeedUp, speed_up
from doneness.plan.speed import peak_of
from doneness.workflows.plan import Planned
from doneness.workflows.plan_work import work_of

_BITS = 2.0
_CARDS = (1, 2, 4, 8, 16)
_TRAINED_WELL, _LEAST = 1000, 100  # steps


@dataclass(frozen=True)
class More:
    """The parts; what cannot be said is empty.

    Attributes:
        card: bytes of the card that a process gets; None where none was named.
        fit: whether the range's upper end is within it.
        reliefs: what to change first, where it does not.
        largest: what would fit, one thing changed.
        choices: sizes and methods for the card.
        order: what is known of the order of sizes and methods.
        folk: what circulating formulas answer.
        speedups: on several cards.
        context: how many epochs to take, and why.
        background: token budgets and tables to hold the run's own against.
        hours: low, middle and high; empty without a rate.
        cost: likewise.
    """

    card: float | None
    fit: bool | None
    reliefs: tuple[Relief, ...]
    largest: Largest | None
    choices: tuple[Choice, ...]
    order: tuple[Message, ...]
    folk: tuple[Folk, ...]
    speedups: tuple[SpeedUp, ...]
    context: tuple[Message, ...]
    background: tuple[Message, ...] = ()
    hours: tuple[float, ...] = ()
    cost: tuple[float, ...] = ()


def more_of(planned: Planned, price: float = 0.0) -> More:
    """Everything that follows from a plan.

    Args:
        planned: the plan.
        price: of one card's hour.
    """
    model, setup, memory, lengths = planned.model, planned.setup, planned.memory, planned.lengths
    hours = tuple(part / 3600 for part in (planned.duration or ()))
    hours = (hours[1], hours[0], hours[2]) if hours else ()
    cost = tuple(price * planned.place.spread.devices * each for each in hours) if price else ()
    context, background = (_epochs(planned), _context(planned)) if planned.told != "nothing" else ((), ())
    if model is None or setup is None or memory is None:
        return More(None, None, (), None, (), (), (), (), context, background, hours, cost)
    card = usable_bytes(planned.place.card) if planned.place.card else None
    fit = fits(memory, card) if card is not None else None
    # A mean that was told says nothing of the longest.
    most = lengths.most if lengths and planned.told == "counted" else 0
    return More(
        card=card,
        fit=fit,
        reliefs=reliefs(model.shape, setup, most, card or 0.0) if fit is False else (),
        largest=largest(model.shape, setup, card) if card is not None else None,
        choices=choices(setup) if card is not None else (),
        order=evidence() if card is not None else (),
        folk=folk_formulas(model.shape, setup, memory),
        speedups=_speedups(planned),
        context=context,
        background=background,
        hours=hours,
        cost=cost,
    )


def _speedups(planned: Planned) -> tuple[SpeedUp, ...]:
    model, setup, budget = planned.model, planned.setup, planned.budget
    peak = peak_of(planned.place.card)
    if (
        planned.told == "nothing"
        or model is None
        or setup is None
        or planned.memory is None
        or (peak is None and planned.rate is None)
    ):
        return ()
    variation = planned.lengths.variation if planned.lengths else 0.0
    work = work_of(planned.recipe, budget, (model, setup, planned.memory), variation, planned.rate)
    machine = Machine(peak=peak or 312e12, within=LINKS[planned.place.link])
    return tuple(speed_up(work, machine, n, budget.steps) for n in _CARDS)


def _tables(planned: Planned) -> list[Message]:
    """What tables that go by the number of rows say of the epochs."""
    epochs = next((f for f in planned.advice if f.code == "PL02"), None)
    if epochs is None:
        return []
    told = epochs.evidence["folk_tables"]
    names = {"unsloth": "Unsloth", "first": "first table by size", "second": "second table by size"}
    parts = [say(f"plan.context.table_{key}", epochs=told[name]) for key, name in names.items() if name in told]
    said = parts[0]
    for part in parts[1:]:
        said = say("plan.context.and_table", one=said, other=part)
    return [say("plan.context.tables", rows=planned.budget.rows, told=said)]


def _epochs(planned: Planned) -> tuple[Message, ...]:
    """One sentence: how many epochs to take, and why no more and no fewer."""
    found = next((f for f in planned.advice if f.code == "PL02"), None)
    if found is None:
        return ()
    numbers = found.message.args
    key = "take_enough" if numbers["take_steps"] >= numbers["well"] else "take_most"
    return (say(f"plan.context.{key}", **{name: numbers[name] for name in ("take", "take_steps", "well", "most")}),)


def _context(planned: Planned) -> tuple[Message, ...]:
    """Token budgets that others found enough, for the run's own to be held against."""
    found = planned.budget
    each = found.total_target_tokens / max(found.steps, 1)
    key = "steps" if planned.told == "counted" else "steps_most"
    lines = [say(f"plan.context.{key}", steps=found.steps, least=_LEAST, well=_TRAINED_WELL,
                 wanted=_TRAINED_WELL * each, have=found.total_target_tokens)]  # fmt: skip
    lines += _tables(planned)
    if planned.memory is not None and planned.setup is not None and planned.setup.method != "full":
        bits = _BITS * planned.memory.trainable
        lines.append(say("plan.context.capacity", rank=planned.setup.rank, holds=_short(bits * math.log(2) / 1.5),
                         one_pass=found.target_tokens))  # fmt: skip
    if planned.model is not None and planned.recipe.run.stage == "pretrain":
        wanted = 20.0 * planned.model.shape.active_parameters
        lines.append(say("plan.context.pretrain", wanted=_short(wanted), have=found.total_tokens))
    return tuple(lines)


def _short(number: float) -> int:
    """To two figures: an estimate has no more."""
    return int(float(f"{number:.1e}"))
