"""What a card does in one step of a plan, and how long the run is on all cards together."""

from __future__ import annotations

from doneness.config import Recipe
from doneness.plan import Budget, Duration, Memory, Rate, Setup, estimate_time
from doneness.plan.scaling import LINKS, Machine, Work, speed_up
from doneness.plan.speed import peak_of
from doneness.workflows.plan_setup import Lengths, Model, Place


def work_of(
    recipe: Recipe, found: Budget, parts: tuple[Model, Setup, Memory], variation: float, rate: Rate | None
) -> Work:
    """One step of the whole batch on one card.

    Args:
        recipe: of the run.
        found: its tokens and steps.
        parts: model, setup and memory of the plan.
        variation: of a micro-batch's tokens, as in `Lengths`.
        rate: tokens a second of one card; None reckons from its arithmetic.
    """
    model, setup, memory = parts
    optimizer = recipe.optimizer
    tokens = found.tokens / found.rows * optimizer.batch_size / (1 - found.padding_share)
    return Work(
        active=float(model.shape.active_parameters), trained=float(memory.trainable),
        held=float(model.shape.parameters), tokens=tokens, method=setup.method, checkpointing=setup.checkpointing,
        parts=setup.spread.kind in ("fsdp", "zero3"),
        micro_batches=max(1, optimizer.batch_size // max(1, optimizer.micro_batch)),
        variation=variation, seconds=tokens / rate.mid if rate else 0.0,
    )  # fmt: skip


def duration_of(
    recipe: Recipe, found: Budget, scored: float, parts: tuple[Model | None, Setup | None, Memory | None],
    rate: Rate, place: Place, lengths: Lengths,
) -> Duration:  # fmt: skip
    """Seconds of the run on the cards of a place, each with its share of every step; one card loses nothing.

    Args:
        recipe: of the run.
        found: its tokens and steps.
        scored: tokens of all evaluations together.
        parts: model, setup and memory of the plan.
        rate: tokens a second of one card.
        place: the cards.
        lengths: of the rows.
    """
    whole = estimate_time(found.steps, found.total_tokens / (1 - found.padding_share), scored, rate)
    devices, (model, setup, memory) = place.spread.devices, parts
    if devices == 1:
        return whole
    speed = float(devices)
    if model is not None and setup is not None and memory is not None:
        alone = work_of(recipe, found, (model, setup, memory), lengths.variation, rate)
        share = _share(alone, devices)
        machine = Machine(peak=peak_of(place.card) or 312e12, within=LINKS[place.link])
        speed = speed_up(share, machine, devices).speed
    return Duration(*(part / speed for part in whole))


def _share(work: Work, devices: int) -> Work:
    """A card's share of a step that all of them make together."""
    return work._replace(
        tokens=work.tokens / devices, seconds=work.seconds / devices,
        micro_batches=max(1, work.micro_batches // devices),
    )  # fmt: skip
