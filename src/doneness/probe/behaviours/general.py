"""Right answers to general questions.

What it finds: what was forgotten outside the field of the training rows. How: as `knowledge`, on questions that
have nothing to do with the task.
Source: Luo et al., 2023 (catastrophic forgetting in continual fine-tuning).
"""

from __future__ import annotations

from doneness.probe.measure import Measure
from doneness.probe.suite import Probe
from doneness.runs.probes import Answer, Behaviour


def _score(probe: Probe, answer: Answer) -> float | None:
    if probe.sort != "general" or not probe.contains or "answer" not in probe.asks:
        return None
    return float(probe.right(answer.text))


MEASURE = Measure(Behaviour("general", "higher", "share", 0.03, guard=True, group="memory"), _score)
