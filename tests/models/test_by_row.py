"""Rows end to end, each attended to by itself: what a mask would give, in less work."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from doneness.models import load_model
from doneness.models.by_row import NAME, attend_as_before, attend_by_row

pytestmark = pytest.mark.model
LENGTHS = (9, 1, 17, 5)


@pytest.fixture
def model(tiny_model: Path) -> Any:
    return load_model(str(tiny_model), device="cpu").model


def _ids() -> tuple[Any, Any]:
    import torch

    total = sum(LENGTHS)
    ids = torch.randint(5, 250, (1, total), generator=torch.Generator().manual_seed(0))
    return ids, torch.cat([torch.arange(n) for n in LENGTHS])[None]


def _learnt(model: Any) -> tuple[float, Any]:
    ids, places = _ids()
    loss = model(input_ids=ids, position_ids=places, labels=ids, use_cache=False).loss
    loss.backward()
    found = model.model.layers[0].self_attn.k_proj.weight.grad.clone()
    model.zero_grad()
    return float(loss.detach()), found


@pytest.mark.parametrize("checkpointing", [False, True])
def test_losses_and_gradients_are_those_of_the_mask(model: Any, checkpointing: bool) -> None:
    import torch

    model.train()
    if checkpointing:
        model.activation_checkpointing_enable({"use_reentrant": False})
    masked = _learnt(model)
    assert attend_by_row(model)
    assert model.config._attn_implementation == NAME
    ours = _learnt(model)
    assert ours[0] == pytest.approx(masked[0], abs=1e-6)
    torch.testing.assert_close(ours[1], masked[1], atol=1e-6, rtol=1e-4)
    attend_as_before(model)
    assert _learnt(model)[0] == masked[0]


def test_no_mask_is_attended_with_between_rows(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    asked = []
    attention = torch.nn.functional.scaled_dot_product_attention

    def seen(query: Any, key: Any, *rest: Any, attn_mask: Any = None, **more: Any) -> Any:
        asked.append((query.shape[2], key.shape[2], attn_mask is None))
        return attention(query, key, *rest, attn_mask=attn_mask, **more)

    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", seen)
    attend_by_row(model)
    ids, places = _ids()
    model(input_ids=ids, position_ids=places, use_cache=False)
    assert asked == [(n, n, True) for n in LENGTHS] * model.config.num_hidden_layers


def test_padded_rows_and_answers_are_as_before(model: Any) -> None:
    import torch

    ids = torch.randint(5, 250, (2, 12), generator=torch.Generator().manual_seed(1))
    seen = torch.ones_like(ids)
    seen[1, 7:] = 0
    before = [
        model(input_ids=ids, attention_mask=seen).logits,
        model.generate(ids[:1], max_new_tokens=4, do_sample=False),
    ]
    attend_by_row(model)
    after = [
        model(input_ids=ids, attention_mask=seen).logits,
        model.generate(ids[:1], max_new_tokens=4, do_sample=False),
    ]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_models_whose_layers_see_less_are_left_alone(model: Any) -> None:
    for key, value in (("sliding_window", 8), ("attention_chunk_size", 8), ("attn_logit_softcapping", 30.0)):
        setattr(model.config, key, value)
        assert not attend_by_row(model), key
        setattr(model.config, key, None)
    model.config.layer_types = ["full_attention", "sliding_attention"]
    assert not attend_by_row(model)
    model.config.layer_types = ["full_attention"] * 2
    assert attend_by_row(model)


def test_nothing_of_it_is_saved(model: Any, tmp_path: Path) -> None:
    attend_by_row(model)
    model.save_pretrained(tmp_path)
    assert NAME not in json.dumps(json.loads((tmp_path / "config.json").read_text()))
