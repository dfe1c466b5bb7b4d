"""The pairs that the audit's bench asks: enough of them, in other words indeed, and none twice."""

from __future__ import annotations

import pytest
from bench.audit_paraphrases import pairs

from doneness.data import normalise
from doneness.data.near_duplicates import similarity


@pytest.mark.parametrize("language", ["en", "zh"])
def test_pairs(language: str) -> None:
    same, other = pairs(language, "same"), pairs(language, "other")
    assert len(same) >= 40 and len(other) >= 15
    asked = [normalise(text) for pair in same for text in pair]
    assert len(set(asked)) == len(asked)
    apart = [similarity(one, two) for one, two in same]
    alike = [similarity(one, two) for one, two in other]
    assert max(apart) < 0.2  # next to no word that says anything
    assert max(alike) < 1 and sum(alike) / len(alike) > max(apart)
