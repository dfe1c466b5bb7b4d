"""What the report shows, as plain values: no markup, no computation, one language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from doneness.report.curve import Curve, EvalPoint
from doneness.report.decisions import Stretch
from doneness.report.health_view import HealthView


@dataclass(frozen=True, slots=True)
class KeyNumber:
    """One of the three numbers behind the verdict: what it is, the number, and what it rests on."""

    label: str
    value: str
    detail: str


@dataclass(frozen=True, slots=True)
class SpanRow:
    """One span of the target tokens, written out.

    Attributes:
        decides: whether the run's verdict rests on it.
        loss, best, change, interval: nats per token of the span; `change` since the first evaluation.
        n, tokens: examples that have such tokens, and how many tokens.
        guess: the loss of a label against guessing by frequency; "" where that means nothing.
        points: its evaluations.
        baseline: guessing by frequency, nats per token, to draw; None where it means nothing.
    """

    name: str
    title: str
    verdict: str
    verdict_word: str
    headline: str
    decides: bool
    loss: str
    best: str
    best_step: str
    change: str
    interval: str
    n: str
    tokens: str
    guess: str
    points: tuple[EvalPoint, ...]
    baseline: float | None


@dataclass(frozen=True, slots=True)
class GroupRow:
    """The evaluation rows of one source, or of one turn, written out.

    Attributes:
        sorting: "source" or "turn".
        loss, best, change, interval: nats per target token; `change` since the first evaluation.
        n, tokens: rows (or conversations), and target tokens.
        few: whether there are too few rows to lean on.
    """

    sorting: str
    title: str
    loss: str
    best: str
    best_step: str
    change: str
    interval: str
    n: str
    tokens: str
    few: bool


@dataclass(frozen=True, slots=True)
class CheckpointRow:
    """One checkpoint.

    Attributes:
        loss, interval: evaluation loss, nats per target token, and its 95 % interval.
        diff, diff_interval: paired difference of loss to the best checkpoint, with 95 % interval.
        n: paired examples behind `diff`.
        state: "kept" (on disk), "gone" (rotated away) or "unsaved" (evaluated, never written),
            "unknown" (the log names no checkpoint at all).
    """

    step: int
    epoch: float | None
    tokens: float | None
    loss: float | None
    interval: tuple[float, float] | None
    diff: float | None
    diff_interval: tuple[float, float] | None
    n: int
    state: str
    sweet: bool
    best: bool
    chosen: bool


@dataclass(frozen=True, slots=True)
class CheckCell:
    """One behaviour of one checkpoint, written out; `mark` is one of `checklist.SIGNS`.

    `number`, `low` and `high` are the same value and interval as numbers, for the small multiples. `needs` says how
    many questions would tell, where the mark cannot; `null` how it reads beside random adapters, where such were
    asked; `change` is the difference to base alone, `diff` with its interval in words.
    """

    step: int
    number: float
    low: float
    high: float
    value: str
    interval: str
    mark: str
    n: int
    diff: str
    needs: str = ""
    null: str = ""
    change: str = ""


@dataclass(frozen=True, slots=True)
class CheckRow:
    """One behaviour over the checkpoints; a cell is None where that checkpoint was not asked.

    `turning` is the step from which on it is worse than its best, `between` the interval of steps it begins in;
    `turned` is the sentence on it, and `turns` says it in few words.
    """

    name: str
    title: str
    better: str
    unit: str
    guard: bool
    cells: tuple[CheckCell | None, ...]
    turning: int | None
    between: tuple[int, int] | None = None
    turned: str = ""
    turns: str = ""
    group: str = ""


@dataclass(frozen=True, slots=True)
class Checklist:
    """Behaviours × checkpoints, in their groups; `vetoed` holds the steps a guard ruled out, with the sentence.

    `corrected` says that better and worse hold for the table as a whole, as older tables do not.
    """

    steps: tuple[int, ...]
    rows: tuple[CheckRow, ...]
    chosen: int | None
    vetoed: Mapping[int, str]
    corrected: bool = True

    def groups(self) -> tuple[tuple[str, tuple[CheckRow, ...]], ...]:
        """The rows by group, each with its title; the title is empty where there is only one group."""
        names = tuple(dict.fromkeys(row.group for row in self.rows))
        found = tuple((name, tuple(row for row in self.rows if row.group == name)) for name in names)
        return found if len(found) > 1 else tuple(("", rows) for _, rows in found)

    def counted(self, column: int) -> Mapping[str, int]:
        """How many behaviours of a column have each mark, base and what was not asked apart."""
        marks = [c.mark for row in self.rows if (c := row.cells[column]) is not None and c.mark != "base"]
        return {mark: marks.count(mark) for mark in dict.fromkeys(marks)}


@dataclass(frozen=True, slots=True)
class Piece:
    """Part of an answer: "same", "new" (not in the answer before) or "gone" (only in the one before)."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class AnswerRow:
    """One checkpoint's answer; `change` is first, same, changed or rewritten, against the answer before."""

    step: int
    pieces: tuple[Piece, ...]
    change: str
    tokens: int
    capped: bool


@dataclass(frozen=True, slots=True)
class QuestionRow:
    """One question with its answers from base to the last checkpoint."""

    id: str
    behaviour: str
    title: str
    prompt: str
    reference: str
    answers: tuple[AnswerRow, ...]


@dataclass(frozen=True, slots=True)
class FindingRow:
    """One finding, written out."""

    code: str
    status: str
    word: str
    summary: str
    value: str
    interval: str
    threshold: str
    n: int
    where: str
    advice: str
    evidence: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Missing:
    """Something that was not checked or is not shown, and why.

    Attributes:
        group: what kind of reason: "judged" (too little to judge by), "log" (not logged), "given" (not given or
            not done), "reader" (left out or repaired in reading).
    """

    group: str
    what: str
    why: str


@dataclass(frozen=True)
class ReportView:
    """One report.

    Attributes:
        lang: "en" or "zh"; every text in the view is in it.
        command: what to type next, or None.
        first_question: the question shown open; the others lie behind a fold.
        recipe: sections of (key, value) pairs.
        facts: versions and seeds, as (name, value) pairs.
        readings: what losses and metrics read as; no verdict rests on them.
        notice: a line above everything: that the run is not one to use.
    """

    lang: str
    run: str
    source: str
    verdict: str
    verdict_word: str
    headline: str
    advice: str
    reasons: tuple[str, ...]
    command: str | None
    key_numbers: tuple[KeyNumber, ...]
    curve: Curve
    checkpoints: tuple[CheckpointRow, ...]
    checklist: Checklist | None
    questions: tuple[QuestionRow, ...]
    timeline: tuple[Stretch, ...]
    findings: tuple[FindingRow, ...]
    missing: tuple[Missing, ...]
    recipe: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]
    card: str | None
    facts: tuple[tuple[str, str], ...]
    readings: tuple[str, ...] = ()
    spans: tuple[SpanRow, ...] = ()
    groups: tuple[GroupRow, ...] = ()
    notice: str = ""
    health: HealthView | None = None
