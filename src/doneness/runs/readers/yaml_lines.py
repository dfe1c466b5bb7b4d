"""The flat part of a YAML file: its `key: value` lines, which need no YAML library."""

from __future__ import annotations

import re

_LINE = re.compile(r"^([^\s#:\-][^:]*):(?:\s+(.*))?$")
_VALUE = re.compile(r"^\s+value:\s+(.*)$")
_COMMENT = re.compile(r"\s#.*$")
_NOTHING = {"", "null", "~", "None", "none"}


def flat(text: str) -> dict[str, str]:
    """Top-level keys with the text of their plain values; nested tables and lists are left out.

    W&B's config.yaml puts each value one level down, under `value:`; that one is taken for the key's own.
    """
    found: dict[str, str] = {}
    key = ""
    for line in text.splitlines():
        match = _LINE.match(line)
        if match:
            key = match[1].strip().strip("'\"")
            value = _plain(match[2] or "")
        else:
            below = _VALUE.match(line)
            if not key or key in found or below is None:
                continue
            value = _plain(below[1])
        if value not in _NOTHING and not value.startswith(("{", "[", "&", "*", "|", ">")):
            found[key] = value
    return found


def _plain(value: str) -> str:
    value = value.strip()
    if value[:1] in ("'", '"'):
        end = value.find(value[0], 1)
        return value[1:end] if end > 0 else value[1:]
    return _COMMENT.sub("", value).strip() if not value.startswith("#") else ""
