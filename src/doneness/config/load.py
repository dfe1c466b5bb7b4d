"""Recipe files: read, override, check everything at once, write back."""

from __future__ import annotations

import difflib
import math
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, get_type_hints

import tomli_w

from doneness.config import explore, methods, scratch, stages
from doneness.config.aliases import our_name
from doneness.config.gain import parse_gain
from doneness.config.places import moved, place_of, suites_moved
from doneness.config.rewards import beside
from doneness.config.schema import Recipe, StoppingSection
from doneness.config.target import parse_target
from doneness.core import RecipeError, tr

_SECTIONS: dict[str, type[Any]] = get_type_hints(Recipe)
_PATHS = {
    ("model", "path"),
    ("scratch", "tokenizer"),
    ("method", "adapter"),
    ("data", "train"),
    ("data", "eval"),
    ("distill", "teacher"),
    ("report", "data_card"),
}
_LARGEST = 10**12  # beyond, a whole number is a slip of the finger, and sums of it overflow
_LONGEST = 80
_TEXTS = tuple[str, ...]
# One item of a list written as a text: up to the next comma, one between slashes (a regular expression) apart.
_ITEM = re.compile(r"\s*((?:[^,/=]*=\s*/.*?/(?=\s*(?:,|$))|[^,])*?)\s*(?:,|$)", re.DOTALL)


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
        raise RecipeError([tr("config.absent")], where=str(path)) from None
    except IsADirectoryError:
        raise RecipeError([tr("config.folder")], where=str(path)) from None
    except OSError as error:
        raise RecipeError([tr("config.closed", reason=str(error.strerror))], where=str(path)) from None
    except ValueError as error:
        # Bytes that are no UTF-8, text that is no TOML, an integer of thousands of digits.
        raise RecipeError([tr("config.not_toml", reason=str(error))], where=str(path)) from None
    except RecursionError:
        raise RecipeError([tr("config.not_toml", reason=tr("config.nested"))], where=str(path)) from None
    return build_recipe(raw, overrides, where=str(path), base=place.parent)


def build_recipe(
    raw: Mapping[str, Any], overrides: Sequence[str] = (), where: str | None = None, base: Path | None = None
) -> Recipe:
    """A checked recipe from nested tables.

    Raises:
        RecipeError: unknown sections or keys, wrong types, values out of range, conflicts.
    """
    faults: list[str] = []
    values: dict[str, dict[str, Any]] = {name: {} for name in _SECTIONS}
    for section, table in raw.items():
        if section not in _SECTIONS:
            faults.append(tr("config.unknown_section", section=_cut(section), hint=_nearest(section, _SECTIONS)))
        elif not isinstance(table, Mapping):
            faults.append(tr("config.not_section", section=section))
        else:
            for key, value in table.items():
                _put(values, section, key, value, faults, base)
    for text in overrides:
        _override(values, text, faults)
    explore.fill(values)
    scratch.fill(values)
    stages.fill(values)
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
        # lr=1e-4 lacks its section; which one it meant is often known.
        meant = _elsewhere(name.strip()) if equals else None
        hint = tr("config.mean", name=f"{meant}={_cut(literal.strip())}") if meant else ""
        faults.append(tr("config.no_override", text=_written(text), hint=hint))
        return
    if section not in _SECTIONS:
        faults.append(tr("config.unknown_section_in", text=_written(text), hint=_nearest_of_both(section, key)))
        return
    try:
        value = tomllib.loads(f"v = {literal.strip()}")["v"]
    except (ValueError, RecursionError):
        value = literal.strip()
    _put(values, section, key, value, faults, None)


def _put(
    values: dict[str, dict[str, Any]], section: str, key: str, value: Any, faults: list[str], base: Path | None
) -> None:
    cls = _SECTIONS[section]
    known = {f.name: f for f in fields(cls)}
    if key not in known:
        faults.append(tr("config.unknown_key", name=f"{section}.{_cut(key)}", hint=_nearest(key, known, section)))
        return
    wanted = get_type_hints(cls)[key]
    name = f"{section}.{key}"
    if wanted is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value) if abs(value) <= _LARGEST else math.inf
    if wanted == _TEXTS:
        value = _texts(value)
    if not (_all_texts(value) if wanted == _TEXTS else type(value) is wanted):
        kind = tr(f"config.kind.{wanted.__name__}")
        faults.append(tr("config.wrong_kind", name=name, value=_written(value), kind=kind))
        return
    fault = _range_fault(value, known[key].metadata)
    if fault:
        absent = stages.absent(value) if name == "run.stage" else None
        faults.append(absent or tr("config.wrong_value", name=name, value=_written(value), fault=fault))
        return
    if (section, key) in _PATHS and value and base is not None:
        value = _resolve(value, base)
    if name in ("rewards.use", "probes.behaviours") and base is not None:
        value = tuple(beside(text, base) for text in value)
    if name == "probes.suite" and value and base is not None:
        value = suites_moved(value, lambda path: _resolve(path, base))
    values[section][key] = value


def _texts(value: Any) -> Any:
    """A list of texts as a tuple; one text is taken apart at its commas."""
    if isinstance(value, str):
        found, at = [], 0
        while at < len(value) and (item := _ITEM.match(value, at)) is not None:
            found.append(item.group(1))
            at = item.end()
        return tuple(text for text in found if text)
    return tuple(value) if isinstance(value, list) else value


def _all_texts(value: Any) -> bool:
    return isinstance(value, tuple) and all(isinstance(item, str) for item in value)


def _resolve(value: str, base: Path) -> str:
    """A path in a recipe file counts from the file's own folder, when something is there."""
    path, _ = place_of(value)
    beside = base / path
    try:
        return moved(value, str(beside)) if not Path(path).is_absolute() and beside.exists() else value
    except OSError:
        # Too long for any file; whoever opens it says so.
        return value


def _range_fault(value: Any, meta: Mapping[str, Any]) -> str | None:
    if "choices" in meta and not {*(value if isinstance(value, tuple) else (value,))} <= {*meta["choices"]}:
        return tr("config.choices", choices=", ".join(map(str, meta["choices"])))
    if isinstance(value, (str, tuple)):
        return tr("config.nul") if any("\0" in text for text in value) else None
    if isinstance(value, float) and not math.isfinite(value):
        return tr("config.nan" if math.isnan(value) else "config.infinite")
    low, high = meta.get("low"), meta.get("high", _LARGEST)
    if low is not None and (value < low or (meta.get("above") and value == low)):
        return tr("config.above" if meta.get("above") else "config.least", limit=_limit(low))
    return tr("config.most", limit=_limit(high)) if value > high else None


def _conflicts(recipe: Recipe) -> list[str]:
    faults = []
    batch, micro = recipe.optimizer.batch_size, recipe.optimizer.micro_batch
    if batch % micro:
        faults.append(tr("config.multiple", batch=batch, micro=micro))
    train, held_out = recipe.data.train, recipe.data.eval
    if train and held_out and _same(train, held_out):
        faults.append(tr("config.same_file"))
    if recipe.data.hold_out_share and recipe.data.hold_out_rows:
        faults.append(tr("config.two_hold_outs"))
    faults += stages.faults(recipe) + methods.faults(recipe) + scratch.faults(recipe)
    return faults + _stopping_conflicts(recipe.stopping) + explore.faults(recipe)


def _stopping_conflicts(asked: StoppingSection) -> list[str]:
    faults, usual = [], StoppingSection()
    if asked.stop_when_gain_below:
        if parse_gain(asked.stop_when_gain_below) is None:
            faults.append(tr("config.no_gain", value=_written(asked.stop_when_gain_below)))
        if (asked.gain_share, asked.gain_nats) != (usual.gain_share, usual.gain_nats):
            faults.append(tr("config.two_gains"))
    if (asked.goal == "target") != bool(asked.target_loss > 0 or asked.target):
        faults.append(tr("config.target_without" if asked.goal == "target" else "config.target_unused"))
    try:
        parse_target(asked.target)
    except ValueError:
        faults.append(tr("config.no_target", value=_written(asked.target)))
    if asked.max_cost and not asked.cost_per_hour:
        faults.append(tr("config.cost_without"))
    return faults


def _same(one: str, other: str) -> bool:
    try:
        return Path(one).resolve() == Path(other).resolve()
    except (OSError, RuntimeError):
        # A loop of links, or a name too long: no file to be the same.
        return one == other


def _nearest(name: str, known: Mapping[str, Any], section: str = "") -> str:
    """A hint: the key where it is in another section, what other tools mean by it, the most alike, or all there are."""
    meant = _elsewhere(name) if section else None
    if meant:
        return tr("config.mean", name=meant)
    close = difflib.get_close_matches(name[:_LONGEST], known, n=1, cutoff=0.5)
    if close:
        return tr("config.mean", name=f"{section}.{close[0]}" if section else close[0])
    return tr("config.known", names=", ".join(known))


def _nearest_of_both(section: str, key: str) -> str:
    """A hint where the section is unknown: where its key belongs, unless the section most alike has that key."""
    close = difflib.get_close_matches(section[:_LONGEST], _SECTIONS, n=1, cutoff=0.5)
    meant = _elsewhere(key)
    at_home = close and key in {f.name for f in fields(_SECTIONS[close[0]])}
    return tr("config.mean", name=meant) if meant and not at_home else _nearest(section, _SECTIONS)


def _elsewhere(key: str) -> str | None:
    """Where a key belongs: in the section that has it, or where other tools' name for it leads."""
    found = [f"{s}.{key}" for s, cls in _SECTIONS.items() if key in {f.name for f in fields(cls)}]
    return found[0] if found else our_name(key)


def _limit(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:g}"


def _written(value: Any) -> str:
    return _cut(repr(value))


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
