"""What reviewers were shown and how they voted, in votes.sqlite of a run folder; nothing is ever deleted.

A pair is shown under a token that says nothing of which answer is whose. The newest vote on a token counts; to take one
back is one more row, "undone". The texts are kept as they were judged, since answers may be asked for anew.
"""

from __future__ import annotations

import hashlib
import secrets
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from doneness.core import DonenessError, UnreadableError, tr
from doneness.review.deck import writable
from doneness.review.schema import FILE, opened, writing

T = TypeVar("T")
FIRST, SECOND, TIE, BAD = "1", "2", "tie", "bad"
VERDICTS = (FIRST, SECOND, TIE, BAD)
UNDONE = "undone"
TAGS = ("invented", "overconfident", "evasive", "too_long", "unsafe", "wrong_logic")
KINDS = ("human", "judge", "simulated")
LONGEST_NAME = 80
LONGEST_REWRITE = 100_000


@dataclass(frozen=True, slots=True)
class Reviewer:
    """Who votes; `seed` of the order in which pairs and sides come."""

    id: int
    name: str
    kind: str
    seed: int


@dataclass(frozen=True, slots=True)
class Showing:
    """Two answers that one reviewer was shown.

    Attributes:
        token: what the reviewer knows it by.
        question: probe id; `prompt` is what was asked.
        left_step, right_step: whose answers they are.
        left, right: what they say.
        repeats: token of the showing that this one repeats, sides swapped; None for a new one.
        at: when, UTC, ISO 8601.
    """

    token: str
    reviewer: int
    question: str
    prompt: str
    left_step: int
    right_step: int
    left: str
    right: str
    repeats: str | None
    at: str


@dataclass(frozen=True, slots=True)
class Vote:
    """One vote.

    Attributes:
        id: they rise with time.
        showing: what was voted on.
        reviewer: who.
        verdict: "1" (left), "2" (right), "tie" or "bad" (both); "undone" in the history alone.
        tags: of the left answer, and of the right one.
        rewrite: a better answer, in the reviewer's words; empty for none.
        at: when, UTC, ISO 8601.
        counts: whether it is the newest on its showing, and not undone.
    """

    id: int
    showing: Showing
    reviewer: Reviewer
    verdict: str
    tags: tuple[tuple[str, ...], tuple[str, ...]]
    rewrite: str
    at: str
    counts: bool = True

    @property
    def points(self) -> float:
        """Of the left answer: 1, 0, or a half where neither is better."""
        return {FIRST: 1.0, SECOND: 0.0}.get(self.verdict, 0.5)


class Book:
    """votes.sqlite of one run folder, open."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._known: tuple[tuple[int, int], tuple[Vote, ...]] | None = None

    @contextmanager
    def writing(self) -> Iterator[None]:
        """What is written inside is written as a whole, and no other process writes meanwhile."""
        with writing(self._connection):
            yield

    def reviewer(self, name: str, kind: str = "human", seed: int | None = None) -> Reviewer:
        """The reviewer of that name, entered at the first time.

        Raises:
            DonenessError: no name, too long a one, or known as of another kind.
        """
        name = " ".join(name.split())
        if not name or len(name) > LONGEST_NAME or not name.isprintable():
            raise DonenessError(tr("review.name", most=LONGEST_NAME))
        found = next((r for r in self.reviewers() if r.name == name), None)
        if found is None:
            self._connection.execute(
                "INSERT OR IGNORE INTO reviewer (name, kind, seed, began) VALUES (?, ?, ?, ?)",
                (name, kind, secrets.randbits(62) if seed is None else seed, now()),
            )
            found = next(r for r in self.reviewers() if r.name == name)
        if found.kind != kind:
            raise DonenessError(tr("review.other_kind", name=name, kind=tr(f"review.kind.{found.kind}")))
        return found

    def reviewers(self) -> tuple[Reviewer, ...]:
        """Everybody who was shown something or voted."""
        rows = self._connection.execute("SELECT id, name, kind, seed FROM reviewer ORDER BY id")
        return tuple(_typed(Reviewer, _REVIEWER_KINDS, row) for row in rows)

    def show(self, showing: Showing) -> None:
        """Enter what is about to be shown."""
        for text in (showing.left, showing.right):
            self._connection.execute("INSERT OR IGNORE INTO answer VALUES (?, ?)", (_exactly(text), text))
        self._connection.execute(
            "INSERT INTO showing VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (showing.token, showing.reviewer, showing.question, showing.prompt, showing.left_step, showing.right_step,
             _exactly(showing.left), _exactly(showing.right), showing.repeats, showing.at),
        )  # fmt: skip

    def showings(self, reviewer: int | None = None) -> tuple[Showing, ...]:
        """Everything that was shown, in order; to one reviewer, or to all."""
        where, values = ("", ()) if reviewer is None else ("WHERE s.reviewer = ?", (reviewer,))
        rows = self._connection.execute(f"{_SHOWING} {where} ORDER BY s.rowid", values)
        return tuple(_typed(Showing, _SHOWING_KINDS, row) for row in rows)

    def showing(self, token: str) -> Showing:
        """What was shown under a token.

        Raises:
            DonenessError: nothing was.
        """
        row = self._connection.execute(f"{_SHOWING} WHERE s.token = ?", (token,)).fetchone()
        if row is None:
            raise DonenessError(tr("review.no_token"))
        return _typed(Showing, _SHOWING_KINDS, row)

    def vote(self, token: str, verdict: str, tags: Mapping[int, Iterable[str]], rewrite: str = "") -> int:
        """Enter a vote; it is on the disk when this returns. The number of the vote.

        Args:
            token: of the showing.
            verdict: one of VERDICTS.
            tags: of side 1 and of side 2, from TAGS.
            rewrite: a better answer.

        Raises:
            DonenessError: no such token, verdict or tag, or a rewrite that is too long.
        """
        rows = [(side, tag) for side, named in tags.items() for tag in dict.fromkeys(named)]
        wrong = [tag for side, tag in rows if tag not in TAGS or side not in (1, 2)]
        if verdict not in VERDICTS or wrong or len(rewrite) > LONGEST_REWRITE:
            raise DonenessError(tr("review.no_vote", verdicts=", ".join(VERDICTS), tags=", ".join(TAGS)))
        return self._enter(token, verdict, rows, writable(rewrite.strip()))

    def undo(self, reviewer: int) -> Showing | None:
        """Take back the reviewer's newest vote that counts; what it was on, or None where there is none."""
        mine = [vote for vote in self.votes() if vote.reviewer.id == reviewer]
        if not mine:
            return None
        self._enter(mine[-1].showing.token, UNDONE, [], "")
        return mine[-1].showing

    def pending(self, reviewer: int) -> tuple[Showing, ...]:
        """What the reviewer has taken back, the newest vote first, then what was shown and never voted on."""
        newest = {vote.showing.token: vote for vote in self.history() if vote.reviewer.id == reviewer}
        undone = sorted((v for v in newest.values() if not v.counts), key=lambda vote: -vote.id)
        unseen = (s for s in reversed(self.showings(reviewer)) if s.token not in newest)
        return (*(vote.showing for vote in undone), *unseen)

    def votes(self) -> tuple[Vote, ...]:
        """The votes that count, in the order they were cast."""
        return tuple(vote for vote in self.history() if vote.counts)

    def history(self) -> tuple[Vote, ...]:
        """Every vote ever cast, those superseded and undone included."""
        (others,) = self._connection.execute("PRAGMA data_version").fetchone()
        mark = self._connection.total_changes, others
        if self._known is None or self._known[0] != mark:
            self._known = mark, self._read()
        return self._known[1]

    def _read(self) -> tuple[Vote, ...]:
        reviewers = {r.id: r for r in self.reviewers()}
        showings = {s.token: s for s in self.showings()}
        tags: dict[int, tuple[list[str], list[str]]] = {}
        for vote, side, tag in self._connection.execute("SELECT vote, side, tag FROM tag ORDER BY rowid"):
            if tag in TAGS and side in (1, 2):
                tags.setdefault(vote, ([], []))[side - 1].append(tag)
        rows = self._connection.execute("SELECT id, token, verdict, rewrite, at FROM vote ORDER BY id").fetchall()
        newest = {row[1]: row[0] for row in rows}
        found = []
        for number, token, verdict, rewrite, at in rows:
            shown, (left, right) = showings.get(token), tags.get(number, ([], []))
            who = reviewers.get(shown.reviewer) if shown is not None else None
            texts = isinstance(rewrite, str) and isinstance(at, str)
            if shown is None or who is None or not texts or verdict not in (*VERDICTS, UNDONE):
                raise _damaged(f"vote {number}")
            counts = newest[token] == number and verdict != UNDONE
            found.append(Vote(number, shown, who, verdict, (tuple(left), tuple(right)), rewrite, at, counts))
        return tuple(found)

    def _enter(self, token: str, verdict: str, tags: list[tuple[int, str]], rewrite: str) -> int:
        self.showing(token)
        with self.writing():
            added = self._connection.execute(
                "INSERT INTO vote (token, verdict, rewrite, at) VALUES (?, ?, ?, ?)", (token, verdict, rewrite, now())
            )
            number = int(added.lastrowid or 0)
            self._connection.executemany(
                "INSERT INTO tag VALUES (?, ?, ?)", [(number, side, tag) for side, tag in tags]
            )
        return number


_REVIEWER_KINDS = (int, str, str, int)
_SHOWING_KINDS = (str, int, str, str, int, int, str, str, (str, type(None)), str)
_SHOWING = """SELECT s.token, s.reviewer, s.question, s.prompt, s.left_step, s.right_step, l.text, r.text, s.repeats,
    s.shown_at FROM showing s JOIN answer l ON l.name = s.left_answer JOIN answer r ON r.name = s.right_answer"""


@contextmanager
def open_book(run: Path) -> Iterator[Book]:
    """votes.sqlite of a run folder, made where there is none."""
    with opened(run / FILE) as connection:
        yield Book(connection)


@contextmanager
def read_book(run: Path) -> Iterator[Book | None]:
    """The same, and nothing is written; None where nobody has voted."""
    if not (run / FILE).is_file():
        yield None
        return
    with opened(run / FILE, read_only=True) as connection:
        known: set[Any] = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        yield Book(connection) if "vote" in known else None


def new_token() -> str:
    """A token for a showing, that nothing can be read off or guessed from."""
    return secrets.token_hex(16)


def now() -> str:
    """The time, UTC, ISO 8601 to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _typed(cls: type[T], kinds: tuple[Any, ...], row: tuple[Any, ...]) -> T:
    """A row of the file as what it should be; anybody may have written the file.

    Raises:
        UnreadableError: a value of another type.
    """
    if not all(map(isinstance, row, kinds)):
        raise _damaged(cls.__name__)
    return cls(*row)


def _damaged(what: str) -> UnreadableError:
    return UnreadableError(tr("review.damaged", path=FILE, reason=what))


def _exactly(text: str) -> str:
    """The name under which a text is kept, spaces and all."""
    return hashlib.sha256(text.encode()).hexdigest()
