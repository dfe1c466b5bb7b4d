"""Which modules a method means: by kind of layer, by name, or by number of the decoder layer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from doneness.core import RecipeError, tr
from doneness.health import kind_of, layer_of

ALL = "all-linear"
KINDS = {"attention": frozenset({"q", "k", "v", "qkv", "o"}), "mlp": frozenset({"mlp"})}


def head_of(model: Any) -> Any:
    """The output layer: that of a language model, or the one that scores rows; None where there is neither."""
    head = model.get_output_embeddings()
    return head if head is not None else getattr(model, "score", getattr(model, "classifier", None))


def linear_layers(model: Any) -> dict[str, Any]:
    """The linear layers by dotted name, the output layer apart; quantised ones included."""
    import torch
    from transformers.pytorch_utils import Conv1D

    head = head_of(model)
    found = {n: m for n, m in model.named_modules() if isinstance(m, (torch.nn.Linear, Conv1D))}
    return {name: module for name, module in found.items() if module is not head}


def target_names(model: Any, targets: str) -> list[str]:
    """The dotted names of the modules that `targets` means, in the model's order.

    Raises:
        RecipeError: a part of it names nothing that the model has, or the output layer.
    """
    linear, head = linear_layers(model), head_of(model)
    every = [name for name, _ in model.named_modules() if name]
    wanted: set[str] = set()
    for part in parts(targets) or [targets]:
        if part == ALL:
            found = set(linear)
        elif part in KINDS:
            found = {name for name in linear if kind_of(name) in KINDS[part]}
        else:
            found = {name for name in every if _named(name, part)}
        if not found:
            known = [ALL, *KINDS, *sorted({name.rpartition(".")[2] for name in linear})]
            raise RecipeError([tr("train.no_targets", targets=part, known=", ".join(known))])
        wanted |= found
    embedding = model.get_input_embeddings()
    tied = head is not None and getattr(head, "weight", None) is embedding.weight
    for name, module in model.named_modules():
        if name in wanted and (module is head or (tied and module is embedding)):
            key = "train.head_target" if module is head else "train.tied_target"
            raise RecipeError([tr(key, name=name.rpartition(".")[2])])
    return [name for name in every if name in wanted]


def patterns(model: Any, targets: str) -> Any:
    """What PEFT is told: its own word for all linear layers, the names as written, or the shortest that tell apart.

    Raises:
        RecipeError: as `target_names`.
    """
    names = target_names(model, targets)
    if parts(targets) == [ALL]:
        return ALL
    if not set(parts(targets)) & {ALL, *KINDS}:
        return parts(targets)
    others = [name for name, _ in model.named_modules() if name and name not in set(names)]
    return sorted({_shortest(name, others) for name in names})


def parts(targets: str) -> list[str]:
    """The words of `targets`, each once."""
    return list(dict.fromkeys(word.strip() for word in targets.split(",") if word.strip()))


def saved_names(model: Any, saved: Sequence[str], adapted: Iterable[str] = ()) -> list[str]:
    """The dotted names of the modules that are to be trained whole.

    Args:
        model: without adapters.
        saved: as the recipe has it.
        adapted: modules that get adapters, which the others may not hold.

    Raises:
        RecipeError: a name that the model lacks, a module that is quantised, or one with adapters in it.
    """
    holders = {n: m for n, m in model.named_modules() if n and any(True for _ in m.parameters())}
    wanted: list[str] = []
    for part in saved:
        found = [name for name in holders if _named(name, part)]
        if not found:
            own = {name for name, module in holders.items() if any(True for _ in module.parameters(recurse=False))}
            known = ", ".join(sorted({name.rpartition(".")[2] for name in own}))
            raise RecipeError([tr("train.no_saved", name=part, known=known)])
        if any(not p.is_floating_point() for name in found for p in holders[name].parameters()):
            raise RecipeError([tr("train.saved_quantized", name=part)])
        if any(inner == name or inner.startswith(f"{name}.") for name in found for inner in adapted):
            raise RecipeError([tr("train.saved_adapted", name=part)])
        wanted += found
    return wanted


def chosen_layers(model: Any, layers: int) -> frozenset[int]:
    """The numbers of the last `layers` decoder layers, or of the first where it is negative.

    Raises:
        RecipeError: the model has fewer, or none that can be told by their names.
    """
    numbers = {at for name, _ in model.named_parameters() if (at := layer_of(name)) is not None}
    if not 0 < abs(layers) <= len(numbers):
        raise RecipeError([tr("train.few_layers", layers=layers, count=len(numbers))])
    ordered = sorted(numbers)
    return frozenset(ordered[-layers:] if layers > 0 else ordered[:-layers])


def _named(name: str, part: str) -> bool:
    """PEFT's own rule for names in a list."""
    return name == part or name.endswith(f".{part}")


def _shortest(name: str, others: Sequence[str]) -> str:
    """The shortest end of a dotted name that no other module's name has."""
    words = name.split(".")
    ends = (".".join(words[-n:]) for n in range(1, len(words)))
    return next((end for end in ends if not any(_named(other, end) for other in others)), name)
