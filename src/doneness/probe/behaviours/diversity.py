"""How much sampled answers to one question differ in wording.

What it finds: a model that has only one answer left. How: distinct-2, different pairs of neighbouring words among
all pairs of the samples to a question (characters in Chinese), averaged over questions.
Source: Li et al., NAACL 2016.
"""

from __future__ import annotations

from collections.abc import Sequence

from doneness.probe.measure import Measure
from doneness.probe.overlap import units
from doneness.probe.suite import Probe
from doneness.runs.probes import Answer, Behaviour


def distinct(texts: Sequence[str], n: int = 2) -> float | None:
    """Different n-grams among all n-grams of the texts together; None where there are none."""
    grams = [tuple(said[i : i + n]) for said in map(units, texts) for i in range(len(said) - n + 1)]
    return len(set(grams)) / len(grams) if grams else None


def _score(probe: Probe, answer: Answer) -> float | None:
    return distinct(answer.samples) if len(answer.samples) > 1 else None


MEASURE = Measure(
    Behaviour("diversity", "higher", "share", 0.1, guard=False, group="form"), _score, binary=False, needs=("samples",)
)
