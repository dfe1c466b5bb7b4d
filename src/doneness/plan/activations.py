"""What a forward pass keeps for the backward pass, in bytes a token.

The numbers are counts, not fits: the step of the real model class (Llama) was counted under fake tensors, with torch's
and transformers' own attention, norms and checkpointing, one size of the model changed at a time (`doneness plan
--simulate` makes the same count of a whole model). Those of autocast over single-precision weights and of eager
attention are put together from what is known of each operation. Where the kinds of memory differ:

- LoRA keeps the input of every adapted map, and casts of it;
- preparation for k-bit training puts norms and the residual stream in single precision, and 4-bit maps give back what
  they were given;
- a mask, which padded rows have and packed ones and single rows do not, is kept by every layer in half precision, and
  keys and values are repeated for every query head;
- eager attention keeps the scores of all pairs of tokens: as they are, in single precision, and cast back.
"""

from __future__ import annotations

from dataclasses import dataclass

from doneness.plan.setup import Setup
from doneness.plan.shape import ModelShape


@dataclass(frozen=True, slots=True)
class _Kept:
    """Bytes a token for each number of: hidden, MLP, queries, keys (and values), rank; and of a residual state.

    `live_…`: what one layer takes besides while it is computed, there or back.
    """

    hidden: float
    mlp: float
    query: float
    key: float
    rank: float
    state: float
    live_hidden: float
    live_mlp: float


# By method and precision of the computing.
_KEPT = {
    ("lora", "half"): _Kept(18.1, 8, 6.1, 4, 33, 2, 11, 6),
    ("qlora", "half"): _Kept(18.1, 14, 6.1, 4, 33, 4, 10, 10),
    ("full", "half"): _Kept(16, 8, 4.1, 4, 0, 2, 8, 4),
    ("full", "amp"): _Kept(26, 8, 4.1, 4, 0, 4, 8, 4),
    ("lora", "amp"): _Kept(26, 8, 6.1, 4, 33, 4, 11, 6),
    ("lora", "single"): _Kept(16, 16, 8.1, 8, 28, 4, 16, 8),
    ("full", "single"): _Kept(16, 16, 8.1, 8, 0, 4, 16, 8),
}


@dataclass(frozen=True, slots=True)
class Activations:
    """Bytes: kept by all layers, and what one layer takes besides at the most."""

    kept: float
    live: float


def activations(shape: ModelShape, setup: Setup) -> Activations:
    """Of one forward and backward pass."""
    mode = {"fp32": "single", "amp": "amp"}.get(setup.dtype, "half")
    method = "lora" if setup.method == "qlora" and (setup.half_rest or mode != "half") else setup.method
    by = _KEPT[method, mode]
    query, key = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
    size = 4.0 if mode == "single" else 2.0
    layer = by.hidden * shape.hidden + by.mlp * shape.width * (1.0 if shape.kind.gated else 0.6) + by.query * query
    layer += by.rank * setup.rank if setup.method != "full" else 0.0
    length = _length(setup)
    if masked(setup):
        layer += 2 * size * query + size * length
    else:
        layer += by.key * key
    if setup.attention == "eager" or (shape.kind.eager and setup.attention == "sdpa"):
        layer += shape.heads * length * (2 * size + 4.0)
    layer += _experts(shape, size)
    state = (2.0 if setup.half_rest else by.state) * shape.hidden
    live = by.live_hidden * shape.hidden + by.live_mlp * shape.width
    kept, live = (state, live + layer) if setup.checkpointing else (layer, live)
    return Activations(setup.tokens * kept * shape.layers, setup.tokens * live)


def masked(setup: Setup) -> bool:
    """Whether attention is given a mask: of several rows that are padded."""
    return setup.rows > 1 and not setup.packed


def _length(setup: Setup) -> int:
    """Tokens that one is held against: its row's, or the whole line's where packed rows are not taken apart."""
    own = setup.seq + (setup.new_tokens if setup.stage == "grpo" else 0)
    return own * setup.rows if setup.packed and setup.attention == "eager" else own


def _experts(shape: ModelShape, size: float) -> float:
    """Copies of a token for every expert that it is sent to, there and back."""
    return 3.0 * size * shape.chosen * shape.hidden if shape.experts else 0.0
