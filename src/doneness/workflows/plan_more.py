"""What a plan says beyond its numbers: does it fit, what would, how fast on more cards, what it costs."""

from __future__ import annotations

import math
from dataclasses import dataclass

from doneness.core import Message, say
from doneness.plan.card import Choice, choices, evidence
from doneness.plan.fit import Largest, card_bytes, fits, largest
from doneness.plan.folk import Folk, folk_formulas
from doneness.plan.relief import Relief, reliefs
from doneness.plan.scaling import LINKS, PEAKS, Machine, SpeedUp, speed_up
from doneness.workflows.plan import Planned
from doneness.workflows.plan_work import work_of

_BITS = 2.0
_CARDS = (1, 2, 4, 8, 16)
_TRAINED_WELL, _LEAST = 1000, 100  # steps


@dataclass(frozen=True)
class More:
    """The parts; what cannot be said is empty.

    Attributes:
        card: bytes of the card; None where none was named.
        fit: whether the range's upper end is within it.
        reliefs: what to change first, where it does not.
        largest: what would fit, one thing changed.
        choices: sizes and methods for the card.
        order: what is known of the order of sizes and methods.
        folk: what circulating formulas answer.
        speedups: on several cards.
        context: token budgets to hold the run's own against.
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
    context = _context(planned) if planned.told != "nothing" else ()
    if model is None or setup is None or memory is None:
        return More(None, None, (), None, (), (), (), (), context, hours, cost)
    card = card_bytes(planned.place.card) if planned.place.card else None
    fit = fits(memory, card) if card is not None else None
    most = lengths.most if lengths else 0
    return More(
        card=card,
        fit=fit,
        reliefs=reliefs(model.shape, setup, most) if fit is False else (),
        largest=largest(model.shape, setup, card) if card is not None else None,
        choices=choices(setup) if card is not None else (),
        order=evidence() if card is not None else (),
        folk=folk_formulas(model.shape, setup, memory),
        speedups=_speedups(planned),
        context=context,
        hours=hours,
        cost=cost,
    )


def _speedups(planned: Planned) -> tuple[SpeedUp, ...]:
    model, setup, budget = planned.model, planned.setup, planned.budget
    card = planned.place.card.strip().lower()
    if (
        planned.told == "nothing"
        or model is None
        or setup is None
        or planned.memory is None
        or (card not in PEAKS and planned.rate is None)
    ):
        return ()
    variation = planned.lengths.variation if planned.lengths else 0.0
    work = work_of(planned.recipe, budget, (model, setup, planned.memory), variation, planned.rate)
    machine = Machine(peak=PEAKS.get(card, 312e12), within=LINKS[planned.place.link])
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
    return [say("plan.context.tables", rows=planned.budget.rows, span=epochs.message.args["span"], told=said)]


def _context(planned: Planned) -> tuple[Message, ...]:
    """Token budgets that others found enough, for the run's own to be held against."""
    found = planned.budget
    each = found.total_target_tokens / max(found.steps, 1)
    key = "steps" if planned.told == "counted" else "steps_most"
    lines = [say(f"plan.context.{key}", steps=found.steps, least=_LEAST, well=_TRAINED_WELL,
                 millions=_TRAINED_WELL * each / 1e6, have=found.total_target_tokens / 1e6)]  # fmt: skip
    lines += _tables(planned)
    if planned.memory is not None and planned.setup is not None and planned.setup.method != "full":
        bits = _BITS * planned.memory.trainable
        lines.append(say("plan.context.capacity", rank=planned.setup.rank, millions=bits * math.log(2) / 1.5 / 1e6,
                         pass_millions=found.target_tokens / 1e6))  # fmt: skip
    if planned.model is not None and planned.recipe.run.stage == "pretrain":
        wanted = 20.0 * planned.model.shape.active_parameters
        lines.append(say("plan.context.pretrain", billions=wanted / 1e9, have=found.total_tokens / 1e9))
    return tuple(lines)
