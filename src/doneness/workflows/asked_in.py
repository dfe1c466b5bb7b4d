"""The suites that a run was asked and their languages, kept beside the answers in probes/asked.json, the last one last.

Whoever scores the answers again needs the questions, also where no recipe names them.

A built-in suite without its language ("general") follows the reader's. Whoever reads the answers later, or asks on,
may read another language: the questions stay those that were asked. Another name ("general-zh") asks others.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from doneness.config.places import suites_moved
from doneness.core import LANGUAGES, language
from doneness.runs.atomic import write_text
from doneness.runs.probes import FOLDER
from doneness.runs.typed import built

FILE = "asked.json"
_KEPT = 8  # suites


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked.

    Attributes:
        suite: as it was named.
        whole: the same, its files from the root.
        language: that it was asked in.
        behaviours: of the user's own, that were scored.
    """

    suite: str
    whole: str
    language: str
    behaviours: tuple[str, ...] = ()


def asked_in(out: Path, suite: str) -> str:
    """The language of `suite` in the folder that holds `probes/`; the reader's where it was not asked there."""
    known = (each.language for each in all_asked(out) if suite in (each.suite, each.whole))
    return next((lang for lang in known if lang in LANGUAGES), language())


def suite_asked(out: Path) -> str:
    """The suite that was last asked in the folder that holds `probes/`, its files from the root; "" where none was."""
    return next((each.whole for each in all_asked(out)), "")


def all_asked(out: Path) -> list[Asked]:
    """What was asked in the folder that holds `probes/`, the last first; what cannot be read is left out."""
    try:
        kept = json.loads((out / FOLDER / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return []
    held = kept.get("asked", [kept]) if isinstance(kept, dict) else []
    return [found for each in reversed(held if isinstance(held, list) else []) if (found := _read(each)) is not None]


def keep_asked(out: Path, suite: str, behaviours: Sequence[str] = ()) -> None:
    """Keep what is asked, the language that it is asked in, and the behaviours of the user's own.

    Raises:
        StorageError: the disk refuses.
    """
    whole = suites_moved(suite, lambda path: str(Path(path).resolve()) if Path(path).exists() else path)
    now = Asked(suite, whole, asked_in(out, suite), tuple(behaviours))
    before = [each for each in all_asked(out) if each.whole != whole]
    kept = {"asked": [asdict(each) for each in (*reversed(before[: _KEPT - 1]), now)]}
    write_text(out / FOLDER / FILE, json.dumps(kept, ensure_ascii=False) + "\n")


def _read(data: Any) -> Asked | None:
    try:
        return built(Asked, data)
    except TypeError:
        return None
