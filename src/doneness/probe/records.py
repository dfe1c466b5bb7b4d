"""Probes from our own JSON lines; what nothing would score, or what would always be wrong, is refused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from doneness.core import DataError, tr
from doneness.probe.suite import ASKS, FORMATS, METRICS, SORTS, Probe
from doneness.runs.typed import fits

# A right answer of these is known by what it holds.
_SCORED = ("knowledge", "emergency", "false_premise", "general", "sycophancy")
_TYPES: dict[str, Any] = {
    "asks": tuple[str, ...],
    "options": tuple[str, ...],
    "correct": int | None,
    "then": tuple[str, ...],
    "samples": int,
    "max_new_tokens": int,
}
_COUNTS = ("samples", "max_new_tokens")
_ROWS = {"messages", "conversations", "conversation", "instruction", "output", "response"}  # keys of training data
_WORDS = {"asks": ASKS, "metric": ("", *METRICS), "format": ("", *FORMATS)}


def lines_of(place: Path) -> list[tuple[int, str]]:
    """(number, line) of every line that is not blank.

    Raises:
        DataError: missing, or not UTF-8.
    """
    try:
        text = place.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(tr("probe.unreadable", path=str(place), reason=str(error))) from error
    return [(number, line) for number, line in enumerate(text.split("\n"), start=1) if line.strip()]


def read_probes(place: Path) -> tuple[Probe, ...]:
    """All probes of a file of ours.

    Raises:
        DataError: a line that is no probe, or an id that stands twice.
    """
    probes: list[Probe] = []
    seen: set[str] = set()
    for number, line in lines_of(place):
        probe = _probe(line, str(place), number)
        if probe.id in seen:
            raise DataError(tr("probe.twice", path=str(place), line=number, id=probe.id))
        seen.add(probe.id)
        probes.append(probe)
    if not probes:
        raise DataError(tr("probe.empty", path=str(place)))
    return tuple(probes)


def default_asks(sort: str, options: bool = False, then: bool = False, answered: bool = True) -> tuple[str, ...]:
    """What is measured where a probe does not say."""
    if sort == "text":
        return ("nll", "kl")
    if options and answered:
        return ("options",)
    return ("answer", "turns") if then else ("answer",)


def _probe(line: str, path: str, number: int) -> Probe:
    try:
        item = json.loads(line)
        sort = str(item["behaviour"])
        groups = _groups(item.get("contains", ()))
        if groups is None:
            raise DataError(tr("probe.no_contains", path=path, line=number, sort=sort))
        text = str(item.get("text", ""))
        more: dict[str, Any] = {name: _typed(name, item[name]) for name in _TYPES if name in item}
        more |= {name: str(item[name]) for name in _PLAIN if name in item}
        prompt = item.get("prompt", "") if text else item["prompt"]
        if not isinstance(prompt, str):
            raise TypeError("prompt")
        more.setdefault("asks", default_asks(sort, bool(more.get("options")), bool(more.get("then"))))
        found = Probe(str(item["id"]), sort, prompt, str(item.get("reference", "")), groups, text=text, **more)
    except KeyError as error:
        if error.args[0] == "behaviour" and _ROWS & set(item):
            raise DataError(tr("probe.data_rows", path=path, name=Path(path).name)) from error
        raise DataError(tr("probe.lacks", path=path, line=number, name=str(error.args[0]))) from error
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(tr("probe.bad_line", path=path, line=number, reason=str(error))) from error
    _refuse(found, path, number)
    return found


def _groups(said: Any) -> tuple[tuple[str, ...], ...] | None:
    """Groups of alternatives; None of anything else: of a bare word every letter would be an alternative."""
    if not isinstance(said, (list, tuple)) or not all(isinstance(group, list) for group in said):
        return None
    groups = tuple(tuple(str(alternative) for alternative in group) for group in said)
    return groups if all(alternative.strip() for group in groups for alternative in group) else None


_PLAIN = ("source", "cluster", "label", "lang", "metric", "format")


def _typed(name: str, value: Any) -> Any:
    if not fits(value, _TYPES[name]) or (name in _COUNTS and value < 0) or (name == "asks" and not value):
        raise TypeError(name)
    return tuple(value) if isinstance(value, list) else value


def _refuse(probe: Probe, path: str, number: int) -> None:
    where: Mapping[str, Any] = {"path": path, "line": number}
    if probe.sort not in SORTS:
        raise DataError(tr("probe.unknown_sort", **where, sort=probe.sort, known=", ".join(SORTS)))
    for name, known in _WORDS.items():
        said = getattr(probe, name)
        wrong = [w for w in (said if isinstance(said, tuple) else (said,)) if w not in known]
        if wrong:
            listed = ", ".join(filter(None, known))
            raise DataError(tr("probe.unknown_word", **where, name=name, word=wrong[0], known=listed))
    answered = "options" not in probe.asks
    if probe.sort in _SCORED and answered and not (probe.contains and all(probe.contains)):
        raise DataError(tr("probe.no_contains", **where, sort=probe.sort))
    told = probe.correct is not None and 0 <= probe.correct < len(probe.options) and len(probe.options) > 1
    if "options" in probe.asks and probe.sort != "classify" and not told:
        raise DataError(tr("probe.no_correct", **where))
    if "turns" in probe.asks and not probe.then:
        raise DataError(tr("probe.no_turns", **where))
    if probe.sort == "classify" and not (probe.label and probe.label in probe.options):
        raise DataError(tr("probe.no_label", **where))
    if probe.sort in ("task", "recite", "recite_held_out") and not probe.reference:
        raise DataError(tr("probe.no_reference", **where, sort=probe.sort))
    if "samples" in probe.asks and probe.samples < 2:
        raise DataError(tr("probe.few_samples", **where))
