"""Multiple choice by likelihood.

What it finds: knowledge, without the model having to put it into words. How: the option with the highest summed
log-likelihood after the question is the choice.
Source: Brown et al., NeurIPS 2020; as `acc` of lm-evaluation-harness.
"""

from __future__ import annotations

from doneness.probe.measure import Measure
from doneness.probe.options import chosen
from doneness.probe.suite import Probe
from doneness.runs.probes import Answer, Behaviour


def _score(probe: Probe, answer: Answer) -> float | None:
    return float(chosen(answer) == probe.correct) if probe.sort == "choice" and answer.options else None


MEASURE = Measure(
    Behaviour("choice", "higher", "share", 0.02, guard=False, group="task", goal=True), _score, needs=("options",)
)
