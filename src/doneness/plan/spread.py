"""What of a run lies on each of several devices, and what in the host's memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from doneness.plan.setup import Spread
from doneness.plan.shape import ModelShape

_BUCKET = 5e8  # numbers that DeepSpeed exchanges at once, unless told otherwise
_HOST = 1.5  # pinned buffers beside what is offloaded, as DeepSpeed's documentation reckons


@dataclass(frozen=True, slots=True)
class Held:
    """What lies on a device between micro-batches.

    Attributes:
        items: bytes, by the names of `memory.ITEMS`.
        trainable: parameters that are trained.
        stepping: bytes taken besides while the optimizer steps.
        host: bytes in the host's memory, of all devices together.
        own: bytes of a trained weight, among the weights.
    """

    items: Mapping[str, float]
    trainable: int
    stepping: float
    host: float = 0.0
    own: float = 2.0


def shared(held: Held, shape: ModelShape, spread: Spread) -> Held:
    """What each of the devices holds.

    Args:
        held: as a single device would.
        shape: of the model.
        spread: how it is shared.
    """
    n = spread.devices
    if n == 1 and spread.kind == "ddp" and spread.offload == "none":
        return held
    if spread.kind == "ddp":
        items = dict(held.items)
        # Gradients are exchanged from buffers of their own.
        items["exchange"] = items["gradients"] if n > 1 else 0.0
        return _offloaded(Held(items, held.trainable, held.stepping), spread, whole_gradients=True)
    if spread.kind in ("zero1", "zero2"):
        return _offloaded(_zero(held, spread), spread, whole_gradients=False)
    return _offloaded(_in_parts(held, shape, spread), spread, whole_gradients=False)


def _zero(held: Held, spread: Spread) -> Held:
    """DeepSpeed's stages 1 and 2: weights are everywhere, the rest of what is trained in parts."""
    n, items = spread.devices, dict(held.items)
    half = 2.0 * held.trainable
    items["adapters"] = items["adapters"] / 2  # what is trained lies there in half precision, its master apart
    items["master"] = 4.0 * held.trainable / n
    # Stage 2: half-precision gradients until they are given away, and this device's part of them in single precision.
    items["gradients"] = half + (4.0 * held.trainable / n if spread.kind == "zero2" else 0.0)
    items["optimizer"] = _states(held) / n
    items["exchange"] = 2.0 * min(_BUCKET, held.trainable)
    return Held(items, held.trainable, held.stepping / n)


def _in_parts(held: Held, shape: ModelShape, spread: Spread) -> Held:
    """ZeRO-3 and FSDP: everything is in parts, and one or two layers are put together at a time."""
    n, items = spread.devices, dict(held.items)
    layer = largest_layer(shape)
    if spread.kind == "zero3":
        items["gradients"] = 2.0 * held.trainable + 2.0 * held.trainable  # and what is averaged
        items["master"] = 4.0 * held.trainable
        items["optimizer"] = _states(held)
        items["exchange"] = 4.0 * layer
    else:
        # Mixed precision: what is trained lies there in single precision, layers are gathered in half.
        items["master"] = max(items["master"], 4.0 * held.trainable - items["adapters"])
        if items["adapters"] == 0:
            items["weights"] -= min(items["weights"], held.own * held.trainable)
        items["gradients"] = 4.0 * held.trainable
        items["optimizer"] = _states(held)
        items["exchange"] = 2 * 2.0 * layer  # the layer at hand, and the next one
    for name in ("weights", "master", "reference", "teacher", "adapters", "gradients", "optimizer"):
        items[name] = items.get(name, 0.0) / n
    return Held(items, held.trainable, held.stepping / n)


def _states(held: Held) -> float:
    """Optimizer states in single precision, where they were in that of half-precision weights."""
    known = held.items["optimizer"]
    return max(known, 8.0 * held.trainable) if known >= 4.0 * held.trainable else known


def _offloaded(held: Held, spread: Spread, whole_gradients: bool) -> Held:
    if spread.offload == "none":
        return held
    # Parts of n devices make one whole; of devices that each hold everything there are n wholes.
    items, n = dict(held.items), spread.devices
    moved = (items["optimizer"] + items["master"]) * n
    moved += 4.0 * held.trainable * (n if spread.kind == "ddp" else 1) if not items["master"] else 0.0
    items["optimizer"] = items["master"] = 0.0
    if not whole_gradients:
        moved += items["gradients"] * n
        items["gradients"] = 0.0
        items["exchange"] = max(items["exchange"], 2.0 * min(_BUCKET, held.trainable))
    if spread.offload == "all":
        moved += (items["weights"] + items["adapters"]) * n
        items["weights"] = items["adapters"] = 0.0
    return Held(items, held.trainable, 0.0, _HOST * moved)


def largest_layer(shape: ModelShape) -> int:
    """Parameters of the largest piece that is put together at once: a layer, or an embedding."""
    layer = (shape.linear_parameters + shape.expert_parameters) // shape.layers
    return max(layer, shape.vocab * shape.hidden)
