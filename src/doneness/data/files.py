r"""Rows as objects out of one file: JSON lines, a JSON array, CSV, TSV, Parquet or plain text, each perhaps `.gz`.

The ending tells which; a file of any other ending is JSON. Lines of JSON end at "\n" alone: U+2028, U+2029 and
U+0085 occur inside strings, and `str.splitlines` would cut rows there. In plain text every line that is not blank
is a document of its own, which is how LLaMA-Factory and MedicalGPT read `.txt`.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from doneness.core import DataError, Message, say, tr
from doneness.core.extras import optional

Item = tuple[int, Mapping[str, Any]]

TEXT = "text"  # the column of a plain text file
ENDINGS = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet", ".txt")
_LONGEST_CELL = 2**31 - 1
# How files begin that are no text; a table of a spreadsheet is a ZIP file.
_BINARY = (b"PK\x03\x04", b"\x89PNG", b"\xff\xd8\xff", b"\x1f\x8b", b"%PDF", b"PAR1", b"GIF8")
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_HIGH = re.compile(rb"[\x80-\xff]+")
_BATCH = 1024  # rows of a Parquet file in memory as objects


def is_data(path: Path) -> bool:
    """Whether a file is one of data by its ending."""
    return ending(path) in ENDINGS


def ending(path: Path) -> str:
    """What says how a file is written: the last ending that is not `.gz`, in small letters."""
    name = path.name.lower().removesuffix(".gz")
    return Path(name).suffix


def items_of(path: Path, plain: bool = False) -> Iterator[Item]:
    """(line, object) of every row; the line in the file, or the place in an array or a Parquet file, from 1.

    Args:
        path: the file.
        plain: a `.txt` file is plain text whatever its first letter; else one that begins like JSON is JSON.

    Raises:
        DataError: the file is missing, empty, not UTF-8, or not what its ending says.
        MissingExtraError: a Parquet file without pyarrow.
    """
    if not path.exists():
        raise DataError(tr("data.missing", path=str(path)))
    found = False
    try:
        with opened(path) as handle:
            for line, item in reader_of(path, handle, plain)(path, handle):
                found = True
                if not isinstance(item, dict):
                    what = say("data.not_object", type=type(item).__name__)
                    raise DataError(tr("data.row", path=str(path), line=line, what=what))
                yield line, item
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(tr("data.unreadable", path=str(path), error=str(error) or type(error).__name__)) from error
    if not found:
        raise DataError(tr("data.empty", path=str(path)))


def opened(path: Path) -> Any:
    """The file as bytes, unpacked."""
    return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")


def reader_of(path: Path, handle: Any, plain: bool) -> Callable[[Path, Any], Iterator[tuple[int, Any]]]:
    """What reads the rows of an open file: by its ending, and by how it begins."""
    kind = ending(path)
    if kind == ".parquet":
        return _parquet
    _refuse_binary(path, handle.peek(64)[:64])
    if kind in (".csv", ".tsv"):
        return _table
    head = handle.peek(64).lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    if kind == ".txt" and (plain or head not in (b"[", b"{")):
        return _texts
    return array_of if head == b"[" else lines_of


def _refuse_binary(path: Path, head: bytes) -> None:
    """What is no text at all, or text of two bytes a character, is named as that."""
    if head.startswith(_UTF16):
        raise DataError(tr("data.utf16", path=str(path)))
    if head.startswith(_BINARY) or b"\0" in head:
        raise DataError(tr("data.binary", path=str(path)))


def _texts(path: Path, handle: Iterable[bytes]) -> Iterator[tuple[int, Any]]:
    """Each line that is not blank, as a document."""
    for line, raw in enumerate(handle, start=1):
        text = _decoded(path, raw, line).strip("\r\n")
        if text.strip():
            yield line, {TEXT: text}


def lines_of(path: Path, handle: Iterable[bytes]) -> Iterator[tuple[int, Any]]:
    """Each line that is not blank, as JSON."""
    for line, raw in enumerate(handle, start=1):
        if raw.strip(b"\xef\xbb\xbf \t\r\n" if line == 1 else None):
            yield line, parsed(path, raw, line)


def array_of(path: Path, handle: Any) -> Iterator[tuple[int, Any]]:
    """The values of one JSON array."""
    items = parsed(path, handle.read(), 1)
    yield from enumerate(items if isinstance(items, list) else [items], start=1)


def _table(path: Path, handle: Any) -> Iterator[tuple[int, Any]]:
    for line, row in table_of(path, handle):
        if isinstance(row, Message):
            raise DataError(tr("data.row", path=str(path), line=line, what=row))
        yield line, row


def table_of(path: Path, handle: Any) -> Iterator[tuple[int, Any]]:
    """Rows of a table whose first line names its columns; what is wrong with one that has other cells, in its place."""
    csv.field_size_limit(_LONGEST_CELL)
    lines = (_decoded(path, raw, line) for line, raw in enumerate(handle, start=1))
    reader = csv.reader(lines, delimiter="\t" if ending(path) == ".tsv" else ",", strict=True)
    names: list[str] | None = None
    try:
        before = 0
        for cells in reader:
            line, before = before + 1, reader.line_num
            if not any(cells):
                continue
            if names is None:
                names = [cell.strip() for cell in cells]
                twice = next((name for name in names if name and names.count(name) > 1), None)
                if twice is not None:
                    raise DataError(tr("data.twice", path=str(path), name=twice))
                continue
            if len(cells) != len(names):
                yield line, say("data.ragged", cells=len(cells), columns=len(names))
                continue
            yield line, dict(zip(names, cells, strict=True))
    except csv.Error as error:
        raise DataError(tr("data.not_csv", path=str(path), line=reader.line_num, error=str(error))) from None


def _parquet(path: Path, handle: Any) -> Iterator[tuple[int, Any]]:
    arrow, parquet = optional("pyarrow", "train"), optional("pyarrow.parquet", "train")
    source = io.BytesIO(handle.read()) if path.suffix == ".gz" else handle
    try:
        place = 0
        for batch in parquet.ParquetFile(source).iter_batches(_BATCH):
            for item in batch.to_pylist():
                place += 1
                yield place, item
    except arrow.ArrowException as error:
        reason = " ".join(str(error).split())[:200]
        raise DataError(tr("data.unreadable", path=str(path), error=reason)) from None


def _decoded(path: Path, raw: bytes, line: int) -> str:
    """The text of bytes that begin at `line` of the file."""
    try:
        return raw.decode("utf-8-sig" if line == 1 else "utf-8")
    except UnicodeDecodeError as error:
        line += raw[: error.start].count(b"\n")
        byte, charset = raw[error.start], _charset(raw)
        raise DataError(tr("data.not_utf8", path=str(path), line=line, byte=byte, charset=charset)) from None


def _charset(raw: bytes) -> str:
    """What bytes that are not UTF-8 most likely are: in Chinese those beyond ASCII come in pairs, elsewhere alone."""
    runs = _HIGH.findall(raw)
    try:
        raw.decode("gb18030")
    except UnicodeDecodeError as error:
        # Cut in the middle of a character says nothing against it.
        if error.end < len(raw):
            return "WINDOWS-1252"
    return "WINDOWS-1252" if 2 * sum(len(run) == 1 for run in runs) > len(runs) else "GB18030"


def parsed(path: Path, raw: bytes, line: int) -> Any:
    """The JSON value in `raw`, which starts at `line` of the file."""
    text = _decoded(path, raw, line)
    try:
        # The end of a line is not the beginning of the next, when the fault is told.
        return json.loads(text.rstrip("\r\n"))
    except (ValueError, RecursionError) as error:
        line += getattr(error, "lineno", 1) - 1
        reason = getattr(error, "msg", None) or str(error)
        raise DataError(tr("data.not_json", path=str(path), line=line, error=reason)) from None
