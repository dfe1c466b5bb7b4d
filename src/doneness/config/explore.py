"""run.mode = "explore": a long, gentle run that shows the shape of the curve and is never used."""

from __future__ import annotations

from typing import Any

from doneness.config.schema import Recipe
from doneness.core import tr

MOST_RATE = 8e-6
# What the query and value projections are called, fused ones included, where a model has no others.
_APART = ("q_proj", "v_proj", "query", "value", "q", "v", "wq", "wv", "q_lin", "v_lin", "to_q", "to_v")
_FUSED = ("query_key_value", "qkv_proj", "c_attn", "Wqkv", "W_pack", "qkv")
QUERY_VALUE = frozenset((*_APART, *_FUSED))
_USUAL: dict[str, dict[str, Any]] = {
    "method": {"kind": "lora", "targets": "q_proj,v_proj"},
    "optimizer": {"learning_rate": MOST_RATE},
    "schedule": {"epochs": 10.0, "kind": "constant"},
    "stopping": {"on_stop": "note"},
}


def fill(values: dict[str, dict[str, Any]]) -> None:
    """Put the mode's defaults where a recipe that explores leaves a key out."""
    if values["run"].get("mode") != "explore":
        return
    for section, usual in _USUAL.items():
        values[section] = usual | values[section]


def faults(recipe: Recipe) -> list[str]:
    """What an exploratory run may not be, one line each."""
    if recipe.run.mode != "explore":
        return []
    found = []
    if recipe.optimizer.learning_rate > MOST_RATE:
        found.append(tr("config.explore_rate", rate=recipe.optimizer.learning_rate, most=MOST_RATE))
    targets = {name.strip() for name in recipe.method.targets.split(",") if name.strip()}
    if recipe.method.kind == "full":
        found.append(tr("config.explore_kind", kind=recipe.method.kind))
    elif not targets or not targets <= QUERY_VALUE:
        found.append(tr("config.explore_targets", targets=recipe.method.targets))
    return found
