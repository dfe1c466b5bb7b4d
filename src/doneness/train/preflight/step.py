"""One micro-batch of the longest rows, there and back, by the trainer that the run will have."""

from __future__ import annotations

import functools
import math
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from doneness.config import Recipe
from doneness.models import LoadedModel, pick_device
from doneness.train.arguments import common_arguments
from doneness.train.precision import unrounded
from doneness.train.preflight.found import Found, named
from doneness.train.preflight.gradients import look_at_gradients
from doneness.train.preflight.memory import Peak, peak_of
from doneness.train.preflight.taught import look_at_the_teacher
from doneness.train.stages import stage_of

_SECONDS = 5.0  # on a CPU a step with all the longest rows may take minutes: then with as many as fit in here
_BOTH_WAYS = 3.0  # a step's time in forward passes
_EVEN = 0.1  # nats by which the first loss of a preference may differ from what it has to be
_FULL = 0.95  # of a memory that is used to this share little is left for what differs from step to step


def look_at_a_step(recipe: Recipe, rows: Any, loaded: LoadedModel, pace: float, found: Found) -> None:
    """Forward and backward with the longest rows: the loss, the gradients, the memory.

    Args:
        recipe: of the run.
        rows: `TrainingRows`, laid out.
        loaded: with the method applied.
        pace: seconds a token in a forward pass.
        found: what is found is added to it.
    """
    import torch

    longest = _longest(recipe, rows.train.rows, pace)
    device = torch.device(pick_device(recipe.model.device))
    few = replace(rows, train=replace(rows.train, rows=longest), eval=None)
    # Of a student that answers itself the rows' own answers are tried: they are as long, and there already.
    recipe = replace(recipe, distill=replace(recipe.distill, on_policy=0.0))
    try:
        with peak_of(device) as peak:
            stage = stage_of(recipe, few, loaded.tokenizer.pad_token_id)
            items = stage.dataset()
            with trial(recipe, stage, loaded, items) as trainer:
                inputs = trainer._prepare_inputs(stage.collator()(items))
                loss = there_and_back(trainer, inputs, recipe.optimizer.gradient_checkpointing)
            dropping = any(type(m).__name__.startswith("Dropout") and m.p > 0 for m in loaded.model.modules())
    except torch.OutOfMemoryError:
        tokens = sum(len(row.ids) for row in longest)
        found.fault("out_of_memory", rows=len(longest), tokens=tokens, micro=recipe.optimizer.micro_batch)
        return
    _judge(recipe, loss, dropping, [row.id for row in longest], found)
    if math.isfinite(loss) and not look_at_the_teacher(recipe, loaded.model, stage, longest[0], found):
        look_at_gradients(recipe, loaded.model, found)
    _memory(recipe, loaded.model, peak, longest, found)


def _longest(recipe: Recipe, rows: Sequence[Any], pace: float) -> tuple[Any, ...]:
    """As many of the longest rows as a micro-batch has; fewer on a CPU, where they would take long."""
    order = sorted(rows, key=lambda row: len(row.ids), reverse=True)[: recipe.optimizer.micro_batch]
    fewest = 2 if recipe.run.stage == "kto" else 1  # how far the policy has moved is told by another row's answer
    if pick_device(recipe.model.device) == "cpu":
        while len(order) > fewest and _BOTH_WAYS * pace * sum(len(row.ids) for row in order) > _SECONDS:
            order = order[: max(fewest, len(order) // 2)]
    return tuple(order)


@contextmanager
def trial(recipe: Recipe, stage: Any, loaded: LoadedModel, items: Sequence[Any], **more: Any) -> Iterator[Any]:
    """TRL's trainer of the stage over these rows, which it takes as one micro-batch.

    Args:
        recipe: of the run.
        stage: with these rows.
        loaded: with the method applied.
        items: the rows as the stage gives them.
        more: in place of what the stage gives its trainer.
    """
    from datasets import Dataset

    alone = replace(recipe, report=replace(recipe.report, trackers=()))
    with tempfile.TemporaryDirectory() as place:
        common = common_arguments(alone, Path(place), 1, pick_device(recipe.model.device))
        common["per_device_train_batch_size"] = len(items)
        with unrounded(loaded.model):
            trainer = _encoded(stage.trainer())(
                model=loaded.model,
                args=stage.arguments(common),
                train_dataset=Dataset.from_list(list(items)),
                data_collator=stage.collator(),
                processing_class=loaded.tokenizer,
                **{**stage.more(loaded.model), **more},
            )
            stage.built(trainer)
        trainer.current_gradient_accumulation_steps = 1  # the Trainer says so once its loop runs
        yield trainer


class _Encoded:
    """Put before a Trainer's class: rows come as token ids, and TRL has nothing left to do to them."""

    def _prepare_dataset(self, dataset: Any, *args: Any, **kwargs: Any) -> Any:
        return dataset


@functools.cache
def _encoded(trainer: type) -> type:
    return type(f"Trial{trainer.__name__}", (_Encoded, trainer), {})


def there_and_back(trainer: Any, inputs: Any, checkpointing: bool) -> float:
    """The loss of the inputs, and gradients in the model."""
    import torch

    arguments, model = trainer.args, trainer.model
    if checkpointing:
        how = arguments.gradient_checkpointing_kwargs or {"use_reentrant": False}
        # transformers 5.23 renamed it.
        new = getattr(model, "activation_checkpointing_enable", None)
        new(activation_checkpointing_kwargs=how) if new else model.gradient_checkpointing_enable(how)
    model.train()
    half = torch.bfloat16 if arguments.bf16 else torch.float16 if arguments.fp16 else None
    device = next(model.parameters()).device.type
    with torch.autocast(device, half) if half else nullcontext():
        loss = trainer.compute_loss(model, inputs)
    loss.backward()
    return float(loss.detach())


def _judge(recipe: Recipe, loss: float, dropping: bool, names: list[str], found: Found) -> None:
    if not math.isfinite(loss):
        found.fault("step_not_finite", loss=loss, names=named(names))
        return
    expected = _expected(recipe)
    if expected is None:
        return
    found.measure("even", loss=loss, expected=expected)
    if abs(loss - expected) > _EVEN:
        # Dropout of the model itself tells the policy from its reference.
        (found.doubt if dropping else found.fault)("not_even", stage=recipe.run.stage, loss=loss, expected=expected)


def _expected(recipe: Recipe) -> float | None:
    """The loss of a preference before the first step, where the policy is its own reference."""
    asked = recipe.preference
    if recipe.run.stage != "dpo" or asked.sft_weight:
        return None
    known = {"sigmoid": math.log(2.0), "robust": math.log(2.0), "hinge": 1.0, "ipo": 0.25 / asked.beta**2}
    return known.get(asked.loss)


def _memory(recipe: Recipe, model: Any, peak: Peak, longest: Sequence[Any], found: Found) -> None:
    if peak.used is None:
        return
    states = optimizer_bytes(recipe, model)
    tokens, whole = sum(len(row.ids) for row in longest), len(longest) >= recipe.optimizer.micro_batch
    numbers = {"peak": (peak.used + states) / 1e9, "rows": len(longest), "tokens": tokens}
    found.measure("memory" if whole else "memory_part", **numbers, micro=recipe.optimizer.micro_batch)
    if peak.there and peak.used + states > _FULL * peak.there:
        key = "memory_full" if peak.used + states > peak.there else "memory_tight"
        (found.fault if key == "memory_full" else found.doubt)(key, **numbers, there=peak.there / 1e9)


def optimizer_bytes(recipe: Recipe, model: Any) -> int:
    """Bytes of the optimizer's state, which is not there before the first step."""
    name = recipe.optimizer.name
    trained = [p for p in model.parameters() if p.requires_grad]
    if name.endswith("8bit"):
        return sum(2 * p.numel() for p in trained)
    moments = 2 if name == "adamw_torch" else 0
    return sum(p.numel() * p.element_size() * moments for p in trained)
