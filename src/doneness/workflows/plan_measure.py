"""A few real steps before the run: how fast this machine is, and what its memory really holds."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from doneness.config import Recipe
from doneness.core import DonenessError, tr
from doneness.plan import Memory, Rate, Setup
from doneness.plan.measure import Weighed, measure_rate, measure_step
from doneness.plan.memory import with_device
from doneness.workflows.base import load_base

_STAGES = ("sft", "pretrain", "distill")
_GROUPS = 4  # micro-batches, the first of which warms up


def measured(
    recipe: Recipe, rows: Sequence[Any], setup: Setup | None, memory: Memory | None
) -> tuple[Rate | None, Memory | None]:
    """Tokens a second, and the estimate with what was measured in its place.

    Micro-batches of rows drawn by the run's seed are timed, the longest rows are weighed. Where there are not two
    micro-batches, nothing is measured. What moves is a copy of the model that is dropped again.

    Raises:
        DonenessError: the stage's step is not made of its rows alone.
    """
    if recipe.run.stage not in _STAGES:
        raise DonenessError(tr("workflows.plan_measure", stage=recipe.run.stage, known=", ".join(_STAGES)))
    size = recipe.optimizer.micro_batch
    drawn = random.Random(recipe.run.seed).sample(list(rows), min(len(rows), _GROUPS * size))
    groups = [drawn[i : i + size] for i in range(0, len(drawn) - size + 1, size)]
    if len(groups) < 2:
        return None, memory
    longest = sorted(rows, key=lambda row: len(row.ids))[-size:]
    with beginning(recipe, [*drawn, *longest]) as trainer:
        rate = measure_rate(trainer, groups, max(1, recipe.optimizer.batch_size // size))
        if setup is None or memory is None:
            return rate, memory
        found = measure_step(trainer, longest, trainer.device, setup.accumulates)
    return rate, weighed(found, setup, memory)


class Beginning:
    """The run's own trainer before its first step: `plan.measure.Trainer`.

    Args:
        trainer: as the stage makes it.
        stage: whose collator makes micro-batches.
        items: the rows as the stage gives them, by the rows' identity.
        checkpointing: gradient checkpointing.
    """

    def __init__(self, trainer: Any, stage: Any, items: dict[int, dict[str, Any]], checkpointing: bool) -> None:
        self._trainer, self._collate, self._items = trainer, stage.collator(), items
        self._checkpointing = checkpointing
        self.device = next(trainer.model.parameters()).device
        trainer.create_optimizer()

    def micro_batch(self, rows: Sequence[Any]) -> int:
        """Forward and backward."""
        from doneness.train.preflight.step import there_and_back

        inputs = self._trainer._prepare_inputs(self._collate([self._items[id(row)] for row in rows]))
        there_and_back(self._trainer, inputs, self._checkpointing)  # its loss is read off, so the device has caught up
        return int(inputs["input_ids"].numel())

    def update(self) -> None:
        """The optimizer's step; on a GPU it is waited for."""
        self._trainer.optimizer.step()
        self._trainer.optimizer.zero_grad(set_to_none=True)
        if self.device.type == "cuda":
            import torch

            torch.cuda.synchronize(self.device)

    def tensors(self) -> dict[str, list[Any]]:
        """Weights, adapters, gradients, the optimizer's states, and other models that the trainer asks."""
        import torch

        model = self._trainer.model
        full = all(parameter.requires_grad for parameter in model.parameters())
        found: dict[str, list[Any]] = {"weights": [*model.buffers()], "adapters": [], "gradients": []}
        for name, parameter in model.named_parameters():
            adapter = parameter.requires_grad and not full and "lora_" in name
            found["adapters" if adapter else "weights"].append(parameter)
            found["weights"] += _scales(parameter)
            if parameter.grad is not None:
                found["gradients"].append(parameter.grad)
        states = self._trainer.optimizer.state.values()
        found["optimizer"] = [each for state in states for each in state.values() if isinstance(each, torch.Tensor)]
        others = [each for each in vars(self._trainer).values() if isinstance(each, torch.nn.Module)]
        known = {id(each) for each in model.modules()}
        found["teacher"] = [t for m in others if id(m) not in known for t in (*m.parameters(), *m.buffers())]
        return found


@contextmanager
def beginning(recipe: Recipe, rows: Sequence[Any]) -> Iterator[Beginning]:
    """The trainer that the run will have: its model and method, rows laid out as there, its loss and optimizer."""
    from doneness.models import EncodedRows
    from doneness.train.loop import TrainingRows
    from doneness.train.method import apply_method
    from doneness.train.packing import lies_end_to_end
    from doneness.train.preflight.step import trial
    from doneness.train.stages import stage_of

    # Of a student that answers itself the rows' own answers are taken: they are as long, and there already.
    recipe = replace(recipe, distill=replace(recipe.distill, on_policy=0.0))
    loaded = load_base(recipe)
    loaded = replace(loaded, model=apply_method(loaded.model, recipe.method, recipe.run.seed))
    unique = list({id(row): row for row in rows}.values())
    packed = lies_end_to_end(recipe, loaded.model, unique)
    stage = stage_of(recipe, TrainingRows(EncodedRows(tuple(unique), 0, 0), None, packed=packed),
                     loaded.tokenizer.pad_token_id)  # fmt: skip
    items = stage.dataset()
    with trial(recipe, stage, loaded, items) as trainer:
        by_row = {id(row): item for row, item in zip(unique, items, strict=True)}
        yield Beginning(trainer, stage, by_row, recipe.optimizer.gradient_checkpointing)


def weighed(found: Weighed, setup: Setup, memory: Memory) -> Memory:
    """The memory with everything as one real step had it; what a driver takes for itself stays reckoned."""
    held = {name: float(size) for name, size in found.held.items()}
    items = {**held, "activations": float(found.peak) - sum(held.values())}
    made = with_device(items, setup, memory.trainable, memory.host, "measured")
    if not found.reserved:
        return made
    lost = max(0.0, float(found.reserved - found.peak))
    fixed = {**made.items, "fragmentation": lost}
    total = sum(fixed.values())
    return replace(made, items=fixed, total=total, low=total - lost, high=1.05 * total)


def _scales(parameter: Any) -> list[Any]:
    """What weights of few bits keep beside themselves."""
    state = getattr(parameter, "quant_state", None)
    if state is None:
        return []
    nested = state.state2
    found = [state.absmax, state.code, *((nested.absmax, nested.code, state.offset) if nested else ())]
    return [each for each in found if each is not None]
