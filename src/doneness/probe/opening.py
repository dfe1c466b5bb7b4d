"""Opens a suite: by a built-in name, from a TOML file, from our JSON lines, or from a public set in its own format.

Several can be asked at once: "medical-zh,general-zh". A built-in name without its language ("general") takes the
language it is given.
"""

from __future__ import annotations

import errno
import json
import math
import os
import random
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any

from doneness.core import DataError, tr
from doneness.probe.loaders import LOADERS, Loader, recognise
from doneness.probe.own_rows import own_rows
from doneness.probe.records import lines_of, read_probes
from doneness.probe.suite import ASKS, SORTS, Probe
from doneness.runs.typed import fits

_LANGUAGES = ("en", "zh")
_COLDEST = 0.01  # of sampled answers
_KEYS: dict[str, Any] = {
    "name": str,
    "lang": str,
    "temperature": float,
    "max_new_tokens": int,
    "behaviours": tuple[str, ...],
    "guards": tuple[str, ...],
}
_DRAWN: dict[str, Any] = {"limit": int, "seed": int}  # so many of a file's questions, drawn
_SORT_KEYS: dict[str, Any] = {"asks": tuple[str, ...], "samples": int, "max_new_tokens": int}


@dataclass(frozen=True)
class Suite:
    """What is asked, how, and what counts.

    Attributes:
        name: as it was asked for.
        probes: the questions.
        lang: "en" or "zh" where all are in one.
        temperature: of sampled answers.
        max_new_tokens: longest answer; 0 is the asking's own.
        behaviours: the rows wanted; empty for all that there is data for.
        guards: the rows whose harm rules a checkpoint out; None for each behaviour's own.
    """

    name: str
    probes: tuple[Probe, ...]
    lang: str = ""
    temperature: float = 1.0
    max_new_tokens: int = 0
    behaviours: tuple[str, ...] = ()
    guards: tuple[str, ...] | None = None


def built_in() -> tuple[str, ...]:
    """Names of the suites that come with the package."""
    found = {f.name.removesuffix(".toml") for f in _home().iterdir() if f.name.endswith(".toml")}
    return tuple(sorted(found))


def open_suite(spec: str, lang: str = "en") -> Suite:
    """The suite or suites that `spec` names.

    Args:
        spec: built-in names and files, by commas; a file of a public set may say which ("medqa:items.jsonl").
        lang: of a built-in suite whose name leaves it open.

    Raises:
        DataError: nothing of that name, a file that is no suite, or an id that stands in two of them.
    """
    named = built_in()
    parts = [spec] if _exists(Path(spec), file=True) else [part.strip() for part in spec.split(",") if part.strip()]
    suites = [_open(part, lang, named) for part in parts]
    if not suites:
        raise DataError(tr("probe.no_suite", name=spec, known=", ".join(named)))
    return suites[0] if len(suites) == 1 else _joined(suites)


def _open(part: str, lang: str, named: Sequence[str]) -> Suite:
    for name in (part, f"{part}-{lang}", f"{part}-en"):
        if name in named and not _exists(Path(part)):
            with resources.as_file(_home()) as home:
                return _from_toml(home / f"{name}.toml")
    prefix, colon, rest = part.partition(":")
    loader = next((each for each in LOADERS if colon and each.name == prefix), None)
    place = Path(rest if loader else part)
    if not _exists(place) and not place.suffix:
        raise DataError(tr("probe.no_suite", name=part, known=", ".join(named)))
    if place.suffix == ".toml":
        return _from_toml(place)
    return Suite(place.stem, probes_of(place, loader))


def probes_of(place: Path, loader: Loader | None = None) -> tuple[Probe, ...]:
    """The questions of one file: ours, or a public set's by its keys.

    Args:
        place: the file.
        loader: of the set that it is known to be.

    Raises:
        DataError: neither.
    """
    lines = lines_of(place)
    if not lines:
        raise DataError(tr("probe.empty", path=str(place)))
    if loader is None:
        first = _object(lines[0][1])
        if first is None or "behaviour" in first or (loader := recognise(first)) is None:
            return read_probes(place)
    return _loaded(place, lines, loader)


def _loaded(place: Path, lines: Sequence[tuple[int, str]], loader: Loader) -> tuple[Probe, ...]:
    probes: list[Probe] = []
    for row, (number, line) in enumerate(lines, start=1):
        item = _object(line)
        if item is None:
            raise DataError(tr("probe.not_of_set", path=str(place), line=number, set=loader.name, reason="JSON"))
        try:
            probes += loader.probes(item, row)
        except (KeyError, ValueError, TypeError, AttributeError, IndexError) as error:
            reason = f'no "{error.args[0]}"' if isinstance(error, KeyError) else str(error)
            message = tr("probe.not_of_set", path=str(place), line=number, set=loader.name, reason=reason)
            raise DataError(message) from error
    if not probes:
        raise DataError(tr("probe.empty", path=str(place)))
    return tuple(probes)


def _object(line: str) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _from_toml(place: Path) -> Suite:
    try:
        data = tomllib.loads(place.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise DataError(tr("probe.unreadable", path=str(place), reason=str(error))) from error
    head = {k: _checked(place, k, v, _KEYS) for k, v in data.items() if k not in ("files", "sorts")}
    if head.get("lang", "") not in ("", *_LANGUAGES):
        raise DataError(tr("probe.suite_value", path=str(place), what="lang", value=repr(head["lang"])))
    files = data.get("files")
    if not (isinstance(files, list) and files and all(isinstance(f, dict) and "path" in f for f in files)):
        raise DataError(tr("probe.suite_files", path=str(place)))
    probes = [probe for file in files for probe in _file(place, file)]
    sorts = data.get("sorts", {})
    if not isinstance(sorts, dict):
        raise DataError(tr("probe.suite_value", path=str(place), what="sorts", value=repr(sorts)))
    settings = {sort: _sort(place, sort, wanted) for sort, wanted in sorts.items()}
    asked = tuple(_with(probe, settings.get(probe.sort, {}), head.get("lang", "")) for probe in probes)
    _refuse_twice(asked, place.stem)
    head.setdefault("name", place.stem)
    return Suite(probes=asked, **head)


def _file(suite: Path, file: Mapping[str, Any]) -> tuple[Probe, ...]:
    place = suite.parent / str(file["path"])
    if "sort" in file:
        return own_rows(place, suite, file)
    unknown = [key for key in file if key not in ("path", *_DRAWN)]
    if unknown:
        known = ", ".join(("path", *_DRAWN, "sort"))
        raise DataError(tr("probe.suite_key", path=str(suite), what=f"files.{unknown[0]}", known=known))
    if not place.exists():
        reason = f"{os.strerror(errno.ENOENT)}: {file['path']}"
        raise DataError(tr("probe.unreadable", path=str(suite), reason=reason))
    probes = probes_of(place)
    limit, seed = (_checked(suite, key, file.get(key, 0), _DRAWN) for key in _DRAWN)
    if not 0 < limit < len(probes):
        return probes
    return tuple(probes[i] for i in sorted(random.Random(seed).sample(range(len(probes)), limit)))


def _sort(suite: Path, sort: str, wanted: Any) -> dict[str, Any]:
    if sort not in SORTS or not isinstance(wanted, Mapping):
        raise DataError(tr("probe.suite_key", path=str(suite), what=f"sorts.{sort}", known=", ".join(SORTS)))
    found = {k: _checked(suite, k, v, _SORT_KEYS) for k, v in wanted.items()}
    wrong = [ask for ask in found.get("asks", ()) if ask not in ASKS]
    if wrong:
        raise DataError(tr("probe.suite_key", path=str(suite), what=wrong[0], known=", ".join(ASKS)))
    return found


def _with(probe: Probe, settings: Mapping[str, Any], lang: str) -> Probe:
    """The probe as its suite asks it; what it says itself stands, and what it cannot be asked is left out."""
    more: dict[str, Any] = {} if probe.lang else {"lang": lang}
    if "asks" in settings:
        samples = probe.samples or settings.get("samples", 0)
        able = {"options": bool(probe.options), "turns": bool(probe.then), "samples": samples > 1}
        more["asks"] = tuple(a for a in settings["asks"] if able.get(a, True)) or probe.asks
    for name in ("samples", "max_new_tokens"):
        if name in settings and not getattr(probe, name):
            more[name] = settings[name]
    return replace(probe, **more)


def _checked(place: Path, key: str, value: Any, known: Mapping[str, Any]) -> Any:
    if key not in known:
        raise DataError(
            tr(
                "probe.suite_key",
                path=str(place),
                what=key,
                known=", ".join((*known, *(("files", "sorts") if known is _KEYS else ()))),
            )
        )
    # Counts from 0 on; nothing can be drawn at a temperature of 0.
    least = {"max_new_tokens": 0, "samples": 0, "limit": 0, "temperature": _COLDEST}.get(key, -math.inf)
    if not fits(value, known[key]) or (isinstance(value, (int, float)) and not least <= value < math.inf):
        raise DataError(tr("probe.suite_value", path=str(place), what=key, value=repr(value)))
    return tuple(value) if isinstance(value, list) else value


def _joined(suites: Sequence[Suite]) -> Suite:
    probes = tuple(probe for suite in suites for probe in suite.probes)
    name = ",".join(suite.name for suite in suites)
    _refuse_twice(probes, name)
    langs = {suite.lang for suite in suites}
    # One that wants all rows wants those of the others too.
    every = any(not suite.behaviours for suite in suites)
    guards = [suite.guards for suite in suites if suite.guards is not None]
    return Suite(
        name,
        probes,
        langs.pop() if len(langs) == 1 else "",
        suites[0].temperature,
        max(suite.max_new_tokens for suite in suites),
        () if every else tuple(dict.fromkeys(b for suite in suites for b in suite.behaviours)),
        tuple(dict.fromkeys(g for each in guards for g in each)) if len(guards) == len(suites) else None,
    )


def _refuse_twice(probes: Sequence[Probe], name: str) -> None:
    seen: set[str] = set()
    for probe in probes:
        if probe.id in seen:
            raise DataError(tr("probe.twice_in_suite", name=name, id=probe.id))
        seen.add(probe.id)


def _exists(place: Path, file: bool = False) -> bool:
    try:
        return place.is_file() if file else place.exists()
    except OSError:  # a name that is too long for any file
        return False


def _home() -> Any:
    return resources.files("doneness.probe") / "suites"
