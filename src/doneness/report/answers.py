"""Answers side by side: for each question the texts from base to the last checkpoint, changes marked."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence

from doneness.core import tr
from doneness.core.catalogue import entries
from doneness.core.text import printable
from doneness.report.view import AnswerRow, Piece, QuestionRow
from doneness.runs.probes import Answer, ProbeTable, Question

# A word with the space after it; a Chinese character (or its punctuation) alone; line breaks alone.
_UNITS = re.compile(
    r"[\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef]|\n|[^\s\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef]+[^\S\n]*|\s"
)
_REWRITTEN = 0.4
_DIFF_UNITS = 1500

Code = tuple[str, int, int, int, int]


def behaviour_title(name: str) -> str:
    """The title of a behaviour, or of a kind of question; its plain name where the catalogue has none."""
    known = entries("en")
    found = next((key for key in (f"probe.{name}.title", f"probe.refusal_{name}.title") if key in known), None)
    return tr(found) if found else name


def side_by_side(table: ProbeTable | None, answers: Iterable[Answer]) -> tuple[QuestionRow, ...]:
    """Questions in the table's order, each with its answers by step; what was not answered is left out."""
    by_id: dict[str, list[Answer]] = {}
    for answer in answers:
        by_id.setdefault(answer.id, []).append(answer)
    asked = table.questions if table else ()
    known = {q.id for q in asked}
    # Answers without their question are still shown; their id stands for the prompt.
    strays = tuple(Question(i, "", i, "") for i in by_id if i not in known)
    return tuple(_question(q, sorted(by_id[q.id], key=lambda a: a.step)) for q in (*asked, *strays) if q.id in by_id)


def most_telling(rows: Sequence[QuestionRow], chosen: int | None) -> int:
    """Index of the question to show open: the one whose answer changes most after the kept checkpoint."""

    def after(row: QuestionRow) -> tuple[int, int]:
        later = [a for a in row.answers if a.change != "first" and (chosen is None or a.step > chosen)]
        return sum(a.change != "same" for a in later), sum(a.change != "same" for a in row.answers)

    return max(range(len(rows)), key=lambda i: (*after(rows[i]), -i), default=0)


def marked(before: str, now: str) -> tuple[tuple[Piece, ...], str]:
    """`now` in pieces against `before`, and whether it is the same, changed or rewritten."""
    if before == now:
        return (Piece("same", now),), "same"
    old, new = _UNITS.findall(before), _UNITS.findall(now)
    if max(len(old), len(new)) > _DIFF_UNITS:
        return (Piece("same", now),), "rewritten"
    matcher = difflib.SequenceMatcher(
        None, [u.strip(" \t") for u in old], [u.strip(" \t") for u in new], autojunk=False
    )
    if matcher.ratio() < _REWRITTEN:
        return (Piece("same", now),), "rewritten"
    pieces: list[Piece] = []
    for op, a, b, c, d in _without_islands(matcher.get_opcodes()):
        if op == "equal":
            pieces.append(Piece("same", "".join(new[c:d])))
            continue
        if b > a:
            pieces.append(Piece("gone", "".join(old[a:b])))
        if d > c:
            pieces.append(Piece("new", "".join(new[c:d])))
    return tuple(pieces), "changed"


def _without_islands(codes: Sequence[Code]) -> list[Code]:
    """Opcodes in which a single unit left standing between two changes counts as changed too.

    "the usual dose of" against "no drug called of" shares an "of" by accident; marking around it
    reads worse than marking over it.
    """
    merged: list[Code] = []
    for i, (op, a, b, c, d) in enumerate(codes):
        island = op == "equal" and d - c == 1 and 0 < i < len(codes) - 1
        change = island or op != "equal"
        if change and merged and merged[-1][0] != "equal":
            _, first, _, start, _ = merged[-1]
            merged[-1] = ("replace", first, b, start, d)
        else:
            merged.append(("replace" if change else op, a, b, c, d))
    return merged


def _question(question: Question, answers: list[Answer]) -> QuestionRow:
    rows = []
    before: str | None = None
    for answer in answers:
        text = printable(answer.text)
        pieces, change = ((Piece("same", text),), "first") if before is None else marked(before, text)
        rows.append(AnswerRow(answer.step, pieces, change, answer.tokens, answer.capped))
        before = text
    title = behaviour_title(question.behaviour) if question.behaviour else ""
    prompt, reference = printable(question.prompt), printable(question.reference)
    return QuestionRow(question.id, question.behaviour, title, prompt, reference, tuple(rows))
