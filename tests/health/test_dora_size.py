"""How far DoRA moved its weights, against the merged weights themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from doneness.config import MethodSection
from doneness.health.adapters import adapters_of, change_norms, order_of, relative_sizes
from doneness.models import Quantization, load_model
from doneness.train.method import apply_method

pytestmark = pytest.mark.model


def _sizes(model: Any) -> dict[str, dict[str, float]]:
    adapters = adapters_of(model)
    norms = [0.0] * len(adapters)
    values = [float(value) for block in change_norms(adapters) for value in block]
    for place, value in zip(order_of(adapters), values, strict=True):
        norms[place] = value
    return relative_sizes(adapters, norms)


@pytest.mark.parametrize("far", [1e-4, 1e-2, 1.0])
@pytest.mark.parametrize("quantization", [None, Quantization(4)])
def test_the_size_is_that_of_the_merged_change(tiny_model: Path, far: float, quantization: Quantization | None) -> None:
    import torch
    from peft.utils.integrations import dequantize_module_weight

    if quantization:
        pytest.importorskip("bitsandbytes")
    loaded = load_model(str(tiny_model), device="cpu", quantization=quantization)
    method = MethodSection(kind="dora", rank=4, bits=4 if quantization else 0, targets="q_proj,down_proj", rslora=True)
    model = apply_method(loaded.model, method, 0)
    assert _sizes(model)["kinds"]["all"] == pytest.approx(0.0, abs=1e-6)
    torch.manual_seed(1)
    changed, whole = 0.0, 0.0
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=far)
            if "magnitude" in name:
                parameter.mul_(1 + far * torch.randn_like(parameter))
        for module in model.modules():
            if not hasattr(module, "lora_variant") or not getattr(module, "lora_magnitude_vector", None):
                continue
            before = dequantize_module_weight(module.get_base_layer()).detach().double()
            change = module.scaling["default"] * (
                module.lora_B["default"].weight.double() @ module.lora_A["default"].weight.double()
            )
            length = module.lora_magnitude_vector["default"].weight.double()
            after = length[:, None] * (before + change) / (before + change).norm(dim=1, keepdim=True)
            changed += float((after - before).square().sum())
            whole += float(before.square().sum())
    # The lengths that PEFT begins with are rounded to single precision, which is all that is lost.
    assert _sizes(model)["kinds"]["all"] == pytest.approx((changed / whole) ** 0.5, rel=1e-2 if far < 1e-3 else 1e-4)
