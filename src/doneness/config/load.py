"""Recipe files: read, override, check everything at once, write back."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, get_type_hints

import tomli_w

from doneness.config.schema import Recipe
from doneness.core import RecipeError

_SECTIONS: dict[str, type[Any]] = get_type_hints(Recipe)
_PATHS = {("model", "path"), ("data", "train"), ("data", "eval"), ("probes", "suite"), ("report", "data_card")}


def load_recipe(path: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read a TOML recipe and apply `section.key=value` overrides.

    Paths in the file are relative to the file; paths in overrides to the current folder.

    Raises:
        RecipeError: every fault at once, each with the nearest right name.
    """
    place = Path(path)
    try:
        raw = tomllib.loads(place.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RecipeError(["no such file; `doneness demo` writes one to start from"], where=str(path)) from None
    except IsADirectoryError:
        raise RecipeError(["a folder, not a recipe; give the .toml file"], where=str(path)) from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RecipeError([f"not readable as TOML ({error})"], where=str(path)) from None
    return build_recipe(raw, overrides, where=str(path), base=place.parent)


def build_recipe(
    raw: Mapping[str, Any], overrides: Sequence[str] = (), where: str = "recipe", base: Path | None = None
) -> Recipe:
    """A checked recipe from nested tables.

    Raises:
        RecipeError: unknown sections or keys, wrong types, values out of range, conflicts.
    """
    faults: list[str] = []
    values: dict[str, dict[str, Any]] = {name: {} for name in _SECTIONS}
    for section, table in raw.items():
        if section not in _SECTIONS:
            faults.append(f"unknown section [{section}]{_nearest(section, _SECTIONS)}")
        elif not isinstance(table, Mapping):
            faults.append(f"{section} must be a section, [{section}]")
        else:
            for key, value in table.items():
                _put(values, section, key, value, faults, base)
    for text in overrides:
        _override(values, text, faults)
    recipe = Recipe(**{name: cls(**values[name]) for name, cls in _SECTIONS.items()})
    faults += _conflicts(recipe)
    if faults:
        raise RecipeError(faults, where=where)
    return recipe


def dump_recipe(recipe: Recipe) -> str:
    """The recipe as TOML that `load_recipe` reads back to an equal recipe."""
    return tomli_w.dumps(asdict(recipe))


def _override(values: dict[str, dict[str, Any]], text: str, faults: list[str]) -> None:
    name, equals, literal = text.partition("=")
    section, dot, key = name.strip().partition(".")
    if not equals or not dot:
        faults.append(f"{text!r} is no override; write section.key=value, for example schedule.epochs=2")
        return
    if section not in _SECTIONS:
        faults.append(f"unknown section in {text!r}{_nearest(section, _SECTIONS)}")
        return
    try:
        value = tomllib.loads(f"v = {literal.strip()}")["v"]
    except tomllib.TOMLDecodeError:
        value = literal.strip()
    _put(values, section, key, value, faults, None)


def _put(
    values: dict[str, dict[str, Any]], section: str, key: str, value: Any, faults: list[str], base: Path | None
) -> None:
    cls = _SECTIONS[section]
    known = {f.name: f for f in fields(cls)}
    if key not in known:
        faults.append(f"unknown key {section}.{key}{_nearest(key, known, section)}")
        return
    wanted = get_type_hints(cls)[key]
    meta = known[key].metadata
    if wanted is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) is not wanted:
        faults.append(f"{section}.{key} = {value!r} must be {_kind(wanted)}")
        return
    fault = _range_fault(value, meta)
    if fault:
        faults.append(f"{section}.{key} = {value!r} {fault}")
        return
    if (section, key) in _PATHS and value and base is not None:
        value = _resolve(value, base)
    values[section][key] = value


def _resolve(value: str, base: Path) -> str:
    """A path in a recipe file counts from the file's own folder, when something is there."""
    beside = base / value
    return str(beside) if not Path(value).is_absolute() and beside.exists() else value


def _range_fault(value: Any, meta: Mapping[str, Any]) -> str | None:
    if "choices" in meta and value not in meta["choices"]:
        return f"must be one of {', '.join(meta['choices'])}"
    if value != value:
        return "is not a number"
    if "low" in meta and (value < meta["low"] or (meta.get("above") and value == meta["low"])):
        return f"must be {'above' if meta.get('above') else 'at least'} {meta['low']:g}"
    if "high" in meta and value > meta["high"]:
        return f"must be at most {meta['high']:g}"
    return None


def _conflicts(recipe: Recipe) -> list[str]:
    faults = []
    batch, micro = recipe.optimizer.batch_size, recipe.optimizer.micro_batch
    if batch % micro:
        faults.append(f"optimizer.batch_size = {batch} must be a multiple of optimizer.micro_batch = {micro}")
    train, held_out = recipe.data.train, recipe.data.eval
    if train and held_out and Path(train).resolve() == Path(held_out).resolve():
        faults.append("data.eval is the training file; its loss would be training loss: hold rows out instead")
    return faults


def _nearest(name: str, known: Mapping[str, Any], section: str = "") -> str:
    """A hint: the same key in another section first, then the most alike here, then all there are."""
    if section:
        elsewhere = [f"{s}.{name}" for s, cls in _SECTIONS.items() if name in {f.name for f in fields(cls)}]
        if elsewhere:
            return f" (did you mean {elsewhere[0]}?)"
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if close:
        return f" (did you mean {section + '.' if section else ''}{close[0]}?)"
    return f" (known: {', '.join(known)})"


def _kind(wanted: type) -> str:
    return {int: "a whole number", float: "a number", bool: "true or false", str: "text in quotes"}[wanted]
