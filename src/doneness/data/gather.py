"""Rows of all sources of a name of data: what each means, the marks that it bears, and a name of its own."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from doneness.core import DataError, Message, tr
from doneness.data.said import Blank, Fault
from doneness.data.sources import Reading, Source, sources_of

T = TypeVar("T")

Problem = tuple[str, int, Message]  # file, line, what

_LABELS = ("label", "final_decision")
_CLUSTERS = (
    "cluster", "conversation_id", "dialogue_id", "conversation", "document_id", "doc_id", "document", "doc",
    "question_id",
)  # fmt: skip
_SOURCES = ("source", "dataset", "category")
_MARKING = frozenset(("id", "kind", "topic", *_LABELS, *_CLUSTERS, *_SOURCES))
_LONGEST = 80  # characters of a name


@dataclass(slots=True)
class Marks:
    """What a row says about itself; see `Row`."""

    id: str | None
    line: int
    kind: str | None
    topic: str | None
    label: str | None
    cluster: str | None
    source: str | None


@dataclass(frozen=True)
class Gathered(Generic[T]):
    """Rows with their marks, every id given and none twice; lines left out with the reason; lines whose id was taken.

    Of several sources the lines of a later one count on from those before it in `skipped` and `renamed`.
    """

    kept: tuple[tuple[Marks, T], ...]
    skipped: Mapping[int, str]
    renamed: tuple[int, ...]

    @property
    def named(self) -> tuple[tuple[dict[str, Any], T], ...]:
        """The marks as arguments of a row."""
        return tuple(({name: getattr(marks, name) for name in Marks.__slots__}, what) for marks, what in self.kept)


def gather(
    path: str | Path, read: Callable[[Mapping[str, Any]], T], reading: Reading, plain: bool = False
) -> Gathered[T]:
    """Read all rows.

    Args:
        path: a file, a folder, or a registry with names.
        read: what a row means; raises Blank or Fault.
        reading: how to read.
        plain: `.txt` files are plain text whatever they look like.

    Raises:
        DataError: a file is missing or damaged, a row has a shape that is not known, or one lacks its question or
            answer and is not to be skipped.
    """
    sources = sources_of(path, reading, plain)
    kept: list[tuple[Marks, T]] = []
    blank: list[Problem] = []
    skipped: dict[int, str] = {}
    places: list[int] = []
    offset = 0
    for source in sources:
        line = 0
        for line, item in source.items():
            try:
                told = source.convert(item)
                what = read(told)
            except Blank as fault:
                blank.append((source.path, line, fault.message))
                skipped[offset + line] = fault.message.text()
                continue
            except Fault as fault:
                raise DataError(tr("data.row", path=source.path, line=line, what=fault.message)) from None
            kept.append((marks_of(told, line, source.name if len(sources) > 1 else None), what))
            places.append(offset + line)
        offset += line
    if blank and reading.on_empty == "refuse":
        raise DataError(_blank_text(blank))
    if not kept:
        raise DataError(tr("data.all_blank" if blank else "data.no_rows", path=str(path), count=len(blank)))
    return Gathered(tuple(kept), skipped, _name(kept, places, sources))


def marks_of(item: Mapping[str, Any], line: int, source: str | None) -> Marks:
    """What an object says about itself."""
    if _MARKING.isdisjoint(item):
        return Marks(None, line, None, None, None, None, source)
    return Marks(
        _text(item.get("id")),
        line,
        _text(item.get("kind")),
        _text(item.get("topic")),
        _first_text(item, _LABELS),
        _cluster(item),
        source or _first_text(item, _SOURCES),
    )


def _name(kept: Iterable[tuple[Marks, Any]], places: list[int], sources: tuple[Source, ...]) -> tuple[int, ...]:
    """Give each row an id of its own; the first holder of one keeps it. Lines of those renamed."""
    kept = list(kept)
    several = len(sources) > 1
    own = {marks.id for marks, _ in kept}
    taken: set[str] = set()
    renamed: list[int] = []
    for (marks, _), place in zip(kept, places, strict=True):
        wanted, here = marks.id, f"{marks.source}:{marks.line}" if several else str(marks.line)
        name = wanted or here
        if name in taken or (wanted is None and name in own):
            if wanted is not None:
                renamed.append(place)
            name = f"{name}#{here}"
            while name in taken or name in own:
                name += "'"
        taken.add(name)
        marks.id = name
    return tuple(renamed)


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


def _blank_text(blank: list[Problem]) -> str:
    path, line, what = blank[0]
    others = len(blank) - 1
    key = "data.blank" if others == 0 else "data.blank_like_one" if others == 1 else "data.blank_like"
    return tr(key, path=path, line=line, what=what, count=others)
