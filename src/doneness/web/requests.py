"""What a run was asked, from the first request to the newest: those it has taken, and those that wait."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from doneness.core import tr
from doneness.core.text import printable
from doneness.runs import Run
from doneness.runs.control import ACTIONS, Request, waiting
from doneness.runs.records import is_whole

_MOST = 50  # of the newest


def noted(run: Run) -> list[dict[str, Any]]:
    """The requests that the journal says were taken, as records."""
    taken = [{**e.data, "step": e.step, "at": e.at} for e in run.events if e.kind == "request"]
    return [record for record in taken if record.get("request") in ACTIONS][-_MOST:]


def requests(taken: Sequence[Mapping[str, Any]], folder: Path | None, over: bool, lang: str) -> list[dict[str, Any]]:
    """What a page lists of them, newest last.

    Args:
        taken: records of the journal.
        folder: of the run, where those that it has not taken lie.
        over: whether the run has ended, so that nobody will take them.
        lang: the reader's.
    """
    told = [heard(record, lang) for record in taken]
    known = {each["id"] for each in told}
    open_ = [] if folder is None else [each for each in waiting(folder)[-_MOST:] if each.id not in known]
    return [*told, *(asked(each, lang, late=over) for each in open_)][-_MOST:]


def heard(record: Mapping[str, Any], lang: str) -> dict[str, Any]:
    """A request that the run has taken, as its page is told."""
    action, refused = printable(str(record.get("request", "")))[:20], bool(record.get("refused"))
    who = _one_line(record.get("who", "?"))
    step = record.get("keep", record.get("step"))
    # Another version may know other actions, and a journal is a file that anybody may have written.
    known = action in ACTIONS and is_whole(step)
    text = tr(f"web.control.{'refused' if refused else 'done'}_{action}", lang, who=who, step=step) if known else ""
    return {
        "id": printable(str(record.get("id", "")))[:200],
        "action": action,
        "step": step,
        "who": who,
        "at": printable(str(record.get("at", "")))[:40],
        "state": "refused" if refused else "done",
        "text": text,
    }


def asked(found: Request, lang: str, late: bool = False) -> dict[str, Any]:
    """A request that nobody has taken: it waits, or the run had ended before."""
    key = f"web.control.{'late' if late else 'asked'}_{found.action}"
    return {
        "id": found.id,
        "action": found.action,
        "step": found.step,
        "who": found.who,
        "at": found.at,
        "state": "late" if late else "asked",
        "text": tr(key, lang, who=found.who, step=found.step),
    }


def _one_line(text: Any) -> str:
    return printable(" ".join(str(text).split()))[:80]
