"""The health of one training run, step by step: told of every event, it measures at every `every`-th step.

A trainer tells it: `begin`, then each `batch`, `before_update`, `after_update`, `end`. At a step that is not
measured all of these do next to nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from doneness.health.adapters import adapters_of, change_norms, order_of, relative_sizes
from doneness.health.gauge import Gauge, Measured
from doneness.health.noise import NoiseScale, Shares, raw_noise, short
from doneness.health.pace import Pace, peak_memory

EVERY = 10


class HealthWatch:
    """Makes the `health` records of one run.

    Attributes:
        every: steps from one measurement to the next; the first step is measured too.
        pace: the clock; a trainer tells it of pauses.
        noise: the gradient noise scale so far.
    """

    def __init__(self, model: Any, every: int, last: Mapping[str, Any] | None, accumulation: int, alone: bool) -> None:
        """Look at the model once: which weights move, which adapters there are, how large the frozen weights.

        Args:
            model: as it is trained, without a wrapper for several processes.
            every: as the attribute.
            last: the last health record in force, whose noise scale is gone on with.
            accumulation: micro-batches in a step, as planned.
            alone: whether this is the only process. With several, what one of them sees of the micro-batches
                is not the whole batch: there is no noise scale then, and gradients are measured as clipped.
        """
        self.every = every
        self.pace = Pace()
        self.noise = NoiseScale.of(last)
        self._gauge = Gauge(model)
        self._adapters = adapters_of(model)
        self._order = order_of(self._adapters)
        self._micro, self._alone = accumulation > 1 and alone, alone
        self._device = str(next(model.parameters()).device)
        self.due = False
        self._rate: float | None = None
        self._scale = 1.0
        self._rows: int = 0
        self._passes = 0
        self._targets: list[Any] = []

    def begin(self, step: int) -> None:
        """A step begins that will be number `step`."""
        self.pace.begin()
        self.due = self._gauge.usable and (step == 1 or step % self.every == 0)
        self._rows, self._passes, self._targets = 0, 0, []
        if self.due:
            self._gauge.begin(self._micro, self._alone)

    def batch(self, rows: int, targets: Any) -> None:
        """A micro-batch goes through the model; its target tokens as a number, on the device, or None."""
        if self.due:
            self._rows += rows
            self._passes += 1
            self._targets.append(targets)

    def before_update(self, optimizer: Any) -> None:
        """The gradient is whole, and clipped."""
        if not self.due:
            return
        groups = getattr(optimizer, "param_groups", None)
        self._rate = float(groups[0]["lr"]) if groups else None
        scaler = getattr(optimizer, "scaler", None)
        self._scale = float(scaler.get_scale()) if scaler is not None and scaler.is_enabled() else 1.0
        self._gauge.before()

    def after_update(self) -> None:
        """The weights have moved."""
        if self.due:
            self._gauge.after()

    def end(self, tokens: float | None, targets: float | None) -> dict[str, Any] | None:
        """The step has ended; its record, where it was measured.

        Args:
            tokens, targets: seen so far, padding apart; None where nobody counts.
        """
        self.pace.end()
        if not self.due:
            return None
        self.due = False
        told = [t for t in self._targets if t is not None]
        known = len(told) == self._passes > 0
        extra = change_norms(self._adapters)
        fixed = [float(t) for t in told] if known and not hasattr(told[0], "reshape") else None
        if known and fixed is None:
            extra = [*extra, *told]
        found = self._gauge.read(extra, self._passes, self._scale)
        if found is None:
            return None
        count = len(self._adapters)
        weights = fixed if fixed is not None else found.extra[count:] if known else None
        record: dict[str, Any] = {"grad": found.grad, "update": found.update}
        record |= {} if self._rate is None else {"learning_rate": self._rate}
        record |= {"sampled": True} if found.sampled else {}
        record |= {} if self._alone else {"clipped": True}
        record |= self._lora(found.extra[:count]) | self._noise(found, weights)
        record |= self.pace.take(tokens, targets)
        held = peak_memory(self._device)
        if held is not None:
            record["peak_memory_bytes"] = {held[1]: held[0]}
        return {key: _short(value) for key, value in record.items()}

    def drop(self) -> None:
        """Take everything off the model."""
        self._gauge.drop()
        self.due = False

    def _lora(self, values: list[float]) -> dict[str, Any]:
        if not self._adapters:
            return {}
        norms = [0.0] * len(values)
        for place, value in zip(self._order, values, strict=True):
            norms[place] = value
        sizes = relative_sizes(self._adapters, norms)
        return {"lora": sizes["layers"], "lora_kinds": sizes["kinds"]} if sizes["layers"] else {}

    def _noise(self, found: Measured, targets: list[float] | None) -> dict[str, Any]:
        if found.whole is None or found.parts is None:
            return {}
        one = raw_noise(found.whole, found.parts, self._passes, Shares(self._rows, targets))
        if one is None or not all(map(math.isfinite, one)):
            return {}
        self.noise = self.noise.with_one(*one)
        now, rows = self.noise, self.noise.rows
        told = {"signal": one[0], "spread": one[1], "rows": self._rows}
        told |= {"signal_mean": now.signal, "spread_mean": now.spread, "n": now.n}
        return {"noise": told | ({} if rows is None else {"scale": rows})}


def _short(value: Any) -> Any:
    """Numbers in seven digits, which is what float32 holds; counts as they are."""
    if isinstance(value, dict):
        return {key: _short(each) for key, each in value.items()}
    return short(value) if isinstance(value, float) else value
