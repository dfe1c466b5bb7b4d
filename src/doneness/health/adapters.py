"""LoRA's real size: how large the change is that adapters make, against the weights they change.

For an adapter ΔW = s·B·A (s = α/r, or α/√r) the Frobenius norm needs no ΔW:
‖BA‖² = tr(Aᵀ Bᵀ B A) = Σ (BᵀB) ∘ (AAᵀ), two r × r matrices.

DoRA gives each row of W + s·B·A a learnt length m, so ΔW has rows (g - 1)·w + g·s·(BA) with g = m / ‖w + s·(BA)‖.
Its norm needs ‖w‖², w·(BA) and ‖BA‖² of every row: one product of W with A, at each measurement.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from doneness.health.kinds import kind_of, layer_of

_AT_ONCE = 8 * 1024 * 1024  # numbers of the adapters that are stacked at once


@dataclass(frozen=True)
class Adapter:
    """One adapted linear layer.

    Attributes:
        layer: "0", "1", … or what it is where it lies in no layer ("head").
        kind: of module.
        down, up: A of shape (r, in) and B of shape (out, r).
        scale: what BA is multiplied by.
        weight: ‖W‖ of the frozen weight, Frobenius; NaN where it cannot be read.
        frozen, lengths: of DoRA: the layer that holds W, and m of shape (out,); None of any other.
    """

    layer: str
    kind: str
    down: Any
    up: Any
    scale: float
    weight: float
    frozen: Any = None
    lengths: Any = None


def adapters_of(model: Any) -> list[Adapter]:
    """The active LoRA adapters of linear layers, in the model's order; ‖W‖ is measured here, once."""
    found = [
        (name, module, adapter)
        for name, module in model.named_modules()
        for adapter in _active(module)
        if _plain(module.lora_A[adapter].weight) and _plain(module.lora_B[adapter].weight)
    ]
    sizes = _weight_norms([module for _, module, _ in found])
    return [
        Adapter(
            layer=kind_of(name) if (at := layer_of(name)) is None else str(at),
            kind=kind_of(name),
            down=module.lora_A[adapter].weight,
            up=module.lora_B[adapter].weight,
            scale=float(module.scaling[adapter]),
            weight=size,
            frozen=module.get_base_layer() if (lengths := _lengths(module, adapter)) is not None else None,
            lengths=lengths,
        )
        for (name, module, adapter), size in zip(found, sizes, strict=True)
    ]


def change_norms(adapters: Sequence[Adapter]) -> list[Any]:
    """‖BA‖ of each, as vectors on the device, in blocks of one shape; `order_of` tells which is which."""
    import torch

    found = []
    with torch.no_grad():
        for block in _blocks(adapters):
            if adapters[block[0]].lengths is not None:
                found.append(torch.stack([_dora_norm(torch, adapters[i]) for i in block]))
                continue
            down = torch.stack([adapters[i].down.detach() for i in block]).float()
            up = torch.stack([adapters[i].up.detach() for i in block]).float()
            grams = (up.transpose(1, 2) @ up) * (down @ down.transpose(1, 2))
            found.append(grams.sum((1, 2)).clamp(min=0.0).sqrt())
    return found


def order_of(adapters: Sequence[Adapter]) -> list[int]:
    """The adapters' numbers in the order of `change_norms`, all blocks in a row."""
    return [i for block in _blocks(adapters) for i in block]


def relative_sizes(adapters: Sequence[Adapter], norms: Sequence[float]) -> dict[str, dict[str, float]]:
    """s·‖BA‖ / ‖W‖ by layer and by kind of module; several of one group by their root sums of squares."""
    sums: dict[str, dict[str, list[float]]] = {"layers": {}, "kinds": {}}
    for adapter, norm in zip(adapters, norms, strict=True):
        if not math.isfinite(adapter.weight):
            continue
        for group, key in (("layers", adapter.layer), ("kinds", adapter.kind), ("kinds", "all")):
            pair = sums[group].setdefault(key, [0.0, 0.0])
            pair[0] += (adapter.scale * norm) ** 2
            pair[1] += adapter.weight**2
    return {g: {k: math.sqrt(a / b) for k, (a, b) in of.items() if b > 0} for g, of in sums.items()}


def _active(module: Any) -> list[str]:
    """Names of the LoRA adapters of a linear layer that take part in its answer."""
    if not (hasattr(module, "lora_A") and hasattr(module, "scaling") and hasattr(module, "active_adapters")):
        return []
    names = [name for name in module.active_adapters if name in module.lora_A and name in module.lora_B]
    return [name for name in names if getattr(module.lora_A[name], "weight", None) is not None]


def _lengths(module: Any, adapter: str) -> Any:
    """DoRA's learnt lengths of rows; None without them, or where the weight lies the other way round."""
    held = getattr(module, "lora_magnitude_vector", {})
    if adapter not in held or getattr(module, "fan_in_fan_out", False):
        return None
    return held[adapter].weight


def _dora_norm(torch: Any, adapter: Adapter) -> Any:
    """‖ΔW‖ / s of one DoRA adapter, so that its size comes out as that of the others does."""
    frozen = _unpacked(torch, adapter.frozen).float()
    down, up, lengths = (each.detach().float() for each in (adapter.down, adapter.up, adapter.lengths))
    own = frozen.square().sum(1)
    across = (up * (frozen @ down.T)).sum(1) * adapter.scale
    added = ((up @ (down @ down.T)) * up).sum(1) * adapter.scale**2
    gain = lengths / (own + 2 * across + added).clamp(min=0.0).sqrt()
    # Summed as changes: as a difference of lengths, a small one would drown in rounding.
    squares = (gain - 1).square() * own + 2 * gain * (gain - 1) * across + gain.square() * added
    return squares.sum().clamp(min=0.0).sqrt() / adapter.scale


def _plain(weight: Any) -> bool:
    return weight.ndim == 2 and not hasattr(weight, "device_mesh")


def _blocks(adapters: Sequence[Adapter]) -> list[list[int]]:
    groups: dict[Any, list[int]] = {}
    for i, each in enumerate(adapters):
        shape = (each.down.shape, each.up.shape, each.down.device, each.down.dtype, each.lengths is None)
        groups.setdefault(shape, []).append(i)
    blocks = []
    for group in groups.values():
        one = adapters[group[0]]
        size = max(1, _AT_ONCE // (one.down.numel() + one.up.numel()))
        blocks += [group[at : at + size] for at in range(0, len(group), size)]
    return blocks


def _weight_norms(modules: Sequence[Any]) -> list[float]:
    """‖W‖ of each module's frozen weight; one transfer to the host for all."""
    import torch

    with torch.no_grad():
        norms = [_weight_norm(torch, module.get_base_layer()) for module in modules]
        return torch.stack([n.to(norms[0].device) for n in norms]).tolist() if norms else []


def _weight_norm(torch: Any, layer: Any) -> Any:
    if hasattr(layer.weight, "device_mesh"):
        return torch.tensor(math.nan, device=layer.weight.device)
    return torch.linalg.vector_norm(_unpacked(torch, layer).detach(), dtype=torch.float32)


def _unpacked(torch: Any, layer: Any) -> Any:
    """A layer's weight; packed in four or eight bits, it is unpacked, one layer at a time."""
    if torch.is_floating_point(layer.weight) and not hasattr(layer.weight, "quant_state"):
        return layer.weight
    from peft.utils.integrations import dequantize_module_weight

    return dequantize_module_weight(layer)
