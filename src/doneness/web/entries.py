"""The runs that are known: what the list shows of each, and where it lies."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

from doneness.core import tr
from doneness.core.text import printable
from doneness.runs.claim import FILE as LOCK
from doneness.runs.claim import lives
from doneness.web.rows import Raw
from doneness.web.scan import Unit

LIVE, ENDED, CRASHED, SILENT = "live", "ended", "crashed", "silent"
_GRACE = 15.0  # seconds that a log may stand still after its process has gone
_MOST_FIELDS = 40


@dataclass
class Entry:
    """One run.

    Attributes:
        id: stands for its place in addresses, where no path ever is.
        unit: what is read with it.
        raw: what was found; None until it was judged.
        lines: changes whenever something the page shows did.
        step: the last step heard of since, where a log is followed; -1 for none.
    """

    id: str
    unit: Unit
    raw: Raw | None = None
    lines: str = ""
    step: int = -1

    @property
    def key(self) -> str:
        """Tells it from others of its unit."""
        return self.raw.key if self.raw else ""


def id_of(place: str, key: str) -> str:
    """The address of a run: the same as long as it lies where it lies."""
    told = f"{place}\n{key}".encode(errors="surrogatepass")
    return blake2b(told, digest_size=6).hexdigest()


def state_of(entry: Entry, root: Path, now: float) -> str:
    """Whether a run goes on: by its own word, by its process, by how long its log has stood still."""
    raw = entry.raw
    if raw is not None and raw.over:
        return ENDED
    still = now - entry.unit.changed
    # A file dated ahead of this clock says as little of now as an old one.
    if raw is not None and raw.home is not None and abs(still) > _GRACE:
        holder = _holder(root / raw.home / LOCK)
        if holder is False:
            return CRASHED
        if holder is True:
            return LIVE if still < max(raw.patience, 3600.0) else SILENT
    patience = raw.patience if raw is not None else 600.0
    return LIVE if still < patience else SILENT


def row_of(entry: Entry, root: Path, lang: str, now: float | None = None) -> dict[str, Any]:
    """What the list shows, in a language."""
    now = time.time() if now is None else now
    raw, unit, state = entry.raw, entry.unit, state_of(entry, root, now)
    place = one_line(unit.place or root.name)
    if raw is None:
        name = one_line(unit.place.rpartition("/")[2] or root.name)
        words = {"word": tr("web.judging", lang), "headline": "", "gain_text": ""}
        raw = Raw("", name, "", "", "", {lang: words}, None, None, 0, None, None, None, 0.0, False, [], {}, 0)
    words = raw.words.get(lang) or raw.words["en"]
    step = max(raw.step, entry.step)
    left = None
    if state == LIVE and raw.pace and raw.total and raw.total > step:
        left = round(raw.pace * (raw.total - step), 1)
    return {
        "id": entry.id,
        "name": raw.name,
        "place": place,
        "tool": raw.tool,
        "state": state,
        "verdict": raw.verdict,
        "word": words["word"],
        "headline": words["headline"],
        "sweet": raw.sweet,
        "keep": raw.keep,
        "step": step,
        "total": raw.total,
        "seconds_left": left,
        "gain": raw.gain,
        "gain_text": words["gain_text"],
        "spark": raw.spark,
        "updated": round(unit.changed, 3),
        "fields": raw.fields,
    }


def one_line(text: str) -> str:
    """A name from outside: no line break, nothing that is obeyed."""
    return printable(" ".join(text.split()))


def telling(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows with those fields alone that tell one run from another."""
    rows = list(rows)
    first: dict[str, Any] = {}
    differ: dict[str, int] = {}
    for row in rows:
        for name, value in row["fields"].items():
            if first.setdefault(name, value) != value:
                differ[name] = differ.get(name, 0) + 1
    kept = frozenset(sorted(differ, key=lambda name: -differ[name])[:_MOST_FIELDS])
    return [{**row, "fields": _only(row["fields"], kept)} for row in rows]


def _only(fields: Mapping[str, Any], kept: frozenset[str]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name in kept}


def _holder(lock: Path) -> bool | None:
    """Whether the process that trains is there; None where nothing tells."""
    try:
        with os.fdopen(os.open(lock, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)) as handle:
            return lives(handle.read(256).strip())
    except (OSError, UnicodeDecodeError):
        return None
