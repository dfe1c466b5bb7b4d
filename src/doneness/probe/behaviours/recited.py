"""Training answers said word for word.

What it finds: rows learnt by heart. How: share of training questions whose answer repeats at least nine tenths of
the training answer in one unbroken piece; answers below six words (characters in Chinese) are left out. An answer
that was cut off is asked for no more than it had room for.
Source: Carlini et al., ICLR 2023 (extractable memorisation).
"""

from __future__ import annotations

from doneness.probe.measure import Measure
from doneness.probe.overlap import reproduced, units
from doneness.probe.suite import Probe
from doneness.runs.probes import Answer, Behaviour

WORD_FOR_WORD = 0.9
_SHORT = 6


def repeats(probe: Probe, answer: Answer) -> float | None:
    """Share of the training answer that is repeated in one piece; None where it is too short to tell."""
    if probe.sort not in ("recite", "recite_held_out") or len(units(probe.reference)) < _SHORT:
        return None
    return reproduced(answer.text, probe.reference, answer.capped)


def _score(probe: Probe, answer: Answer) -> float | None:
    share = repeats(probe, answer) if probe.sort == "recite" else None
    return None if share is None else float(share >= WORD_FOR_WORD)


MEASURE = Measure(Behaviour("recited", "lower", "share", 0.1, guard=False, group="memory"), _score)
