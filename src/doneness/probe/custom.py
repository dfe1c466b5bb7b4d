"""A behaviour of the user's own: one small class in a file of theirs.

    class Polite:
        name = "polite"
        better = "higher"          # or "lower", "none"
        unit = "share"             # or "tokens", "nats", "ratio"
        margin = 0.05              # harm that still counts as the same
        guard = False              # whether shown harm rules a checkpoint out

        def score(self, probe, answer):
            return float("please" in answer.text.lower())

`score` gives a number, or None where the question does not bear on it; NaN is refused, naming the question. A share of
which every score is 0 or 1 says so with `binary = True`; `goal = True` lets a gain decide between checkpoints; `needs`
names what must have been asked.
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
    except Exception as error:
        del sys.modules[module.__name__]
        raise DonenessError(tr("probe.custom.broken", entry=entry, reason=_told(error, place))) from error
    return module


def _measure(entry: str, cls: Any) -> Measure:
    try:
        made = cls()
    except Exception as error:
        raise DonenessError(tr("probe.custom.broken", entry=entry, reason=_told(error))) from error
    lacking = [name for name in ("name", "better", "unit", "margin", "guard", "score") if not hasattr(made, name)]
    if lacking:
        raise DonenessError(tr("probe.custom.lacks", entry=entry, names=", ".join(lacking)))
    for name, choices in _CHOICES.items():
        if getattr(made, name) not in choices:
            value, known = repr(getattr(made, name)), ", ".join(choices)
            raise DonenessError(tr("probe.custom.value", entry=entry, name=name, value=value, known=known))
    _refuse_types(entry, made)
    needs = tuple(getattr(made, "needs", ("answer",)))
    unknown = [need for need in needs if need not in ASKS]
    if unknown:
        value, known = repr(unknown[0]), ", ".join(ASKS)
        raise DonenessError(tr("probe.custom.value", entry=entry, name="needs", value=value, known=known))
    goal = bool(getattr(made, "goal", False))
    behaviour = Behaviour(made.name, made.better, made.unit, float(made.margin), made.guard, goal=goal)
    return Measure(behaviour, _scorer(entry, made), binary=bool(getattr(made, "binary", False)), needs=needs)


def _refuse_types(entry: str, made: Any) -> None:
    fine = {
        "name": isinstance(made.name, str) and made.name.isidentifier(),
        "margin": isinstance(made.margin, (int, float)) and not isinstance(made.margin, bool) and made.margin >= 0,
        "guard": isinstance(made.guard, bool),
        "score": callable(made.score),
    }
    known = {
        "name": "polite_words",
        "margin": "0.05",
        "guard": "True, False",
        "score": "def score(self, probe, answer)",
    }
    for name, good in fine.items():
        if not good:
            value = repr(getattr(made, name))
            raise DonenessError(tr("probe.custom.value", entry=entry, name=name, value=value, known=known[name]))


def _scorer(entry: str, made: Any) -> Callable[[Probe, Answer], float | None]:
    """The user's score, whose mistakes name the question at which they were made."""
    binary = bool(getattr(made, "binary", False))

    def score(probe: Probe, answer: Answer) -> float | None:
        try:
            value = made.score(probe, answer)
        except Exception as error:
            reason = _told(error)
            raise DonenessError(tr("probe.custom.raised", entry=entry, id=probe.id, reason=reason)) from error
        if value is None:
            return None
        # Numbers of numpy are as good as any; NaN would leave the question out without a word.
        number = isinstance(value, (bool, np.bool_, Real)) and math.isfinite(value)
        if not number or (binary and value not in (0, 1)):
            raise DonenessError(tr("probe.custom.no_number", entry=entry, id=probe.id, value=repr(value)[:80]))
        return float(value)

    return score


def _told(error: Exception, place: Path | None = None) -> str:
    """An exception in one line, with the line of the file where it came from."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if place is None or Path(f.filename) == place]
    line = error.lineno if isinstance(error, SyntaxError) else own[-1].lineno if own else None
    what = f"{type(error).__name__}: {' '.join(str(error).split())}"
    return f"{what} (line {line})" if line else what
