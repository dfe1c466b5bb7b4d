"""Likeness to the reference, word order included.

What it finds: how well the task is done, on rows that were held out. How: ROUGE-L, the F-measure of the longest
common subsequence of words, of characters in Chinese; of task questions whose suite asks for metric = "rouge_l".
Source: Lin, 2004.
"""

from __future__ import annotations

from doneness.probe.measure import Measure
from doneness.probe.overlap import rouge_l
from doneness.probe.suite import Probe
from doneness.runs.probes import Answer, Behaviour


def _score(probe: Probe, answer: Answer) -> float | None:
    if probe.sort != "task" or probe.metric != "rouge_l":
        return None
    return rouge_l(answer.text, probe.reference)


MEASURE = Measure(
    Behaviour("task_rouge", "higher", "share", 0.02, guard=False, group="task", goal=True), _score, binary=False
)
