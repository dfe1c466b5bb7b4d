from __future__ import annotations

from dataclasses import fields
from pathlib import Path

from doneness.core import DonenessError
from doneness.review import Deck, Habits, Showing, Vote, count, deal, pick, unit_of
from doneness.review.votes import Reviewer
from doneness.runs.probes import Answer, Question
from doneness.workflows.review import Shown, deck_of

ANN, BOB = Reviewer(1, "Ann", "human", 11), Reviewer(2, "Bob", "human", 12)
PLAIN = Habits(repeat=0.0, shared=0.0)
RANDOM = Habits(active=False, repeat=0.0, shared=0.0)


def sitting(deck: Deck, who: Reviewer, n: int, habits: Habits, votes: list[Vote] | None = None) -> list[Showing]:
    """Up to `n` showings, each voted on: the later step is the better one."""
    votes, mine = [] if votes is None else votes, []
    for _ in range(n):
        shown = pick(deck, who, mine, votes, habits)
        if shown is None:
            break
        mine.append(shown)
        verdict = "1" if shown.left_step > shown.right_step else "2"
        votes.append(Vote(len(votes) + 1, shown, who, verdict, ((), ()), "", ""))
    return mine


def test_answers_that_are_alike_are_not_shown_and_count_as_ties(probed: Path) -> None:
    deck = deck_of(probed)
    assert (deck.same, deck.pairs) == (10, 30 * 6 + 10 * 3)
    assert deck.share[1, 2] == 0.75 and deck.share[0, 3] == 1.0
    shown = sitting(deck, ANN, 400, RANDOM)
    units = {unit_of(s) for s in shown}
    # Every pair of texts once, whoever said them: those that two checkpoints share are one.
    assert len(shown) == len(units) == deck.pairs
    assert all(s.left != s.right for s in shown)
    assert pick(deck, ANN, shown, [], PLAIN) is None


def test_the_order_hangs_on_the_reviewer_and_on_nothing_else(probed: Path) -> None:
    deck = deck_of(probed)

    def seen(who: Reviewer) -> list[tuple[str, int, int]]:
        return [(s.question, s.left_step, s.right_step) for s in sitting(deck, who, 25, Habits())]

    assert seen(ANN) == seen(ANN) != seen(BOB)


def test_sides_are_drawn(probed: Path) -> None:
    shown = sitting(deck_of(probed), ANN, 150, RANDOM)
    left = sum(s.left_step > s.right_step for s in shown)
    assert 50 < left < 100  # 4 standard deviations


def test_pairs_come_back_swapped(probed: Path) -> None:
    shown = sitting(deck_of(probed), ANN, 150, Habits(active=False, repeat=0.2, shared=0.0))
    again = [(n, s) for n, s in enumerate(shown) if s.repeats is not None]
    assert 12 < len(again) < 50
    place = {s.token: n for n, s in enumerate(shown)}
    for n, s in again:
        first = shown[place[s.repeats or ""]]
        assert n - place[first.token] >= 8
        assert (s.left, s.right, s.left_step, s.right_step) == (
            first.right,
            first.left,
            first.right_step,
            first.left_step,
        )
        assert first.repeats is None and s.token != first.token
    assert len({s.repeats for _, s in again}) == len(again)


def test_reviewers_share_some_pairs(probed: Path) -> None:
    votes: list[Vote] = []
    first = {unit_of(s) for s in sitting(deck_of(probed), ANN, 40, Habits(), votes)}
    second = [unit_of(s) for s in sitting(deck_of(probed), BOB, 60, Habits(shared=0.3), votes)]
    shared = sum(u in first for u in second)
    assert 8 <= shared <= 30


def test_active_choice_looks_at_those_who_lead(probed: Path) -> None:
    """With a checkpoint far behind, its pairs are soon left alone."""
    shown = sitting(deck_of(probed), ANN, 90, PLAIN)
    late = [{s.left_step, s.right_step} for s in shown[60:]]
    assert sum(0 in pair for pair in late) < len(late) / 3
    assert sum(60 in pair for pair in late) > len(late) / 2


def test_a_vote_counts_for_all_who_said_so() -> None:
    """0 and 10 say x, 20 says y: one vote is about both."""
    asked = [Question("q", "knowledge", "?", "")]
    texts = {0: "x", 10: " x\n", 20: "y"}
    deck = deal(asked, {step: [Answer("q", step, text, 1, 0.5, False)] for step, text in texts.items()})
    shown = Showing("t", 1, "q", "?", 20, 0, "y", "x", None, "")
    found = count(deck, [Vote(1, shown, ANN, "1", ((), ()), "", "")])
    assert (found.units, found.stale) == (1, 0)
    pairs = sorted(zip(found.outcomes.first, found.outcomes.second, found.outcomes.points, strict=True))
    assert {frozenset(map(int, p[:2])) for p in pairs} == {frozenset((0, 2)), frozenset((1, 2))}
    assert all(points == (1.0 if first == 2 else 0.0) for first, _, points in pairs)


def test_one_who_only_takes_the_left_says_nothing_twice(probed: Path) -> None:
    deck = deck_of(probed)
    first = Showing("t1", 1, "q1", "?", 0, 20, "answer 1 of 0", "answer 1 of 20", None, "")
    again = Showing("t2", 1, "q1", "?", 20, 0, "answer 1 of 20", "answer 1 of 0", "t1", "")
    votes = [Vote(n, s, ANN, "1", ((), ()), "", "") for n, s in ((1, first), (2, again))]
    assert count(deck, votes).outcomes.points.tolist() == [0.5]


def test_votes_on_answers_of_another_time_do_not_count(probed: Path) -> None:
    gone = Showing("t", 1, "q1", "?", 0, 20, "an older answer", "answer 1 of 20", None, "")
    found = count(deck_of(probed), [Vote(1, gone, ANN, "1", ((), ()), "", "")])
    assert (len(found.outcomes), found.stale) == (0, 1)


def test_questions_without_answers_are_not_shown() -> None:
    asked = [Question("q", "knowledge", "?", ""), Question("options", "choice", "?", "")]
    answers = {
        s: [Answer("q", s, f"answer {s}", 1, 0.5, False), Answer("options", s, "", 0, 0.0, False)] for s in (0, 10)
    }
    assert [q.id for q in deal(asked, answers).questions] == ["q"]


def test_what_is_shown_says_nothing_of_whose_it_is(probed: Path) -> None:
    names = {f.name for f in fields(Shown)}
    assert names == {"token", "prompt", "reference", "left", "right", "voted", "units"}


def test_without_answers_there_is_nothing_to_review(tmp_path: Path) -> None:
    try:
        deck_of(tmp_path)
    except DonenessError as error:
        assert "doneness probe" in str(error)
    else:
        raise AssertionError("no answers, and no word of it")
