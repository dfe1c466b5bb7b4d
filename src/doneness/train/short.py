"""A few optimizer steps on fixed rows, after which the model is as it was: what one thing changed would bring."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from doneness.config import OptimizerSection
from doneness.models import Encoded, example_losses
from doneness.sanity import Trial

_JUDGED = 64  # rows that a trial is judged by, the same before and after


@dataclass(frozen=True)
class Short:
    """What short trainings share.

    Attributes:
        optimizer: of the recipe, its rate and batch among them.
        seed: of the order of rows.
        pad: id of the padding token.
    """

    optimizer: OptimizerSection
    seed: int
    pad: int


@contextmanager
def restored(model: Any) -> Iterator[None]:
    """Put every trained weight, and what is trained, back as it was; the copies lie beside the weights."""
    import torch

    moves = {name: p.requires_grad for name, p in model.named_parameters()}
    before = {name: p.detach().clone() for name, p in model.named_parameters() if p.requires_grad}
    mode = model.training
    try:
        yield
    finally:
        with torch.no_grad():
            for name, p in model.named_parameters():
                if name in before:
                    p.copy_(before[name])
                p.requires_grad_(moves[name])
                p.grad = None
        model.train(mode)


def trial(short: Short, model: Any, rows: Sequence[Encoded], steps: int, what: str, size: float) -> Trial:
    """Train `steps` steps; the loss of the same rows before and after, at a constant rate.

    Args:
        short: how.
        model: left as it is afterwards, see `restored`.
        rows: to train on; the first of them are judged.
        steps: optimizer steps.
        what: the kind of trial, see `sanity.Trial`.
        size: its size; of "rate" the factor on the learning rate.
    """
    judged = rows[:_JUDGED]
    before = example_losses(model, judged, 0).mean
    train_steps(short, model, rows, steps, size if what == "rate" else 1.0)
    after = example_losses(model, judged, steps).mean
    return Trial(what, size, steps, before, after)


def train_steps(
    short: Short,
    model: Any,
    rows: Sequence[Encoded],
    steps: int,
    factor: float = 1.0,
    seen: Callable[[Any], None] = lambda model: None,
) -> None:
    """Train `steps` steps in place; ends early where the loss is no number or has no gradient.

    Args:
        short: how.
        model: whose trained weights move.
        rows: taken in a shuffled order, again and again.
        steps: optimizer steps.
        factor: on the learning rate.
        seen: shown the model with the gradients of each step.
    """
    import torch

    moving = [p for p in model.parameters() if p.requires_grad]
    if not moving:
        return
    if short.optimizer.gradient_checkpointing and hasattr(model, "gradient_checkpointing_enable"):
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    optimizer = _optimizer(short.optimizer, moving, factor)
    order = itertools.cycle(np.random.default_rng(short.seed).permutation(len(rows)).tolist())
    size, micro = min(short.optimizer.batch_size, len(rows)), short.optimizer.micro_batch
    model.train()
    for _ in range(steps):
        batch = [rows[next(order)] for _ in range(size)]
        targets = sum(row.targets for row in batch)
        optimizer.zero_grad(set_to_none=True)
        for begin in range(0, size, micro):
            loss = _loss(model, batch[begin : begin + micro], short.pad) / targets
            if not loss.requires_grad or not torch.isfinite(loss):
                return
            loss.backward()
        if short.optimizer.max_grad_norm:
            torch.nn.utils.clip_grad_norm_(moving, short.optimizer.max_grad_norm)
        seen(model)
        optimizer.step()


def _loss(model: Any, rows: Sequence[Encoded], pad: int) -> Any:
    """The summed loss of a micro-batch, padded on the right."""
    import torch
    from torch.nn.functional import cross_entropy

    device = next(model.parameters()).device
    width = max(len(row.ids) for row in rows)
    ids = torch.full((len(rows), width), pad, dtype=torch.long)
    labels = torch.full((len(rows), width), -100, dtype=torch.long)
    mask = torch.zeros((len(rows), width), dtype=torch.long)
    for i, row in enumerate(rows):
        ids[i, : len(row.ids)] = torch.tensor(row.ids)
        labels[i, : len(row.ids)] = torch.tensor(row.labels)
        mask[i, : len(row.ids)] = 1
    logits = model(input_ids=ids.to(device), attention_mask=mask.to(device), use_cache=False).logits
    wanted = labels[:, 1:].to(device)
    kept = wanted != -100
    return cross_entropy(logits[:, :-1][kept].float(), wanted[kept], reduction="sum")


def _optimizer(section: OptimizerSection, parameters: list[Any], factor: float) -> Any:
    import torch
    from transformers.optimization import Adafactor

    rate = section.learning_rate * factor
    if section.name == "sgd":
        return torch.optim.SGD(parameters, lr=rate, weight_decay=section.weight_decay)
    if section.name == "adafactor":
        return Adafactor(parameters, lr=rate, scale_parameter=False, relative_step=False)
    betas = (section.beta1, section.beta2)
    return torch.optim.AdamW(parameters, lr=rate, betas=betas, eps=section.epsilon, weight_decay=section.weight_decay)
