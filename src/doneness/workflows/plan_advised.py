"""The recipe that a plan advises: the user's own, with what was warned of set right, and what is left to fill in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from doneness.config import Recipe
from doneness.core import Finding, Message, Status, say
from doneness.plan.hub import hub_name
from doneness.workflows.plan import Planned
from doneness.workflows.plan_more import More

# Advice that no single value follows: what it costs is for people to weigh.
_LEFT = ("PL02", "PL03", "PL04", "PL08")


def advised(planned: Planned) -> Recipe:
    """The planned recipe with the advised settings where they were warned of, and the hub's name of the model."""
    recipe = _named(planned)
    if planned.setup is not None:
        # Of a step that several cards share each may hold fewer rows than were asked for.
        recipe = replace(recipe, optimizer=replace(recipe.optimizer, micro_batch=planned.setup.micro_batch))
    for finding in planned.advice:
        if finding.status is not Status.PASS and finding.advice is not None:
            recipe = _mended(recipe, finding, finding.advice.args)
    return recipe


def _mended(recipe: Recipe, finding: Finding, numbers: Mapping[str, Any]) -> Recipe:
    match finding.code:
        case "PL01":
            rate = float(f"{numbers['to_set']:.2g}")
            return replace(recipe, optimizer=replace(recipe.optimizer, learning_rate=rate))
        case "PL05":
            micro = recipe.optimizer.micro_batch
            batch = int(numbers["most"]) // micro * micro or micro
            return replace(recipe, optimizer=replace(recipe.optimizer, batch_size=batch))
        case "PL06":
            schedule = replace(recipe.schedule, warmup_steps=int(numbers["wanted"]), warmup_share=0.0)
            return replace(recipe, schedule=schedule)
        case "PL07":
            return replace(recipe, schedule=replace(recipe.schedule, kind="wsd"))
        case "PL09" if finding.message.key.endswith("hasty"):
            # Looks are often enough: it is the patience that is short; 0 asks the evidence.
            return replace(recipe, stopping=replace(recipe.stopping, patience=0))
        case "PL09":
            every, stopping = int(numbers["every"]), recipe.stopping
            if stopping.patience * every < numbers["reach"]:
                stopping = replace(stopping, patience=0)  # too short for these looks, too
            return replace(recipe, evaluation=replace(recipe.evaluation, every=every), stopping=stopping)
    return recipe


def _named(planned: Planned) -> Recipe:
    recipe, model = planned.recipe, planned.model
    name = hub_name(recipe.model.path, model.name) if model is not None and model.shipped else ""
    return replace(recipe, model=replace(recipe.model, path=name)) if name else recipe


def to_fill_in(planned: Planned, more: More, flags: bool) -> tuple[Message, ...]:
    """What the one who asked has to set or to know before the written recipe is trained.

    Args:
        planned: the plan.
        more: what follows from it.
        flags: whether flags stood for a recipe, so that its data is made up.
    """
    lines: list[Message] = []
    asked, model, recipe = planned.recipe.model.path, planned.model, planned.recipe
    if model is not None and model.shipped:
        name = hub_name(asked, model.name)
        if not name:
            lines.append(say("plan.written.set_model", asked=asked))
        elif name != asked:
            lines.append(say("plan.written.model", asked=asked, name=name))
    if flags:
        lines.append(say("plan.written.data", data=recipe.data.train, folder=recipe.run.folder))
        held = recipe.data.hold_out_rows
        lines.append(say("plan.written.held", held=held) if held else say("plan.written.no_eval"))
    left = [f.code for f in planned.advice if f.code in _LEFT and f.status is not Status.PASS]
    if left:
        lines.append(say("plan.written.left", codes=", ".join(left)))
    if more.fit is False and planned.memory is not None:
        lines.append(say("plan.written.unfit", card=planned.place.card, high=planned.memory.high / 1e9))
    return tuple(lines)
