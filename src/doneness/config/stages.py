"""run.stage: what is usual for each stage where a recipe leaves a key out, and what goes together."""

from __future__ import annotations

from typing import Any

from doneness.config import rewards
from doneness.config.schema import PreferenceSection, Recipe
from doneness.config.sections import DistillSection, GrpoSection, RewardsSection
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
    # With all weights TRL's 1e-6, at a rate that stays, as DAPO has it (arXiv 2503.14476).
    "grpo": {"optimizer": {"learning_rate": 1e-5}, "schedule": {"epochs": 1.0, "kind": "constant"}},
}
_FULL = 0.1
_ABSENT = ("ppo", "rloo", "reinforce")  # other ways to learn from rewards
# Of [distill], what each kind alone looks at.
_OF_KIND = {
    "logits": ("beta", "temperature", "on_policy", "own_temperature", "answer_weight"),
    "hidden": ("hidden_weight", "layers"),
    "text": ("sampling",),
}


def absent(stage: object) -> str | None:
    """What to say of a stage that there is none of, and that is often asked for; None for any other name."""
    return tr("config.no_ppo", stage=stage) if stage in _ABSENT else None


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
    if stage == "kto" and recipe.optimizer.micro_batch < 2:
        found.append(tr("config.kto_micro", batch=recipe.optimizer.batch_size))
    if stage not in ("sft", "distill") and recipe.evaluation.spans:
        found.append(tr("config.spans_without", stage=stage))
    if stage != "sft" and recipe.probes.suite and stage == "reward":
        found.append(tr("config.reward_answers"))
    if recipe.run.mode == "explore" and stage != "sft":
        found.append(tr("config.explore_stage", stage=stage))
    return found + _of_grpo(recipe) + _of_distill(recipe)


def _of_grpo(recipe: Recipe) -> list[str]:
    if recipe.run.stage != "grpo":
        given = [
            n for n, usual in (("grpo", GrpoSection()), ("rewards", RewardsSection())) if getattr(recipe, n) != usual
        ]
        return [tr("config.section_without", section=name, wanted="grpo", stage=recipe.run.stage) for name in given]
    found = rewards.faults(recipe.rewards)
    batch, answers = recipe.optimizer.batch_size, recipe.grpo.generations
    if batch % answers:
        found.append(tr("config.grpo_batch", batch=batch, generations=answers))
    if recipe.data.group_by_length:
        found.append(tr("config.grpo_order"))
    return found


def _of_distill(recipe: Recipe) -> list[str]:
    asked, usual = recipe.distill, DistillSection()
    if recipe.run.stage != "distill":
        wanted = {"section": "distill", "wanted": "distill", "stage": recipe.run.stage}
        return [tr("config.section_without", **wanted)] if asked != usual else []
    found = [] if asked.teacher else [tr("config.no_teacher")]
    for kind, keys in _OF_KIND.items():
        given = [key for key in keys if getattr(asked, key) != getattr(usual, key)]
        if kind != asked.kind and given:
            found.append(tr("config.distill_kind", keys=", ".join(given), kind=kind, has=asked.kind))
    if any(pair_of(text) is None for text in asked.layers):
        found.append(tr("config.distill_layers", layers=", ".join(asked.layers)))
    return found


def pair_of(text: str) -> tuple[int, int] | None:
    """The student's and the teacher's layer in "3=12", counted from 1; None where it says none."""
    ours, equals, theirs = (part.strip() for part in text.partition("="))
    known = bool(equals) and ours.isdecimal() and theirs.isdecimal() and min(int(ours), int(theirs)) > 0
    return (int(ours), int(theirs)) if known else None
