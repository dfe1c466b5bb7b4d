"""A simulated step holds what the real one holds; the counter counts storages and nothing twice."""

from __future__ import annotations

from typing import Any

import pytest

from doneness.core import DataError
from doneness.plan import ModelShape, Setup, Spread

pytestmark = pytest.mark.model

CONFIG = {
    "model_type": "llama", "num_hidden_layers": 2, "hidden_size": 64, "intermediate_size": 160, "num_attention_heads":
    4, "num_key_value_heads": 2, "head_dim": 16, "vocab_size": 512, "tie_word_embeddings": False,
}  # fmt: skip


def adapt(model: Any) -> Any:
    from peft import LoraConfig, get_peft_model

    return get_peft_model(model, LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM"))


def whole(model: Any) -> Any:
    return model.requires_grad_(True)


def setup(**change: Any) -> Setup:
    usual = {"method": "lora", "micro_batch": 2, "seq": 48, "rank": 4, "dtype": "fp32", "device": "cpu",
             "loss": "targets", "target_share": 0.5, "checkpointing": False, "accumulates": False}  # fmt: skip
    return Setup(**{**usual, **change})


@pytest.mark.parametrize("change", [{}, {"method": "full"}, {"checkpointing": True, "loss": "whole"}])
def test_as_much_as_the_real_step(change: dict[str, Any]) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    from doneness.plan.fake_model import _checkpoint, config_of
    from doneness.plan.live import LiveBytes
    from doneness.plan.simulate import counted, simulate

    asked = setup(**change)
    method = whole if asked.method == "full" else adapt
    found = simulate(CONFIG, asked, method)
    torch.manual_seed(0)
    model = method(AutoModelForCausalLM.from_config(config_of(CONFIG), dtype=torch.float32, attn_implementation="sdpa"))
    if asked.checkpointing:
        _checkpoint(model)
    model.train()
    live = LiveBytes()
    live.count([*model.parameters(), *model.buffers()])
    with live:
        real = counted(model, None, asked, live)
    # Rows of one length need no mask where that can be read off the numbers: half a per cent here.
    assert found.peak == pytest.approx(real.peak, rel=0.05)
    assert (found.weights, found.adapters, found.optimizer) == (real.weights, real.adapters, real.optimizer)
    assert found.trainable == real.trainable == sum(p.numel() for p in model.parameters() if p.requires_grad)


def test_four_bits_weigh_what_they_are_and_devices_share() -> None:
    from doneness.plan.memory import weight_bytes
    from doneness.plan.simulate import simulate
    from doneness.plan.simulated import memory_of

    asked = setup(method="qlora", device="cuda", dtype="bf16", loss="tiled", double_quant=False)
    found, shape = simulate(CONFIG, asked, adapt), ModelShape.from_config(CONFIG)
    assert found.weights == pytest.approx(weight_bytes(shape, asked), rel=0.02)
    assert found.parameters == shape.parameters + found.trainable
    alone = memory_of(found, shape, asked)
    assert alone.how == "simulated"
    assert alone.total == pytest.approx(sum(alone.items.values()))
    assert alone.total > found.peak
    shared = Setup(**{**{name: getattr(asked, name) for name in Setup.__slots__}, "spread": Spread("fsdp", 8)})
    assert memory_of(found, shape, shared).items["weights"] < alone.items["weights"] / 4


def test_stages_that_are_not_made_of_rows_alone() -> None:
    from doneness.plan.simulate import simulate

    with pytest.raises(DataError, match="grpo"):
        simulate(CONFIG, setup(stage="grpo"), adapt)
    assert (
        simulate(CONFIG, setup(stage="dpo", loss="tiled"), adapt).peak
        > simulate(CONFIG, setup(loss="tiled"), adapt).peak
    )


def test_what_transformers_cannot_make_is_one_line() -> None:
    from doneness.plan.simulate import simulate

    with pytest.raises(DataError, match="family"):
        simulate({**CONFIG, "num_attention_heads": 0}, setup(), adapt)


def test_the_counter() -> None:
    import torch

    from doneness.plan.live import LiveBytes

    before = torch.zeros(100)
    live = LiveBytes()
    live.count([before, before[:50]])
    assert live.now == 400
    with live:
        a = torch.ones(1000)
        b = a.view(10, 100)[2:]  # a view holds the same storage
        assert live.now == 4400
        c = a + 1
        assert live.now == 8400
        del c
        assert (live.now, live.peak) == (4400, 8400)
        live.forget_peak()
        del a
        assert live.now == 4400
        del b
        assert live.now == 400
        live.watched = lambda: 7
        big = torch.zeros(5000)
    assert (live.peak, live.aside) == (20400, 7)
    del big
