"""What the logits take at the most: often more than all layers, where the vocabulary is large.

Bytes for each logit, counted as the activations are: a model's own loss holds twelve at its peak, the single-precision
log-probabilities and two gradients of them, or the logits and their copy; it held sixteen while it shifted them by a
copy. In this trainer no more than a tile of 4,096 tokens by 32,768 words is there on a GPU; on a CPU
four million logits of target tokens.
"""

from __future__ import annotations

from doneness.plan.setup import SUPERVISED, Setup
from doneness.plan.shape import ModelShape

_WHOLE, _COPIED = 12.0, 16.0
_TILE_TOKENS, _TILE_WORDS = 4096, 32768
_BLOCK, _BLOCK_COPIES = 4 * 1024 * 1024, 8.0  # logits at once on a CPU, and bytes each: shares, and chances
_TILE_COPIES = 56.0  # bytes a logit of a tile, where torch and no kernel works on it


def logits_bytes(shape: ModelShape, setup: Setup) -> float:
    """Bytes at the most, in the loss and on the way back through the output layer."""
    if setup.stage == "reward":
        return 0.0
    words = float(shape.vocab)
    single = setup.dtype == "fp32"
    teacher = setup.stage == "distill" and setup.teacher > 0
    if setup.loss in ("whole", "copied") or teacher:
        each = _COPIED if setup.loss == "copied" else _WHOLE
        # A teacher's logits lie beside them, and both sides' log-probabilities.
        return setup.tokens * words * each * (2.0 if teacher else 1.0)
    told = _told(setup)
    if setup.device == "cpu":
        if setup.loss == "targets" and setup.stage in SUPERVISED:
            return _blocks(told, shape, setup)
        return _tile(setup.tokens, shape, _TILE_COPIES + (4.0 if single else 2.0), setup, single)
    return _tile(told, shape, 4.0 if single else 2.0, setup, single)


def _blocks(told: float, shape: ModelShape, setup: Setup) -> float:
    """A block, the states of the tokens that count and their gradients, and a trained layer's own twice."""
    rows = min(told, max(1.0, _BLOCK // shape.vocab))
    head = 8.0 * shape.vocab * shape.hidden if setup.method == "full" and not setup.layers else 0.0
    return rows * shape.vocab * _BLOCK_COPIES + told * shape.hidden * 12.0 + head


def _told(setup: Setup) -> float:
    """Tokens whose loss is taken."""
    return max(1.0, setup.tokens * setup.target_share)


def _tile(tokens: float, shape: ModelShape, each: float, setup: Setup, single: bool) -> float:
    tile = min(tokens, _TILE_TOKENS) * min(shape.vocab, _TILE_WORDS) * each
    hidden = tokens * shape.hidden * (4.0 if single else 2.0)  # of the tokens that count
    gradient = tokens * shape.hidden * 4.0 * 1.5  # added up in single precision, then cast
    words = 0.0 if not _cast(setup) else min(shape.vocab, _TILE_WORDS) * shape.hidden * 2.0
    head = 4.0 * shape.vocab * shape.hidden if setup.method == "full" and not setup.layers else 0.0
    return tile + hidden + gradient + words + head * (1.5 if head and not single else 1.0)


def _cast(setup: Setup) -> bool:
    """Whether the output layer is kept in another precision than it is used in."""
    return (setup.method == "qlora" and not setup.half_rest) or setup.dtype == "amp"
