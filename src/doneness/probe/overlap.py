"""How much two texts share: exactly, by words, in order, in one piece. Words, and characters in Chinese.

Sources: Rajpurkar et al., EMNLP 2016 (exact match and F1, as in SQuAD); Lin, 2004 (ROUGE-L); the longest common
subsequence by bits: Hyyrö, 2004.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

_UNITS = re.compile(r"[\u3400-\u9fff]|[^\W\u3400-\u9fff]+")
_ARTICLES = frozenset(("a", "an", "the"))


def units(text: str) -> list[str]:
    """The words of a text in small letters; of Chinese, its characters. Marks are left out."""
    return _UNITS.findall(unicodedata.normalize("NFKC", text).lower())


def normalised(text: str) -> str:
    """The units in a row, articles apart: two texts are the same answer when these are equal."""
    said = units(text)
    # An answer that is nothing but "A" names a choice.
    return " ".join([unit for unit in said if unit not in _ARTICLES] or said)


def exact(answer: str, reference: str) -> bool:
    """Whether the two are the same but for case, marks and articles."""
    return normalised(answer) == normalised(reference)


def contained(answer: str, reference: str) -> bool:
    """Whether the reference stands in the answer in one piece, case, marks and articles apart."""
    wanted = normalised(reference)
    return bool(wanted) and f" {wanted} " in f" {normalised(answer)} "


def f1(answer: str, reference: str) -> float:
    """Harmonic mean of the shares of common units, each counted as often as both have it; 0 to 1."""
    said, wanted = (Counter(normalised(text).split()) for text in (answer, reference))
    common = sum((said & wanted).values())
    return 2 * common / (sum(said.values()) + sum(wanted.values())) if common else 0.0


def rouge_l(answer: str, reference: str) -> float:
    """F-measure of the longest common subsequence; 0 to 1."""
    said, wanted = units(answer), units(reference)
    common = _subsequence(said, wanted)
    return 2 * common / (len(said) + len(wanted)) if common else 0.0


def longest_run(answer: Sequence[str], reference: Sequence[str]) -> int:
    """Length of the longest piece of the reference that stands in the answer unbroken."""
    low, high = 0, min(len(answer), len(reference))
    while low < high:  # a common piece of length n holds common pieces of all lengths below
        middle = (low + high + 1) // 2
        if _pieces(answer, middle).isdisjoint(_pieces(reference, middle)):
            high = middle - 1
        else:
            low = middle
    return low


def common_prefix(answer: Sequence[str], reference: Sequence[str]) -> int:
    """How many units the two have in common from the beginning."""
    for i, (one, other) in enumerate(zip(answer, reference, strict=False)):
        if one != other:
            return i
    return min(len(answer), len(reference))


def reproduced(answer: str, reference: str, capped: bool = False) -> float:
    """Share of the reference that the answer repeats in one piece; 0 to 1.

    Args:
        answer: what was said.
        reference: what was learnt.
        capped: the answer was cut off; then no more of the reference is asked for than it had room for.
    """
    said, wanted = units(answer), units(reference)
    whole = min(len(wanted), len(said)) if capped else len(wanted)
    return min(1.0, longest_run(said, wanted) / whole) if whole else 0.0


def _pieces(sequence: Sequence[str], length: int) -> set[tuple[str, ...]]:
    return {tuple(sequence[i : i + length]) for i in range(len(sequence) - length + 1)}


def _subsequence(one: Sequence[str], other: Sequence[str]) -> int:
    """Length of the longest common subsequence: one machine word operation for many cells of the usual table."""
    places: dict[str, int] = {}
    for i, unit in enumerate(one):
        places[unit] = places.get(unit, 0) | 1 << i
    full = (1 << len(one)) - 1
    row = full
    for unit in other:
        met = row & places.get(unit, 0)
        row = ((row + met) | (row - met)) & full
    return len(one) - row.bit_count()
