"""`exact`: how many answers the model gives word for word, found without generating one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from doneness.config import Recipe
from doneness.models import Encoded, example_losses, load_model
from doneness.runs import read
from doneness.workflows.train import train_run
from tests.train.conftest import Quiet

pytestmark = pytest.mark.model
Make = Callable[..., Recipe]


def test_it_is_what_greedy_decoding_gives(tiny_model: Path) -> None:
    import torch

    model = load_model(str(tiny_model), device="cpu").model
    rows, said = [], []
    for i in range(8):
        question = tuple(range(10 + i, 30 + 2 * i))
        with torch.no_grad():
            found = model.generate(
                input_ids=torch.tensor([question]), do_sample=False, max_new_tokens=6, min_new_tokens=6, pad_token_id=0
            )
        answer = found[0, len(question) :].tolist()
        # Every other answer is not the model's own, by one token somewhere.
        if i % 2:
            answer[i % 6] = (answer[i % 6] + 1) % 300
        rows.append(Encoded(str(i), (*question, *answer), len(question)))
        said.append(i % 2 == 0)
    for batch in (1, 3, 8):
        exact = np.zeros(len(rows), dtype=np.bool_)
        example_losses(model, rows, 0, batch, exact=exact)
        assert exact.tolist() == said


def test_a_run_ends_when_its_behaviour_is_there(make_recipe: Make) -> None:
    own = ("stopping.goal=target", 'stopping.target="exact >= 0"', "stopping.on_stop=stop", "schedule.max_steps=12")
    recipe = make_recipe("goal", *own)
    trained = train_run(recipe, Quiet())
    run = read(recipe.run.folder)[0]
    assert trained.ending == "stopped"
    assert run.last_step == 2, "at the second evaluation after the base model's"
    assert run.series["eval/exact"].value.tolist() == [0.0, 0.0, 0.0]
