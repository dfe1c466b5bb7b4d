from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doneness.review.agreement import alpha, biases, judged, kappa, krippendorff
from doneness.review.votes import Reviewer, Showing, Vote

ANN, BOB, TOM = (Reviewer(i + 1, name, "human", i) for i, name in enumerate(("Ann", "Bob", "Tom")))
JUDGE = Reviewer(9, "judge", "judge", 9)


def vote(who: Reviewer, question: int, verdict: str, swapped: bool = False, repeats: str | None = None) -> Vote:
    left, right = ("b", "a") if swapped else ("a", "b")
    token = f"{who.id}-{question}-{swapped}"
    shown = Showing(token, who.id, f"q{question}", "?", 0, 1, left, right, repeats, "")
    return Vote(question, shown, who, verdict, ((), ()), "", "")


def test_alpha_of_krippendorffs_own_example() -> None:
    """Four observers, twelve units with gaps, nominal: 0.743 (Krippendorff 2011, "Computing alpha", part C)."""
    table = [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3],
        [None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None],
    ]
    units = [tuple(str(row[u]) for row in table if row[u] is not None) for u in range(12)]
    assert krippendorff(units) == pytest.approx(0.743, abs=0.0005)


def test_alpha_of_full_and_of_no_agreement() -> None:
    assert krippendorff([("1", "1"), ("2", "2"), ("tie", "tie")]) == 1.0
    assert krippendorff([("1", "2"), ("2", "1")] * 10) == pytest.approx(-0.95)
    assert krippendorff([("1", "1")]) is None, "no variety: nothing that chance could be told from"
    assert krippendorff([]) is None and krippendorff([("1",)]) is None


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(*[st.sampled_from(["1", "2", "tie", "bad"])] * 3), min_size=2, max_size=20))
def test_alpha_does_not_hang_on_order_or_names(units: list[tuple[str, ...]]) -> None:
    found = krippendorff(units)
    names = {"1": "tie", "2": "bad", "tie": "1", "bad": "2"}
    again = krippendorff([tuple(names[each] for each in reversed(unit)) for unit in reversed(units)])
    assert (found is None) == (again is None)
    if found is not None and again is not None:
        assert found == pytest.approx(again) and found <= 1.0


def test_sides_do_not_matter_to_agreement() -> None:
    """Ann saw a on the left, Bob on the right, and both prefer a."""
    votes = [vote(ANN, q, "12"[q % 2]) for q in range(20)] + [
        vote(BOB, q, "21"[q % 2], swapped=True) for q in range(20)
    ]
    found = alpha(votes)
    assert found.value == 1.0 and found.pairs == 20 and found.same == 1.0
    # Twenty pairs without a disagreement do not show that there is none.
    assert found.interval is not None and found.interval[0] < 1.0


def test_a_reviewer_who_takes_the_left_is_found() -> None:
    fair = [vote(ANN, q, "12"[q % 2]) for q in range(40)]
    leaning = [vote(BOB, q, "2" if q % 5 == 0 else "1") for q in range(40)]
    again = [vote(BOB, q, "1", swapped=True, repeats=f"2-{q}-False") for q in range(10)]
    one, other = biases([*fair, *leaning, *again])
    assert (one.reviewer, one.biased, one.left, one.decided, one.repeated) == ("Ann", False, 20, 40, 0)
    assert other.biased and other.interval[0] > 0.5
    # Left both times is the other answer each time; of the ten, two went right at first: the same answer.
    assert (other.repeated, other.kept, other.followed) == (10, 2, 8)


def test_a_judge_against_people() -> None:
    people = [vote(ANN, q, "12"[q % 2]) for q in range(30)] + [vote(BOB, q, "12"[q % 2]) for q in range(30)]
    same = [vote(JUDGE, q, "12"[q % 2]) for q in range(30)]
    assert judged([*people, *same], JUDGE.id).value == 1.0
    never = [vote(JUDGE, q, "21"[q % 2]) for q in range(30)]
    assert judged([*people, *never], JUDGE.id).value == -1.0
    alone = judged(same, JUDGE.id)
    assert alone.pairs == 0 and alone.value is None and alone.interval is None
    # A judge is no reviewer.
    assert alpha([*people[:30], *same]).pairs == 0


def test_kappa_by_hand() -> None:
    one = ["1"] * 25 + ["2"] * 25
    other = ["1"] * 20 + ["2"] * 5 + ["1"] * 10 + ["2"] * 15
    assert kappa(one, other) == pytest.approx((0.7 - 0.5) / 0.5)
    assert kappa([], []) is None and kappa(["1"], ["1"]) is None


def about(who: Reviewer, question: int, pair: int, verdict: str) -> Vote:
    """A vote on one of several pairs of answers to a question."""
    shown = Showing(f"{who.id}-{question}-{pair}", who.id, f"q{question}", "?", 0, 1, "a", f"b{pair}", None, "")
    return Vote(question, shown, who, verdict, ((), ()), "", "")


@pytest.mark.parametrize("share", [0.25, 0.9])
def test_intervals_of_agreement_hold_the_truth(share: float) -> None:
    """Two reviewers who say the same on a known share of pairs; the rest is chance."""
    generator, held = np.random.default_rng(5), 0
    for sitting in range(60):
        votes = []
        for place in range(30):
            first, other = generator.choice(["1", "2", "tie"], size=2, p=[0.4, 0.4, 0.2])
            second = first if generator.random() < share else other
            votes += [vote(ANN, place, str(first)), vote(BOB, place, str(second))]
        found = alpha(votes, seed=sitting)
        assert found.interval is not None
        held += found.interval[0] <= share <= found.interval[1]
    # Where 95 % are held, fewer than 53 of 60 are an accident of one in a hundred.
    assert held >= 53


def test_pairs_of_one_question_are_no_independent_evidence() -> None:
    def sitting(questions: int) -> list[Vote]:
        return [about(who, k % questions, k, "tie" if k % 3 else "1") for k in range(60) for who in (ANN, BOB)]

    apart, together = alpha(sitting(60)), alpha(sitting(10))
    assert apart.pairs == together.pairs == 60
    assert apart.interval is not None and together.interval is None
