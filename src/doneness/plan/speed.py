"""Tokens a second of a card, where none was measured: its arithmetic, and the share of it that training reaches."""

from __future__ import annotations

import math

from doneness.plan.cards import cards_of
from doneness.plan.scaling import PEAKS
from doneness.plan.setup import Setup
from doneness.plan.shape import ModelShape
from doneness.plan.time import Rate

# Of the makers' half-precision figure, what fine-tuning reaches on one card: an assumption, wide on purpose.
_REACHED = Rate(0.2, 0.35, 0.5)
_UNPACKING = 1.4  # 4-bit weights are unpacked for every product


def reckoned_rate(shape: ModelShape, setup: Setup, card: str) -> Rate | None:
    """Tokens a second in training, padding included; None where no card is known that may be meant.

    A card that is told by its size alone may be any of that size: the range goes from the slowest to the fastest.

    Two operations forward for each weight that a token goes through, as many for the gradient of its input, as many for
    its own where it is trained, and two more where the forward pass is made twice; and attention's.
    """
    words = cards_of(card)
    if not words:
        return None
    low, high = PEAKS[words[0]], PEAKS[words[-1]]
    passes = (6.0 if setup.method == "full" else 4.0) + (2.0 if setup.checkpointing else 0.0)
    attention = 2.0 * shape.layers * shape.heads * shape.head_dim * setup.seq
    work = passes * (shape.active_parameters + attention / 2)
    work *= _UNPACKING if setup.method == "qlora" else 1.0
    peaks = (low, math.sqrt(low * high), high)
    return Rate(*(peak * share / work for peak, share in zip(peaks, _REACHED, strict=True)))


def peak_of(card: str) -> float | None:
    """The arithmetic of a card, FLOP/s; the middle of all of its size where that alone is told; None if not known."""
    words = cards_of(card) if card else ()
    return math.sqrt(PEAKS[words[0]] * PEAKS[words[-1]]) if words else None
