from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from doneness.review.active import worth
from doneness.review.ranking import Outcomes, outcomes, rank
from doneness.review.settled import ALPHA, log_ratio, settled

EVERY = np.ones((4, 4)) - np.eye(4)


def drawn(strength: list[float], n: int, seed: int = 0, ties: float = 0.0) -> Outcomes:
    """Votes by Bradley-Terry, a question each."""
    rng = np.random.default_rng(seed)
    rows = []
    for q in range(n):
        i, j = rng.choice(len(strength), 2, replace=False)
        chance = 1.0 / (1.0 + math.exp(strength[j] - strength[i]))
        points = 0.5 if rng.random() < ties else float(rng.random() < chance)
        rows.append((int(i), int(j), points, 1.0, q))
    return outcomes(rows)


def test_known_strengths_are_found() -> None:
    truth = [-1.0, -0.2, 0.3, 0.9]
    found = rank(drawn(truth, 4000), EVERY)
    assert np.argsort(found.strength).tolist() == [0, 1, 2, 3]
    assert np.abs(found.strength - truth).max() < 0.15
    assert found.chance(3, 0) == pytest.approx(1 / (1 + math.exp(-1.9)), abs=0.03)


def test_two_checkpoints_by_hand() -> None:
    """Without the virtual votes the odds are those of the votes."""
    votes = outcomes([(0, 1, 1.0, 1.0, q) for q in range(30)] + [(0, 1, 0.0, 1.0, q) for q in range(30, 40)])
    found = rank(votes, np.array([[0.0, 1.0], [1.0, 0.0]]), virtual=1e-9)
    assert found.strength[0] - found.strength[1] == pytest.approx(math.log(3), abs=1e-5)
    # The variance of log odds, 1/30 + 1/10, as the jackknife has it.
    assert found.error(0, 1) == pytest.approx(math.sqrt(1 / 30 + 1 / 10), rel=0.06)


def test_who_won_every_vote_stays_finite_and_who_has_none_is_unknown() -> None:
    votes = outcomes([(0, 1, 1.0, 1.0, q) for q in range(50)])
    found = rank(votes, EVERY[:3, :3])
    assert np.isfinite(found.strength).all() and found.leader == 0
    share, low, high = found.share(2)
    assert high - low > 0.5 and low < share < high
    assert not settled(found).done, "a checkpoint that nobody voted on may be the best"


def test_no_votes_are_no_ranking() -> None:
    found = rank(outcomes([]), EVERY)
    assert found.strength.tolist() == [0.0] * 4 and found.leader == 0
    assert all(low < 0.2 and high > 0.8 for _, low, high in map(found.share, range(4)))
    end = settled(found)
    assert not end.done and end.votes_needed > 30
    assert worth(found).max() == 1.0


def test_votes_on_one_question_are_not_votes_on_many() -> None:
    """Fifty votes of a question that went all one way say no more than that question does."""
    rows = [(0, 1, float(q % 4 != 0), 1.0, q) for q in range(12)]
    many = [(i, j, y, w, q) for i, j, y, w, q in rows for _ in range(5)]
    once, often = (rank(outcomes(r), EVERY[:2, :2], virtual=1e-6) for r in (rows, many))
    assert often.error(0, 1) == pytest.approx(once.error(0, 1), rel=0.1)


def test_ties_narrow_and_do_not_move() -> None:
    some = rank(drawn([0.0, 0.0], 60, ties=0.0), EVERY[:2, :2])
    tied = rank(drawn([0.0, 0.0], 60, ties=1.0), EVERY[:2, :2])
    assert tied.strength.tolist() == [0.0, 0.0]
    assert tied.error(0, 1) < 0.5 * some.error(0, 1)


def test_answers_that_are_alike_count_as_ties() -> None:
    votes = drawn([0.0, 2.0], 80)
    whole = rank(votes, EVERY[:2, :2])
    half = rank(votes, 0.5 * EVERY[:2, :2])
    # Of half of the questions, half a point each: the share of points comes half way to a half.
    assert half.chance(1, 0) - 0.5 == pytest.approx(0.5 * (whole.chance(1, 0) - 0.5), abs=0.01)
    assert half.error(0, 1) < whole.error(0, 1)


@settings(max_examples=25, deadline=None)
@given(
    points=arrays.arrays(np.float64, 30, elements=st.sampled_from([0.0, 0.5, 1.0])),
    first=arrays.arrays(np.int64, 30, elements=st.integers(0, 3)),
    step=arrays.arrays(np.int64, 30, elements=st.integers(1, 3)),
    cluster=arrays.arrays(np.int64, 30, elements=st.integers(0, 9)),
)
def test_laws(points: np.ndarray, first: np.ndarray, step: np.ndarray, cluster: np.ndarray) -> None:
    """Swapped sides change nothing; turned votes turn the ranking; names of checkpoints do not matter."""
    second, weight = (first + step) % 4, np.ones(30)
    votes = Outcomes(first, second, points, weight, cluster)
    found = rank(votes, EVERY)
    assert np.isfinite(found.covariance).all() and np.linalg.eigvalsh(found.covariance).min() > -1e-8
    assert abs(found.strength.sum()) < 1e-9
    swapped = rank(Outcomes(second, first, 1.0 - points, weight, cluster), EVERY)
    np.testing.assert_allclose(swapped.strength, found.strength, atol=1e-6)
    turned = rank(Outcomes(first, second, 1.0 - points, weight, cluster), EVERY)
    np.testing.assert_allclose(turned.strength, -found.strength, atol=1e-6)
    order = np.array([2, 0, 3, 1])
    renamed = rank(Outcomes(order[first], order[second], points, weight, cluster), EVERY)
    np.testing.assert_allclose(renamed.strength[order], found.strength, atol=1e-6)
    for k in range(4):
        share, low, high = found.share(k)
        assert 0 <= low < share < high <= 1


def test_settled_once_the_lead_is_shown_and_not_before() -> None:
    truth = [-0.5, 0.0, 0.0, 1.2]
    dones = [settled(rank(drawn(truth, n, seed=3), EVERY)) for n in (15, 60, 400, 900)]
    assert not dones[0].done and dones[-1].done and dones[-1].best
    assert dones[-1].leader == 3 and dones[-1].votes_needed == 0 and dones[-1].open == ()
    assert dones[0].votes_needed > 0 and dones[0].open


def test_equals_are_settled_by_the_margin_and_none_is_called_best() -> None:
    found = rank(drawn([0.0, 0.0], 900, ties=0.3), EVERY[:2, :2])
    end = settled(found, margin=0.1)
    assert end.done and not end.best
    assert not settled(found, margin=0.01).done


def test_preferences_in_a_circle_are_never_settled() -> None:
    """One strength for each says that all are equal; three in four prefer the next one."""
    rng = np.random.default_rng(1)
    pairs = [(q % 3, (q + 1) % 3, float(rng.random() < 0.75), 1.0, q) for q in range(900)]
    ends = [settled(rank(outcomes(pairs[:n]), EVERY[:3, :3])) for n in range(120, 901, 30)]
    assert not any(end.done for end in ends)
    # Whoever is ahead, the one before it in the circle is named.
    assert all((end.leader - 1) % 3 in end.circle for end in ends)
    # By the shares alone, against all others alike, nothing would speak against it.
    assert max(abs(rank(outcomes(pairs), EVERY[:3, :3]).strength)) < 0.2


def test_an_order_is_not_taken_for_a_circle() -> None:
    ends = [settled(rank(drawn([-0.5, 0.0, 0.2, 1.2], n, seed=n), EVERY)) for n in range(60, 600, 20)]
    assert not any(end.circle for end in ends) and any(end.done for end in ends)


def test_the_likelihood_ratio_is_one_in_the_mean_where_nothing_leads() -> None:
    """Its mean under no lead is 1, so that it exceeds 1/a in at most a share a; numbers, not draws."""
    z = np.linspace(-80.0, 80.0, 6401)
    density = -0.5 * z * z - 0.5 * math.log(2 * math.pi)
    for information in (0.5, 5.0, 80.0):
        ratio = np.array([log_ratio(float(each), information) for each in z])
        assert float(np.exp(ratio + density).sum() * (z[1] - z[0])) == pytest.approx(1.0, abs=2e-3)
    assert math.isclose(ALPHA, 0.05)


def test_the_next_vote_is_where_the_doubt_is() -> None:
    """The two that lead alike are worth more than those far behind."""
    votes = drawn([-2.0, -1.8, 1.0, 1.0], 300, seed=2)
    value = worth(rank(votes, EVERY))
    assert np.unravel_index(int(value.argmax()), value.shape) in ((2, 3), (3, 2))
    assert value[0, 1] < 0.2
    np.testing.assert_allclose(value, value.T)
    assert (np.diag(value) == 0).all()


def test_one_checkpoint_is_no_ranking() -> None:
    with pytest.raises(ValueError, match="two checkpoints"):
        rank(outcomes([]), np.ones((1, 1)))
