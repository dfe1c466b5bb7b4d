"""Multiple choice by likelihood, length set off.

What it finds: as `choice`, where options differ in length: a long one is less likely for its length alone. How: the
option with the highest log-likelihood per character.
Source: as `acc_norm` of lm-evaluation-harness.
"""

from __future__ import annotations

from doneness.probe.measure import Measure
from doneness.probe.options import chosen
from doneness.probe.suite import Probe
from doneness.runs.probes import Answer, Behaviour


def _score(probe: Probe, answer: Answer) -> float | None:
    return float(chosen(answer, probe) == probe.correct) if probe.sort == "choice" and answer.options else None


MEASURE = Measure(
    Behaviour("choice_norm", "higher", "share", 0.02, guard=False, group="task"), _score, needs=("options",)
)
