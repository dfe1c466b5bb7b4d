from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from doneness.core import DonenessError
from doneness.models import Encoded, answer_all, example_losses, load_model

pytestmark = pytest.mark.model

ROWS = [Encoded(f"r{i}", tuple((7 * i + j * 13) % 250 for j in range(6 + 3 * i)), 3 + i) for i in range(7)]


def test_losses_are_the_models_own(tiny_model: Path) -> None:
    import torch

    model = load_model(str(tiny_model), device="cpu").model
    found = example_losses(model, ROWS, step=5, batch_size=3)
    for i, row in enumerate(ROWS):
        ids = torch.tensor([row.ids])
        labels = ids.clone()
        labels[0, : row.start] = -100
        with torch.no_grad():
            mean = float(model(input_ids=ids, labels=labels).loss)
        assert found.nll[i] == pytest.approx(mean * row.targets, rel=1e-5)
        assert found.tokens[i] == row.targets
    assert found.ids.tolist() == [r.id for r in ROWS]
    assert found.mean == pytest.approx(found.nll.sum() / found.tokens.sum())


def test_neither_batch_nor_order_matters(tiny_model: Path) -> None:
    model = load_model(str(tiny_model), device="cpu").model
    one = example_losses(model, ROWS, 0, batch_size=1)
    back = example_losses(model, ROWS[::-1], 0, batch_size=7)
    np.testing.assert_allclose(one.nll, back.nll[::-1], rtol=1e-5)


def test_the_model_is_left_as_it_was(tiny_model: Path) -> None:
    model = load_model(str(tiny_model), device="cpu").model
    model.train()
    example_losses(model, ROWS, 0)
    assert model.training


def test_answers_do_not_depend_on_their_batch(tiny_model: Path) -> None:
    loaded = load_model(str(tiny_model), device="cpu")
    prompts = [list(r.ids[: r.start]) for r in ROWS]
    together = answer_all(loaded.model, loaded.tokenizer, prompts, 8, batch_size=7)
    alone = answer_all(loaded.model, loaded.tokenizer, prompts, 8, batch_size=1)
    assert [a.text for a in together] == [a.text for a in alone]
    for a, b in zip(together, alone, strict=True):
        assert a.confidence == pytest.approx(b.confidence, rel=1e-4)
        assert 0 < a.confidence <= 1
        assert a.tokens <= 8
        assert a.capped == (a.tokens == 8)


def test_a_missing_model_is_one_line(tmp_path: Path) -> None:
    for path in (str(tmp_path / "none"), str(tmp_path / "none.gguf"), ""):
        with pytest.raises(DonenessError) as caught:
            load_model(path)
        assert "\n" not in str(caught.value)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DonenessError, match="cannot be loaded"):
        load_model(str(tmp_path / "empty"))
