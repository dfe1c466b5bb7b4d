"""What a recipe will cost, before it is run."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Literal

from doneness.config import Recipe, bits_of
from doneness.core import DonenessError, Finding, Message, tr
from doneness.plan import (
    Budget,
    Duration,
    Memory,
    ModelShape,
    Proposal,
    Rate,
    Setup,
    advise,
    budget,
    estimate_memory,
    estimate_time,
)
from doneness.plan.measure import measure_rate
from doneness.workflows.base import load_base
from doneness.workflows.rows import encode_recipe_rows, encoding_lines, read_recipe_rows
from doneness.workflows.scratch import tokenizer_of


@dataclass(frozen=True)
class Planned:
    """A recipe's cost and what is unusual about it.

    Attributes:
        looks: steps at which the evaluation rows are scored, step 0 apart.
        memory, advice: None and empty where the model's config.json is not at hand.
        rate, duration: None unless a few steps were measured.
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


def plan_recipe(recipe: Recipe, measure: bool = False) -> Planned:
    """Count rows, tokens and steps exactly, estimate memory, and measure the speed where asked.

    Raises:
        DonenessError: data or model cannot be used.
    """
    from doneness.models import read_config
    from doneness.models.templates import with_template
    from doneness.train import evaluation_steps, total_steps

    if recipe.run.stage != "sft":
        # Pairs go through the model two at a time, references beside them: what is reckoned here is of other rows.
        raise DonenessError(tr("workflows.plan_stage", stage=recipe.run.stage))
    rows = read_recipe_rows(recipe)
    tokenizer = tokenizer_of(recipe)
    with_template(tokenizer, recipe.model.template)
    encoded = encode_recipe_rows(tokenizer, rows, recipe.data)
    train, held_out = encoded.train.rows, encoded.eval.rows if encoded.eval else ()
    steps = total_steps(recipe, len(train))
    found = budget(
        [len(r.ids) for r in train],
        [r.targets for r in train],
        recipe.optimizer.batch_size,
        recipe.optimizer.micro_batch,
        max_steps=steps,
    )
    found = replace(found, truncated=encoded.train.truncated)
    looks = evaluation_steps(steps, recipe.evaluation.every, recipe.evaluation.early) if held_out else ()
    eval_tokens = sum(len(r.ids) for r in held_out)
    config = read_config(recipe.model.path) if recipe.model.path else None
    shape = ModelShape.from_config(config) if config else None
    rate = _measured(recipe, train) if measure else None
    return Planned(
        recipe=recipe,
        budget=found,
        eval_rows=len(held_out),
        eval_tokens=eval_tokens,
        looks=looks,
        memory=estimate_memory(shape, _setup(recipe, shape, found.longest)) if shape else None,
        advice=advise(_proposal(recipe, shape, found, len(held_out))) if shape else (),
        rate=rate,
        duration=_duration(found, eval_tokens, len(looks), rate),
        lines=rows.lines + encoding_lines(tokenizer, rows, encoded, recipe.data),
    )


def _duration(found: Budget, eval_tokens: int, looks: int, rate: Rate | None) -> Duration | None:
    if rate is None:
        return None
    padded = found.total_tokens / (1 - found.padding_share)
    return estimate_time(found.steps, padded, eval_tokens * (looks + 1), rate)


def _setup(recipe: Recipe, shape: ModelShape, longest: int) -> Setup:
    from doneness.models import pick_device, pick_dtype

    device = pick_device(recipe.model.device)
    dtype = pick_dtype(recipe.model.dtype, device)
    short: dict[str, Literal["fp32", "amp", "bf16", "fp16"]] = {
        "float32": "fp32",
        "bfloat16": "bf16",
        "float16": "fp16",
    }
    optimizer = {"adamw_torch": "adamw"}.get(recipe.optimizer.name, recipe.optimizer.name)
    return Setup(
        method=_method(recipe),
        micro_batch=max(recipe.optimizer.micro_batch, 1),
        seq=longest,
        rank=recipe.method.rank,
        targets=_targets(recipe),
        dtype=short[dtype],
        checkpointing=recipe.optimizer.gradient_checkpointing,
        optimizer=optimizer,
        device="cuda" if device.startswith("cuda") else "cpu",
        double_quant=recipe.method.double_quant,
        bits=bits_of(recipe.method) or 4,
        layers=abs(recipe.method.layers),
        whole=_whole(recipe, shape),
    )


def _method(recipe: Recipe) -> Literal["full", "lora", "qlora"]:
    if recipe.method.kind == "full":
        return "full"
    return "qlora" if bits_of(recipe.method) else "lora"


def _whole(recipe: Recipe, shape: ModelShape) -> int:
    """Parameters of the embedding and the output layer, where the recipe trains them beside something else."""
    method = recipe.method
    if method.kind == "full" and not method.layers:
        return 0
    ends = {name.rpartition(".")[2] for name in method.save_modules} & {"embed_tokens", "lm_head", "wte"}
    return shape.vocab * shape.hidden * min(len(ends), 1 if shape.tied else 2)


def _proposal(recipe: Recipe, shape: ModelShape, found: Budget, eval_rows: int) -> Proposal:
    return Proposal(
        shape=shape,
        budget=found,
        learning_rate=recipe.optimizer.learning_rate,
        method=_method(recipe),
        rank=recipe.method.rank,
        rslora=recipe.method.rslora,
        alpha=float(recipe.method.alpha),
        targets=_targets(recipe),
        warmup_steps=recipe.schedule.warmup_steps or math.ceil(recipe.schedule.warmup_share * found.steps),
        eval_rows=eval_rows,
        schedule=recipe.schedule.kind,
        stops=recipe.stopping.enabled and recipe.stopping.on_stop == "stop",
    )


def _targets(recipe: Recipe) -> tuple[str, ...]:
    return tuple(name.strip() for name in recipe.method.targets.split(","))


def _measured(recipe: Recipe, train: tuple[Any, ...]) -> Rate | None:
    """The speed of four micro-batches, the first to warm up; None where there are not two."""
    from doneness.train.method import apply_method

    size = recipe.optimizer.micro_batch
    groups = [train[i : i + size] for i in range(0, min(len(train), 4 * size), size)]
    groups = [g for g in groups if len(g) == size]
    if len(groups) < 2:
        return None
    model = apply_method(load_base(recipe).model, recipe.method, recipe.run.seed)
    model.train()
    return measure_rate(model, [[r.ids for r in g] for g in groups], [[r.labels for r in g] for g in groups])
