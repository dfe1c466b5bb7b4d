"""Floors, bits, the law of rows and the published law of tokens, against numbers that are known."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from doneness.sanity import floor_of
from doneness.sanity.bits import bits_to_learn, unigram
from doneness.sanity.ladder import Climb, climb
from doneness.sanity.power import fit_power
from doneness.sanity.scaling import BESIROGLU, HOFFMANN, count_of, expected
from doneness.workflows.ladder_said import ladder_lines

M = -100


def test_the_floor_of_rows_that_differ_is_zero() -> None:
    rows = [((1, 2, 7, 9), (M, M, 7, 9)), ((1, 3, 8, 9), (M, M, 8, 9))]
    assert floor_of(rows).loss == 0.0
    assert floor_of(rows).attainable == 1.0


def test_the_floor_of_contradictory_rows_is_their_entropy() -> None:
    rows = [((1, 2, answer, 9), (M, M, answer, 9)) for answer in (5, 5, 5, 6)]
    found = floor_of(rows)
    entropy = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    assert found.loss == pytest.approx(entropy / 2)  # the second target token is certain
    assert (found.attainable, found.conflicting, found.rows) == (0.75, 4, 4)


def test_the_first_token_of_a_text_is_no_target() -> None:
    assert floor_of([((4, 5), (4, 5)), ((6, 5), (6, 5))]).loss == 0.0


def test_bits_of_random_letters_and_of_one_letter() -> None:
    rng = np.random.default_rng(0)
    letters = rng.integers(0, 32, 4000).tolist()
    assert bits_to_learn(letters, math.inf) == pytest.approx(5 * 4000, rel=0.15)
    assert bits_to_learn([7] * 4000, math.inf) < 1000
    assert bits_to_learn(letters, 0.01 * math.log(2)) == pytest.approx(40.0)
    assert bits_to_learn([], 3.0) == 0.0


def test_the_law_of_rows_finds_a_planted_one() -> None:
    rows = np.repeat([500.0, 1000.0, 2000.0, 4000.0, 8000.0], 2)
    rng = np.random.default_rng(1)
    truth = 1.2 + 8.0 * rows**-0.4
    inside = 0
    for seed in range(20):
        found = fit_power(rows, truth + rng.normal(0, 0.004, rows.size), 0.004, seed)
        assert found is not None
        gain, low, high = found.gain(8000, 80_000)
        real = 8.0 * (8000**-0.4 - 80_000**-0.4)
        inside += low <= real <= high
        assert 0 <= low <= gain <= high
    assert inside >= 15
    assert fit_power(rows[:4], truth[:4], 0.01) is None


def runs(losses: dict[int, tuple[float, ...]], noise: float = 0.05) -> list[Climb]:
    rng = np.random.default_rng(0)
    shared = rng.normal(0, 0.5, 300)
    made = []
    for rows, each in losses.items():
        for seed, loss in enumerate(each):
            nll = 10 * (loss + shared + rng.normal(0, noise, 300))
            made.append(Climb(rows, seed, 50, 100, 1e5, loss, loss - 0.1, nll, np.full(300, 10.0), 0.5))
    return made


@pytest.mark.parametrize(
    ("losses", "word"),
    [
        ({1000: (2.0, 2.001), 5000: (1.8, 1.801), 20_000: (1.7, 1.701)}, "rises"),
        ({1000: (2.0, 2.001), 5000: (1.8, 1.801), 20_000: (1.8, 1.801)}, "flat"),
        ({1000: (2.0, 2.001), 5000: (1.8, 1.801), 20_000: (1.9, 1.901)}, "worse"),
        ({1000: (2.0, 2.2), 5000: (1.9, 2.1), 20_000: (1.8, 2.0)}, "unsure"),
        ({1000: (2.0,), 20_000: (1.0,)}, "unsure"),
    ],
)
def test_what_a_ladder_says(losses: dict[int, tuple[float, ...]], word: str) -> None:
    found = climb(runs(losses), 40_000, 0.02, 0.0, 0.0)
    assert found.word == word
    assert (found.rungs[-1].interval is None) == (len(losses[1000]) == 1)
    assert found.hours == pytest.approx(0.5 / 50 * 100 / 20_000 * 1000)


@pytest.mark.parametrize(
    ("losses", "gap", "said"),
    [
        ({1000: (2.0, 2.001), 5000: (1.8, 1.801), 20_000: (1.7, 1.701)}, 0.1, "More rows pay"),
        ({1000: (2.0, 2.001), 5000: (1.8, 1.801), 20_000: (1.8, 1.801)}, 0.9, "Quality, not quantity"),
        ({1000: (2.0, 2.001), 5000: (1.8, 1.801), 20_000: (1.8, 1.801)}, 0.1, "What these rows teach is learnt"),
        ({1000: (2.0,), 20_000: (1.0,)}, 0.1, "with one seed nobody knows"),
        ({1000: (2.0, 2.001), 20_000: (1.8, 1.801)}, 0.1, "three at least"),
    ],
)
def test_a_ladder_in_sentences(losses: dict[int, tuple[float, ...]], gap: float, said: str) -> None:
    made = [replace(run, train=run.loss - gap) for run in runs(losses)]
    lines = ladder_lines(climb(made, 40_000, 0.02, 0.2, 0.3))
    text = " ".join(line.text("en") for line in lines)
    assert said in text
    assert "20.0% of the rows repeat" in text
    assert "The whole set (40,000 rows" in text or "(40,000 rows, about" in text
    assert not any("sanity." in line.text(lang) for line in lines for lang in ("en", "zh"))


def test_the_law_of_tokens_has_the_published_numbers() -> None:
    # Chinchilla itself: 70e9 parameters, 1.4e12 tokens. Hoffmann et al. give 1.94 for their fit.
    assert HOFFMANN.loss(70e9, 1.4e12) == pytest.approx(1.94, abs=0.01)
    assert BESIROGLU.loss(70e9, 1.4e12) == pytest.approx(1.97, abs=0.02)


def test_stuck_and_normal() -> None:
    found = expected(1.1e9, 50e9)
    assert found.loss == pytest.approx(2.42, abs=0.01)
    assert found.loss == pytest.approx(found.floor + found.of_size + found.of_data)
    assert [found.word(loss) for loss in (1.9, 2.5, 3.4)] == ["below", "within", "above"]
    # At a high rate more is still to come; larger tokens have more nats.
    assert expected(1.1e9, 50e9, annealed=True).high < found.high
    assert expected(1.1e9, 50e9, 5.0).loss > found.loss
    with pytest.raises(ValueError):
        expected(0, 1)


@pytest.mark.parametrize(
    ("text", "value"),
    [("1.1B", 1.1e9), ("50e6x1000", 5e10), ("20k", 2e4), ("1,000", 1e3), ("12,000,000", 1.2e7), ("3M×2", 6e6)],
)
def test_counts(text: str, value: float) -> None:
    assert count_of(text) == pytest.approx(value)


@pytest.mark.parametrize("text", ["", "abc", "-3", "0", "x", "inf", "1,1B", "1,1", "10,00"])
def test_what_is_no_count(text: str) -> None:
    with pytest.raises(ValueError):
        count_of(text)


def test_a_count_of_tokens_gives_their_entropy() -> None:
    rng = np.random.default_rng(2)
    assert unigram(rng.integers(0, 32, 20_000).tolist()) == pytest.approx(math.log(32), abs=0.005)
    # Of few tokens the plain estimate lies far below.
    assert np.mean([unigram(rng.integers(0, 32, 60).tolist()) for _ in range(50)]) == pytest.approx(
        math.log(32), abs=0.1
    )
    assert unigram([7] * 100) == 0.0
    assert math.isnan(unigram([]))
