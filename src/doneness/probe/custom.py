"""A behaviour of the user's own: one small class in a file of theirs.

    class Polite:
        name = "polite"
        better = "higher"          # or "lower", "none"
        unit = "share"             # or "tokens", "nats", "ratio"
        margin = 0.05              # harm that still counts as the same
        guard = False              # whether shown harm rules a checkpoint out

        def score(self, probe, answer):
            return float("please" in answer.text.lower())

`score` gives a number, of a share between 0 and 1, or None where the question does not bear on it; anything else is
refused, naming the question. A share of which every score is 0 or 1 says so with `binary = True`; `goal = True` lets a
gain decide between checkpoints; `needs` names what must have been asked, such as ("answer", "samples").
"""

from __future__ import annotations

import importlib.util
import math
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from numbers import Real
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from doneness.core import DonenessError, tr
from doneness.probe.behaviours import MEASURES
from doneness.probe.measure import Measure
from doneness.probe.suite import ASKS, Probe
from doneness.runs.probes import Answer, Behaviour

_CHOICES: Mapping[str, tuple[str, ...]] = {
    "better": ("higher", "lower", "none"),
    "unit": ("share", "tokens", "nats", "ratio"),
}
_WANTED = ("name", "better", "unit", "margin", "guard", "score")
_USUAL: Mapping[str, Any] = {"needs": ("answer",), "goal": False, "binary": False}
_ROUNDING = 1e-9  # a mean of ones may be a little more than one


def load_behaviours(entries: Sequence[str], folder: Path | None = None) -> tuple[Measure, ...]:
    """The behaviours that "file.py:Class" entries name.

    Args:
        entries: of the recipe's `probes.behaviours`.
        folder: what paths are relative to; by default where the program runs.

    Raises:
        DonenessError: no such file or class, a file that cannot be run, or a class that lacks something; one line.
    """
    taken = {m.behaviour.name for m in MEASURES}
    found: list[Measure] = []
    for entry in entries:
        measure = _measure(entry, _class(entry, folder or Path()))
        if measure.behaviour.name in taken:
            raise DonenessError(tr("probe.custom.taken", entry=entry, name=measure.behaviour.name))
        taken.add(measure.behaviour.name)
        found.append(measure)
    return tuple(found)


def _class(entry: str, folder: Path) -> Any:
    path, colon, name = entry.rpartition(":")
    if not colon or not path or not name:
        raise DonenessError(tr("probe.custom.form", entry=entry))
    place = folder / path
    if not place.is_file():
        raise DonenessError(tr("probe.custom.missing", entry=entry, path=str(place)))
    cls = getattr(_module(place, entry), name, None)
    if not isinstance(cls, type):
        raise DonenessError(tr("probe.custom.no_class", entry=entry, path=str(place), name=name))
    return cls


def _module(place: Path, entry: str) -> ModuleType:
    """The user's file, run as a module; a mistake in it is named with its line."""
    spec = importlib.util.spec_from_file_location(f"doneness_custom_{place.stem}", place)
    if spec is None or spec.loader is None:
        raise DonenessError(tr("probe.custom.form", entry=entry))
    module = importlib.util.module_from_spec(spec)
    # Dataclasses and pickling look a class's module up by its name.
    sys.modules[module.__name__] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # a script that ends itself ends no probing
        del sys.modules[module.__name__]
        raise DonenessError(tr("probe.custom.broken", entry=entry, reason=_told(error, place))) from error
    return module


def _measure(entry: str, cls: Any) -> Measure:
    try:
        made = cls()
    except (Exception, SystemExit) as error:
        raise DonenessError(tr("probe.custom.broken", entry=entry, reason=_told(error))) from error
    has = _attributes(entry, made)
    _refuse_values(entry, has)
    behaviour = Behaviour(has["name"], has["better"], has["unit"], float(has["margin"]), has["guard"], goal=has["goal"])
    return Measure(behaviour, _scorer(entry, has), binary=has["binary"], needs=tuple(has["needs"]))


def _attributes(entry: str, made: Any) -> dict[str, Any]:
    """What the user's object says of itself, read once: a property may run code, and fail."""
    has: dict[str, Any] = dict(_USUAL)
    lacking = []
    for name in (*_WANTED, *_USUAL):
        try:
            has[name] = getattr(made, name)
        except (Exception, SystemExit) as error:
            if not isinstance(error, AttributeError) or hasattr(type(made), name):
                raise DonenessError(tr("probe.custom.broken", entry=entry, reason=_told(error))) from error
            lacking += [name] if name in _WANTED else []
    if lacking:
        raise DonenessError(tr("probe.custom.lacks", entry=entry, names=", ".join(lacking)))
    return has


def _refuse_values(entry: str, has: Mapping[str, Any]) -> None:
    fine = {
        "better": _one_of(has["better"], _CHOICES["better"]),
        "unit": _one_of(has["unit"], _CHOICES["unit"]),
        "name": isinstance(has["name"], str) and has["name"].isidentifier(),
        "margin": _is_margin(has["margin"]),
        "guard": isinstance(has["guard"], bool),
        "score": callable(has["score"]),
        "needs": isinstance(has["needs"], (tuple, list)) and all(_one_of(need, ASKS) for need in has["needs"]),
        "goal": isinstance(has["goal"], bool),
        "binary": isinstance(has["binary"], bool),
    }
    known = {name: ", ".join(choices) for name, choices in _CHOICES.items()} | {
        "name": "polite_words",
        "margin": "0.05",
        "score": "def score(self, probe, answer)",
        "needs": '("answer",)',
    }
    for name, good in fine.items():
        if not good:
            value, choices = _shown(has[name]), known.get(name, "True, False")
            raise DonenessError(tr("probe.custom.value", entry=entry, name=name, value=value, known=choices))


def _one_of(value: Any, choices: Sequence[str]) -> bool:
    return isinstance(value, str) and value in choices


def _is_margin(value: Any) -> bool:
    number = None if isinstance(value, bool) or not isinstance(value, (int, float)) else _finite(value)
    return number is not None and number >= 0


def _scorer(entry: str, has: Mapping[str, Any]) -> Callable[[Probe, Answer], float | None]:
    """The user's score, whose mistakes name the question at which they were made."""

    def score(probe: Probe, answer: Answer) -> float | None:
        try:
            value = has["score"](probe, answer)
        except (Exception, SystemExit) as error:
            reason = _told(error)
            raise DonenessError(tr("probe.custom.raised", entry=entry, id=probe.id, reason=reason)) from error
        if value is None:
            return None
        # NaN would leave the question out without a word.
        number = _finite(value)
        if number is None or (has["binary"] and number not in (0, 1)):
            raise DonenessError(tr("probe.custom.no_number", entry=entry, id=probe.id, value=_shown(value)))
        if has["unit"] != "share":
            return number
        if not -_ROUNDING <= number <= 1 + _ROUNDING:
            known = ", ".join(unit for unit in _CHOICES["unit"] if unit != "share")
            raise DonenessError(tr("probe.custom.no_share", entry=entry, id=probe.id, value=_shown(value), known=known))
        return min(1.0, max(0.0, number))

    return score


def _finite(value: Any) -> float | None:
    """A number of Python or numpy; None for anything else, NaN, the infinite, and what no float can hold."""
    if not isinstance(value, (bool, np.bool_, Real)):
        return None
    try:
        number = float(value)
    except (OverflowError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _shown(value: Any) -> str:
    """A value as Python writes it, as far as it goes on a line."""
    try:
        return " ".join(repr(value).split())[:80]
    except Exception:  # a number of too many digits, or a __repr__ of the user's own
        return type(value).__name__


def _told(error: BaseException, place: Path | None = None) -> str:
    """An exception in one line, with the line of the file where it came from."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if place is None or Path(f.filename) == place]
    line = error.lineno if isinstance(error, SyntaxError) else own[-1].lineno if own else None
    said = " ".join(str(error).split())
    what = f"{type(error).__name__}: {said}" if said else type(error).__name__
    return f"{what} (line {line})" if line else what
