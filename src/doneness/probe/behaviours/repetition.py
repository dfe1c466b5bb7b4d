"""Repeats itself.

What it finds: loops. How: 1 − distinct 4-grams / all 4-grams of the answer, averaged; by words, or
by characters in Chinese. Source: Welleck et al., ICLR 2020 (seq-rep-4).
"""

from __future__ import annotations

import re

from doneness.probe.measure import Measure
from doneness.probe.suite import Probe
from doneness.runs.probes import Answer, Behaviour

_UNITS = re.compile(r"[\u3400-\u9fff]|[^\W\u3400-\u9fff]+")


def repeated(text: str, n: int = 4) -> float:
    """Share of n-grams that stood before; 0 for a text too short to repeat."""
    units = _UNITS.findall(text.lower())
    grams = [tuple(units[i : i + n]) for i in range(len(units) - n + 1)]
    return 1 - len(set(grams)) / len(grams) if grams else 0.0


def _score(probe: Probe, answer: Answer) -> float | None:
    return repeated(answer.text) if "answer" in probe.asks else None


MEASURE = Measure(Behaviour("repetition", "lower", "share", 0.05, guard=True, group="form"), _score, binary=False)
