"""Examples: checks name rows, and their texts are fetched when all have been judged; secrets are masked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from doneness.audit.masking import masked
from doneness.core import Finding
from doneness.data import Row

_EXCERPT = 160


@dataclass(frozen=True, slots=True)
class Ask:
    """A text of a row that an example shows: "question", "context" or "answer"."""

    side: str
    place: int
    what: str = "question"


def excerpt(text: str) -> str:
    """The start of a text on one line, personal data and keys masked."""
    line = " ".join(masked(text[: 8 * _EXCERPT]).split())
    return line if len(line) <= _EXCERPT else line[: _EXCERPT - 1] + "…"


def illustrated(
    findings: Iterable[Finding], fetch: Callable[[str, set[int]], Mapping[int, Row]]
) -> tuple[Finding, ...]:
    """The findings with the texts that their examples ask for."""
    findings = tuple(findings)
    wanted: dict[str, set[int]] = {}
    for finding in findings:
        for ask in _asks(finding.evidence):
            wanted.setdefault(ask.side, set()).add(ask.place)
    rows = {side: fetch(side, places) for side, places in wanted.items()}
    return tuple(replace(finding, evidence=_told(finding.evidence, rows)) for finding in findings)


def _asks(value: Any) -> Iterator[Ask]:
    if isinstance(value, Ask):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _asks(each)
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from _asks(each)


def _told(value: Any, rows: Mapping[str, Mapping[int, Row]]) -> Any:
    if isinstance(value, Ask):
        row = rows[value.side].get(value.place)
        return "" if row is None else excerpt(_text(row, value.what))
    if isinstance(value, Mapping):
        return {name: _told(each, rows) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_told(each, rows) for each in value]
    return value


def _text(row: Row, what: str) -> str:
    if what == "answer":
        return row.answer
    if what == "context":
        return row.context
    asked = [turn.content for turn in row.turns if turn.role == "user"]
    # A text has no question: its own beginning stands for it.
    return asked[-1] if asked else row.answer
