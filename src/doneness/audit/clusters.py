"""Texts as vectors, the clusters they fall into, and how many different ones they are worth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from doneness.data import normalise
from doneness.data.sketch import hashed
from doneness.data.text import content

_WIDTH = 2048
_NEAR = 0.5
# Between unrelated and equal texts the bundled embedding goes from about 0.83 to 1.
_UNRELATED = 0.85

F32 = NDArray[np.float32]


@dataclass(frozen=True)
class Spread:
    """How texts lie to one another.

    Attributes:
        effective: how many different texts they are worth.
        sizes: of the clusters, largest first.
        leaders: the text that each cluster gathers around.
        cluster: the cluster of each text.
        worth: how many different texts a text of each cluster is worth, on average.
    """

    effective: float
    sizes: NDArray[np.int64]
    leaders: NDArray[np.int64]
    cluster: NDArray[np.int64]
    worth: NDArray[np.float64]


def vectors(texts: Sequence[str]) -> F32:
    """Texts by the words they hold, rare ones weighing more; rows of length 1, shape (n, 2048)."""
    bags = [content(normalise(text)) for text in texts]
    seen = Counter(name for bag in bags for name in bag)
    found = np.zeros((len(texts), _WIDTH), np.float32)
    for row, bag in enumerate(bags):
        for name, weight in bag.items():
            code = hashed(name)
            sign = 1.0 if code & 4 else -1.0
            found[row, (code >> 3) % _WIDTH] += sign * weight * np.log1p(len(texts) / seen[name])
    norm = np.linalg.norm(found, axis=1, keepdims=True)
    return np.asarray(found / np.maximum(norm, 1e-9), dtype=np.float32)


def spread(found: NDArray[np.float32], calibrated: bool = False) -> Spread:
    """Clusters and effective number of vectors of length 1.

    Args:
        found: shape (n, d).
        calibrated: the vectors are embeddings of a narrow range.
    """
    like = np.clip(found @ found.T, 0.0, 1.0)
    if calibrated:
        like = np.clip((like - _UNRELATED) / (1 - _UNRELATED), 0.0, 1.0)
    # Small likenesses are chance meetings of hashes and common words.
    like[like < 0.2] = 0.0
    np.fill_diagonal(like, 1.0)
    crowd = like.sum(axis=1, dtype=np.float64)
    cluster = np.full(len(like), -1, np.int64)
    leaders: list[int] = []
    for place in np.argsort(-crowd, kind="stable"):
        if cluster[place] >= 0:
            continue
        near = (like[place] >= _NEAR) & (cluster < 0)
        near[place] = True
        cluster[near] = len(leaders)
        leaders.append(int(place))
    sizes = np.bincount(cluster)
    order = np.lexsort((np.arange(len(sizes)), -sizes))
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    worth = np.bincount(cluster, 1 / crowd) / sizes
    effective = float(np.exp(-np.log(crowd / len(like)).mean()))
    return Spread(effective, sizes[order], np.array(leaders)[order], rank[cluster], worth[order])
