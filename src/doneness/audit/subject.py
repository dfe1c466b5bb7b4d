"""What checks judge: the rows of a run as they were seen, not the rows themselves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from doneness.audit.columns import Columns
from doneness.audit.entry import named
from doneness.audit.near import Near
from doneness.audit.params import AuditParams
from doneness.audit.tally import Tally
from doneness.core import Message, say
from doneness.data import Row, Rows

T = TypeVar("T", bound=Tally)
Places = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Question:
    """A question that checkpoints are asked, with what a right answer says where that is known."""

    id: str
    prompt: str
    reference: str = ""
    suite: str = ""


@dataclass(frozen=True, slots=True)
class Fit:
    """What becomes of a row on its way to token ids.

    Attributes:
        tokens, targets: that are left, and those of them that carry loss.
        cut, lost: that did not fit, and those of them that would have carried loss.
        ended: whether the last answer keeps the token that ends the turn.
        problem: why the row cannot be encoded; None where it can.
    """

    tokens: int
    targets: int
    cut: int
    lost: int
    ended: bool
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """What the base model makes of one answer.

    Attributes:
        place: of the training row.
        asked: nats a token that the facts of the answer cost after their question.
        unasked: the same after the question of another row.
        tokens: of the facts.
    """

    place: int
    asked: float
    unasked: float
    tokens: int


@dataclass(frozen=True, slots=True)
class Judged:
    """What a judge said of one row: a mark from 1 (wrong or harmful) to 10 (right), and in words."""

    place: int
    mark: int
    why: str


@dataclass(frozen=True)
class DataSets:
    """The data of one run, where it is in memory anyway.

    Attributes:
        train: rows to train on.
        eval: rows held out; None where there are none.
        probes: (id, prompt) of the questions that checkpoints are asked, or such questions.
        params: the measures.
        lengths: tokens of each training row in order, as the run's tokenizer counts them; None
            where none was handed in.
    """

    train: Rows
    eval: Rows | None = None
    probes: tuple[tuple[str, str] | Question, ...] = ()
    params: AuditParams = field(default_factory=AuditParams)
    lengths: tuple[int, ...] | None = None


class Fitter(Protocol):
    """Says what becomes of a row on its way to token ids; handed in, since tokenizers live further up."""

    def __call__(self, row: Row, /) -> Fit:
        """Encode one row."""


class Side:
    """Training or evaluation rows as they were seen.

    Attributes:
        path: where they were read from.
        sources: names of the files or data sets.
        count: rows that can be used.
        missed: rows that cannot, by reason; `missed_at` names the first of them: line, reason, whether for want of a
            question or an answer, and what people find it by.
        columns: numbers of each row; `turns` the same for the last questions of conversations.
        shapes: keys of the rows of each source, in order of appearance: [source, keys, first line, last line, rows].
        separators: lines that `str.splitlines` would cut.
        label_ids: the labels and their numbers.
        unfit: place and reason of the first rows that cannot be encoded.
        at: source and line of the row seen last.
    """

    def __init__(self, path: Path, folder: Path | None, name: str) -> None:
        self.path = path
        self.sources: list[str] = []
        self.count = 0
        self.missed: Counter[str] = Counter()
        self.blank = 0
        self.missed_at: list[list[Any]] = []
        self.columns = Columns(folder, name)
        self.turns = Columns(folder, f"{name}-turns")
        self.shapes: list[list[Any]] = []
        self.separators: list[int | str] = []
        self.separated = 0
        self.by_source: Counter[int] = Counter()
        self.source_marks: Counter[str] = Counter()
        self.label_ids: dict[str, int] = {}
        self.unfit: list[list[Any]] = []
        self.at = [0, 0]

    def lines(self, places: Iterable[int]) -> list[int]:
        """The rows' own lines."""
        found = np.fromiter(places, np.int64)
        return [int(line) for line in self.columns.get("line")[found]] if found.size else []

    def file(self, source: int) -> str:
        """The name of a source where there are several; else there is nothing to tell apart."""
        return self.sources[source] if len(self.sources) > 1 else ""

    def named(self, places: Iterable[int]) -> list[int | str]:
        """What people find rows by: their lines; where there are several sources, with the source before them."""
        found = np.fromiter(places, np.int64)
        if not found.size:
            return []
        lines, sources = self.columns.get("line")[found], self.columns.get("source")[found]
        return [named(self.file(int(s)), int(line)) for s, line in zip(sources, lines, strict=True)]

    def state(self) -> dict[str, Any]:
        """Everything as plain values."""
        plain = {k: v for k, v in vars(self).items() if k not in ("path", "columns", "turns")}
        return {**plain, "columns": self.columns.state(), "turns": self.turns.state()}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `state` returned."""
        for name, value in state.items():
            if name in ("columns", "turns"):
                getattr(self, name).restore(value)
            elif isinstance(getattr(self, name), Counter):
                setattr(self, name, Counter(value))
            else:
                setattr(self, name, value)


class Subject:
    """All that is known of the data of a run once its rows have been seen.

    Attributes:
        params: the measures.
        train, eval: the two sides; `eval` is None where there is none.
        probes: what checkpoints are asked.
        near: near-duplicates, looked for when first asked.
        fitted: whether a tokenizer encoded the rows. `lengths` are the tokens of the training rows, where known.
        known: what the base model makes of a sample of the answers; None without a model.
        tallies, kinds: what looked at the rows, by its type; and its type by the code of the check.
        judged: what a judge said of a sample of the rows; None without one.
        embed: texts → vectors of length 1; None leaves it to words.
        flagged: places of training rows by the code of the check that flagged them.
        sure: of them those that may go unread, where that is not all.
    """

    def __init__(self, params: AuditParams, train: Side, held_out: Side | None, probes: Sequence[Question]) -> None:
        self.params, self.train, self.eval, self.probes = params, train, held_out, tuple(probes)
        self.near = Near(params, train, held_out, self.probes)
        self.tallies: dict[type[Tally], Tally] = {}
        self.kinds: dict[str, type[Tally]] = {}
        self.fitted = False
        self.lengths: Sequence[int] | NDArray[np.int64] | None = None
        self.known: list[Known] | None = None
        self.judged: list[Judged] | None = None
        self.embed: Callable[[Sequence[str]], NDArray[np.float32]] | None = None
        self.flagged: dict[str, Places] = {}
        self.sure: dict[str, Places] = {}

    def __getitem__(self, kind: type[T]) -> T:
        """The tally of a check.

        Raises:
            RuntimeError: it gave up at a row that it could not take.
        """
        found = self.tallies[kind]
        if not isinstance(found, kind):
            raise RuntimeError(str(found))
        return found

    def flags_of(self, code: str) -> Places:
        """Places of the training rows that the tally of a check has flagged so far, before it is judged."""
        kind = self.kinds.get(code)
        found = self.tallies.get(kind) if kind is not None else None
        return np.array(found.flags.train if isinstance(found, Tally) else (), dtype=np.int64)

    def flag(self, code: str, places: Iterable[int], sure: Iterable[int] | None = None) -> None:
        """Remember training rows as those that `code` speaks of, for mending and for review.

        `sure` are those of them that may go unread; None is all.
        """
        self.flagged[code] = np.unique(np.fromiter(places, np.int64))
        if sure is not None:
            self.sure[code] = np.unique(np.fromiter(sure, np.int64))


def needs_eval(subject: Subject) -> Message | None:
    """What is missing where a check compares with evaluation rows."""
    return None if subject.eval is not None and subject.eval.count else say("audit.no_eval")


def needs_probes(subject: Subject) -> Message | None:
    """What is missing where a check compares with probes."""
    return None if subject.probes else say("audit.no_probes")


def needs_joining(subject: Subject) -> Message | None:
    """What is missing where a check needs near-duplicates."""
    return None if subject.params.joined else say("audit.not_joined")
