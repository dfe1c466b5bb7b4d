"""Sampled answers follow the model's chances, and depend on seed and prompt alone."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from tests.models.decoding import END, family, some_prompts

from doneness.models import load_model
from doneness.models.sample import sample_all

pytestmark = pytest.mark.model


def test_batches_and_other_prompts_change_nothing(tiny_model: Path) -> None:
    loaded = load_model(str(tiny_model), device="cpu")
    prompts = some_prompts()
    found = sample_all(loaded.model, loaded.tokenizer, prompts, (6, 3, 1.0, 5))
    assert [len(each) for each in found] == [3] * len(prompts)
    few = sample_all(loaded.model, loaded.tokenizer, prompts[2:4], (6, 3, 1.0, 5), batch_size=1)
    assert [[a.ids for a in each] for each in found[2:4]] == [[a.ids for a in each] for each in few]
    other = sample_all(loaded.model, loaded.tokenizer, prompts, (6, 3, 1.0, 6))
    assert [[a.ids for a in each] for each in found] != [[a.ids for a in each] for each in other]
    assert len({a.ids for a in found[0]}) == 3
    assert all(0.0 < a.confidence < 1.0 for each in found for a in each)


def test_tokens_come_as_often_as_the_model_says(tiny_model: Path) -> None:
    import torch

    loaded = load_model(str(tiny_model), device="cpu")
    loaded.model.lm_head.weight.data.mul_(40)
    prompt, temperature = [5, 9, 40], 0.7
    with torch.no_grad():
        logits = loaded.model(torch.tensor([prompt])).logits[0, -1]
    wanted = (logits / temperature).softmax(-1).numpy()
    found = sample_all(loaded.model, loaded.tokenizer, [prompt], (1, 600, temperature, 1), batch_size=200)[0]
    count = Counter(a.ids[0] if a.ids else loaded.tokenizer.eos_token_id for a in found)
    top = np.argsort(-wanted)[:4]
    assert wanted[top[0]] > 0.1
    for token in top.tolist():
        assert count[token] / 600 == pytest.approx(float(wanted[token]), abs=4 * float(np.sqrt(wanted[token] / 600)))


def test_models_that_do_not_fit_are_sampled_as_well(tiny_model: Path) -> None:
    tokenizer = load_model(str(tiny_model), device="cpu").tokenizer
    tokenizer.eos_token_id, tokenizer.pad_token_id, tokenizer.chat_template = END, 0, None
    model = family("positions that move")
    prompts = some_prompts()[:2]
    found = sample_all(model, tokenizer, prompts, (5, 2, 1.0, 5))
    again = sample_all(model, tokenizer, prompts[1:], (5, 2, 1.0, 5))
    assert [a.ids for a in found[1]] == [a.ids for a in again[0]]
    assert found[0][0].ids != found[0][1].ids
