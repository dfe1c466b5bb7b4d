"""Answers equal to the reference.

What it finds: how well the task is done, on rows that were held out. How: exact match, case, marks and articles
apart; of task questions whose suite asks for metric = "exact".
Source: Rajpurkar et al., EMNLP 2016.
"""

from __future__ import annotations

from doneness.probe.measure import Measure
from doneness.probe.overlap import exact
from doneness.probe.suite import Probe
from doneness.runs.probes import Answer, Behaviour


def _score(probe: Probe, answer: Answer) -> float | None:
    if probe.sort != "task" or probe.metric != "exact":
        return None
    return float(exact(answer.text, probe.reference))


MEASURE = Measure(Behaviour("task_exact", "higher", "share", 0.02, guard=False, group="task", goal=True), _score)
