"""Where the value of a field stands in a text that holds a JSON object."""

from __future__ import annotations

import json

Range = tuple[int, int]

_DECODER = json.JSONDecoder()
_SPACE = " \t\r\n"


def value_range(text: str, path: str) -> Range | None:
    """Characters of the value at `path`, quotes apart; None where the text holds no object with that field.

    Args:
        text: an answer; the first JSON object in it counts, whatever stands around it.
        path: the field's name; dots lead into objects within.
    """
    at = text.find("{")
    while at >= 0:
        try:
            _DECODER.raw_decode(text, at)
        except (ValueError, RecursionError):
            at = text.find("{", at + 1)
            continue
        return _inside(text, at, path)
    return None


def _inside(text: str, at: int, path: str) -> Range | None:
    """Search the object that begins at `at`; it is known to be whole."""
    at = _skipped(text, at + 1)
    found = None
    while text[at] != "}":
        name, end = _DECODER.raw_decode(text, at)
        at = _skipped(text, _skipped(text, end) + 1)
        end = _DECODER.raw_decode(text, at)[1]
        if name == path:
            # Of a name that comes twice the last value counts, as for whoever parses it.
            found = (at + 1, end - 1) if text[at] == '"' else (at, end)
        elif path.startswith(f"{name}.") and text[at] == "{":
            found = _inside(text, at, path[len(name) + 1 :]) or found
        at = _skipped(text, end)
        if text[at] == ",":
            at = _skipped(text, at + 1)
    return found


def _skipped(text: str, at: int) -> int:
    while text[at] in _SPACE:
        at += 1
    return at
