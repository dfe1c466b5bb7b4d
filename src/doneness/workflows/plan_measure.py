"""A few real steps before the run: how fast this machine is, and what its memory really holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from doneness.config import Recipe
from doneness.core import DonenessError, tr
from doneness.plan import Memory, Rate, Setup
from doneness.plan.measure import measure_rate
from doneness.plan.memory import with_device
from doneness.workflows.base import load_base

_STAGES = ("sft", "pretrain", "distill")


def measured(
    recipe: Recipe, rows: Sequence[Any], setup: Setup | None, memory: Memory | None
) -> tuple[Rate | None, Memory | None]:
    """Tokens a second, and the estimate with what was measured in its place.

    Three micro-batches as they come are timed, the longest rows are weighed. Where there are not two micro-batches,
    nothing is measured.

    Raises:
        DonenessError: the stage's step is not made of its rows alone.
    """
    if recipe.run.stage not in _STAGES:
        raise DonenessError(tr("workflows.plan_measure", stage=recipe.run.stage, known=", ".join(_STAGES)))
    from doneness.train.method import apply_method

    size = recipe.optimizer.micro_batch
    groups = [rows[i : i + size] for i in range(0, min(len(rows), 4 * size), size)]
    groups = [g for g in groups if len(g) == size]
    if len(groups) < 2:
        return None, memory
    model = apply_method(load_base(recipe).model, recipe.method, recipe.run.seed)
    if recipe.optimizer.gradient_checkpointing:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    model.train()
    rate = measure_rate(model, [[r.ids for r in g] for g in groups], [[r.labels for r in g] for g in groups])
    if setup is None or memory is None:
        return rate, memory
    return rate, _weighed(model, sorted(rows, key=lambda r: len(r.ids))[-size:], setup, memory)


def _weighed(model: Any, longest: Sequence[Any], setup: Setup, memory: Memory) -> Memory:
    """The memory with activations, logits and fragmentation as one real step had them."""
    from doneness.plan.measure import measure_step

    held, peak, reserved = measure_step(model, [r.ids for r in longest], [r.labels for r in longest])
    items = {k: v for k, v in memory.items.items() if k not in ("context", "fragmentation", "workspace", "logits")}
    items["activations"] = float(peak - held)
    items["weights"] = float(held) - items.get("adapters", 0.0) - items.get("master", 0.0)
    if not setup.accumulates:
        items["gradients"] = 0.0  # they came within the step that was weighed
    found = with_device(items, setup, memory.trainable, memory.host, "measured")
    if not reserved:
        return found
    lost = max(0.0, float(reserved - peak))
    fixed = {**found.items, "fragmentation": lost}
    total = sum(fixed.values())
    return replace(found, items=fixed, total=total, low=total - lost, high=1.05 * total)
