"""The loss before the first step, against chance and against the base model."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any

from doneness.config import Recipe
from doneness.models import Encoded, example_losses
from doneness.train.preflight.found import Found, answers_of

_TOKENS, _ROWS, _ENOUGH = 400, 16, 64  # tokens and rows scored at most; target tokens that a fault takes
_SECONDS = 3.0  # that scoring a sample may take; on a slow machine it is smaller
_ABOVE = 0.5  # nats over chance that no model has which reads its own tokens
_DORA = 0.01  # nats: dora scales by a quotient that is one to rounding
_WORSE = 0.05  # nats by which an adapter that is gone on with may fit the rows worse than its base model


def look_at_losses(recipe: Recipe, model: Any, rows: Sequence[Any], found: Found) -> float:
    """Score a sample as the model stands, and as its base model does.

    Returns:
        Seconds a token in a forward pass; 0 where no row has an answer.
    """
    known = [part for row in _spread(rows) for part in answers_of(row) if part.targets]
    if not known:
        return 0.0
    shortest = min(known, key=lambda part: len(part.ids))
    if recipe.run.stage == "reward":
        return _pace(model, shortest)  # it scores rows and predicts no token
    begun = time.perf_counter()
    alone = _loss(model, [shortest])
    pace = (time.perf_counter() - begun) / len(shortest.ids)
    picked = _sample(known, shortest, pace)
    loss = _loss(model, picked) if len(picked) > 1 else alone
    chance, targets = math.log(int(model.get_input_embeddings().weight.shape[0])), sum(p.targets for p in picked)
    if not math.isfinite(loss):
        found.fault("not_finite", loss=loss, dtype=str(next(model.parameters()).dtype).removeprefix("torch."))
        return pace
    if loss > chance + _ABOVE:
        numbers = {"loss": loss, "chance": chance, "targets": targets}
        (found.fault if targets >= _ENOUGH else found.doubt)("above_chance", **numbers)
    if not hasattr(model, "disable_adapter"):
        found.measure("loss", loss=loss, chance=chance)
        return pace
    if recipe.method.adapter:
        with model.disable_adapter():
            base = _loss(model, picked)
        found.measure("loss_adapter", loss=loss, base=base, chance=chance)
        if loss > base + _WORSE:
            found.doubt("adapter_worse", path=recipe.method.adapter, loss=loss, base=base)
        return pace
    found.measure("loss_base", loss=loss, chance=chance)
    # What is the same for one row is the same for all.
    with model.disable_adapter():
        base = _loss(model, [shortest])
    if abs(alone - base) > (_DORA if recipe.method.kind == "dora" else 1e-6 * max(1.0, base)):
        found.fault("not_the_base", loss=alone, base=base)
    return pace


def _spread(rows: Sequence[Any]) -> list[Any]:
    """A few rows from all over."""
    count = min(_ROWS, len(rows))
    return [rows[k * len(rows) // count] for k in range(count)]


def _sample(known: Sequence[Encoded], shortest: Encoded, pace: float) -> list[Encoded]:
    """The shortest answer, and as many more as are scored in a moment."""
    picked, room = [shortest], min(_TOKENS, _SECONDS / max(pace, 1e-9)) - len(shortest.ids)
    for part in known:
        if part is not shortest and len(part.ids) <= room:
            picked.append(part)
            room -= len(part.ids)
    return picked


def _pace(model: Any, part: Encoded) -> float:
    import torch

    was_training, device = model.training, next(model.parameters()).device
    model.eval()
    begun = time.perf_counter()
    try:
        with torch.no_grad():
            model(input_ids=torch.tensor([part.ids], device=device), use_cache=False)
    finally:
        model.train(was_training)
    return (time.perf_counter() - begun) / len(part.ids)


def _loss(model: Any, picked: Sequence[Encoded]) -> float:
    return example_losses(model, picked, 0, 4).mean
