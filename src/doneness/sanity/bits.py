"""How much there is to be learnt by heart, what a count of tokens knows of it, and how much parameters can hold."""

from __future__ import annotations

import lzma
import math
from collections.abc import Sequence

import numpy as np

# What a parameter holds after very long training; after a hundred passes it is nearer to one.
BITS_PER_PARAMETER = 2.0
_FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME}]


def bits_to_learn(targets: Sequence[int], base: float) -> float:
    """An upper bound of what `targets` say, in bits: by the untrained model's loss, or by compressing them.

    Args:
        targets: all target tokens, row after row.
        base: the untrained model's loss, nats per target token.
    """
    if not targets:
        return 0.0
    tokens = np.asarray(targets, dtype=np.int64)
    # Numbered by what occurs, so that a large vocabulary takes no more room than it is used.
    found, numbers = np.unique(tokens, return_inverse=True)
    width = np.uint8 if found.size <= 256 else np.uint16 if found.size <= 65536 else np.uint32
    packed = lzma.compress(numbers.astype(width).tobytes(), format=lzma.FORMAT_RAW, filters=_FILTERS)
    by_loss = len(targets) * base / math.log(2.0) if math.isfinite(base) else math.inf
    return min(8.0 * len(packed), by_loss)


def bits_held(parameters: int) -> float:
    """What so many parameters can hold, in bits.

    Source: two bits a parameter, Allen-Zhu and Li, "Physics of language models: part 3.3", ICLR 2025.
    """
    return BITS_PER_PARAMETER * parameters


def unigram(targets: Sequence[int]) -> float:
    """The entropy of tokens by how often each occurs, nats a token, with Miller and Madow's correction for few of them.

    Source: G. Miller, "Note on the bias of information estimates", 1955.
    """
    if not targets:
        return math.nan
    counts = np.unique(np.asarray(targets, dtype=np.int64), return_counts=True)[1]
    share = counts / counts.sum()
    return float(-(share * np.log(share)).sum() + (counts.size - 1) / (2 * len(targets)))
