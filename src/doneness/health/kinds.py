"""What kind of module a parameter belongs to, and which layer, told by its name."""

from __future__ import annotations

import re

KINDS = ("q", "k", "v", "qkv", "o", "mlp", "norm", "embedding", "head", "other")

_LAYER = re.compile(r"(?:^|\.)(?:layers|layer|h|blocks|block)\.(\d+)(?:\.|$)")
_NORM = re.compile(r".*norm.*|ln|ln_?\w{1,5}")
# The first that has a part of the name decides; a norm inside the attention (q_norm) is a norm.
_NAMES: tuple[tuple[str, frozenset[str]], ...] = (
    ("qkv", frozenset(["qkv", "qkv_proj", "query_key_value", "c_attn", "wqkv", "in_proj", "w_pack", "attn_qkv"])),
    ("q", frozenset(["q", "q_proj", "query", "wq", "q_lin", "q_a_proj", "q_b_proj", "c_q"])),
    ("k", frozenset(["k", "k_proj", "key", "wk", "k_lin"])),
    ("v", frozenset(["v", "v_proj", "value", "wv", "v_lin"])),
    ("o", frozenset(["o", "o_proj", "out_proj", "wo", "out_lin"])),
    ("mlp", frozenset(["mlp", "ffn", "feed_forward", "feedforward", "gate_proj", "up_proj", "down_proj", "fc1", "fc2",
                       "experts", "block_sparse_moe", "intermediate", "densereludense", "w1", "w2", "w3"])),
    ("embedding", frozenset(["embed_tokens", "embed_positions", "embeddings", "wte", "wpe", "embed_in", "shared",
                             "tok_embeddings", "word_embeddings", "embedding"])),
    ("head", frozenset(["lm_head", "score", "classifier", "embed_out", "output_layer", "v_head"])),
)  # fmt: skip
_ATTENTION = frozenset(["attn", "attention", "self_attn", "self_attention", "selfattention", "crossattention"])


def kind_of(name: str) -> str:
    """One of `KINDS` for a parameter's or module's dotted name; adapters count as what they adapt."""
    parts = name.lower().split(".")
    if any(_NORM.fullmatch(part) for part in parts):
        return "norm"
    for kind, names in _NAMES:
        if not names.isdisjoint(parts):
            return kind
    # What is left of an attention block is its way out: "dense" in BERT and NeoX, "c_proj" in GPT-2.
    return "o" if not _ATTENTION.isdisjoint(parts) else "other"


def layer_of(name: str) -> int | None:
    """The number of the decoder layer that a dotted name lies in; None outside of all."""
    found = _LAYER.search(name)
    return int(found[1]) if found else None
