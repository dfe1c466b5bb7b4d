"""Length of the answers, in tokens.

What it finds: answers that grow or shrink as training goes on. Neither is good or bad by itself,
so it never vetoes. An answer that ran into the limit counts with the limit.
"""

from __future__ import annotations

from doneness.probe.measure import Measure
from doneness.probe.suite import Probe
from doneness.runs.probes import Answer, Behaviour


def _score(probe: Probe, answer: Answer) -> float | None:
    return float(answer.tokens) if "answer" in probe.asks else None


MEASURE = Measure(Behaviour("length", "none", "tokens", 3.0, guard=False, group="form"), _score, binary=False)
