"""Rows laid end to end are learnt as padded ones are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from doneness.config import Recipe
from doneness.models import Encoded, load_model
from doneness.runs import read
from doneness.train.packing import keeps_apart
from doneness.workflows.train import train_run
from tests.train.conftest import Quiet

pytestmark = pytest.mark.model
Make = Callable[..., Recipe]


def test_losses_are_the_same_packed_and_padded(make_recipe: Make) -> None:
    found = {}
    for packing in ("true", "false"):
        recipe = make_recipe(f"packing-{packing}", f"data.packing={packing}")
        run = train_run(recipe, Quiet()).run
        assert run.train is not None and run.evals is not None
        found[packing] = run
    one, other = (found[name] for name in ("true", "false"))
    assert np.abs(one.train.value - other.train.value).max() < 2e-4
    assert np.abs(one.evals.value - other.evals.value).max() < 2e-4
    # No token is counted twice or lost.
    assert one.train.tokens.tolist() == other.train.tokens.tolist()
    assert one.train.targets.tolist() == other.train.targets.tolist()


def test_a_model_that_sees_across_is_padded(tiny_model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    model = load_model(str(tiny_model), device="cpu").model
    rows = [Encoded(str(i), tuple(range(5 + i, 25 + 2 * i)), 5) for i in range(3)]
    assert keeps_apart(model, rows)
    forward = type(model).forward

    def across(self: Any, *args: Any, position_ids: Any = None, **kwargs: Any) -> Any:
        return forward(self, *args, **kwargs)

    monkeypatch.setattr(type(model), "forward", across)
    assert not keeps_apart(model, rows)


def test_a_lone_row_needs_no_packing(tiny_model: Any) -> None:
    model = load_model(str(tiny_model), device="cpu").model
    assert not keeps_apart(model, [Encoded("a", tuple(range(20)), 5)])


def test_the_journal_says_how_it_was(make_recipe: Make) -> None:
    for micro in (4, 1):
        recipe = make_recipe(f"micro-{micro}", "schedule.max_steps=1", f"optimizer.micro_batch={micro}")
        train_run(recipe, Quiet())
        assert read(recipe.run.folder)[0].meta["packed"] is (micro > 1)
