"""A cleaned copy of the training rows, with a list of what went and why; and rows written down for people to read."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from doneness.audit.checks.damage import CODE
from doneness.audit.masking import masked
from doneness.core import DataError, disk_faults, tr
from doneness.data.stream import Streamed, source_names, stream
from doneness.workflows.audit import Audited
from doneness.workflows.audit_stream import Files
from doneness.workflows.outputs import read_by, refuse_outputs

# Codes whose rows go: what is left without them is what training should see. All others are for people to decide.
DROPPED = ("AU01", "AU02", "AU03", "AU04", "AU13", "AU14", "AU15", "AU24", "AU28", "AU29", "AU31")
MENDED = ("AU12", "AU25")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufeff\ufff9-\ufffb]")
_TAG = re.compile(r"</?(?:p|br|div|span|font|b|i|u|em|strong|ul|ol|li|table|tr|td|th|tbody|script|style|a|img|h[1-6])"
                  r"(?:\s[^<>]{0,300})?/?>", re.IGNORECASE)  # fmt: skip
_BREAK = re.compile(r"<(?:br|/p|/div|/li|/tr|/h[1-6])\s*/?>", re.IGNORECASE)
_ENTITIES = {"&nbsp;": " ", "&lt;": "<", "&gt;": ">", "&quot;": '"', "&apos;": "'", "&#39;": "'", "&ldquo;": "“",
             "&rdquo;": "”", "&mdash;": "—", "&ndash;": "–", "&hellip;": "…", "&amp;": "&"}  # fmt: skip
# UTF-8 that was read as Windows-1252.
_MOJIBAKE = re.compile("[\u00c2-\u00f4\u00e2][\u0080-\u00ff\u0152-\u0192\u02c6\u02dc\u2013-\u2122]{1,3}")


@dataclass(frozen=True)
class Fixed:
    """What became of the rows: kept, of them mended, removed; and where copy and list lie."""

    kept: int
    mended: int
    removed: int
    unusable: int
    copy: Path
    listed: Path


def outputs_of(out: str | Path) -> tuple[Path, Path]:
    """Where a cleaned copy lies, and the list of what went."""
    copy = Path(out)
    return copy, copy.with_name(copy.name.removesuffix(".jsonl") + ".removed.jsonl")


def _read(files: Files) -> tuple[Path, ...]:
    return read_by(files.sides.values(), files.reading, files.params.stage == "pretrain")


def fix(found: Audited, out: str | Path) -> Fixed:
    """Write the training rows without those that should not be trained on; the file itself is never touched.

    Args:
        found: what an audit of files found.
        out: the copy, as JSON lines; beside it, with `.removed.jsonl` at the end, the list of what went and why.

    Raises:
        DataError: the rows were in memory, or `out` is one of the files audited.
        StorageError: it cannot be written.
    """
    files = found.files
    if files is None:
        raise DataError(tr("workflows.audit.no_files"))
    copy, listed = outputs_of(out)
    refuse_outputs((copy, listed), _read(files))
    why, names = _reasons(found), source_names(files.train, files.params.stage, files.reading)
    counts = {"kept": 0, "mended": 0, "removed": 0, "unusable": 0}
    with disk_faults(copy):
        copy.parent.mkdir(parents=True, exist_ok=True)
        halves = [place.with_name(place.name + ".half") for place in (copy, listed)]
        with halves[0].open("w", encoding="utf-8") as rows, halves[1].open("w", encoding="utf-8") as gone:
            for place, row in _placed(stream(files.train, files.params.stage, files.reading)):
                noted = _Noted(gone, names[row.source])
                _write(row, why.get(place, ()) if place is not None else None, rows, noted, counts)
        for half, place_at in zip(halves, (copy, listed), strict=True):
            half.replace(place_at)
    return Fixed(**counts, copy=copy, listed=listed)


def review(found: Audited, out: str | Path) -> int:
    """Write every flagged training row for a person to read, secrets masked, with the codes and a place for a verdict.

    Returns:
        How many rows.

    Raises:
        DataError: the rows were in memory, or `out` is one of the files audited.
        StorageError: it cannot be written.
    """
    files = found.files
    if files is None:
        raise DataError(tr("workflows.audit.no_files"))
    refuse_outputs((Path(out),), _read(files))
    codes: dict[int, list[str]] = {}
    for code, places in found.flagged.items():
        for place in places.tolist():
            codes.setdefault(place, []).append(code)
    names, written = source_names(files.train, files.params.stage, files.reading), 0
    with disk_faults(out), Path(out).open("w", encoding="utf-8") as handle:
        for place, row in _placed(stream(files.train, files.params.stage, files.reading)):
            if place is None or place not in codes or row.row is None:
                continue
            told = {"row": row.line, "source": names[row.source], "codes": codes[place],
                    "question": masked(row.row.context), "answer": masked(row.row.answer),
                    "verdict": "", "note": ""}  # fmt: skip
            handle.write(json.dumps(told, ensure_ascii=False) + "\n")
            written += 1
    return written


def mended(text: str) -> str:
    """Text with controls and markup taken out, wrong decoding undone where that gives text, secrets masked.

    What is quoted as code keeps its markup.
    """
    whole, text = text, _CONTROL.sub("", text)
    if not text.isascii():
        text = _MOJIBAKE.sub(_redecoded, text)
    if "<" in text or "&" in text:
        text = _outside_code(text)
    # A paragraph that was closed at the end leaves no empty line behind.
    return masked(text if whole[-1:].isspace() else text.rstrip("\n"))


def _outside_code(text: str) -> str:
    """Markup and entities taken out; quoted code stays as it is, as for the check that finds them."""
    made, at = [], 0
    for code in CODE.finditer(text):
        made += [_plain(text[at : code.start()]), code[0]]
        at = code.end()
    return "".join((*made, _plain(text[at:])))


def _plain(text: str) -> str:
    text = _TAG.sub("", _BREAK.sub("\n", text))
    for entity, char in _ENTITIES.items() if "&" in text else ():
        text = text.replace(entity, char)
    return text


def _redecoded(match: re.Match[str]) -> str:
    for length in range(len(match[0]), 1, -1):
        part = match[0][:length]
        for table in ("cp1252", "latin-1"):
            with suppress(UnicodeError):
                return part.encode(table).decode("utf-8") + match[0][length:]
    return match[0]


def _reasons(found: Audited) -> dict[int, tuple[str, ...]]:
    """By place the codes that decide what becomes of a row."""
    why: dict[int, tuple[str, ...]] = {}
    for code in (*DROPPED, *MENDED):
        for place in np.asarray(found.sure.get(code, found.flagged.get(code, ()))).tolist():
            why[int(place)] = (*why.get(int(place), ()), code)
    return why


def fixable(found: Audited) -> dict[str, int]:
    """How many training rows `fix` takes out or mends for each code."""
    places = {code: found.sure.get(code, found.flagged.get(code, ())) for code in (*DROPPED, *MENDED)}
    return {code: len(each) for code, each in places.items() if len(each)}


def _placed(rows: Iterator[Streamed]) -> Iterator[tuple[int | None, Streamed]]:
    """Each row with its place among those that can be used; None for others."""
    place = 0
    for row in rows:
        if row.row is None:
            yield None, row
            continue
        yield place, row
        place += 1


@dataclass(frozen=True, slots=True)
class _Noted:
    """Where it is written down what became of a row, and which source the row is from."""

    gone: TextIO
    source: str


def _write(row: Streamed, codes: tuple[str, ...] | None, rows: TextIO, gone: _Noted, counts: dict[str, int]) -> None:
    if codes is None:
        reason = row.problem.text() if row.problem is not None else ""
        counts["unusable"] += 1
        _note(gone, row, "removed", ["AU07" if row.blank else "AU18"], reason)
        return
    dropped = [code for code in codes if code in DROPPED]
    if dropped:
        counts["removed"] += 1
        _note(gone, row, "removed", dropped, tr(f"audit.{dropped[0].lower()}.title"))
        return
    item: Any = row.item
    if codes:
        item = _through(item)
        counts["mended"] += 1
        _note(gone, row, "mended", list(codes), tr(f"audit.{codes[0].lower()}.title"))
    rows.write(json.dumps(item, ensure_ascii=False) + "\n")
    counts["kept"] += 1


def _note(noted: _Noted, row: Streamed, action: str, codes: list[str], why: str) -> None:
    told = {"row": row.line, "source": noted.source, "action": action, "codes": codes, "why": why}
    noted.gone.write(json.dumps(told, ensure_ascii=False) + "\n")


def _through(value: Any) -> Any:
    """Every text in an object, mended."""
    if isinstance(value, str):
        return mended(value)
    if isinstance(value, Mapping):
        return {key: _through(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_through(each) for each in value]
    return value
