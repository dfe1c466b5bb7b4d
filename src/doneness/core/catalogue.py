"""The message catalogue: every sentence a reader sees, in English and Chinese.

A `Message` is a key and its numbers. It becomes text when it is shown, so a finding that was
recorded by an English run reads in Chinese when a Chinese reader opens it.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any

LANGUAGES = ("en", "zh")

_chosen: ContextVar[str | None] = ContextVar("doneness_language", default=None)


@dataclass(frozen=True, slots=True)
class Message:
    """A catalogue key with the values of its placeholders (JSON scalars, or nested messages)."""

    key: str
    args: Mapping[str, Any] = field(default_factory=dict)

    def text(self, lang: str | None = None) -> str:
        """The sentence in `lang`, by default in the reader's language."""
        lang = lang or language()
        args = {k: v.text(lang) if isinstance(v, Message) else v for k, v in self.args.items()}
        try:
            return template(self.key, lang).format(**args)
        except (KeyError, IndexError, ValueError, TypeError):
            # Recorded by another version, whose sentence asked for other numbers: show what there is.
            return " ".join([self.key, *(f"{k}={v}" for k, v in args.items())])

    def to_dict(self) -> dict[str, Any]:
        """A JSON form that `from_dict` restores."""
        args = {k: v.to_dict() if isinstance(v, Message) else v for k, v in self.args.items()}
        return {"key": self.key, "args": args}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Message:
        """Restore what `to_dict` wrote; a dict with exactly key and args is a nested message."""
        args = {
            k: cls.from_dict(v) if isinstance(v, Mapping) and set(v) == {"key", "args"} else v
            for k, v in data["args"].items()
        }
        return cls(data["key"], args)

    def __str__(self) -> str:
        return self.text()


def say(key: str, **args: Any) -> Message:
    """A message from the catalogue; numbers stay numbers until it is shown."""
    return Message(key, args)


def tr(key: str, lang: str | None = None, **args: Any) -> str:
    """The text of a catalogue entry at once, for labels and headings."""
    return Message(key, args).text(lang)


def language() -> str:
    """The reader's language: chosen with `speaking`, else DONENESS_LANG, else the locale, else English."""
    chosen = _chosen.get()
    if chosen:
        return chosen
    for variable in ("DONENESS_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        value = os.environ.get(variable, "").lower()
        if value:
            return "zh" if value.startswith("zh") else "en"
    return "en"


@contextmanager
def speaking(lang: str | None) -> Iterator[None]:
    """Speak `lang` inside the block; None leaves the choice to the environment."""
    token = _chosen.set(lang)
    try:
        yield
    finally:
        _chosen.reset(token)


def template(key: str, lang: str) -> str:
    """The entry of `key`; English stands in for a language that lacks it.

    Raises:
        KeyError: no language has the key.
    """
    entry = entries(lang).get(key)
    return entry if entry is not None else entries("en")[key]


@cache
def entries(lang: str) -> Mapping[str, str]:
    """All entries of one language, as `file.key` → format string, from messages/<lang>/*.toml."""
    found: dict[str, str] = {}
    folder = resources.files(__package__) / "messages" / lang
    for file in sorted(folder.iterdir(), key=lambda f: f.name):
        if not file.name.endswith(".toml"):
            continue
        area = file.name.removesuffix(".toml")
        for key, text in _flatten(tomllib.loads(file.read_text(encoding="utf-8"))):
            found[f"{area}.{key}"] = text
    return found


def _flatten(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", str(value)
