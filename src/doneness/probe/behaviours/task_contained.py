"""Answers that hold the reference.

What it finds: how well the task is done, on rows that were held out. How: the reference stands in the answer in one
piece, case, marks and articles apart; of task questions whose suite asks for metric = "contained".
Source: containment scoring as in open-domain question answering (Chen et al., ACL 2017).
"""

from __future__ import annotations

from doneness.probe.measure import Measure
from doneness.probe.overlap import contained
from doneness.probe.suite import Probe
from doneness.runs.probes import Answer, Behaviour


def _score(probe: Probe, answer: Answer) -> float | None:
    if probe.sort != "task" or probe.metric != "contained":
        return None
    return float(contained(answer.text, probe.reference))


MEASURE = Measure(Behaviour("task_contained", "higher", "share", 0.02, guard=False, group="task", goal=True), _score)
