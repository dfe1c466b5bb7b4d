"""Losses under small random changes of the trained weights: how flat the place is where training stands.

The noise is Gaussian, and on each trained weight as long as a share of that weight. Of an adapter the weights that
were trained are its factors, and they get the noise: the length of a factor can be moved into the other one without
changing the model, and noise in proportion to each does not change with it either; noise on the product would point
almost everywhere where no training ever went. Of a whole checkpoint all weights were trained. Afterwards all weights
are as they were, bit for bit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doneness.models.imports import require
from doneness.models.options import row_losses
from doneness.models.switch import BASE, Switch
from doneness.models.switch_lora import scaled

Ids = Sequence[int]


def perturbed_losses(
    switch: Switch,
    step: int,
    rows: Sequence[tuple[Ids, Ids]],
    how: tuple[float, int, int],
    batch_size: int = 16,
) -> NDArray[np.float64]:
    """NLL of every row, in nats, under noise on the trained weights; shape (draws, rows).

    Args:
        switch: the models of the run.
        step: which checkpoint; of the base model of adapters nothing was trained, and all losses are NaN.
        rows: (context, target), as for `row_losses`.
        how: length of the noise as a share of each weight's own, draws, and the seed. A draw is told by seed and
            number alone: the same for all rows and for every checkpoint with weights of the same shapes.
        batch_size: as for `row_losses`.
    """
    radius, draws, seed = how
    found = np.full((draws, len(rows)), np.nan)
    wholes = [s for s in switch.steps() if switch.is_whole(s)]
    if step == BASE and not wholes:
        return found
    for draw in range(draws):
        with _shaken(switch, step, radius, (seed, draw)) as model:
            found[draw] = [loss for loss, _ in row_losses(model, rows, batch_size)]
    return found


@contextmanager
def _shaken(switch: Switch, step: int, radius: float, seed: tuple[int, int]) -> Iterator[Any]:
    """The model of a step with noise on its trained weights, within."""
    torch = require("torch")
    factors = switch.factors(step)
    if factors is not None:
        base = switch.to(step)
        noise = _Noise(radius, seed)
        downs, ups = [], []
        for each in factors:
            downs.append(each.down + noise.like(each.down))
            ups.append(each.up + noise.like(each.up))
        try:
            switch.add(scaled(factors, downs, ups))
            yield base
        finally:
            switch.to(step)
        return
    model = switch.to(step)
    trained = _trained(model, step, switch)
    kept = [weight.detach().to("cpu", copy=True) for weight in trained]
    noise = _Noise(radius, seed)
    try:
        with torch.no_grad():
            for weight in trained:
                weight.add_(noise.like(weight))
        yield model
    finally:
        with torch.no_grad():
            for weight, own in zip(trained, kept, strict=True):
                weight.copy_(own)


class _Noise:
    """Noise for one weight after the other."""

    def __init__(self, radius: float, seed: tuple[int, int]) -> None:
        self._radius, self._seed, self._number = radius, seed, 0
        self._torch = require("torch")

    def like(self, weight: Any) -> Any:
        """As long as a share of the weight, in a direction of its own."""
        generator = self._torch.Generator(device=weight.device)
        generator.manual_seed(int(np.random.SeedSequence([*self._seed, self._number]).generate_state(1)[0]))
        self._number += 1
        drawn = self._torch.randn(weight.shape, generator=generator, device=weight.device, dtype=self._torch.float32)
        length = self._radius * weight.detach().float().norm() / drawn.norm().clamp_min(1e-12)
        return (drawn * length).to(weight.dtype)


def _trained(model: Any, step: int, switch: Switch) -> list[Any]:
    """The weights of a checkpoint that were trained: an adapter's own, or all."""
    named = [(name, weight) for name, weight in model.named_parameters() if weight.is_floating_point()]
    if step != BASE and not switch.is_whole(step):
        return [weight for name, weight in named if f"step{step}" in name.split(".")]
    return [weight for _, weight in named]
