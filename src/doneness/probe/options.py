"""What was chosen of several options, by their likelihoods."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from doneness.probe.suite import Probe
    from doneness.runs.probes import Answer


def chosen(answer: Answer, per_character: Probe | None = None) -> int:
    """Index of the likeliest option; of equals the first.

    Args:
        answer: with the log-likelihood of every option.
        per_character: where given, likelihoods are divided by the length of this question's options.
    """
    scores = list(answer.options)
    if per_character is not None:
        scores = [s / max(1, len(text)) for s, text in zip(scores, per_character.options, strict=True)]
    return max(range(len(scores)), key=lambda i: scores[i])


def probabilities(answer: Answer) -> list[float]:
    """Softmax of the log-likelihoods: what the model gives to each option when it must take one."""
    highest = max(answer.options)
    weights = [math.exp(s - highest) for s in answer.options]
    return [w / sum(weights) for w in weights]
