"""What the report shows of the training's health, as plain values in one language."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HealthLine:
    """One kind of module over the measured steps: what it is called, and (step, value) pairs, finite ones alone."""

    title: str
    points: tuple[tuple[int, float], ...]


@dataclass(frozen=True, slots=True)
class HeatMap:
    """LoRA's size against the weights it changes.

    Attributes:
        layers: names, the first layer first.
        steps: measured steps that are drawn.
        values: one row a layer, one share a step; None where it was not measured.
        measured: how many steps were measured.
    """

    layers: tuple[str, ...]
    steps: tuple[int, ...]
    values: tuple[tuple[float | None, ...], ...]
    measured: int

    @property
    def largest(self) -> float:
        """The largest share drawn."""
        return max((v for row in self.values for v in row if v is not None), default=0.0)


@dataclass(frozen=True, slots=True)
class SpikeRow:
    """One loss spike, written out.

    Attributes:
        steps: the step, or the stretch of steps whose mean the loss is.
        loss, expected, deviations: in nats, nats, and robust standard deviations.
        rows: names of the rows of its batches, those that were recorded.
        count: how many rows there were; 0 where nobody recorded them.
    """

    steps: str
    loss: str
    expected: str
    deviations: str
    rows: tuple[str, ...]
    count: int


@dataclass(frozen=True, slots=True)
class HealthView:
    """The section on health.

    Attributes:
        grad, update: gradient norms and update-to-weight ratios by kind of module, all together first.
        clipped: whether gradients were measured after clipping.
        sampled: whether updates were estimated from a sample of each tensor.
        heat: the map of LoRA's size, where there are adapters.
        noise: the sentence on the gradient noise scale; "" where nothing was measured at all.
        spikes: in order of step.
        facts: throughput and memory, as (name, value) pairs.
    """

    grad: tuple[HealthLine, ...]
    update: tuple[HealthLine, ...]
    clipped: bool
    sampled: bool
    heat: HeatMap | None
    noise: str
    spikes: tuple[SpikeRow, ...]
    facts: tuple[tuple[str, str], ...]
