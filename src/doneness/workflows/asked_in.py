"""The suite that a run was last asked and its language, kept beside the answers in probes/asked.json.

Whoever scores the answers again needs the questions, also where no recipe names them.

A built-in suite without its language ("general") follows the reader's. Whoever reads the answers later, or asks on,
may read another language: the questions stay those that were asked. Another name ("general-zh") asks others.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from doneness.config.places import suites_moved
from doneness.core import LANGUAGES, language
from doneness.runs.atomic import write_text
from doneness.runs.probes import FOLDER

FILE = "asked.json"


def asked_in(out: Path, suite: str) -> str:
    """The language of `suite` in the folder that holds `probes/`; the reader's where it was not asked there."""
    kept = _kept(out)
    known = suite in (kept.get("suite"), kept.get("whole")) and kept.get("language") in LANGUAGES
    return str(kept["language"]) if known else language()


def suite_asked(out: Path) -> str:
    """The suite that was last asked in the folder that holds `probes/`, its files from the root; "" where none was."""
    found = _kept(out).get("whole", "")
    return found if isinstance(found, str) else ""


def behaviours_asked(out: Path) -> tuple[str, ...]:
    """The behaviours of the user's own that were last scored there."""
    found = _kept(out).get("behaviours", [])
    return tuple(str(each) for each in found) if isinstance(found, list) else ()


def keep_asked(out: Path, suite: str, behaviours: Sequence[str] = ()) -> None:
    """Keep what is asked, the language that it is asked in, and the behaviours of the user's own.

    Raises:
        StorageError: the disk refuses.
    """
    whole = suites_moved(suite, lambda path: str(Path(path).resolve()) if Path(path).exists() else path)
    kept: dict[str, Any] = {"suite": suite, "whole": whole, "language": asked_in(out, suite)}
    kept |= {"behaviours": list(behaviours)} if behaviours else {}
    write_text(out / FOLDER / FILE, json.dumps(kept, ensure_ascii=False) + "\n")


def _kept(out: Path) -> dict[str, Any]:
    try:
        kept = json.loads((out / FOLDER / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return kept if isinstance(kept, dict) else {}
