from __future__ import annotations

import random

import numpy as np
import pytest

from doneness.data import near_join as near_join_module
from doneness.data import near_pairs, normalise
from doneness.data.near_join import Sketches, join
from doneness.data.sketch import MOST, Sketcher

Sides = tuple[Sketches, Sketches]


def sketches(texts: list[str]) -> Sides:
    """The content features and the runs of texts in their normal form."""
    sketcher = Sketcher()
    parts: list[tuple[list[int], list[int]]] = [([], []), ([], [])]
    for text in texts:
        for (features, ends), found in zip(parts, sketcher.features(text), strict=True):
            features += found
            ends.append(len(features))
    one, two = (Sketches(np.array(f, np.uint32), np.array(e, np.int64)) for f, e in parts)
    return one, two


def joined(a: list[str], b: list[str] | None = None, threshold: float = 0.8) -> dict[tuple[int, int], float]:
    best: dict[tuple[int, int], float] = {}
    one, two = sketches(a), None if b is None else sketches(b)
    for measure, content in enumerate((True, False)):
        found = join(one[measure], None if two is None else two[measure], threshold, content)
        for i, j, value in zip(found.first.tolist(), found.second.tolist(), found.value.tolist(), strict=True):
            best[i, j] = max(value, best.get((i, j), 0.0))
    return best


def texts(count: int, seed: int) -> list[str]:
    """Short, middling and long questions, English and Chinese, many of them near one another."""
    chance = random.Random(seed)
    words = [f"w{k}" for k in range(60)] + [
        "how",
        "not",
        "treatment",
        "cause",
        "children",
        "12",
        "high",
        "what",
        "the",
        "of",
    ]
    found = []
    for _ in range(count):
        if chance.random() < 0.2:
            found.append("".join(chance.choices("高血压的症状是什么怎么治疗不阴阳肝炎痛风", k=chance.randint(3, 40))))
        elif found and chance.random() < 0.5:
            old = chance.choice(found).split()
            old[chance.randrange(len(old))] = chance.choice(words)
            found.append(" ".join(old))
        else:
            found.append(" ".join(chance.choices(words, k=chance.choice((2, 5, 9, 15, 18, 30, 80)))))
    return list(dict.fromkeys(normalise(text) for text in found))


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("threshold", [0.6, 0.8])
def test_the_join_finds_what_the_small_engine_finds(seed: int, threshold: float) -> None:
    some = texts(250, seed)
    others = [*texts(80, seed + 100), *some[::4], *(f"please {text}" for text in some[1::6])]
    for one, two in ((some, None), (some, others)):
        expected = {(i, j): value for i, j, value in near_pairs(one, two, threshold)}
        assert len(expected) > 20
        found = joined(one, two, threshold)
        assert found.keys() == expected.keys()
        assert all(found[pair] == pytest.approx(value) for pair, value in expected.items())


def test_many_entries_are_joined_part_by_part(monkeypatch: pytest.MonkeyPatch) -> None:
    some = texts(200, 7)
    whole = joined(some)
    monkeypatch.setattr(near_join_module, "_ENTRIES", 40)
    monkeypatch.setattr(near_join_module, "_AT_ONCE", 16)
    monkeypatch.setattr(near_join_module, "_COMPARED", 10)
    assert joined(some) == whole


def test_long_texts_are_compared_by_a_sketch() -> None:
    words = [f"w{k}" for k in range(2000)]
    same = [*words[:990], *(f"x{k}" for k in range(20)), *words[1010:]]
    other = [f"y{k}" for k in range(2000)]
    long = [" ".join(each) for each in (words, same, other)]
    assert all(len(Sketcher().features(text)[1]) == MOST for text in long)
    found = joined(long)
    assert found.keys() == {(0, 1)}
    assert found[0, 1] == pytest.approx(near_pairs(long)[0][2], abs=0.06)


def test_a_crowd_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(near_join_module, "CROWD", 3)
    crowd = [
        f"gout {word}"
        for word in ["apple", "bread", "cheese", "dates", "eggs", "figs", "grape", "honey", "icing", "jam"]
    ]
    found = join(sketches(crowd)[0], None, 0.2, True)
    assert found.crowded == 10
    assert 0 < len(found.first) < 45


def test_nothing_is_joined_with_nothing() -> None:
    empty = Sketches(np.empty(0, np.uint32), np.empty(0, np.int64))
    assert len(join(empty, None, 0.8, True).first) == 0
    some = sketches(["what is gout", "what is asthma"])[0]
    assert len(join(some, empty, 0.8, True).first) == 0


def test_bits_are_counted_without_numpys_help(monkeypatch: pytest.MonkeyPatch) -> None:
    words = np.random.default_rng(0).integers(0, 2**64, 50, dtype=np.uint64)
    expected = [int(word).bit_count() for word in words]
    assert near_join_module._ones(words).tolist() == expected
    monkeypatch.delattr(np, "bitwise_count", raising=False)
    assert near_join_module._ones(words).tolist() == expected
