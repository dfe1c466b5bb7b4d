"""What a journal record must hold to be used: checked once, where the journal is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeGuard

LAST_STEP = 10**12
NEWEST = 999  # a version beyond is damage, not news
_DEEPEST = 32


def fault_of(record: Any) -> str | None:
    """The first field that makes a record useless, "" where it is no record at all, None where it is usable."""
    if not isinstance(record, dict) or not isinstance(record.get("kind"), str) or "step" not in record:
        return ""
    wanted = {**_ALWAYS, **_BY_KIND.get(record["kind"], {})}
    wrong = next((key for key, fits in wanted.items() if not fits(record.get(key, _ABSENT))), None)
    if wrong is None and _too_deep(record):
        return "nesting"
    return wrong


def is_whole(value: Any) -> TypeGuard[int]:
    """A whole number; JSON's true and false are none."""
    return isinstance(value, int) and not isinstance(value, bool)


_ABSENT: Any = object()
Test = Callable[[Any], bool]


def _step(value: Any) -> bool:
    return is_whole(value) and 0 <= value <= LAST_STEP


def _version(value: Any) -> bool:
    return value is _ABSENT or (is_whole(value) and 1 <= value <= NEWEST)


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _place(value: Any) -> bool:
    """A relative or absolute path that a file system can hold."""
    if not isinstance(value, str) or not value or "\0" in value:
        return False
    name = value.encode(errors="surrogatepass")
    return len(name) <= 4000 and all(len(part) <= 255 for part in name.split(b"/"))


def _table(value: Any) -> bool:
    return isinstance(value, Mapping)


def _or_absent(test: Test) -> Test:
    return lambda value: value is _ABSENT or value is None or test(value)


_ALWAYS: dict[str, Test] = {"v": _version, "step": _step, "at": lambda v: v is _ABSENT or _text(v)}
_BY_KIND: dict[str, dict[str, Test]] = {
    "start": {"meta": lambda v: v is _ABSENT or _table(v)},
    "eval": {"file": _or_absent(_place)},
    "checkpoint": {"path": _place},
    "checkpoint_gone": {"path": _place},
    "cooldown": {"end": _step},
    "request": {"request": _text},
    "end": {"reason": _text},
}


def _too_deep(record: dict[str, Any]) -> bool:
    """Whether anything in it is nested so deeply that readers who recurse would fail on it."""
    level: list[Any] = [record]
    for _ in range(_DEEPEST):
        level = [
            child
            for value in level
            for child in (value.values() if isinstance(value, dict) else value)
            if isinstance(child, (dict, list))
        ]
        if not level:
            return False
    return True
