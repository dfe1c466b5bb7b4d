"""Rows and what is made of them before anything is counted: pure functions of one row, so any process may make them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from doneness.audit.columns import Columns, digest, mixed
from doneness.audit.entry import Entry
from doneness.audit.near import sketched
from doneness.data import normalise
from doneness.data.sketch import Sketcher
from doneness.data.stream import Streamed

_YES, _NO = ("yes", "true", "correct"), ("no", "false", "incorrect", "never")
_CJK_NO = ("不是", "不能", "不可以", "不会", "不需要", "不应", "没有", "不对", "不建议", "不宜", "否")
_CJK_YES = ("是的", "可以", "能够", "会的", "需要", "应该", "有的", "对的", "建议", "宜")


@dataclass(slots=True)
class Batch:
    """Some rows, in the order of their files.

    Attributes:
        rows: all of them, whether they can be used or not.
        entries: those that can; their places and files are told by whoever counts them.
        columns: numbers of each entry, as `Side.columns` keeps them, but for its label and its tokens.
        turns: the same of the last questions of conversations; the line is the place among the entries.
    """

    rows: Sequence[Streamed]
    entries: list[Entry]
    columns: Columns
    turns: Columns


class Maker:
    """Makes batches of rows.

    Args:
        joined: whether near-duplicates are looked for, so that features are needed.
    """

    def __init__(self, joined: bool) -> None:
        self._joined = joined
        self._sketcher = Sketcher()

    def made(self, name: str, rows: Sequence[Streamed]) -> Batch:
        """The next rows of a side."""
        entries = [Entry(name, 0, each.row, each.rejected, each.source) for each in rows if each.row is not None]
        return Batch(rows, entries, self._columns(entries), self._turns(entries))

    def _columns(self, entries: list[Entry]) -> Columns:
        columns = Columns(None, "")
        columns.extend("line", [entry.row.line for entry in entries])
        columns.extend("source", [min(entry.source, 65_535) for entry in entries])
        # One form of all rows after the other: that is a fifth faster than all forms of one row after the other.
        asked = [entry.question for entry in entries]
        answers = [entry.normal_answer for entry in entries]
        keys, said = [entry.key for entry in entries], [digest(answer) for answer in answers]
        columns.extend("question", keys)
        columns.extend("asked", [_asked(entry) for entry in entries])
        columns.extend("answer", said)
        columns.extend("whole", [mixed(k if q else 0, a) for k, q, a in zip(keys, asked, said, strict=True)])
        columns.extend("chars", [sum(map(len, entry.texts)) for entry in entries])
        columns.extend("said", [len(entry.answer) for entry in entries])
        columns.extend("decides", list(map(decides, answers)))
        if self._joined:
            for question, answer in zip(asked, answers, strict=True):
                sketched(columns, self._sketcher, question or answer)
        return columns

    def _turns(self, entries: list[Entry]) -> Columns:
        columns = Columns(None, "")
        for place, entry in enumerate(entries):
            turns = entry.row.turns
            if len(turns) > 2 and any(turn.role == "user" for turn in turns):
                normal = normalise(entry.row.prompt)
                columns.append("line", place)
                columns.append("question", digest(normal) if normal else 0)
                if self._joined:
                    sketched(columns, self._sketcher, normal)
        return columns


def _asked(entry: Entry) -> int:
    """A hash of the question with its system turn; 0 for none."""
    if not entry.question:
        return 0
    return digest(f"{entry.system}\x1f{entry.question}") if entry.system else entry.key


def decides(normal: str) -> int:
    """1 where an answer in its normal form opens with yes, -1 with no, 0 with neither."""
    head = normal[:12]
    word = head.partition(" ")[0]
    if word in _YES:
        return 1
    if word in _NO:
        return -1
    if head.isascii():
        return 0
    return -1 if head.startswith(_CJK_NO) else 1 if head.startswith(_CJK_YES) else 0
