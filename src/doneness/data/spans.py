"""Spans: which characters of an answer belong to its label, its explanation, or to what a user names.

The mean loss of an answer hides its parts: fixed words and the end are learnt at once, free text never
is, and the one token that matters is lost among them. Losses are therefore summed by span as well.

| definition | characters |
|---|---|
| `label` | what the answer decides, see `answer_parts.label` |
| `reasoning` | inside <think>…</think> or <reasoning>…</reasoning> |
| `explanation` | everything that is neither, nor the words that introduce the label |
| `name=/pattern/` | all matches; of a pattern with groups the first group |
| `name=json:field` | the value of a field of the JSON object in the answer; dots lead inwards |

Ranges may overlap: a token counts in every span that it touches. Three more are always there, by token
and not by character: `first` (the first target token), `end` (the end-of-turn token) and `rest`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from doneness.core import DataError, tr
from doneness.data import answer_parts
from doneness.data.answer_parts import Range
from doneness.data.json_values import value_range
from doneness.data.rows import Row

PRESETS = ("label", "explanation", "reasoning")
AUTOMATIC = ("first", "end", "rest")
ALL = "all"  # the name that stands for every target token

_NAME = re.compile(r"[^\W\d][\w-]{0,39}")


@dataclass(frozen=True, slots=True)
class Span:
    """One definition.

    Attributes:
        name: what it is called in logs and reports.
        pattern: for a regular expression; None otherwise.
        field: path of a JSON field; None otherwise.
    """

    name: str
    pattern: re.Pattern[str] | None = None
    field: str | None = None

    def find(self, answer: str, label: str | None = None) -> tuple[Range, ...]:
        """Its characters in `answer`, as (begin, end); empty where the answer has none.

        Args:
            answer: the text that carries loss.
            label: the label as the row names it, where it does.
        """
        if self.pattern is not None:
            group = 1 if self.pattern.groups else 0
            found = (match.span(group) for match in self.pattern.finditer(answer))
            return tuple((begin, end) for begin, end in found if 0 <= begin < end)
        if self.field is not None:
            place = value_range(answer, self.field)
            return (place,) if place is not None and place[0] < place[1] else ()
        if self.name == "label":
            place = answer_parts.label(answer, label)
            return (place,) if place is not None else ()
        if self.name == "reasoning":
            return answer_parts.reasoning(answer)
        return answer_parts.explanation(answer, label)


def parse_spans(definitions: Iterable[str]) -> tuple[Span, ...]:
    """The spans that a recipe asks for, in its order.

    Raises:
        DataError: a preset that is not known, a name that cannot be one, or a pattern that does not compile.
    """
    found: dict[str, Span] = {}
    for text in definitions:
        span = _parsed(text.strip())
        if span.name in found:
            raise DataError(tr("data.span.twice", name=span.name))
        found[span.name] = span
    return tuple(found.values())


def refuse_absent(spans: Sequence[Span], rows: Sequence[Row]) -> None:
    """Refuse a span that stands in none of the evaluation rows: its losses would be missing without a word.

    Raises:
        DataError: there is such a span, or there are spans and no rows.
    """
    if spans and not rows:
        raise DataError(tr("data.span.no_rows"))
    for span in spans:
        if not any(span.find(row.answer, row.label) for row in rows):
            raise DataError(tr("data.span.nowhere", name=span.name, rows=len(rows)))


def deciding(wanted: str, spans: Sequence[Span]) -> str:
    """The name of the span that decides when to stop; "" for all target tokens.

    Args:
        wanted: what the recipe says: a name, "all", or "" for the label where it is defined.
        spans: those defined.

    Raises:
        DataError: no span has that name.
    """
    names = [span.name for span in spans]
    if wanted in ("", ALL):
        return "label" if not wanted and "label" in names else ""
    if wanted not in (*names, *AUTOMATIC):
        raise DataError(tr("data.span.undefined", name=wanted, known=", ".join((*names, *AUTOMATIC, ALL))))
    return wanted


def _parsed(text: str) -> Span:
    name, equals, body = (part.strip() for part in text.partition("="))
    if not equals:
        if name not in PRESETS:
            raise DataError(tr("data.span.unknown", text=text, known=", ".join(PRESETS)))
        return Span(name)
    if not _NAME.fullmatch(name) or name in (*AUTOMATIC, ALL):
        raise DataError(tr("data.span.name", text=text, taken=", ".join((*AUTOMATIC, ALL))))
    if body.startswith("json:") and body[5:].strip():
        return Span(name, field=body[5:].strip())
    if len(body) < 3 or body[0] != "/" or body[-1] != "/":
        raise DataError(tr("data.span.form", text=text))
    try:
        return Span(name, pattern=re.compile(body[1:-1], re.MULTILINE))
    except (re.error, OverflowError, RecursionError) as error:
        raise DataError(tr("data.span.pattern", text=text, reason=str(error))) from None
