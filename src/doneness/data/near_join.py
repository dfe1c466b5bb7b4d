"""Near-duplicates among millions of texts: the join of `near_duplicates` over hashed features, in numpy.

The same measures and the same prefix filter, so no pair above the threshold is missed but for a collision of 30-bit
hashes, and but for features that thousands of texts have as one of their rarest: there each text meets the next
`CROWD` alone, and the join says how many were crowded. Candidates pass a filter by length and by a bitmap of 64 bits
(the texts' features set bits; too many differing bits rule a pair out: Sandes, Teodoro and Melo, "Bitmap filter:
speeding up exact set similarity joins", ICDE Workshops 2020) before they are compared exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from doneness.data.near_duplicates import CRITICAL_WEIGHT, SWAPPED_WEIGHT
from doneness.data.sketch import CRITICAL, LIGHT, LIGHT_WEIGHT, MOST

CROWD = 2000
_AT_ONCE = 1 << 21  # candidate pairs filtered at once
_COMPARED = 1 << 18  # pairs compared exactly at once
_ENTRIES = 1 << 23  # index entries held at once

U32 = NDArray[np.uint32]
I64 = NDArray[np.int64]
F64 = NDArray[np.float64]


@dataclass(frozen=True)
class Sketches:
    """The features of many texts: those of text i stand from ends[i-1] to ends[i], ascending."""

    features: U32
    ends: I64

    def __len__(self) -> int:
        return len(self.ends)

    @property
    def starts(self) -> I64:
        """Where each text's features begin."""
        return np.concatenate(([0], self.ends[:-1])).astype(np.int64)

    def of(self, texts: I64) -> Sketches:
        """The features of some of the texts, in that order."""
        starts, lengths = self.starts[texts], (self.ends - self.starts)[texts]
        return Sketches(self.features[_ranges(starts, lengths)], np.cumsum(lengths))


@dataclass(frozen=True)
class Joined:
    """Pairs i < j (or i of the first, j of the second set) and how alike they are; `crowded` texts met a few others."""

    first: I64
    second: I64
    value: F64
    crowded: int


def join(
    a: Sketches,
    b: Sketches | None,
    threshold: float,
    content: bool,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Joined:
    """Pairs at least `threshold` alike.

    Args:
        a, b: the texts; None joins `a` with itself.
        threshold: least similarity.
        content: whether these are content features, where what differs counts more.
        progress: told how many index entries of how many are done.
    """
    whole = a if b is None else Sketches(np.concatenate((a.features, b.features)), _after(a, b))
    side = None if b is None else np.arange(len(whole)) >= len(a)
    keys, texts = _index(whole, threshold)
    if side is not None:
        keys, texts = _shared(keys, texts, side)
    bits, weights = _bits(whole), _totals(whole)
    pairs: list[NDArray[np.uint64]] = []
    crowded = 0
    for begin, end in _parts(keys):
        found, met = _candidates(keys[begin:end], texts[begin:end], side, (bits, weights), threshold)
        crowded += met
        pairs.append(found)
        progress(end, len(keys))
    every = np.unique(np.concatenate(pairs)) if pairs else np.empty(0, np.uint64)
    first, second = (every >> np.uint64(32)).astype(np.int64), (every & np.uint64(0xFFFFFFFF)).astype(np.int64)
    value = likeness(whole, first, second, content)
    kept = value >= threshold - 1e-12
    first, second, value = first[kept], second[kept], value[kept]
    if b is not None:
        second = second - len(a)
    return Joined(first, second, value, crowded)


def likeness(whole: Sketches, first: I64, second: I64, content: bool) -> F64:
    """The similarity of each pair of texts, as `near_duplicates` has it."""
    found = np.empty(len(first))
    starts, lengths = whole.starts, whole.ends - whole.starts
    for at in range(0, len(first), _COMPARED):
        i, j = first[at : at + _COMPARED], second[at : at + _COMPARED]
        one, two = _keyed(whole, starts[i], lengths[i]), _keyed(whole, starts[j], lengths[j])
        found[at : at + len(i)] = _content_likeness(one, two, len(i)) if content else _jaccard(whole, one, two, i, j)
    return found


_Keyed = tuple[NDArray[np.uint64], U32, I64]  # pair and feature in one number, feature, pair


def _keyed(whole: Sketches, starts: I64, lengths: I64) -> _Keyed:
    pair = np.repeat(np.arange(len(starts)), lengths)
    feature = whole.features[_ranges(starts, lengths)]
    return (pair.astype(np.uint64) << np.uint64(32)) | feature, feature, pair


def _inside(one: _Keyed, two: _Keyed) -> NDArray[np.bool_]:
    """Which features of the one the other has; both ascend."""
    if not two[0].size:
        return np.zeros(one[0].size, dtype=bool)
    place = np.minimum(np.searchsorted(two[0], one[0]), two[0].size - 1)
    return np.asarray(two[0][place] == one[0], dtype=bool)


def _jaccard(whole: Sketches, one: _Keyed, two: _Keyed, i: I64, j: I64) -> F64:
    lengths = whole.ends - whole.starts
    last = whole.features[np.maximum(whole.ends - 1, 0)] if whole.features.size else np.zeros(len(whole), np.uint32)
    # Of a long text only the smallest hashes are there: beyond the smaller of the two ends nothing can be compared.
    reach = np.where(lengths >= MOST, last, np.uint32(0xFFFFFFFF))
    limit = np.minimum(reach[i], reach[j])
    near_one, near_two = one[1] <= limit[one[2]], two[1] <= limit[two[2]]
    shared = np.bincount(one[2][_inside(one, two) & near_one], minlength=len(i)).astype(float)
    sizes = [np.bincount(each[2][near], minlength=len(i)) for each, near in ((one, near_one), (two, near_two))]
    union = sizes[0] + sizes[1] - shared
    return np.asarray(np.divide(shared, union, out=np.zeros(len(i)), where=union > 0), dtype=np.float64)


def _content_likeness(one: _Keyed, two: _Keyed, count: int) -> F64:
    shared_one, shared_two = _inside(one, two), _inside(two, one)
    weights = [np.where(each[1] & LIGHT, LIGHT_WEIGHT, 1.0) for each in (one, two)]
    shared = np.bincount(one[2][shared_one], weights[0][shared_one], minlength=count)
    sums = []
    for each, weight, same in ((one, weights[0], shared_one), (two, weights[1], shared_two)):
        pair, own = each[2][~same], weight[~same]
        grave = (each[1][~same] & CRITICAL) > 0
        sums.append(
            (
                np.bincount(pair, own * np.where(grave, CRITICAL_WEIGHT, 0.0), minlength=count),
                np.bincount(pair, own * ~grave, minlength=count),
                np.bincount(pair, own >= 1, minlength=count) > 0,
            )
        )
    swapped = np.where(sums[0][2] & sums[1][2], SWAPPED_WEIGHT, 1.0)
    differs = sums[0][0] + sums[1][0] + swapped * (sums[0][1] + sums[1][1])
    whole = shared + differs
    return np.asarray(np.divide(shared, whole, out=np.zeros(count), where=whole > 0), dtype=np.float64)


def _after(a: Sketches, b: Sketches) -> I64:
    return np.concatenate((a.ends, b.ends + (a.ends[-1] if len(a) else 0))).astype(np.int64)


def _ranges(starts: I64, lengths: I64) -> I64:
    """The numbers of all ranges, one after the other."""
    total = int(lengths.sum())
    if not total:
        return np.empty(0, np.int64)
    before = np.cumsum(lengths) - lengths
    return np.repeat(starts - before, lengths) + np.arange(total)


def _weights(features: U32) -> F64:
    return np.where(features & LIGHT, LIGHT_WEIGHT, 1.0)


def _totals(whole: Sketches) -> F64:
    sums = np.concatenate(([0.0], np.cumsum(_weights(whole.features))))
    return np.asarray(sums[whole.ends] - sums[whole.starts], dtype=np.float64)


def _bits(whole: Sketches) -> NDArray[np.uint64]:
    """A bitmap of each text's features; light ones are left out, so that each bit stands for a weight of 1."""
    heavy = (whole.features & LIGHT) == 0
    bit = np.uint64(1) << ((whole.features >> np.uint32(2)) % np.uint32(64)).astype(np.uint64)
    bit = np.where(heavy, bit, np.uint64(0))
    lengths = whole.ends - whole.starts
    found = np.zeros(len(whole), np.uint64)
    filled = lengths > 0
    if filled.any():
        found[filled] = np.bitwise_or.reduceat(bit, whole.starts[filled])
    return found


def _index(whole: Sketches, threshold: float) -> tuple[U32, U32]:
    """(feature, text) of every prefix, by feature; a prefix is a text's rarest features, see `near_duplicates`."""
    lengths = whole.ends - whole.starts
    text = np.repeat(np.arange(len(whole), dtype=np.uint32), lengths)
    # Any one order of all features will do; a count by a shorter hash is nearly that of the feature.
    bucket = (whole.features >> np.uint32(2)) & np.uint32((1 << 22) - 1)
    rarity = np.bincount(bucket, minlength=1 << 22)[bucket].astype(np.uint32)
    order = np.lexsort((whole.features, rarity, text))
    features, text = whole.features[order], text[order]
    weight = _weights(features)
    before = np.cumsum(weight) - weight
    before -= np.repeat(before[whole.starts[lengths > 0]], lengths[lengths > 0])
    total = np.repeat(_totals(whole), lengths)
    wanted = total - before >= threshold * total - 1e-9
    features, text = features[wanted], text[wanted]
    order = np.argsort(features, kind="stable")
    return features[order], text[order]


def _shared(keys: U32, texts: U32, side: NDArray[np.bool_]) -> tuple[U32, U32]:
    """The entries of features that both sets have."""
    of_second = side[texts]
    both = np.intersect1d(keys[of_second], keys[~of_second])
    kept = np.isin(keys, both)
    return keys[kept], texts[kept]


def _parts(keys: U32) -> Iterator[tuple[int, int]]:
    """Stretches of the index that end where a feature ends."""
    begin = 0
    while begin < len(keys):
        end = min(begin + _ENTRIES, len(keys))
        end = int(np.searchsorted(keys, keys[end - 1], side="right"))
        yield begin, end
        begin = end


def _candidates(
    keys: U32,
    texts: U32,
    side: NDArray[np.bool_] | None,
    known: tuple[NDArray[np.uint64], F64],
    threshold: float,
) -> tuple[NDArray[np.uint64], int]:
    """Pairs under one feature that lengths and bitmaps allow, each as one number; and how many were crowded."""
    bounds = np.flatnonzero(np.diff(keys)) + 1
    ends = np.concatenate((bounds, [len(keys)]))
    sizes = np.diff(np.concatenate(([0], ends)))
    end_of = np.repeat(ends, sizes)
    crowded = int(sizes[sizes > CROWD].sum())
    here = np.flatnonzero(end_of > np.arange(len(keys)) + 1)
    found: list[NDArray[np.uint64]] = []
    for step in range(1, CROWD + 1):
        here = here[here + step < end_of[here]]
        if not here.size:
            break
        for at in range(0, here.size, _AT_ONCE):
            found.append(_possible(texts, here[at : at + _AT_ONCE], step, side, known, threshold))
    return (np.unique(np.concatenate(found)) if found else np.empty(0, np.uint64)), crowded


def _possible(
    texts: U32,
    here: I64,
    step: int,
    side: NDArray[np.bool_] | None,
    known: tuple[NDArray[np.uint64], F64],
    threshold: float,
) -> NDArray[np.uint64]:
    bits, weights = known
    i, j = texts[here], texts[here + step]
    if side is not None:
        # The texts of a feature ascend, so the first set comes first.
        across = ~side[i] & side[j]
        i, j = i[across], j[across]
    one, two = weights[i], weights[j]
    fits = np.minimum(one, two) >= threshold * np.maximum(one, two) - 1e-9
    i, j = i[fits], j[fits]
    room = (1 - threshold) / (1 + threshold) * (one[fits] + two[fits]) + 1e-9
    fits = _ones(bits[i] ^ bits[j]) <= room
    i, j = i[fits].astype(np.uint64), j[fits].astype(np.uint64)
    return np.asarray((i << np.uint64(32)) | j, dtype=np.uint64)


def _ones(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """How many bits are set in each word: the sums of pairs, fours and eights at once."""
    if hasattr(np, "bitwise_count"):
        return np.asarray(np.bitwise_count(words), dtype=np.uint64)
    two, four, eight = (np.uint64(k) for k in (0x5555555555555555, 0x3333333333333333, 0x0F0F0F0F0F0F0F0F))
    words = words - ((words >> np.uint64(1)) & two)
    words = (words & four) + ((words >> np.uint64(2)) & four)
    words = (words + (words >> np.uint64(4))) & eight
    return np.asarray((words * np.uint64(0x0101010101010101)) >> np.uint64(56), dtype=np.uint64)
