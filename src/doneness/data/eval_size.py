"""How many evaluation rows an effect takes, before anything was measured.

Two checkpoints are compared on the same rows, so what counts is not how much rows differ but how much their
*changes* do: n ≈ ((z_{1−α/2} + z_power) · σ_d / ε)². Until a run has told its own σ_d (CV06 then says what it
needs), a prior stands in for it.
"""

from __future__ import annotations

import math

from doneness.curves import PairedEffect, minimum_detectable, rows_needed

# σ_d as a share of the loss: between neighbouring evaluations of the demo's run (SmolLM2-135M, LoRA at 1e-3, 64 rows,
# 1,212 target tokens) 3.6 to 7.5 %, median 6.5 %. Longer answers and lower rates give less.
SPREAD = 0.065
LEVEL = 2.0  # nats: what a gain in nats is a share of, until the loss is known
FLOOR, CEILING = 200, 2000  # rows: verdicts by conversation take 200, beyond 2,000 scoring costs more than it tells


def advised_rows(gain: float) -> int:
    """Rows that show a change of `gain`, a share of the loss, with 80 % power at 5 %; 200 to 2,000."""
    needed = rows_needed(PairedEffect(0.0, SPREAD / 10.0, 100), gain)
    return CEILING if needed is None else min(max(needed, FLOOR), CEILING)


def detectable(n: int) -> float:
    """The smallest change, as a share of the loss, that `n` independent rows show with 80 % power at 5 %."""
    return minimum_detectable(PairedEffect(0.0, SPREAD / math.sqrt(max(n, 1)), n))
