"""Which weights move: adapters on the linear layers, or all of them."""

from __future__ import annotations

from typing import Any

from doneness.config import MethodSection
from doneness.core import RecipeError, tr


def apply_method(model: Any, method: MethodSection, seed: int) -> Any:
    """The model ready to be trained by `method`; the same seed gives the same adapters.

    Raises:
        RecipeError: `method.targets` names modules that the model lacks.
    """
    import torch
    from peft import LoraConfig, get_peft_model

    if method.kind == "full":
        model.requires_grad_(True)
        return model
    targets: Any = method.targets
    if targets != "all-linear":
        targets = [name.strip() for name in targets.split(",") if name.strip()]
    torch.manual_seed(seed)
    config = LoraConfig(
        r=method.rank,
        lora_alpha=method.alpha,
        lora_dropout=method.dropout,
        target_modules=targets,
        task_type="CAUSAL_LM",
    )
    try:
        return get_peft_model(model, config)
    except ValueError as error:
        linear = sorted({n.rpartition(".")[2] for n, m in model.named_modules() if isinstance(m, torch.nn.Linear)})
        raise RecipeError([tr("train.no_targets", targets=method.targets, known=", ".join(linear))]) from error


def trainable(model: Any) -> tuple[int, int]:
    """Number of parameters that are trained, and of all."""
    counts = [(p.numel(), p.requires_grad) for p in model.parameters()]
    return sum(n for n, moves in counts if moves), sum(n for n, _ in counts)
