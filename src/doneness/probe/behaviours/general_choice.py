"""Multiple choice on general knowledge.

What it finds: what was forgotten, without the model having to put it into words. How: the option with the highest
log-likelihood per character.
Source: retention as in Biderman et al., TMLR 2024 ("LoRA learns less and forgets less").
"""

from __future__ import annotations

from doneness.probe.measure import Measure
from doneness.probe.options import chosen
from doneness.probe.suite import Probe
from doneness.runs.probes import Answer, Behaviour


def _score(probe: Probe, answer: Answer) -> float | None:
    return float(chosen(answer, probe) == probe.correct) if probe.sort == "general" and answer.options else None


MEASURE = Measure(
    Behaviour("general_choice", "higher", "share", 0.02, guard=True, group="memory"), _score, needs=("options",)
)
