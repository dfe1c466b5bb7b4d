"""What families of decoders have besides their sizes: norms, biases, matrices that are one."""

from __future__ import annotations

from dataclasses import dataclass

_QKV = ("q_proj", "k_proj", "v_proj")
_GATE_UP = ("gate_proj", "up_proj")


@dataclass(frozen=True, slots=True)
class Family:
    """Of one `model_type`.

    Attributes:
        norms: of a layer, each as wide as the residual stream.
        end_norms: outside the layers.
        norm_bias: norms have a bias beside their weight.
        head_norms: on queries and keys: "" none, "head" of one head's width, "whole" of all heads'.
        qkv_bias: biases on queries, keys and values.
        all_bias: on all linear maps of a layer.
        no_output_bias: where attention has biases, its output has none.
        head_bias: the output layer has one.
        gated: the MLP has three matrices instead of two.
        fused: maps that are one matrix.
        eager: attention has no fused form in transformers; left alone it is computed plainly.
    """

    norms: int = 2
    end_norms: int = 1
    norm_bias: bool = False
    head_norms: str = ""
    qkv_bias: bool = False
    all_bias: bool = False
    no_output_bias: bool = False
    head_bias: bool = False
    gated: bool = True
    fused: tuple[tuple[str, ...], ...] = ()
    eager: bool = False


_PLAIN = Family()
_FAMILIES = {
    "qwen2": Family(qkv_bias=True),
    "qwen2_moe": Family(qkv_bias=True),
    "qwen3": Family(head_norms="head"),
    "qwen3_moe": Family(head_norms="head"),
    "gemma2": Family(norms=4, eager=True),
    "gemma3": Family(norms=4, head_norms="head"),
    "gemma3_text": Family(norms=4, head_norms="head"),
    "phi": Family(norms=1, norm_bias=True, all_bias=True, head_bias=True, gated=False),
    "phi3": Family(fused=(_QKV, _GATE_UP)),
    "glm": Family(no_output_bias=True, fused=(_GATE_UP,)),
    "glm4": Family(norms=4, no_output_bias=True, fused=(_GATE_UP,)),
    "olmo": Family(norms=0, end_norms=0),
    "olmo2": Family(head_norms="whole"),
    "olmoe": Family(head_norms="whole"),
    "gpt_neox": Family(norm_bias=True, all_bias=True, gated=False, fused=(_QKV,)),
    "gpt2": Family(norm_bias=True, all_bias=True, gated=False, fused=(_QKV,)),
    "bloom": Family(norm_bias=True, all_bias=True, gated=False, end_norms=2, fused=(_QKV,), eager=True),
}
LLAMAS = frozenset(("llama", "mistral", "mixtral", "gemma", "smollm3", "internlm2", "internlm3", "baichuan", "granite"))


def family_of(name: str) -> Family:
    """Of a `model_type`; one that is not known is taken for a Llama."""
    return _FAMILIES.get(name, _PLAIN)


def is_known(name: str) -> bool:
    """Whether the family's parameters are counted exactly by its sizes."""
    return name in _FAMILIES or name in LLAMAS
