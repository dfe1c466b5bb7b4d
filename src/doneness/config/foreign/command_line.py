"""Another tool's command line, word by word: its arguments, our own settings among them, and what is neither."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, get_type_hints

from doneness.config.foreign.table import Argument, Words
from doneness.config.schema import Recipe
from doneness.core import tr

_OURS = re.compile(rf"(?:{'|'.join(get_type_hints(Recipe))})\.\w+=")
_SETTING = re.compile(r"(\w[\w-]*)=(.*)", re.DOTALL)


@dataclass
class Given:
    """What was given on a command line, or in a file and after it.

    Attributes:
        values: the tool's arguments, not yet read: words of a command line (a tuple), or what a file holds.
        ours: settings of ours, `section.key=value`.
        script: the file name of the tool's script, without its ending, where the line names one.
        faults: words that are nothing.
    """

    values: dict[str, Any] = field(default_factory=dict)
    ours: list[str] = field(default_factory=list)
    script: str = ""
    faults: list[str] = field(default_factory=list)


def parse(words: Sequence[str], settings: bool = False) -> Given:
    """The words of a command line; `settings` also takes `key=value`, as LLaMA-Factory does after a file."""
    given, name = Given(), ""
    for word in words:
        if _OURS.match(word):
            given.ours.append(word)
        elif word.startswith("--") and len(word) > 2:
            name, equals, value = word[2:].partition("=")
            name = name.replace("-", "_")
            given.values[name] = (value,) if equals else ()
            name = "" if equals else name
        elif name:
            given.values[name] += (word,)
        elif settings and (found := _SETTING.fullmatch(word)):
            given.values[found[1]] = (found[2],)
        elif not given.values and not given.script and word.endswith(".py"):
            given.script = re.split(r"[\\/]", word)[-1].removesuffix(".py")
        else:
            given.faults.append(tr("foreign.fault.word", word=word))
    return given


def without_no(values: Mapping[str, Any], arguments: Mapping[str, Argument]) -> dict[str, Any]:
    """The values with `--no_x` turned into x = false, which transformers offers where x is true by default."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        positive = arguments.get(name.removeprefix("no_")) if name.startswith("no_") else None
        turned = name not in arguments and value == Words() and positive is not None and positive.usual is True
        found[name.removeprefix("no_") if turned else name] = False if turned else value
    return found
