"""LoRA adapters as sums into the weights below them, and the weights as they were, bit for bit.

An adapter beside its weight costs two small products and a sum at every layer of every forward; added to the weight it
costs nothing. In sixteen bits the sum would round the adapter away in part, so only weights in float32 are added to.
"""

from __future__ import annotations

import json
import math
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from doneness.models.imports import require

_BEFORE = "base_model.model."  # PEFT's names of the weights of the model below
# Options of an adapter that make it more than a product of two matrices added to a weight, and what leaves them off.
_PLAIN: dict[str, tuple[Any, ...]] = {
    "bias": ("none",), "use_dora": (False,), "modules_to_save": (None, []), "lora_bias": (False,),
    "fan_in_fan_out": (False,), "layer_replication": (None,), "trainable_token_indices": (None,),
    "rank_pattern": ({},), "alpha_pattern": ({},), "init_lora_weights": (True, False, "gaussian"),
    "alora_invocation_tokens": (None,), "target_parameters": (None, []), "megatron_config": (None,),
    "use_qalora": (False,), "arrow_config": (None,), "use_bdlora": (None, False), "kappa_tuner_config": (None,),
}  # fmt: skip
_SHARE = 0.25  # of the memory that is free may be taken by the weights as they were


@dataclass(frozen=True)
class Factors:
    """One adapted weight: it becomes weight + scale · up @ down.

    Attributes:
        weight: the parameter, (out, in).
        down, up: (rank, in) and (out, rank), on its device.
        scale: what the product is multiplied by.
        name: of the weight in the model.
    """

    weight: Any
    down: Any
    up: Any
    scale: float
    name: str


def plain_factors(model: Any, folder: Path) -> list[Factors] | None:
    """An adapter's factors; None where it is not plain LoRA over linear layers in float32, or memory is short.

    Args:
        model: a transformers model without adapters.
        folder: with adapter_config.json and adapter_model.safetensors.
    """
    torch = require("torch")
    config = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    file = folder / "adapter_model.safetensors"
    plain = all(config.get(name, values[0]) in values for name, values in _PLAIN.items())
    if config.get("peft_type") != "LORA" or not plain or not file.is_file() or getattr(model, "is_quantized", False):
        return None
    rank = int(config["r"])
    scale = float(config["lora_alpha"]) / (math.sqrt(rank) if config.get("use_rslora") else rank)
    stored = require("safetensors.torch").load_file(str(file))
    modules = dict(model.named_modules())
    # What is added to a weight that several layers share would change them all; an adapter changes its own alone.
    uses = Counter(id(each) for module in modules.values() for each in module._parameters.values())
    found: list[Factors] = []
    for key in [key for key in stored if key.endswith(".lora_A.weight")]:
        name = key.removeprefix(_BEFORE).removesuffix(".lora_A.weight")
        module, other = modules.get(name), key.replace(".lora_A.", ".lora_B.")
        if module is None or type(module) is not torch.nn.Linear or module.weight.dtype != torch.float32:
            return None
        if uses[id(module.weight)] > 1:
            return None
        if other not in stored or hasattr(module.weight, "device_mesh") or stored[key].shape[0] != rank:
            return None
        down, up = (stored[k].to(module.weight.device, torch.float32) for k in (key, other))
        found.append(Factors(module.weight, down, up, scale, f"{name}.weight"))
    weights = {id(each.weight): each.weight for each in found}
    if 2 * len(found) != len(stored) or len(weights) != len(found):
        return None
    needed = sum(weight.numel() * weight.element_size() for weight in weights.values())
    return found if needed <= _SHARE * _free(found[0].weight.device) else None


class Sums:
    """Adapters added to the weights, one at a time.

    On a processor the weights are laid out by columns as well, which takes a fifth off forwards of 8 to 64 tokens: the
    numbers and their shape stay the same.
    """

    def __init__(self) -> None:
        self._own: dict[int, tuple[Any, Any]] = {}
        self._changed: set[int] = set()

    def add(self, factors: Iterable[Factors]) -> None:
        """Put an adapter into the weights as they were; what was added before is gone."""
        torch = require("torch")
        factors = list(factors)
        now = {id(each.weight) for each in factors}
        with torch.no_grad():
            for key in self._changed - now:
                weight, own = self._own[key]
                weight.copy_(own)
            for each in factors:
                if id(each.weight) not in self._own:
                    if each.weight.device.type == "cpu":
                        each.weight.data = each.weight.data.t().contiguous().t()
                    self._own[id(each.weight)] = each.weight, each.weight.detach().clone()
                own = self._own[id(each.weight)][1]
                torch.addmm(own, each.up, each.down, alpha=each.scale, out=each.weight.data)
        self._changed = now

    def restore(self) -> None:
        """The weights as they were."""
        self.add([])


def scaled(factors: Sequence[Factors], downs: Sequence[Any], ups: Sequence[Any]) -> list[Factors]:
    """The same weights with other factors."""
    return [
        Factors(each.weight, down, up, each.scale, each.name)
        for each, down, up in zip(factors, downs, ups, strict=True)
    ]


def _free(device: Any) -> float:
    """Bytes of memory that nobody holds."""
    if device.type == "cuda":
        return float(require("torch").cuda.mem_get_info(device)[0])
    try:
        meminfo = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return 1024.0 * float(next(line.split()[1] for line in meminfo if line.startswith("MemAvailable:")))
    except (OSError, StopIteration):
        pass
    try:
        return float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, ValueError, OSError):
        return math.inf
