"""The output layer's loss block by block: torch's own loss and gradients, with plain heads alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("trl")

import torch
from torch.nn.functional import cross_entropy, linear
from transformers import Gemma2Config, Gemma2ForCausalLM, LlamaConfig, LlamaForCausalLM

from doneness.train.stages import head_loss
from doneness.train.stages.head_loss import Head, HeadLoss

N, WIDTH, VOCABULARY = 37, 12, 50


def drawn(*shape: int, seed: int, kind: Any = torch.float32) -> Any:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).to(kind).requires_grad_()


@pytest.mark.parametrize("block", [VOCABULARY * 5, VOCABULARY * N, 1])
@pytest.mark.parametrize("biased", [False, True])
def test_losses_and_gradients_are_those_of_cross_entropy(
    monkeypatch: pytest.MonkeyPatch, block: int, biased: bool
) -> None:
    monkeypatch.setattr(head_loss, "_BLOCK", block)
    labels = torch.randint(VOCABULARY, (N,), generator=torch.Generator().manual_seed(3))

    def leaves() -> list[Any]:
        return [drawn(N, WIDTH, seed=0), drawn(VOCABULARY, WIDTH, seed=1), *([drawn(VOCABULARY, seed=2)] * biased)]

    ours, theirs = leaves(), leaves()
    bias = ours[2] if biased else None
    loss, entropy, right = HeadLoss.apply(ours[0], ours[1], bias, labels)
    (loss / 7).backward()
    logits = linear(*theirs)
    expected = cross_entropy(logits, labels, reduction="sum")
    (expected / 7).backward()
    torch.testing.assert_close(loss, expected)
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one.grad, other.grad, atol=1e-5, rtol=1e-4)
    shares = logits.detach().log_softmax(dim=-1)
    torch.testing.assert_close(entropy, -(shares.exp() * shares).sum())
    assert int(right) == int((logits.argmax(dim=-1) == labels).sum())
    assert not entropy.requires_grad


def test_a_frozen_layer_gets_no_gradient_and_half_precision_keeps_its_kind() -> None:
    states, weight = drawn(N, WIDTH, seed=0, kind=torch.bfloat16), drawn(VOCABULARY, WIDTH, seed=1, kind=torch.bfloat16)
    labels = torch.arange(N)
    HeadLoss.apply(states, weight.detach(), None, labels)[0].backward()
    assert states.grad.dtype is torch.bfloat16
    assert weight.grad is None
    exact = drawn(N, WIDTH, seed=0, kind=torch.bfloat16).detach().float().requires_grad_()
    cross_entropy(linear(exact, weight.detach().float()), labels, reduction="sum").backward()
    torch.testing.assert_close(states.grad.float(), exact.grad, atol=0.05, rtol=0.05)


def shape(**more: Any) -> dict[str, Any]:
    return {
        "vocab_size": VOCABULARY, "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1,
        "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 8, "pad_token_id": 0, **more,
    }  # fmt: skip


def test_what_reaches_a_plain_layer_is_had_and_nothing_is_drawn_or_left_behind() -> None:
    torch.manual_seed(1)
    model = LlamaForCausalLM(LlamaConfig(**shape(attention_dropout=0.5))).train()
    before = torch.get_rng_state()
    head = Head.of(model)
    assert torch.equal(before, torch.get_rng_state())
    assert head is not None and head.usable(alone=True)
    assert "forward" not in vars(model.lm_head)
    model.eval()
    ids = torch.tensor([[3, 4, 5]])
    found, states = head.before(lambda: model(input_ids=ids, use_cache=False))
    assert found.logits is states and states.shape == (1, 3, 16)
    torch.testing.assert_close(model.lm_head(states), model(input_ids=ids).logits)


def test_logits_that_are_capped_and_layers_that_are_watched_are_left_alone() -> None:
    assert Head.of(Gemma2ForCausalLM(Gemma2Config(**shape(final_logit_softcapping=30.0)))) is None
    model = LlamaForCausalLM(LlamaConfig(**shape()))
    head = Head.of(model)
    assert head is not None
    assert not head.usable(alone=False)  # it is trained, and other processes wait for its gradients
    model.lm_head.weight.requires_grad_(False)
    assert head.usable(alone=False)
    handle = model.lm_head.register_forward_hook(lambda *_: None)
    assert not head.usable(alone=True)
    handle.remove()
    model.lm_head = torch.nn.Sequential(model.lm_head)
    assert Head.of(model) is None


def test_an_error_in_the_model_leaves_the_layer_as_it_was(tmp_path: Path) -> None:
    model = LlamaForCausalLM(LlamaConfig(**shape()))
    head = Head(model.lm_head)
    with pytest.raises(IndexError):
        head.before(lambda: model(input_ids=torch.tensor([[VOCABULARY]])))
    assert "forward" not in vars(model.lm_head)
