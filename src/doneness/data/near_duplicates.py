"""Near-duplicates: the same text in slightly other words.

Two measures, each a weighted Jaccard index; where both apply the larger one counts:

- *content*, for short texts: the sets of content words (CJK: characters and their pairs). "What is
  asthma?" and "What is gout?" share nothing; "Which body parts does asthma narrow?" and "What parts
  of the body does asthma narrow?" share everything. What only one of the two has counts more where
  it makes another question: numbers, opposites, "cause" against "treatment", or one word in the
  place of another.
- *shingles*, for long texts: three tokens in a row (CJK: three characters), where the word order
  is what shows a copy.

Candidates come from an inverted index over each text's rarest features (prefix filtering: Chaudhuri,
Ganti and Kaushik, "A primitive operator for similarity joins", ICDE 2006; Bayardo, Ma and Srikant,
WWW 2007). Unlike MinHash it misses no pair above the threshold and needs no seed, and for short
rows a prefix holds two or three features, so a million rows need some hundred bytes each.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from doneness.data.text import content, critical, is_cjk, normalise, tokens

__all__ = ["near_pairs", "normalise", "shingles", "similarity"]

THRESHOLD = 0.8
# Words, a CJK character counting for two thirds of one. Between the two lengths both measures apply,
# so that no pair falls between them.
SHORT = 24.0
LONG = 14.0
CJK_WORD = 2 / 3
CRITICAL_WEIGHT = 3.0
SWAPPED_WEIGHT = 1.5


@dataclass(frozen=True, slots=True)
class _Text:
    """The features of one text under both measures; empty where a measure does not apply."""

    short: Mapping[str, float]
    long: Mapping[str, float]


def shingles(text: str, width: int = 3) -> frozenset[str]:
    """Runs of `width` tokens of a text (words; CJK: characters); a shorter text is one run."""
    return _shingles(tokens(normalise(text)), width)


def _shingles(parts: Sequence[str], width: int = 3) -> frozenset[str]:
    if not parts:
        return frozenset()
    return frozenset("\x1f".join(parts[i : i + width]) for i in range(max(1, len(parts) - width + 1)))


def similarity(a: str, b: str) -> float:
    """How near two texts are, 0 to 1; 1 for texts of the same normal form."""
    normal = normalise(a), normalise(b)
    if normal[0] == normal[1]:
        return 1.0
    one, two = _features(normal[0]), _features(normal[1])
    return max(_content_likeness(one.short, two.short), _jaccard(one.long, two.long))


def near_pairs(
    texts_a: Sequence[str], texts_b: Sequence[str] | None = None, threshold: float = THRESHOLD
) -> list[tuple[int, int, float]]:
    """Pairs of texts at least `threshold` alike, as (i, j, similarity), sorted by place.

    Texts with one normal form are paired with the first of them alone, and only that first one
    stands for them towards others, so that 1,000 copies make 999 pairs and not half a million.

    Args:
        texts_a: texts i comes from.
        texts_b: texts j comes from; None compares `texts_a` with itself, i < j.
        threshold: least similarity, above 0 and at most 1.

    Raises:
        ValueError: the threshold is out of range.
    """
    if not 0 < threshold <= 1:
        raise ValueError(f"threshold must be above 0 and at most 1, got {threshold}")
    first_a, copies_a = _groups(texts_a)
    if texts_b is None:
        pairs = [(first, copy, 1.0) for first, rest in copies_a.items() for copy in rest]
        names = list(first_a)
        found = _join([_features(name) for name in names], None, threshold)
        places = list(first_a.values())
        pairs += [(min(places[i], places[j]), max(places[i], places[j]), value) for i, j, value in found]
        return sorted(pairs)
    first_b, copies_b = _groups(texts_b)
    # Equal normal forms have equal features, so the join finds them with all others.
    found = _join([_features(name) for name in first_a], [_features(name) for name in first_b], threshold)
    places, homes = list(first_a.values()), list(first_b.values())
    return sorted((places[i], copy, value) for i, j, value in found for copy in (homes[j], *copies_b.get(homes[j], ())))


def _groups(texts: Iterable[str]) -> tuple[dict[str, int], dict[int, list[int]]]:
    """Normal form → first place, and first place → places of its copies; blank texts are left out."""
    first: dict[str, int] = {}
    copies: dict[int, list[int]] = {}
    for place, text in enumerate(texts):
        normal = normalise(text)
        if not normal:
            continue
        home = first.setdefault(normal, place)
        if home != place:
            copies.setdefault(home, []).append(place)
    return first, copies


def _features(normal: str) -> _Text:
    parts = tokens(normal)
    length = sum(CJK_WORD if is_cjk(part) else 1.0 for part in parts)
    return _Text(
        content(normal) if length <= SHORT else {},
        dict.fromkeys(_shingles(parts), 1.0) if length >= LONG else {},
    )


def _jaccard(a: Mapping[str, float], b: Mapping[str, float]) -> float:
    """Weighted Jaccard index; a feature weighs the same in every text."""
    if not a or not b:
        return 0.0
    shared = sum(weight for feature, weight in a.items() if feature in b)
    return shared / (sum(a.values()) + sum(b.values()) - shared)


def _content_likeness(a: Mapping[str, float], b: Mapping[str, float]) -> float:
    """The Jaccard index of content features with what differs counted more; never above the plain index."""
    if not a or not b:
        return 0.0
    only_a = {feature: weight for feature, weight in a.items() if feature not in b}
    only_b = {feature: weight for feature, weight in b.items() if feature not in a}
    shared = sum(a.values()) - sum(only_a.values())
    # An added word may be a flourish; one word in the place of another is mostly another subject.
    swapped = SWAPPED_WEIGHT if max(only_a.values(), default=0) >= 1 <= max(only_b.values(), default=0) else 1.0
    differs = sum(
        weight * (CRITICAL_WEIGHT if critical(word) else swapped) for word, weight in (only_a | only_b).items()
    )
    return shared / (shared + differs)


def _join(a: list[_Text], b: list[_Text] | None, threshold: float) -> list[tuple[int, int, float]]:
    best: dict[tuple[int, int], float] = {}
    for measure, likeness in (("short", _content_likeness), ("long", _jaccard)):
        left = [getattr(text, measure) for text in a]
        right = None if b is None else [getattr(text, measure) for text in b]
        for i, j in _candidates(left, right, threshold):
            value = likeness(left[i], (left if right is None else right)[j])
            if value >= threshold - 1e-12:
                best[i, j] = max(value, best.get((i, j), 0.0))
    return [(i, j, value) for (i, j), value in best.items()]


def _candidates(
    left: list[Mapping[str, float]], right: list[Mapping[str, float]] | None, threshold: float
) -> Iterator[tuple[int, int]]:
    """Every pair whose plain index may reach the threshold; within `left` alone when `right` is None."""
    counts = Counter(feature for features in (*left, *(right or ())) for feature in features)
    index: dict[str, list[int]] = {}
    if right is not None:
        for place, features in enumerate(left):
            for feature in _prefix(features, counts, threshold):
                index.setdefault(feature, []).append(place)
    for place, features in enumerate(left if right is None else right):
        prefix = _prefix(features, counts, threshold)
        for other in sorted({other for feature in prefix for other in index.get(feature, ())}):
            yield other, place
        if right is None:
            for feature in prefix:
                index.setdefault(feature, []).append(place)


def _prefix(features: Mapping[str, float], counts: Mapping[str, int], threshold: float) -> list[str]:
    """The rarest features, so many that the rest together weigh too little to reach the threshold."""
    order = sorted(features, key=lambda feature: (counts[feature], feature))
    left = sum(features.values())
    least = threshold * left
    for taken, feature in enumerate(order):
        # What is left cannot reach the overlap that the threshold asks for: no need to index it.
        if left < least - 1e-9:
            return order[:taken]
        left -= features[feature]
    return order
