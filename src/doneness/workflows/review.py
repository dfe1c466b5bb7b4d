"""Blind review of a run's checkpoints: the next pair, a vote, undo, and where the votes stand.

What the terminal and a page show comes from here. A reviewer is handed a token and two texts; which checkpoint wrote
which is in votes.sqlite alone, and comes out again as a ranking of all of them.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from doneness.core import DataError, DonenessError, disk_faults, tr
from doneness.review import (
    MARGIN,
    VERDICTS,
    Agreement,
    Bias,
    Deck,
    Habits,
    Settled,
    Showing,
    Vote,
    alpha,
    as_csv,
    as_jsonl,
    biases,
    count,
    current,
    deal,
    judged,
    new_token,
    now,
    open_book,
    pick,
    rank,
    read_book,
    settled,
)
from doneness.runs.atomic import write_text
from doneness.runs.probes import ProbeTable, answers_path, load_answers, load_table


@dataclass(frozen=True)
class Shown:
    """Two answers as a reviewer sees them, and nothing of whose they are.

    Attributes:
        token: to vote by.
        prompt: the question.
        reference: the right answer, where the suite has one.
        left, right: the answers.
        voted: how many votes of this reviewer count so far.
        units: pairs of answers with votes, whoever's, this moment.
    """

    token: str
    prompt: str
    reference: str
    left: str
    right: str
    voted: int
    units: int


@dataclass(frozen=True)
class Place:
    """One checkpoint in the ranking.

    Attributes:
        step: 0 is the base model.
        share: of points that it takes from all others alike, 0 to 1; `low`, `high` its 95 % interval.
        votes: pairs of answers with votes that it was in.
        tags: what its answers were tagged with, and how often.
    """

    step: int
    share: float
    low: float
    high: float
    votes: int
    tags: Mapping[str, int]


@dataclass(frozen=True)
class Status:
    """Where the votes stand.

    Attributes:
        places: checkpoints, the strongest first.
        settled: what can be said of the leader; its places count in `steps`.
        steps: of the checkpoints, ascending.
        margin: how much more than half of the points a rival may take and still not matter.
        votes: that count, by people or simulated; `stale` of them are on answers that no checkpoint gives any more.
        units: pairs of answers voted on.
        pairs: pairs of answers that differ; `same` are alike and count as ties.
        agreement: of the reviewers with each other.
        biases: of each reviewer.
        judges: of each judge, its agreement with people.
    """

    places: tuple[Place, ...]
    settled: Settled
    steps: tuple[int, ...]
    margin: float
    votes: int
    stale: int
    units: int
    pairs: int
    same: int
    agreement: Agreement
    biases: tuple[Bias, ...]
    judges: Mapping[str, Agreement]

    @property
    def leader(self) -> int:
        """Step of the strongest checkpoint."""
        return self.steps[self.settled.leader]


def next_pair(run: Path, reviewer: str, kind: str = "human", habits: Habits | None = None) -> Shown | None:
    """What to show a reviewer next: what is not voted on yet, else a new pair. None where all pairs were seen.

    Args:
        run: a run folder with probe answers.
        reviewer: a name; entered at the first time.
        kind: "human", or "simulated" where votes are made by a rule.
        habits: how pairs are picked.

    Raises:
        DonenessError: no answers, too few checkpoints, or no name to go by.
    """
    deck = deck_of(run)
    with open_book(run) as book:
        who = book.reviewer(reviewer, kind)
        # Under one lock, so that two windows of one reviewer are shown the same.
        with book.writing():
            votes = book.votes()
            open_ = [s for s in book.pending(who.id) if current(deck, s)]
            shown = open_[0] if open_ else pick(deck, who, book.showings(who.id), votes, habits)
            if shown is not None and not open_:
                book.show(shown)
        return _shown(deck, shown, votes) if shown is not None else None


def record_vote(
    run: Path,
    token: str,
    verdict: str,
    tags: Mapping[int, Iterable[str]] | None = None,
    rewrite: str = "",
    reviewer: str | None = None,
) -> int:
    """Enter a vote; once this returns, no kill and no power cut takes it away. The number of the vote.

    Args:
        run: the run folder.
        token: of what was shown. A second vote on it replaces the first.
        verdict: "1" (left), "2" (right), "tie" or "bad" (both).
        tags: of side 1 and of side 2; see `doneness.review.TAGS`.
        rewrite: a better answer in the reviewer's words.
        reviewer: whose token it has to be; None takes anybody's.

    Raises:
        DonenessError: unknown token, verdict or tag, or somebody else's token.
    """
    with open_book(run) as book:
        shown = book.showing(token)
        names = {r.id: r.name for r in book.reviewers()}
        if reviewer is not None and names[shown.reviewer] != " ".join(reviewer.split()):
            raise DonenessError(tr("review.no_token"))
        return book.vote(token, verdict, tags or {}, rewrite)


def undo(run: Path, reviewer: str) -> Shown | None:
    """Take back the reviewer's newest vote, and show its pair again; None where there is none."""
    deck = deck_of(run)
    with open_book(run) as book:
        name = " ".join(reviewer.split())
        who = next((r for r in book.reviewers() if r.name == name), None)
        shown = book.undo(who.id) if who is not None else None
        return _shown(deck, shown, book.votes()) if shown is not None else None


def status(run: Path, margin: float = MARGIN) -> Status:
    """Ranking, agreement and biases by the votes so far; nothing is written.

    Raises:
        DonenessError: no answers to vote on.
        UnreadableError: votes.sqlite is damaged.
    """
    deck = deck_of(run)
    with read_book(run) as book:
        votes = book.votes() if book is not None else ()
    counted = count(deck, votes)
    found = rank(counted.outcomes, deck.share)
    tags = _tags(votes)
    places = [
        Place(step, *found.share(k), int(found.votes[k]), dict(tags.get(step, {}))) for k, step in enumerate(deck.steps)
    ]
    judges = {v.reviewer.id: v.reviewer.name for v in votes if v.reviewer.kind == "judge"}
    people = [vote for vote in votes if vote.reviewer.kind != "judge"]
    return Status(
        tuple(sorted(places, key=lambda place: (-round(place.share, 9), place.step))),
        settled(found, margin), deck.steps, margin, len(people), counted.stale, counted.units, deck.pairs, deck.same,
        alpha(people), biases(votes), {name: judged(votes, number) for number, name in judges.items()},
    )  # fmt: skip


def export_votes(run: Path, out: Path) -> int:
    """Write every vote ever cast as CSV or as JSON lines, by the ending of `out`; how many.

    Raises:
        DonenessError: another ending, no votes, or a disk that refuses.
    """
    if out.suffix.lower() not in (".csv", ".jsonl"):
        raise DonenessError(tr("review.ending", path=str(out)))
    with read_book(run) as book:
        votes = book.history() if book is not None else ()
    if not votes:
        raise DonenessError(tr("review.no_votes", path=str(run)))
    write_text(out, as_csv(votes) if out.suffix.lower() == ".csv" else as_jsonl(votes))
    return len(votes)


def import_votes(run: Path, path: Path, name: str, kind: str = "judge") -> int:
    """Enter somebody else's verdicts on the same answers, by default a judge's; how many.

    Each line is an object with question, left_step, right_step and verdict, as `export_votes` writes them.

    Raises:
        DataError: a line that is none, or about an answer that is not there; nothing is entered then.
    """
    deck = deck_of(run)
    rows = [_verdict(deck, path, number, line) for number, line in _lines(path)]
    with open_book(run) as book:
        who = book.reviewer(name, kind)
        for verdict, place, left, right in rows:
            question, texts = deck.questions[place], deck.texts[place]
            token = new_token()
            shown = Showing(
                token, who.id, question.id, question.prompt, deck.steps[left], deck.steps[right],
                texts[left] or "", texts[right] or "", None, now(),
            )  # fmt: skip
            book.show(shown)
            book.vote(token, verdict, {})
    return len(rows)


def deck_of(run: Path) -> Deck:
    """The answers of a run's checkpoints, side by side.

    Raises:
        DonenessError: it was not probed, or fewer than two checkpoints were.
        UnreadableError: what is there is damaged.
    """
    place = run / "probes" / "table.json"
    mark = place.stat().st_mtime_ns if place.is_file() else 0
    table = _table(run.resolve(), mark)
    if table is None:
        raise DonenessError(tr("review.no_answers", path=str(run)))
    marks = tuple(path.stat().st_mtime_ns for s in table.steps if (path := answers_path(run, s)).is_file())
    deck = _dealt(run.resolve(), marks, mark)
    if len(deck.steps) < 2 or not deck.questions:
        raise DonenessError(tr("review.few_answers", path=str(run)))
    return deck


@lru_cache(maxsize=8)
def _table(run: Path, mark: int) -> ProbeTable | None:
    """The mark is that of the file, which is read anew when it changes."""
    return load_table(run)


@lru_cache(maxsize=8)
def _dealt(run: Path, marks: tuple[int, ...], table_mark: int) -> Deck:
    """The marks are those of the files: answers that were asked for anew are read anew."""
    table = _table(run, table_mark)
    found = {step: known[1] for step in (table.steps if table else ()) if (known := load_answers(run, step))}
    return deal(table.questions if table else (), found)


def _shown(deck: Deck, shown: Showing, votes: Sequence[Vote]) -> Shown:
    place = deck.places.get(shown.question)
    reference = deck.questions[place].reference if place is not None else ""
    voted = sum(vote.reviewer.id == shown.reviewer for vote in votes)
    return Shown(shown.token, shown.prompt, reference, shown.left, shown.right, voted, count(deck, votes).units)


def _tags(votes: Sequence[Vote]) -> dict[int, Counter[str]]:
    found: dict[int, Counter[str]] = {}
    for vote in votes:
        for step, tags in zip((vote.showing.left_step, vote.showing.right_step), vote.tags, strict=True):
            found.setdefault(step, Counter()).update(tags)
    return found


def _lines(path: Path) -> list[tuple[int, str]]:
    try:
        with disk_faults(path):
            text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(tr("review.import_closed", path=str(path), reason=str(error))) from error
    return [(number, line) for number, line in enumerate(text.split("\n"), start=1) if line.strip()]


def _verdict(deck: Deck, path: Path, number: int, line: str) -> tuple[str, int, int, int]:
    """Verdict, place of the question, places of both checkpoints."""
    try:
        item = json.loads(line)
        verdict, question = str(item["verdict"]), str(item["question"])
        place = deck.places[question]
        left, right = (deck.steps.index(item[key]) for key in ("left_step", "right_step"))
        known = verdict in VERDICTS and bool(deck.differing[place, left, right])
    except (ValueError, KeyError, TypeError):
        known = False
    if not known:
        raise DataError(tr("review.import_line", path=str(path), line=number))
    return verdict, place, left, right
