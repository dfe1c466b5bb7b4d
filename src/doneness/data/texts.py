"""Texts to go on pretraining with: a document a row, from a column "text" or a line of plain text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from doneness.core import say
from doneness.data.files import TEXT
from doneness.data.gather import gather
from doneness.data.marks import Marked
from doneness.data.preferences import Kept
from doneness.data.said import Blank, Fault, string
from doneness.data.shapes import refuse_media
from doneness.data.sources import Reading


@dataclass(frozen=True, slots=True)
class TextRow(Marked):
    """A document; see `Row` for what is not said here."""

    id: str
    text: str
    line: int


def read_texts(path: str | Path, reading: Reading | None = None) -> Kept[TextRow]:
    """Read documents. Every line of a `.txt` file that is not blank is one, whatever it looks like.

    Raises:
        DataError: a file cannot be read, or a row has no text.
    """
    found = gather(path, text_of, reading or Reading(), plain=True)
    rows = tuple(TextRow(text=text, **marks) for marks, text in found.named)
    return Kept(Path(path), rows, found.skipped, found.renamed)


def text_of(item: Mapping[str, Any]) -> str:
    """The document in one object.

    Raises:
        Fault: it has none.
    """
    refuse_media(item)
    if TEXT not in item:
        raise Fault(say("data.no_text", keys=", ".join(str(key) for key in list(item)[:12]) or "-"))
    text = string(item[TEXT], TEXT)
    if not text.strip():
        raise Blank(say("data.no_answer", field=TEXT))
    return text
