from __future__ import annotations

import pytest

from doneness.core import DataError
from doneness.plan import ModelShape
from doneness.plan.families import is_known
from doneness.plan.shape import is_latent
from doneness.plan.shapes import WORDS, config_by_name, named_shape, shipped

# As the models' own cards and safetensors indexes count them.
PARAMETERS = {
    "llama-2-7b": 6_738_415_616, "llama-3.1-8b": 8_030_261_248, "llama-3.1-405b": 405_853_388_800,
    "qwen2.5-0.5b": 494_032_768, "qwen2.5-72b": 72_706_203_648, "qwen3-235b-a22b": 235_093_634_560,
    "mixtral-8x7b": 46_702_792_704, "gemma-2-27b": 27_227_128_320, "gemma-3-1b": 999_885_952,
    "phi-2": 2_779_683_840, "phi-3-mini": 3_821_079_552, "smollm3-3b": 3_075_098_624, "yi-34b": 34_388_917_248,
    "glm-4-9b": 9_399_951_360, "olmo-2-13b": 13_716_198_400, "olmoe-1b-7b": 6_919_161_856,
    "pythia-6.9b": 6_857_302_016, "bloomz-7b1": 7_069_016_064, "gpt2-124m": 124_439_808,
}  # fmt: skip


def test_at_least_fifty_models_ship() -> None:
    assert len(shipped()) >= 50
    for name, config in shipped().items():
        shape = ModelShape.from_config(config)
        assert is_known(shape.family) and not is_latent(config), name
        assert shape.heads % shape.kv_heads == 0


@pytest.mark.parametrize(("name", "parameters"), PARAMETERS.items())
def test_parameters_of_shipped_models(name: str, parameters: int) -> None:
    assert named_shape(name)[1].parameters == parameters


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("8b", "llama-3.1-8b"), ("8B", "llama-3.1-8b"), ("0.5b", "qwen2.5-0.5b"), ("7b", "qwen2.5-7b"),
        ("meta-llama/Llama-3.1-8B-Instruct", "llama-3.1-8b"), ("meta-llama/Meta-Llama-3-8B", "llama-3.1-8b"),
        ("meta-llama/Llama-3.3-70B-Instruct", "llama-3.1-70b"), ("meta-llama/Llama-2-7b-chat-hf", "llama-2-7b"),
        ("Qwen/Qwen2.5-7B-Instruct", "qwen2.5-7b"), ("Qwen/Qwen3-4B-Instruct-2507", "qwen3-4b"),
        ("Qwen/Qwen3-30B-A3B", "qwen3-30b-a3b"), ("mistralai/Mistral-7B-Instruct-v0.3", None),
        ("google/gemma-2-9b-it", "gemma-2-9b"), ("HuggingFaceTB/SmolLM2-135M-Instruct", "smollm2-135m"),
        ("microsoft/Phi-3.5-mini-instruct", "phi-3-mini"), ("deepseek-ai/DeepSeek-R1-Distill-Qwen-7B",
         "deepseek-r1-distill-qwen-7b"), ("allenai/OLMo-2-1124-7B", "olmo-2-7b"), ("nobody/nothing", None),
    ],
)  # fmt: skip
def test_names_and_words(asked: str, found: str | None) -> None:
    known = config_by_name(asked)
    assert (known[0] if known else None) == found


def test_every_word_means_a_model_of_its_size() -> None:
    for word, name in WORDS.items():
        size = float(word[:-1]) * (1e9 if word.endswith("b") else 1e6)
        assert named_shape(name)[1].parameters == pytest.approx(size, rel=0.5), word


def test_what_is_not_known_names_what_is_near() -> None:
    with pytest.raises(DataError, match="qwen3-8b"):
        named_shape("qwen3-8bb")


SMALL = {
    "num_hidden_layers": 4, "hidden_size": 256, "intermediate_size": 512, "num_attention_heads": 8, "vocab_size": 1000,
}  # fmt: skip


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("num_attention_heads", 0), ("num_hidden_layers", 0), ("hidden_size", -256), ("hidden_size", "256"),
        ("num_key_value_heads", "many"), ("head_dim", float("nan")), ("num_hidden_layers", True), ("head_dim", 32.5),
        ("intermediate_size", [512, None]),
    ],
)  # fmt: skip
def test_what_is_no_size_is_named(key: str, value: object) -> None:
    with pytest.raises(DataError, match=key):
        ModelShape.from_config(SMALL | {key: value})


def test_a_size_for_each_layer_counts_by_its_mean() -> None:
    even = ModelShape.from_config(SMALL)
    assert ModelShape.from_config(SMALL | {"intermediate_size": [256, 256, 768, 768]}) == even
    assert ModelShape.from_config({"text_config": SMALL, "hidden_size": 1024, "sliding_window": False}) == even


@pytest.mark.model
@pytest.mark.parametrize(
    "name", ["smollm2-135m", "qwen3-30b-a3b", "gemma-2-2b", "phi-2", "glm-4-9b", "olmo-2-1b", "bloomz-7b1"]
)
def test_the_model_class_counts_the_same(name: str) -> None:
    from doneness.plan.fake_model import meta_model

    config = shipped()[name]
    counted = sum(p.numel() for p in meta_model(config).parameters())
    assert counted == ModelShape.from_config(config).parameters


@pytest.mark.model
def test_defaults_of_transformers_are_these_sizes() -> None:
    from transformers import GPT2Config, LlamaConfig, MistralConfig

    for kind, name in ((LlamaConfig, "llama-2-7b"), (MistralConfig, "mistral-7b"), (GPT2Config, "gpt2-124m")):
        own = {key: value for key, value in kind().to_dict().items() if key != "tie_word_embeddings"}
        own["tie_word_embeddings"] = shipped()[name]["tie_word_embeddings"]
        assert ModelShape.from_config(own).parameters == PARAMETERS.get(name, 7_241_732_096)
