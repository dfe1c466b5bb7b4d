"""A tiny base model with adapters of several sorts, and a checkpoint that is a model of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

PLAIN, OTHER, WHOLE = 10, 20, 30


def write_checkpoints(base: Path, folder: Path) -> dict[int, Path]:
    """Plain LoRA, an adapter with a norm of its own, which is no sum, a whole model."""
    from doneness.testing.tiny import make_tiny_model

    found = {
        PLAIN: write_adapter(base, folder / "plain", PLAIN),
        OTHER: write_adapter(base, folder / "other", OTHER, modules_to_save=["norm"]),
        WHOLE: make_tiny_model(folder / "whole", seed=5),
    }
    return found


def write_adapter(base: Path, folder: Path, seed: int, **more: Any) -> Path:
    """LoRA with random factors over all linear layers."""
    import torch
    from peft import LoraConfig, get_peft_model

    from doneness.models import load_model

    torch.manual_seed(seed)
    model = load_model(str(base), device="cpu").model
    config = LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", init_lora_weights=False, **more)
    adapted = get_peft_model(model, config)
    if "modules_to_save" in more:
        for name, weight in adapted.named_parameters():
            if "modules_to_save" in name:
                weight.data.add_(torch.randn_like(weight), alpha=0.05)
    adapted.save_pretrained(str(folder))
    return folder


def by_peft(base: Path, folder: Path | None) -> Any:
    """The model of a checkpoint as PEFT or transformers alone have it."""
    from peft import PeftModel

    from doneness.models import load_model

    if folder is None:
        return load_model(str(base), device="cpu").model.eval()
    if (folder / "adapter_config.json").is_file():
        return PeftModel.from_pretrained(load_model(str(base), device="cpu").model, str(folder)).eval()
    return load_model(str(folder), device="cpu").model.eval()
