"""Distance from the base model.

What it finds: how far training has moved the model where it had nothing to teach. How: KL(checkpoint ‖ base) per
token on general text, in nats. Neither good nor bad: of two checkpoints alike in all else, the nearer one is the
safer.
Source: Ouyang et al., NeurIPS 2022 (the KL term of RLHF); Rafailov et al., 2024 (degradation at high KL).
"""

from __future__ import annotations

from doneness.probe.measure import Measure
from doneness.probe.suite import Probe
from doneness.runs.probes import Answer, Behaviour


def _score(probe: Probe, answer: Answer) -> float | None:
    return answer.kl


MEASURE = Measure(
    Behaviour("drift", "none", "nats", 0.1, guard=False, group="memory"), _score, binary=False, needs=("kl",)
)
