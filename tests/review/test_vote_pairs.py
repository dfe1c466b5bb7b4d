from __future__ import annotations

import json
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from doneness.data import read_preferences
from doneness.review.pairs import Pair, apart, lengths, matched, preferred
from doneness.review.votes import Reviewer, Showing, Vote
from doneness.workflows.pairs import make_pairs
from doneness.workflows.review import next_pair, record_vote

ANN, BOB = Reviewer(1, "Ann", "human", 1), Reviewer(2, "Bob", "human", 2)


def vote(
    who: Reviewer,
    verdict: str,
    question: str = "q1",
    sides: tuple[str, str] = ("good", "poor"),
    rewrite: str = "",
    n: int = 1,
) -> Vote:
    shown = Showing(f"{who.id}{question}{sides}{n}", who.id, question, f"Prompt of {question}", 0, 20, *sides, None, "")
    return Vote(n, shown, who, verdict, ((), ()), rewrite, f"2026-01-0{n}")


def test_agreement_makes_a_pair() -> None:
    votes = [vote(ANN, "1"), vote(BOB, "2", sides=("poor", "good"), n=2), vote(BOB, "tie", n=3)]
    (pair,), left = preferred(votes)
    assert (pair.chosen, pair.rejected, pair.who, pair.when) == ("good", "poor", ("Ann", "Bob"), "2026-01-02")
    # Bob voted so once of two times, Ann always.
    assert pair.margin == 0.75
    assert (left.ties, left.split, left.blank) == (0, 0, 0)


def test_ties_and_splits_are_left_out_and_counted() -> None:
    votes = [vote(ANN, "tie"), vote(ANN, "bad", "q2"), vote(ANN, "1", "q3"), vote(BOB, "2", "q3"), vote(ANN, "1", "q4")]
    # The same reviewer, the pair shown again, the other answer.
    votes.append(vote(ANN, "1", "q4", ("poor", "good"), n=2))
    pairs, left = preferred(votes)
    assert pairs == () and (left.ties, left.split) == (2, 2)


def test_a_rewrite_is_better_than_both() -> None:
    pairs, left = preferred([vote(ANN, "bad", rewrite="mine"), vote(ANN, "1", "q2", rewrite="good")])
    assert [(p.question, p.chosen, p.rejected, p.rewritten) for p in pairs] == [
        ("q1", "mine", "good", True),
        ("q1", "mine", "poor", True),
        ("q2", "good", "poor", False),
    ]
    assert left.ties == 0
    # Given again at another showing of the question, it is no second row.
    votes = [vote(ANN, "bad", rewrite="mine"), vote(BOB, "bad", sides=("good", "worst"), rewrite="mine", n=2)]
    rows = {(p.chosen, p.rejected): p.who for p in preferred(votes)[0]}
    assert rows == {("mine", "good"): ("Ann", "Bob"), ("mine", "poor"): ("Ann",), ("mine", "worst"): ("Bob",)}


def test_a_rewrite_that_others_voted_against_is_a_disagreement() -> None:
    # Bob writes what Ann voted against; Ann writes what Bob, at another pair, voted against.
    same = [vote(ANN, "1"), vote(BOB, "tie", rewrite="poor", n=2)]
    other = [vote(ANN, "bad", "q2", ("a", "b"), rewrite="c"), vote(BOB, "1", "q2", ("a", "c"), n=2)]
    pairs, left = preferred([*same, *other])
    assert [(p.chosen, p.rejected) for p in pairs] == [("c", "b")] and left.split == 2


def test_an_empty_answer_is_no_row() -> None:
    pairs, left = preferred([vote(ANN, "1", sides=("good", " "))])
    assert pairs == () and left.blank == 1


def test_questions_that_something_is_measured_on_stay_out() -> None:
    def pair(question: str, prompt: str) -> Pair:
        return Pair(prompt, "good", "poor", question, ("Ann",), "", 1.0)

    pairs = [
        pair("q1", "What causes gout?"),
        pair("q2", "What is the usual dose of aspirin for a child?"),
        pair("q3", "Who wrote the Iliad?"),
        pair("q4", "Which parts of the body does asthma narrow?"),
    ]
    evaluated = ["For a child, what is the usual dose of aspirin?", "Which body parts does asthma narrow"]
    left, kept, leaked = apart(pairs, ["q1"], ["What causes gout?", *evaluated])
    assert [p.question for p in left] == ["q3"] and (kept, leaked) == (1, 2)
    assert apart(pairs, (), ())[0] == tuple(pairs)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 200), st.integers(0, 200)), max_size=40))
def test_matched_lengths_say_nothing(sizes: list[tuple[int, int]]) -> None:
    pairs = [Pair(f"p{n}", "x" * a, "y" * b, f"q{n}", ("Ann",), "", 1.0) for n, (a, b) in enumerate(sizes)]
    found = matched(pairs)
    assert set(found) <= set(pairs)
    told, before = lengths(found), lengths(pairs)
    if told is not None and before is not None:
        assert 2 * told.longer == told.decided
        # No more is left out than must be.
        assert told.decided == 2 * min(before.longer, before.decided - before.longer)
        assert told.interval[0] <= 0.5 <= told.interval[1]
    alike = [p for p in pairs if abs(p.lead) < 0.1]
    assert set(alike) <= set(found)


def test_rows_are_read_by_the_stage_as_they_are(tmp_path: Path) -> None:
    votes = [vote(ANN, "1", f"q{n}", (f"good {n}", f"poor {n} 世界")) for n in range(3)]
    pairs, _ = preferred([*votes, vote(BOB, "1", "q1", ("good 1", "poor 1 世界"), rewrite="mine\nin lines", n=2)])
    file = tmp_path / "pairs.jsonl"
    file.write_text("".join(json.dumps(p.row()) + "\n" for p in pairs))
    kept = read_preferences(file)
    assert [(r.prompt, r.chosen[-1].content, r.rejected[-1].content) for r in kept.rows] == [
        (p.prompt, p.chosen, p.rejected) for p in pairs
    ]
    assert {r.cluster for r in kept.rows} == {"q0", "q1", "q2"}
    assert json.loads(file.read_text().splitlines()[0]) == {
        "prompt": "Prompt of q0", "chosen": "good 0", "rejected": "poor 0 世界", "question_id": "q0", "who": ["Ann"],
        "when": "2026-01-01", "margin": 1.0, "rewritten": False,
    }  # fmt: skip


def test_what_pairs_could_not_be_held_against_is_said(probed: Path) -> None:
    """A run of another trainer's has no recipe, so nobody knows what it is evaluated on."""
    while (shown := next_pair(probed, "Ann")) is not None and shown.voted < 60:
        record_vote(probed, shown.token, "1")
    made = make_pairs(probed)
    assert made.pairs and [line.key for line in made.lines] == ["review.pairs.no_recipe"]
