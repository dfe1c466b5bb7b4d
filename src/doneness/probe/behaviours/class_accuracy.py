"""Right classes.

What it finds: how well rows are classified. How: the class with the highest log-likelihood, or the one class that
the answer names; an answer that names none or several is wrong.
Source: accuracy needs none.
"""

from __future__ import annotations

from doneness.probe.classes import classified
from doneness.probe.measure import Measure
from doneness.probe.suite import Probe
from doneness.runs.probes import Answer, Behaviour


def _score(probe: Probe, answer: Answer) -> float | None:
    found = classified(probe, answer)
    return None if found is None else float(found[0] == found[1])


MEASURE = Measure(Behaviour("class_accuracy", "higher", "share", 0.02, guard=False, group="task"), _score, needs=())
