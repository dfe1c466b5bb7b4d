"""[scratch]: what is usual for a model that begins with random weights, and what goes together."""

from __future__ import annotations

from typing import Any

from doneness.config.schema import Recipe, ScratchSection
from doneness.core import tr

STAGES = ("pretrain", "sft")
_SHAPE = ("vocabulary", "width", "depth", "heads", "kv_heads", "context")
# Small models of the kind that nanoGPT and its like train; weights that know nothing bear a high rate.
_USUAL: dict[str, dict[str, Any]] = {
    "method": {"kind": "full"},
    "optimizer": {"learning_rate": 1e-3},
    "schedule": {"warmup_share": 0.02, "kind": "cosine"},
}


def fill(values: dict[str, dict[str, Any]]) -> None:
    """Put what is usual for random weights where a recipe leaves a key out."""
    if values["scratch"].get("enabled") is not True:
        return
    for section, usual in _USUAL.items():
        if section == "schedule" and "warmup_steps" in values[section]:
            usual = {name: value for name, value in usual.items() if name != "warmup_share"}
        values[section] = usual | values[section]


def faults(recipe: Recipe) -> list[str]:
    """Settings that contradict each other."""
    asked, usual, found = recipe.scratch, ScratchSection(), []
    changed = [name for name in ("tokenizer", *_SHAPE) if getattr(asked, name) != getattr(usual, name)]
    if not asked.enabled:
        return [tr("config.scratch.unset", names=", ".join(changed))] if changed else []
    if recipe.method.kind != "full":
        found.append(tr("config.scratch.method", kind=recipe.method.kind))
    if recipe.method.layers:
        found.append(tr("config.scratch.layers", layers=recipe.method.layers))
    if recipe.run.stage not in STAGES:
        found.append(tr("config.scratch.stage", stage=recipe.run.stage))
    shape = [name for name in changed if name in _SHAPE]
    if recipe.model.path and shape:
        found.append(tr("config.scratch.shape", names=", ".join(shape)))
    if asked.width % (2 * asked.heads):
        found.append(tr("config.scratch.heads", width=asked.width, heads=asked.heads))
    if asked.kv_heads and asked.heads % asked.kv_heads:
        found.append(tr("config.scratch.kv_heads", heads=asked.heads, kv=asked.kv_heads))
    if asked.context and asked.context < recipe.data.max_length:
        found.append(tr("config.scratch.short", context=asked.context, limit=recipe.data.max_length))
    return found
