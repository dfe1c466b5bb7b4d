"""The tables of other tools' arguments: how each is read, what it is there if nobody says, what becomes of it here."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from importlib import resources
from typing import Any

# The texts that transformers' parser takes for yes and no.
_YES = ("yes", "true", "t", "y", "1", "on")
_NO = ("no", "false", "f", "n", "0", "off")
_NOTHING = ("", "null", "none", "~")
# What argparse refuses before any kind is asked: no value, or several.
Words = tuple[str, ...]


class Fate(StrEnum):
    """What becomes of an argument here; one that stands in no table is unknown."""

    MAPPED = "mapped"
    REFUSED = "refused"
    IDLE = "idle"


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of another tool.

    Attributes:
        name: as it is there.
        kind: bool, int, float, text, texts or any.
        usual: its default there; None where it has none.
        fate: its class.
        keys: of a mapped one, what it becomes, as `section.key`.
        conversion: of a mapped one, which conversion makes that; empty where its value is taken as it is.
        remark: of a refused one what to do instead, of an idle one what is to be said; parts of catalogue keys.
    """

    name: str
    kind: str
    usual: Any
    fate: Fate
    keys: tuple[str, ...] = ()
    conversion: str = ""
    remark: str = ""


@dataclass(frozen=True)
class Table:
    """All arguments of one tool; `scripts` are the defaults that its scripts have in another way, by their names."""

    tool: str
    arguments: Mapping[str, Argument]
    own: frozenset[str]
    scripts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@cache
def table(tool: str) -> Table:
    """The arguments of `llamafactory` or `medicalgpt`, those of transformers' trainer among them."""
    own, trainer = _file(tool), _file("trainer")
    arguments = {a.name: a for a in (*_arguments(trainer), *_arguments(own))}
    return Table(tool, arguments, frozenset(a.name for a in _arguments(own)), own.get("scripts", {}))


def _file(name: str) -> dict[str, Any]:
    place = resources.files(__package__) / "tables" / f"{name}.toml"
    return tomllib.loads(place.read_text(encoding="utf-8"))


def _arguments(content: Mapping[str, Any]) -> list[Argument]:
    found = []
    for fate in Fate:
        for name, (kind, usual, *more) in content[fate].items():
            value = read(kind, usual)
            if fate is Fate.MAPPED:
                keys, conversion = more
                found.append(Argument(name, kind, value, fate, tuple(keys.split()), conversion))
            else:
                found.append(Argument(name, kind, value, fate, remark=more[0] if more else ""))
    return found


def read(kind: str, value: Any) -> Any:
    """A value of `kind` from what a command line or a file holds; None where it says that there is none.

    Raises:
        ValueError: it is nothing of that kind.
    """
    if isinstance(value, tuple):
        value = _from_words(kind, value)
    if value is None or (isinstance(value, str) and value.strip().lower() in _NOTHING and kind != "texts"):
        return None
    reader = {"bool": _bool, "int": _int, "float": _float, "text": _text, "texts": _texts, "any": _any}[kind]
    return reader(value)


def _from_words(kind: str, words: Words) -> Any:
    if not words and kind == "bool":
        return True
    if kind == "texts" and words:
        return list(words)
    if len(words) != 1:
        raise ValueError(" ".join(words))
    return words[0]


def _bool(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower()
    if text in _YES or text in _NO:
        return text in _YES
    raise ValueError(value)


def _int(value: Any) -> int:
    number = _float(value)
    if number != int(number):
        raise ValueError(value)
    return int(number)


def _float(value: Any) -> float:
    # YAML 1.1 reads 1e-5, which lacks its dot, as a text.
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError(value)
    number = float(value)
    if number != number or abs(number) == float("inf"):
        raise ValueError(value)
    return number


def _text(value: Any) -> str:
    if isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value):
        return ",".join(value)
    if isinstance(value, bool):
        # YAML 1.1 reads a bare no as false.
        return "yes" if value else "no"
    if isinstance(value, (str, int, float)):
        return str(value)
    raise ValueError(value)


def _texts(value: Any) -> tuple[str, ...]:
    items = value if isinstance(value, (list, tuple)) else [value]
    texts = [text.strip() for item in items for text in _text(item).split(",")]
    return tuple(text for text in texts if text.lower() not in _NOTHING)


def _any(value: Any) -> Any:
    if isinstance(value, str) and value.strip().startswith(("{", "[")):
        return json.loads(value)
    return value
