"""What a recipe will cost, before it is run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from doneness.config import Recipe
from doneness.core import Finding, Message, RecipeError, say, tr
from doneness.plan import (
    Budget,
    Duration,
    Memory,
    Proposal,
    Rate,
    Setup,
    advise,
    budget,
    estimate_memory,
)
from doneness.plan.advice import Goal
from doneness.workflows.plan_setup import Lengths, Model, Place, method_of, model_of, setup_of, targets_of
from doneness.workflows.plan_work import duration_of
from doneness.workflows.rows import encode_recipe_rows, encoding_lines, read_recipe_rows
from doneness.workflows.scratch import tokenizer_of
from doneness.workflows.stage_rows import encode_stage_rows, read_stage_rows, stage_lines


@dataclass(frozen=True)
class Planned:
    """A recipe's cost and what is unusual about it.

    Attributes:
        looks: steps at which the evaluation rows are scored, step 0 apart.
        saves: steps at which checkpoints are written, those aside that only prove to be better then.
        dropped: rows that were left out on the way to token ids.
        model, setup, memory: None where the model's sizes are not at hand.
        advice: empty there.
        rate: tokens a second of one card; None unless measured, or reckoned for a card.
        duration: of the run on all cards; None without a rate.
        lengths: of the rows.
        place: cards that were planned for.
        rate_of: "measured" here, or "reckoned" for a card.
        told: "counted" from rows, "reckoned" from their number, or "nothing" where not even that is known.
        lines: which rows were held out of the training file, where they were, and what became of them as tokens.
    """

    recipe: Recipe
    budget: Budget
    eval_rows: int
    eval_tokens: int
    looks: tuple[int, ...]
    memory: Memory | None
    advice: tuple[Finding, ...]
    rate: Rate | None
    duration: Duration | None
    lines: tuple[Message, ...] = ()
    saves: tuple[int, ...] = ()
    dropped: int = 0
    model: Model | None = None
    setup: Setup | None = None
    lengths: Lengths | None = None
    place: Place = field(default_factory=Place)
    told: str = "counted"
    rate_of: str = "measured"


@dataclass(frozen=True)
class Ask:
    """What beside the formula is asked: a measured step, a simulated one; for which cards, and to what goal."""

    measure: bool = False
    simulate: bool = False
    place: Place = field(default_factory=Place)
    goal: Goal = "chat"


def plan_recipe(recipe: Recipe, measure: bool = False, ask: Ask | None = None) -> Planned:
    """Count rows, tokens and steps exactly, estimate memory, and measure the speed where asked.

    Raises:
        DonenessError: data or model cannot be used.
    """
    from doneness.models.templates import with_template

    ask = ask or Ask(measure)
    tokenizer = tokenizer_of(recipe)
    with_template(tokenizer, recipe.model.template)
    encoded, lines, dropped = _rows(recipe, tokenizer)
    found = _budget(recipe, encoded)
    held_out = encoded.eval.rows if encoded.eval else ()
    eval_tokens = sum(len(r.ids) for r in held_out)
    model, lengths = model_of(recipe), _lengths(recipe, encoded.train.rows, found)
    return _planned(
        recipe, found, (len(held_out), eval_tokens), model, lengths, ask, encoded.train.rows, lines, dropped
    )


def _planned(  # one line a part of the plan
    recipe: Recipe, found: Budget, held_out: tuple[int, int], model: Model | None, lengths: Lengths, ask: Ask,
    rows: Sequence[Any] = (), lines: tuple[Message, ...] = (), dropped: int = 0,
) -> Planned:  # fmt: skip
    from doneness.train import evaluation_steps
    from doneness.train.spacing import checkpoint_steps

    lines = (*lines, *_shared(recipe, ask.place.spread.devices))
    looks = evaluation_steps(found.steps, recipe.evaluation.every, recipe.early_looks) if held_out[0] else ()
    setup = setup_of(recipe, model.shape, lengths, ask.place) if model else None
    memory = estimate_memory(model.shape, setup) if model and setup else None
    rate = None
    if ask.measure:
        from doneness.workflows.plan_measure import measured

        rate, memory = measured(recipe, rows, setup, memory)
    elif model and setup and ask.place.card:
        from doneness.plan.speed import reckoned_rate

        rate = reckoned_rate(model.shape, setup, ask.place.card)
    if ask.simulate and model and setup:
        memory = simulated(recipe, model, setup)
    return Planned(
        recipe=recipe,
        budget=found,
        eval_rows=held_out[0],
        eval_tokens=held_out[1],
        looks=looks,
        saves=tuple(sorted(checkpoint_steps(recipe.checkpoints, found.steps, looks))),
        memory=memory,
        advice=advise(_proposal(recipe, model, found, (held_out[0], len(looks)), ask.goal)) if model else (),
        rate=rate,
        duration=rate
        and duration_of(
            recipe, found, held_out[1] * (len(looks) + 1), (model, setup, memory), rate, ask.place, lengths
        ),
        lines=lines,
        dropped=dropped,
        model=model,
        setup=setup,
        lengths=lengths,
        place=ask.place,
        rate_of="measured" if ask.measure else "reckoned",
    )


def _shared(recipe: Recipe, cards: int) -> tuple[Message, ...]:
    """What the cards' shares of a step make of the rows of a forward pass, where these do not come out even.

    Raises:
        RecipeError: the rows of a step do not part among the cards; training would refuse it, too.
    """
    batch, micro = recipe.optimizer.batch_size, recipe.optimizer.micro_batch
    if batch % cards:
        wanted = math.ceil(batch / cards) * cards
        raise RecipeError([tr("workflows.together.batch", batch=batch, processes=cards, next=wanted)])
    share = batch // cards
    fits = math.gcd(share, micro)
    if fits == micro:
        return ()
    return (say("plan.shared_micro", cards=cards, batch=batch, share=share, asked=micro, micro=fits),)


def simulated(recipe: Recipe, model: Model, setup: Setup) -> Memory:
    """The memory of the step itself under fake tensors; what a card and other cards change is the formula's."""
    from doneness.plan.simulate import simulate
    from doneness.plan.simulated import memory_of
    from doneness.train.method import apply_method

    alone = replace(setup, spread=replace(setup.spread, kind="ddp", devices=1, offload="none"))
    found = simulate(model.config, alone, lambda made: apply_method(made, recipe.method, recipe.run.seed))
    return memory_of(found, model.shape, setup)


def _rows(recipe: Recipe, tokenizer: Any) -> tuple[Any, tuple[Message, ...], int]:
    """The encoded rows, as the trainer will have them; what is said of them; and how many were left out."""
    if recipe.run.stage in ("sft", "distill"):
        rows = read_recipe_rows(recipe)
        encoded = encode_recipe_rows(tokenizer, rows, recipe.data)
        lines = rows.lines + encoding_lines(tokenizer, rows, encoded, recipe.data)
        return encoded, lines, len(rows.train.skipped) + encoded.train.skipped
    staged = read_stage_rows(recipe)
    encoded = encode_stage_rows(tokenizer, staged, recipe)
    return (
        encoded,
        staged.lines + stage_lines(staged, encoded, recipe),
        len(staged.train.skipped) + encoded.train.skipped,
    )


def _budget(recipe: Recipe, encoded: Any) -> Budget:
    """Steps and tokens as the trainer makes them, in the order that it takes the rows."""
    from doneness.train import steps_per_epoch, total_steps
    from doneness.train.order import Order, Split

    rows, optimizer = encoded.train.rows, recipe.optimizer
    lengths = [len(r.ids) for r in rows]
    kind = "length" if recipe.data.group_by_length else "given" if recipe.run.stage == "kto" else "random"
    order = Order(lengths, Split(optimizer.batch_size, optimizer.micro_batch), recipe.run.seed, kind)
    packed = recipe.data.packing and recipe.run.stage in ("sft", "pretrain") and optimizer.micro_batch > 1
    found = budget(
        lengths,
        [r.targets for r in rows],
        optimizer.batch_size,
        optimizer.micro_batch,
        max_steps=total_steps(recipe, len(rows)),
        steps_per_epoch=steps_per_epoch(recipe, len(rows)),
        # Reinforcement draws its questions itself, and answers have no length yet.
        order=None if recipe.run.stage == "grpo" else order.rows,
        packed=packed,
    )
    return replace(found, truncated=encoded.train.truncated)


def _lengths(recipe: Recipe, rows: Sequence[Any], found: Budget) -> Lengths:
    """Of the tokens that the model sees in one line; halves of a pair stand apart."""
    sizes = [max(len(r.chosen.ids), len(r.rejected.ids)) if hasattr(r, "chosen") else len(r.ids) for r in rows]
    ordered = np.sort(np.asarray(sizes, dtype=np.int64))
    top = ordered[-max(1, recipe.optimizer.micro_batch) :]
    share = found.target_tokens / max(found.tokens, 1)
    most = int(np.percentile(ordered, 95, method="higher"))
    apart = float(ordered.std() / max(ordered.mean(), 1.0) / math.sqrt(max(recipe.optimizer.micro_batch, 1)))
    return Lengths(int(ordered[-1]), math.ceil(float(top.mean())), most, share, apart)


def _proposal(recipe: Recipe, model: Model, found: Budget, seen: tuple[int, int], goal: Goal) -> Proposal:
    """`seen`: evaluation rows, and how often they are looked at."""
    eval_rows, looks = seen
    return Proposal(
        shape=model.shape,
        budget=found,
        learning_rate=recipe.optimizer.learning_rate,
        method=method_of(recipe),
        stage=recipe.run.stage,
        rank=recipe.method.rank,
        rslora=recipe.method.rslora,
        alpha=float(recipe.method.alpha),
        targets=targets_of(recipe),
        warmup_steps=warmup_of(recipe, found),
        eval_rows=eval_rows,
        goal="pretraining" if recipe.run.stage == "pretrain" else goal,
        schedule=recipe.schedule.kind,
        stops=recipe.stopping.enabled and recipe.stopping.on_stop == "stop",
        evaluations=looks if eval_rows else None,
        patience=recipe.stopping.patience,
    )


def warmup_of(recipe: Recipe, found: Budget) -> int:
    """Warm-up steps."""
    return recipe.schedule.warmup_steps or math.ceil(recipe.schedule.warmup_share * found.steps)
