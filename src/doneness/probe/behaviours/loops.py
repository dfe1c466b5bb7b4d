"""Goes round in circles.

What it finds: answers that say one thing over and over. How: share of answers in which some four words in a row
(four characters in Chinese, twelve to be no idiom) stand four times or more.
Source: Holtzman et al., ICLR 2020 (degeneration into loops).
"""

from __future__ import annotations

from collections import Counter

from doneness.probe.measure import Measure
from doneness.probe.overlap import units
from doneness.probe.suite import Probe
from doneness.runs.probes import Answer, Behaviour

_TIMES = 4


def loops(text: str) -> bool:
    """Whether a run of units stands four times: four words, or twelve where they are Chinese characters."""
    said = units(text)
    chinese = sum("\u3400" <= unit[0] <= "\u9fff" for unit in said)
    n = 12 if 2 * chinese > len(said) else 4
    grams = Counter(tuple(said[i : i + n]) for i in range(len(said) - n + 1))
    return max(grams.values(), default=0) >= _TIMES


def _score(probe: Probe, answer: Answer) -> float | None:
    return float(loops(answer.text)) if "answer" in probe.asks else None


MEASURE = Measure(Behaviour("loops", "lower", "share", 0.05, guard=False, group="form"), _score)
