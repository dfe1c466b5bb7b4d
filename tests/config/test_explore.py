"""run.mode = "explore": its defaults, and what it refuses."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest

from doneness.config import build_recipe, dump_recipe
from doneness.core import RecipeError, speaking

MODE: dict[str, Any] = {"run": {"mode": "explore"}}


def test_what_the_user_leaves_out_the_mode_fills_in() -> None:
    found = build_recipe(MODE)
    assert found.optimizer.learning_rate == 8e-6
    assert (found.method.kind, found.method.targets) == ("lora", "q_proj,v_proj")
    assert (found.schedule.epochs, found.schedule.kind, found.stopping.on_stop) == (10.0, "constant", "note")
    assert build_recipe(tomllib.loads(dump_recipe(found))) == found
    assert build_recipe({}, ["run.mode=explore"]) == found


def test_what_the_user_says_counts() -> None:
    changes = ["optimizer.learning_rate=1e-6", "method.targets=query, value", "schedule.epochs=30", "method.rank=4"]
    found = build_recipe(MODE, [*changes, "stopping.on_stop=stop"])
    assert (found.optimizer.learning_rate, found.schedule.epochs, found.method.rank) == (1e-6, 30.0, 4)
    assert (found.method.targets, found.stopping.on_stop) == ("query, value", "stop")


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ("optimizer.learning_rate=9e-6", "9e-06 is too high"),
        ("method.targets=all-linear", '"all-linear" is more than'),
        ("method.targets=q_proj,o_proj", '"q_proj,o_proj" is more than'),
        ('method.targets=""', '"" is more than'),
        ("method.kind=full", "method.kind = full is not for"),
    ],
)
def test_what_is_not_exploring_is_refused_in_one_line(change: str, part: str) -> None:
    with pytest.raises(RecipeError) as caught:
        build_recipe(MODE, [change])
    assert len(caught.value.faults) == 1
    assert part in caught.value.faults[0]
    with speaking("zh"), pytest.raises(RecipeError, match="explore"):
        build_recipe(MODE, [change])


def test_a_usual_recipe_is_not_touched() -> None:
    assert build_recipe({}, ["optimizer.learning_rate=1e-3"]).method.targets == "all-linear"
    with pytest.raises(RecipeError, match="one of train, explore"):
        build_recipe({"run": {"mode": "expore"}})


def test_trackers_are_known_by_name() -> None:
    assert build_recipe({}, ["report.trackers=tensorboard, wandb"]).report.trackers == ("tensorboard", "wandb")
    assert build_recipe({"report": {"trackers": []}}).report.trackers == ()
    with pytest.raises(RecipeError, match="one of tensorboard, wandb, trackio, mlflow"):
        build_recipe({"report": {"trackers": ["tensorbord"]}})
