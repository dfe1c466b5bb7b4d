"""Still knows what the base model knew.

What it finds: known facts lost in training. How: of the factual questions that the base model knows, the share that is
answered rightly. It knows what it says in at least four of five samples; those choose the questions and its greedy
answer is scored like any other, so that luck is not taken for knowledge. Where it was not sampled it knows what it
answered rightly with a mean token probability of 0.8 or more.
Source: Gekhman et al., EMNLP 2024 (degrees of knowledge).
"""

from __future__ import annotations

from doneness.probe.measure import Measure
from doneness.probe.suite import Probe
from doneness.runs.probes import Answer, Behaviour

_SURE = 0.8
_SORTS = ("knowledge", "emergency", "general")


def known(probe: Probe, base: Answer) -> bool:
    """Whether the base model knows the answer, and not by luck.

    What it merely answered rightly once it answers wrongly the next time as often as not; a checkpoint that knows just
    as much would look as if it had forgotten.
    """
    if probe.sort not in _SORTS or not probe.contains:
        return False
    if base.samples:
        return sum(map(probe.right, base.samples)) >= _SURE * len(base.samples)
    return base.confidence >= _SURE and probe.right(base.text)


def _against(probe: Probe, answer: Answer, base: Answer) -> float | None:
    return float(probe.right(answer.text)) if known(probe, base) else None


MEASURE = Measure(
    Behaviour("facts_kept", "higher", "share", 0.03, guard=True, group="memory"),
    lambda probe, answer: None,
    against=_against,
)
