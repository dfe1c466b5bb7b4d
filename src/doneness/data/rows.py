r"""Rows of a supervised data set: the types, and reading them from JSONL or a JSON array.

The shape is found row by row (see `shapes`), so a file may mix them. Lines end at "\n" alone:
U+2028, U+2029 and U+0085 occur inside strings, and `str.splitlines` would cut rows there.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from doneness.core import DataError, Message, say, tr
from doneness.data.shapes import Blank, Fault, turns_of

Problem = tuple[int, Message]

_LABELS = ("label", "final_decision")
_CLUSTERS = (
    "cluster", "conversation_id", "dialogue_id", "conversation", "document_id", "doc_id", "document", "doc",
    "question_id",
)  # fmt: skip
_SOURCES = ("source", "dataset", "category")
_LONGEST = 80  # characters of a name


@dataclass(frozen=True, slots=True)
class Turn:
    """One utterance; `role` is system, user or assistant."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Row:
    """One example; the last turn is the assistant's answer.

    Attributes:
        id: unique within its file.
        turns: the conversation.
        line: line in a JSONL file, or place in a JSON array; both from 1.
        kind: what sort of example it is ("fact", "unknowable", "emergency", …), where the row says.
        source: where its content comes from, where the row says ("source", "dataset" or "category").
        topic: what it is about, where the row says.
        label: the label as the row itself names it ("label" or "final_decision").
        cluster: the conversation, document or question it belongs to, where the row says; rows of one are not
            independent.
    """

    id: str
    turns: tuple[Turn, ...]
    line: int
    kind: str | None = None
    source: str | None = None
    topic: str | None = None
    label: str | None = None
    cluster: str | None = None

    @property
    def answer(self) -> str:
        """The text that carries loss."""
        return self.turns[-1].content

    @property
    def prompt(self) -> str:
        """The last user turn."""
        return next(turn.content for turn in reversed(self.turns) if turn.role == "user")

    @property
    def context(self) -> str:
        """Everything said before the answer, the system turn apart: what makes the question the question.

        In a conversation of several turns the last user turn may be a bare "and then?".
        """
        return "\n".join(turn.content for turn in self.turns[:-1] if turn.role != "system")


@dataclass(frozen=True, slots=True)
class Rows:
    """A data file.

    Attributes:
        path: where it was read from.
        rows: those that can be used, in the order of the file.
        skipped: line → reason, for rows left out under on_empty = "skip".
        renamed: lines whose id another row had already taken.
    """

    path: Path
    rows: tuple[Row, ...]
    skipped: Mapping[int, str] = field(default_factory=dict)
    renamed: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)


def read_rows(path: str | Path, on_empty: Literal["refuse", "skip"] = "refuse") -> Rows:
    """Read a data file, `.jsonl` or `.json`, either of them perhaps `.gz`.

    Args:
        path: the file.
        on_empty: what to do with a row that has no question or no answer.

    Raises:
        DataError: the file is missing, empty, not UTF-8 or not JSON, a row has a shape that is not
            known, or a row lacks its question or answer and `on_empty` is "refuse".
    """
    path = Path(path)
    kept: list[tuple[int, Mapping[str, Any], tuple[Turn, ...]]] = []
    blank: list[Problem] = []
    for line, item in _items(path):
        try:
            said = turns_of(item)
        except Blank as fault:
            blank.append((line, fault.message))
            continue
        except Fault as fault:
            raise DataError(tr("data.row", path=str(path), line=line, what=fault.message)) from None
        kept.append((line, item, tuple(Turn(role, content) for role, content in said)))
    if blank and on_empty == "refuse":
        raise DataError(_blank_text(path, blank))
    if not kept:
        raise DataError(tr("data.all_blank" if blank else "data.no_rows", path=str(path), count=len(blank)))
    rows, renamed = _named(kept)
    return Rows(path, rows, {line: reason.text() for line, reason in blank}, renamed)


def _named(
    kept: Iterable[tuple[int, Mapping[str, Any], tuple[Turn, ...]]],
) -> tuple[tuple[Row, ...], tuple[int, ...]]:
    """Rows with ids of their own; the first holder of an id keeps it."""
    kept = list(kept)
    taken: set[str] = set()
    own = {_text(item.get("id")) for _, item, _ in kept}
    rows: list[Row] = []
    renamed: list[int] = []
    for line, item, turns in kept:
        wanted = _text(item.get("id"))
        name = wanted or str(line)
        if name in taken or (wanted is None and name in own):
            if wanted is not None:
                renamed.append(line)
            name = f"{name}#{line}"
            while name in taken or name in own:
                name += "'"
        taken.add(name)
        labels = {key: _text(item.get(key)) for key in ("kind", "topic")}
        marks = {"label": _first_text(item, _LABELS), "cluster": _cluster(item), "source": _first_text(item, _SOURCES)}
        rows.append(Row(name, turns, line, **labels, **marks))
    return tuple(rows), tuple(renamed)


def _first_text(item: Mapping[str, Any], keys: Iterable[str]) -> str | None:
    return next((text for key in keys if (text := _text(item.get(key))) is not None), None)


def _cluster(item: Mapping[str, Any]) -> str | None:
    """A name for the conversation or document; a whole document, where the field holds one, by its hash."""
    found = _first_text(item, _CLUSTERS)
    if found is None or len(found) <= _LONGEST:
        return found
    return hashlib.blake2b(found.encode("utf-8", "replace"), digest_size=12).hexdigest()


def _text(value: Any) -> str | None:
    """A label as text; None where the row has none, or something that is no label."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return None
    return str(value) if value != "" else None


def _blank_text(path: Path, blank: list[Problem]) -> str:
    line, what = blank[0]
    others = len(blank) - 1
    key = "data.blank" if others == 0 else "data.blank_like_one" if others == 1 else "data.blank_like"
    return tr(key, path=str(path), line=line, what=what, count=others)


def _items(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """(line, object) of every row; DataError for whatever is not JSON."""
    if not path.exists():
        raise DataError(tr("data.missing", path=str(path)))
    if path.is_dir():
        raise DataError(tr("data.folder", path=str(path)))
    found = False
    try:
        with _open(path) as handle:
            head = handle.peek(64).lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
            reader = _array if head == b"[" else _lines
            for line, item in reader(path, handle):
                found = True
                if not isinstance(item, dict):
                    what = say("data.not_object", type=type(item).__name__)
                    raise DataError(tr("data.row", path=str(path), line=line, what=what))
                yield line, item
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(tr("data.unreadable", path=str(path), error=str(error) or type(error).__name__)) from error
    if not found:
        raise DataError(tr("data.empty", path=str(path)))


def _open(path: Path) -> Any:
    return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")


def _lines(path: Path, handle: Iterable[bytes]) -> Iterator[tuple[int, Any]]:
    for line, raw in enumerate(handle, start=1):
        if raw.strip(b"\xef\xbb\xbf \t\r\n" if line == 1 else None):
            yield line, _parse(path, raw, line)


def _array(path: Path, handle: Any) -> Iterator[tuple[int, Any]]:
    items = _parse(path, handle.read(), 1)
    yield from enumerate(items if isinstance(items, list) else [items], start=1)


def _parse(path: Path, raw: bytes, line: int) -> Any:
    """The JSON value in `raw`, which starts at `line` of the file."""
    try:
        text = raw.decode("utf-8-sig" if line == 1 else "utf-8")
    except UnicodeDecodeError as error:
        line += raw[: error.start].count(b"\n")
        raise DataError(tr("data.not_utf8", path=str(path), line=line, byte=raw[error.start])) from None
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        line += getattr(error, "lineno", 1) - 1
        reason = getattr(error, "msg", None) or str(error)
        raise DataError(tr("data.not_json", path=str(path), line=line, error=reason)) from None
