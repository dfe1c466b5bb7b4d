"""Rows one after the other, as they stand in the files, for those who look at many: nothing is kept, nothing refused.

`read_rows` stops at the first fault, since a run must not begin on half its data. An audit has to see all of
them: here a row that cannot be used comes with the reason, and a line that is no JSON is one fault and not the end.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from doneness.core import DataError, Message, say, tr
from doneness.data.files import array_of, ending, lines_of, opened, parsed, reader_of, table_of
from doneness.data.gather import marks_of
from doneness.data.preferences import judged_of, pair_of
from doneness.data.prompts import prompt_of
from doneness.data.rows import Row, Turn, as_turns, said_of
from doneness.data.said import Blank, Fault
from doneness.data.sources import Reading, Source, sources_of
from doneness.data.texts import text_of

STAGES = ("sft", "distill", "pretrain", "dpo", "orpo", "reward", "kto", "grpo")
_CHUNK = 4 << 20  # characters of an array that are parsed at once
_LARGE = 64 << 20  # bytes: a longer array is not read whole
# What `str.splitlines` takes for the end of a line and JSON does not: U+2028, U+2029, U+0085.
_SEPARATORS = (b"\xe2\x80\xa8", b"\xe2\x80\xa9", b"\xc2\x85")


@dataclass(slots=True)
class Streamed:
    """One row.

    Attributes:
        source: which of the sources, from 0.
        line: as `Row.line`.
        row: None where it cannot be used.
        problem: why it cannot.
        blank: whether that is for want of a question or an answer.
        rejected: the worse answer of a pair; None elsewhere.
        shape: its keys, so that a change of form in mid-file shows; empty where it is no object.
        separator: the line holds a character at which `str.splitlines` would cut it.
        item: the object itself; None where it is none.
    """

    source: int
    line: int
    row: Row | None
    problem: Message | None = None
    blank: bool = False
    rejected: str | None = None
    shape: str = ""
    separator: bool = False
    item: Mapping[str, Any] | None = None


def stream(
    path: str | Path,
    stage: str = "sft",
    reading: Reading | None = None,
    after: tuple[int, int] = (0, 0),
    only: Mapping[int, Container[int]] | None = None,
) -> Iterator[Streamed]:
    """Every row of a name of data.

    Args:
        path: a file, a folder, or a registry with names.
        stage: what the rows are for; one of STAGES.
        reading: how to read.
        after: (source, line) of the last row that is not wanted any more.
        only: by source, the lines that are wanted; None is all.

    Raises:
        DataError: a file is missing, empty, or not what its ending says.
    """
    asked = reading or Reading("skip")
    sources = sources_of(path, asked, plain=stage == "pretrain")
    meant = _meaning(stage)
    for place, source in enumerate(sources):
        if place < after[0] or (only is not None and place not in only):
            continue
        wanted = None if only is None else only[place]
        past = after[1] if place == after[0] else 0
        name = source.name if len(sources) > 1 else None
        for line, item, separator in _items(source, asked, stage == "pretrain", past, wanted):
            if line > past and (wanted is None or line in wanted):
                yield _streamed(place, line, item, separator, source, name, meant)


def source_names(path: str | Path, stage: str = "sft", reading: Reading | None = None) -> tuple[str, ...]:
    """The names of the sources that `stream` counts."""
    return tuple(source.name for source in sources_of(path, reading or Reading("skip"), plain=stage == "pretrain"))


_Meaning = Callable[[Mapping[str, Any]], tuple[tuple[Turn, ...], str | None]]


def _streamed(
    place: int, line: int, item: Any, separator: bool, source: Source, name: str | None, meant: _Meaning
) -> Streamed:
    if isinstance(item, Message):
        return Streamed(place, line, None, item, separator=separator)
    if not isinstance(item, dict):
        return Streamed(place, line, None, say("data.not_object", type=type(item).__name__), separator=separator)
    shape = ", ".join(map(str, item))
    try:
        told = source.convert(item)
        turns, rejected = meant(told)
    except (Blank, Fault) as fault:
        blank = isinstance(fault, Blank)
        return Streamed(place, line, None, fault.message, blank, shape=shape, separator=separator, item=item)
    marks = marks_of(told, line, name)
    row = Row(
        id=marks.id or str(line), turns=turns, line=line, kind=marks.kind, source=marks.source, topic=marks.topic,
        label=marks.label, cluster=marks.cluster,
    )  # fmt: skip
    return Streamed(place, line, row, None, False, rejected, shape, separator, item)


def _meaning(stage: str) -> _Meaning:
    """What a row of a stage says: its turns, the last the answer, and the worse answer of a pair."""
    if stage == "pretrain":
        return lambda item: ((Turn("assistant", text_of(item)),), None)
    if stage in ("dpo", "orpo", "reward"):
        return _of_pair
    if stage == "kto":
        return lambda item: (as_turns(judged_of(item)[0]), None)
    if stage == "grpo":
        return _of_prompt
    return lambda item: (as_turns(said_of(item)[0]), None)


def _of_pair(item: Mapping[str, Any]) -> tuple[tuple[Turn, ...], str | None]:
    before, chosen, rejected, _ = pair_of(item)
    return before + chosen, rejected[-1].content


def _of_prompt(item: Mapping[str, Any]) -> tuple[tuple[Turn, ...], str | None]:
    turns, reference, _, _ = prompt_of(item, False)
    return (*turns, Turn("assistant", reference or "")), None


def _items(
    source: Source, reading: Reading, plain: bool, past: int, wanted: Container[int] | None
) -> Iterator[tuple[int, Any, bool]]:
    """(line, object or what is wrong with it, whether a separator is in it)."""
    path = Path(source.path)
    if reading.first or not path.is_file() or ending(path) == ".parquet":
        yield from ((line, item, False) for line, item in source.items())
        return
    try:
        with opened(path) as handle:
            reader = reader_of(path, handle, plain)
            if reader is lines_of:
                yield from _lines(path, handle, past, wanted)
            elif ending(path) in (".csv", ".tsv"):
                yield from ((line, item, False) for line, item in table_of(path, handle))
            elif reader is array_of and path.stat().st_size > _LARGE:
                yield from ((line, item, False) for line, item in _array(path, handle))
            else:
                yield from ((line, item, False) for line, item in source.items())
    except (OSError, EOFError) as error:
        raise DataError(tr("data.unreadable", path=str(path), error=str(error) or type(error).__name__)) from error


def _lines(path: Path, handle: Any, past: int, wanted: Container[int] | None) -> Iterator[tuple[int, Any, bool]]:
    decode = msgspec.json.Decoder().decode
    found = False
    for line, raw in enumerate(handle, start=1):
        if line <= past or (wanted is not None and line not in wanted):
            found = True
            continue
        if line == 1:
            raw = raw.removeprefix(b"\xef\xbb\xbf")
        if not raw.strip():
            continue
        found = True
        separator = not raw.isascii() and any(mark in raw for mark in _SEPARATORS)
        try:
            item = decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError):
            item = _slowly(path, raw, line)
        yield line, item, separator
    if not found:
        raise DataError(tr("data.empty", path=str(path)))


def _slowly(path: Path, raw: bytes, line: int) -> Any:
    """What the standard library makes of a line; it takes NaN and lone surrogates, too."""
    try:
        return parsed(path, raw, line)
    except DataError as error:
        return say("data.bad_line", what=str(error).removeprefix(f"{path}, ").partition(". ")[0])


def _array(path: Path, handle: Any) -> Iterator[tuple[int, Any]]:
    """The values of a long array, a part of the file at a time."""
    decoder, characters = json.JSONDecoder(), codecs.getincrementaldecoder("utf-8-sig")("replace")
    text, place, at = characters.decode(handle.read(_CHUNK)), 0, 0
    at = text.index("[") + 1
    while True:
        at = _past_blanks(text, at)
        if text.startswith("]", at):
            return
        try:
            value, at = decoder.raw_decode(text, at)
        except ValueError as error:
            # Cut in the middle of a value, most likely: as much again, so that a long one is not tried too often.
            read = handle.read(max(_CHUNK, len(text) - at))
            if not read:
                raise DataError(tr("data.not_json", path=str(path), line=1, error=str(error))) from None
            text, at = text[at:] + characters.decode(read), 0
            continue
        place += 1
        yield place, value


def _past_blanks(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t\r\n,":
        at += 1
    return at
