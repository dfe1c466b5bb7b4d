"""Answers of several checkpoints beside each other: as many columns as fit, one under the other where none do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from doneness.core import tr
from doneness.core.text import printable
from doneness.report.answers import marked

if TYPE_CHECKING:
    from doneness.models import Generated

NARROWEST = 26  # characters of a column that can still be read
_GAP = 2
_NEW = "bold underline"  # seen without colour too

Named = tuple[str, "Generated"]


def columns(answers: Sequence[Named], width: int) -> RenderableType:
    """The answers in columns; words that the column to the left does not have are marked.

    Args:
        answers: name of the checkpoint, and its answer.
        width: of the terminal, in characters.
    """
    texts = _marked([printable(answer.text) for _, answer in answers])
    heads = [_head(name, answer) for name, answer in answers]
    per_row = columns_that_fit(len(answers), width)
    if per_row == 1:
        return Group(*(each for head, text in zip(heads, texts, strict=True) for each in (head, text, Text())))
    bands: list[RenderableType] = []
    for begin in range(0, len(answers), per_row):
        band = Table(box=None, expand=True, show_header=False, padding=(0, _GAP, 0, 0), pad_edge=False)
        for _ in range(per_row):
            band.add_column(ratio=1, overflow="fold", no_wrap=False)
        band.add_row(*_filled(heads[begin : begin + per_row], per_row))
        band.add_row(*_filled(texts[begin : begin + per_row], per_row))
        bands += [band, Text()]
    return Group(*bands)


def columns_that_fit(count: int, width: int) -> int:
    """How many answers stand beside each other: evenly spread over as few bands as can be."""
    most = max(1, min(count, (width + _GAP) // (NARROWEST + _GAP)))
    bands = -(-count // most)
    return -(-count // bands)


def plain(question: str, answers: Sequence[Named]) -> str:
    """The answers for a file or a pipe: name, tab, answer on one line."""
    lines = [f"> {_one_line(question)}"]
    lines += [f"{name}\t{_one_line(answer.text)}" for name, answer in answers]
    return "\n".join(lines)


def _one_line(text: str) -> str:
    return printable(" ".join(text.split()))


def _marked(texts: Sequence[str]) -> list[Text]:
    """Each text, with what is new against the one before it; one that is another altogether is left unmarked."""
    found = []
    for i, text in enumerate(texts):
        out = Text()
        if i == 0:
            out.append(text)
        else:
            pieces, _ = marked(texts[i - 1], text)
            for piece in pieces:
                if piece.kind == "gone":
                    continue
                # A mark ends with its word; the space after it belongs to the line.
                word = piece.text.rstrip()
                out.append(word, style=_NEW if piece.kind == "new" else "")
                out.append(piece.text[len(word) :])
        found.append(out)
    return found


def _head(name: str, answer: Generated) -> Text:
    head = Text(name, style="bold")
    facts = [tr("report.answer.tokens", n=answer.tokens), *([tr("report.answer.capped")] if answer.capped else [])]
    head.append("  " + " · ".join(facts), style="not bold dim")
    return head


def _filled(cells: Sequence[Text], count: int) -> list[Text]:
    return [*cells, *(Text() for _ in range(count - len(cells)))]
