from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from doneness.core import DataError
from doneness.plan import ModelShape, Setup, estimate_memory

GIB = 2**30


def config(layers: int, hidden: int, inner: int, heads: int, vocab: int, **more: Any) -> dict[str, Any]:
    return {
        "num_hidden_layers": layers, "hidden_size": hidden, "intermediate_size": inner, "num_attention_heads": heads,
        "vocab_size": vocab, "model_type": "llama", **more,
    }  # fmt: skip


LLAMA2_7B = config(32, 4096, 11008, 32, 32000)
LLAMA31_8B = config(32, 4096, 14336, 32, 128256, num_key_value_heads=8, tie_word_embeddings=False)
SMOLLM2_135M = config(30, 576, 1536, 9, 49152, num_key_value_heads=3, tie_word_embeddings=True)
QWEN25_05B = config(24, 896, 4864, 14, 151936, num_key_value_heads=2, tie_word_embeddings=True, model_type="qwen2")
QWEN3_06B = config(
    28, 1024, 3072, 16, 151936, num_key_value_heads=8, head_dim=128, tie_word_embeddings=True, model_type="qwen3"
)
TINYLLAMA = config(22, 2048, 5632, 32, 32000, num_key_value_heads=4)


@pytest.mark.parametrize(
    ("sizes", "parameters"),
    [
        (LLAMA2_7B, 6_738_415_616),
        (LLAMA31_8B, 8_030_261_248),
        (SMOLLM2_135M, 134_515_008),
        (QWEN25_05B, 494_032_768),
        (QWEN3_06B, 596_049_920),
        (TINYLLAMA, 1_100_048_384),
    ],
)
def test_parameters_are_exact(sizes: dict[str, Any], parameters: int) -> None:
    assert ModelShape.from_config(sizes).parameters == parameters


def test_text_part_of_a_multimodal_config() -> None:
    assert ModelShape.from_config({"model_type": "vlm", "text_config": SMOLLM2_135M}).parameters == 134_515_008


def test_lora_parameters() -> None:
    shape = ModelShape.from_config(LLAMA2_7B)
    assert shape.lora_parameters(8, ("q", "v")) == 4_194_304
    assert shape.lora_parameters(8) == shape.lora_parameters(8, ("attention", "mlp")) == 19_988_480
    assert shape.lora_parameters(8, ("all", "q_proj")) == 19_988_480
    assert ModelShape.from_config(LLAMA31_8B).lora_parameters(1) == pytest.approx(2.62e6, rel=0.002)


@pytest.mark.parametrize(
    ("method", "micro_batch", "seq", "measured"),
    [
        ("lora", 4, 1024, 17),
        ("qlora", 4, 1024, 9),
        ("qlora", 1, 1024, 6),
        ("qlora", 1, 4096, 9),
        ("qlora", 1, 16384, 19),
        ("qlora", 1, 32768, 32),
    ],
)
def test_against_measurements_of_llama2_7b(method: Any, micro_batch: int, seq: int, measured: float) -> None:
    # LLaMA-Factory wiki, "Performance comparison": LLaMA2-7B, rank 8 on all linear maps, A100-40.
    found = estimate_memory(ModelShape.from_config(LLAMA2_7B), Setup(method, micro_batch, seq, rank=8))
    assert abs(found.total / GIB - measured) <= max(0.1 * measured, 1.0)
    assert found.low <= found.total <= found.high
    assert found.high / GIB >= measured


@pytest.mark.parametrize(
    ("dtype", "optimizer", "bytes_per_parameter"),
    [("amp", "adamw", 18), ("fp32", "adamw", 16), ("bf16", "adamw", 8), ("bf16", "adamw_8bit", 6), ("bf16", "sgd", 4)],
)
def test_bytes_per_parameter_of_full_training(dtype: Any, optimizer: str, bytes_per_parameter: float) -> None:
    shape = ModelShape.from_config(LLAMA2_7B)
    items = estimate_memory(shape, Setup("full", 1, 16, dtype=dtype, optimizer=optimizer)).items
    state = items["weights"] + items["gradients"] + items["optimizer"]
    assert state == pytest.approx(bytes_per_parameter * shape.parameters)
    assert items["adapters"] == 0


def test_what_makes_it_larger() -> None:
    shape = ModelShape.from_config(LLAMA31_8B)

    def total(**change: Any) -> float:
        return estimate_memory(shape, Setup(**{"method": "lora", "micro_batch": 2, "seq": 1024, **change})).total

    assert total(checkpointing=False) > total() > total(seq=512)
    assert total(rank=64) - total(rank=16) == pytest.approx(16 * shape.lora_parameters(48))
    assert total(method="full") > total() > total(method="qlora") > total(method="qlora", double_quant=True)
    assert total() - total(device="cpu") == pytest.approx(0.5e9)
    items = estimate_memory(shape, Setup("lora", 2, 1024)).items
    assert sum(items.values()) == pytest.approx(total())


@pytest.mark.parametrize(
    ("change", "said"),
    [({"method": "dora"}, "method"), ({"dtype": "int3"}, "dtype"), ({"optimizer": "lion"}, "optimizer"),
     ({"device": "tpu"}, "device"), ({"targets": ("w_pack",)}, "w_pack")],
)  # fmt: skip
def test_unknown_choices(change: dict[str, Any], said: str) -> None:
    setup: dict[str, Any] = {"method": "lora", "micro_batch": 1, "seq": 8, **change}
    with pytest.raises(DataError, match=said):
        estimate_memory(ModelShape.from_config(SMOLLM2_135M), Setup(**setup))


def test_configs_that_cannot_be_read() -> None:
    with pytest.raises(DataError, match="hidden_size, intermediate_size"):
        ModelShape.from_config({"num_hidden_layers": 2, "n_embd": 8})
    with pytest.raises(DataError, match="mixture of experts"):
        ModelShape.from_config({**LLAMA2_7B, "num_local_experts": 8})
    with pytest.raises(ValueError, match="seq"):
        estimate_memory(ModelShape.from_config(LLAMA2_7B), Setup("lora", 1, 0))


def test_plan_imports_no_torch() -> None:
    code = "import doneness.plan, doneness.audit, sys; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert done.stdout.strip() == "False"
