"""Answers that run into the limit.

What it finds: a model that no longer comes to an end. How: share of answers cut off at the limit on new tokens; it
depends on that limit, which is the same for all checkpoints.
Source: Dubois et al., 2024 (length as a confounder of quality).
"""

from __future__ import annotations

from doneness.probe.measure import Measure
from doneness.probe.suite import Probe
from doneness.runs.probes import Answer, Behaviour


def _score(probe: Probe, answer: Answer) -> float | None:
    return float(answer.capped) if "answer" in probe.asks else None


MEASURE = Measure(Behaviour("capped", "lower", "share", 0.05, guard=False, group="form"), _score)
