"""run.stage: what is usual for each stage where a recipe leaves a key out, and what goes together."""

from __future__ import annotations

from typing import Any

from doneness.config.schema import PreferenceSection, Recipe
from doneness.core import tr

PAIRED = ("dpo", "orpo", "kto")  # stages that [preference] is about
# Learning rates of adapters as LLaMA-Factory's examples have them; with all weights a tenth. Preference runs are at
# their best within one pass (arXiv 2406.02900).
_USUAL: dict[str, dict[str, dict[str, Any]]] = {
    "pretrain": {"optimizer": {"learning_rate": 1e-4}, "schedule": {"epochs": 1.0}},
    "dpo": {"optimizer": {"learning_rate": 5e-6}, "schedule": {"epochs": 1.0, "kind": "cosine"}},
    "orpo": {"optimizer": {"learning_rate": 5e-6}, "schedule": {"epochs": 1.0, "kind": "cosine"}},
    "kto": {"optimizer": {"learning_rate": 5e-6}, "schedule": {"epochs": 1.0, "kind": "cosine"}},
    "reward": {"optimizer": {"learning_rate": 1e-4}, "schedule": {"epochs": 1.0}},
}
_FULL = 0.1


def fill(values: dict[str, dict[str, Any]]) -> None:
    """Put the stage's defaults where a recipe leaves a key out."""
    stage = values["run"].get("stage")
    for section, usual in _USUAL.get(stage if isinstance(stage, str) else "", {}).items():
        rate = usual.get("learning_rate")
        if rate is not None and values["method"].get("kind") == "full":
            usual = usual | {"learning_rate": rate * _FULL}
        values[section] = usual | values[section]


def faults(recipe: Recipe) -> list[str]:
    """Settings that the stage contradicts."""
    stage, found = recipe.run.stage, []
    if stage not in PAIRED and recipe.preference != PreferenceSection():
        found.append(tr("config.preference_without", stage=stage))
    if stage != "dpo":
        usual = PreferenceSection()
        keys = [
            k for k in ("loss", "label_smoothing", "sft_weight") if getattr(recipe.preference, k) != getattr(usual, k)
        ]
        if stage in PAIRED and keys:
            found.append(tr("config.dpo_only", keys=", ".join(keys), stage=stage))
    if stage == "kto" and recipe.data.group_by_length:
        found.append(tr("config.kto_order"))
    if stage != "sft" and recipe.evaluation.spans:
        found.append(tr("config.spans_without", stage=stage))
    if stage != "sft" and recipe.probes.suite and stage == "reward":
        found.append(tr("config.reward_answers"))
    if recipe.run.mode == "explore" and stage != "sft":
        found.append(tr("config.explore_stage", stage=stage))
    return found
