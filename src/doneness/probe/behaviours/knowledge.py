"""Right answers to factual questions.

What it finds: knowledge gained or lost. How: the answer holds what a right one must
(`contains`), undenied and not inside a larger number (`probe.holds`).
Source: containment scoring as in open-domain question answering (Chen et al., ACL 2017).
"""

from __future__ import annotations

from doneness.probe.measure import Measure
from doneness.probe.suite import Probe
from doneness.runs.probes import Answer, Behaviour


def _score(probe: Probe, answer: Answer) -> float | None:
    return float(probe.right(answer.text)) if probe.sort == "knowledge" else None


MEASURE = Measure(Behaviour("knowledge", "higher", "share", 0.05, guard=True, group="task", goal=True), _score)
