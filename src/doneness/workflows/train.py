"""Train a recipe: new, resumed, or already done."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from doneness.config import Recipe, build_recipe, dump_recipe
from doneness.config.places import moved, place_of
from doneness.core import DonenessError, Message, tr
from doneness.runs import Claim, Run, read, read_records
from doneness.runs.atomic import write_text
from doneness.runs.claim import FILE as LOCK
from doneness.runs.journal import FILE
from doneness.workflows.base import load_base
from doneness.workflows.rows import RecipeRows, encode_recipe_rows, encoding_lines, read_recipe_rows
from doneness.workflows.rules import rule_of
from doneness.workflows.stage_rows import StageRows, encode_stage_rows, read_stage_rows, stage_lines
from doneness.workflows.trackers import closing, refuse_absent, telling

if TYPE_CHECKING:
    from doneness.train.callback import Watcher

RECIPE = "recipe.toml"


@dataclass(frozen=True)
class Trained:
    """A trained run; `already` when there was nothing left to train."""

    run: Run
    ending: str
    already: bool


def train_run(recipe: Recipe, watcher: Watcher, told: Callable[[Message], None] = lambda message: None) -> Trained:
    """Train `recipe` in its folder; resumes what was begun there and keeps what was finished.

    Args:
        recipe: what to train.
        watcher: sees the run as it goes.
        told: given what is to be known before training: rows held out, settings that are not looked at.

    Raises:
        DonenessError: data, model or folder cannot be used; nothing half-written is left.
        KeyboardInterrupt: interrupted; everything is saved.
    """
    recipe = _at_home(recipe)
    folder = Path(recipe.run.folder)
    ending = finished(folder)
    _refuse_foreign_folder(folder, dump_recipe(recipe))
    _refuse_other_recipe(folder, recipe)
    if ending:
        return Trained(read(folder)[0], ending, already=True)
    # Everything that can be wrong with the input is found before anything is written.
    refuse_absent(recipe.report.trackers)
    rows = _read(recipe)
    for line in rows.lines:
        told(line)
    _refuse_absent(recipe)
    loaded = load_base(recipe, told)
    encoded, lines = _encoded(loaded.tokenizer, rows, recipe)
    for line in lines:
        told(line)
    _refuse_other_data(folder, encoded)
    from doneness.train.loop import train
    from doneness.train.method import apply_method, method_lines

    loaded = replace(loaded, model=apply_method(loaded.model, recipe.method, recipe.run.seed))
    for line in method_lines(loaded.model, recipe.method):
        told(line)
    claim = Claim(folder)
    try:
        # Again: while the model was loading another process may have begun here, or ended.
        _refuse_other_recipe(folder, recipe)
        _refuse_other_data(folder, encoded)
        ending = finished(folder)
        if ending:
            return Trained(read(folder)[0], ending, already=True)
        write_text(folder / RECIPE, dump_recipe(recipe))
        seen = telling(watcher, recipe)
        with closing(recipe.report.trackers):
            result = train(recipe, encoded, loaded, rule_of(recipe.stopping), seen)
    finally:
        claim.release()
    return Trained(read(folder)[0], result.ending, already=False)


def _refuse_absent(recipe: Recipe) -> None:
    """What is needed beside rows and model, looked for before the model is loaded."""
    from doneness.models import require

    for module in ("torch", "transformers", "peft", "trl", "datasets"):
        require(module)
    if recipe.method.adapter:
        from doneness.train.adapter import read_adapter

        read_adapter(recipe.method)
    if recipe.probes.suite:
        from doneness.probe import load_suite

        load_suite(recipe.probes.suite)


def _read(recipe: Recipe) -> RecipeRows | StageRows:
    return read_recipe_rows(recipe) if recipe.run.stage == "sft" else read_stage_rows(recipe)


def _encoded(tokenizer: Any, rows: RecipeRows | StageRows, recipe: Recipe) -> tuple[Any, tuple[Message, ...]]:
    """The rows as token ids, and what is to be said of them."""
    if isinstance(rows, StageRows):
        staged = encode_stage_rows(tokenizer, rows, recipe)
        return staged, stage_lines(rows, staged, recipe)
    encoded = encode_recipe_rows(tokenizer, rows, recipe.data)
    return encoded, encoding_lines(tokenizer, rows, encoded, recipe.data)


def _at_home(recipe: Recipe) -> Recipe:
    """The recipe with absolute paths, so that the copy in the run folder runs from anywhere."""

    def absolute(path: str) -> str:
        place, _ = place_of(path)
        return moved(path, str(Path(place).resolve())) if place and Path(place).exists() else path

    return replace(
        recipe,
        model=replace(recipe.model, path=absolute(recipe.model.path)),
        method=replace(recipe.method, adapter=absolute(recipe.method.adapter)),
        data=replace(recipe.data, train=absolute(recipe.data.train), eval=absolute(recipe.data.eval)),
        probes=replace(recipe.probes, suite=absolute(recipe.probes.suite)),
        report=replace(recipe.report, data_card=absolute(recipe.report.data_card)),
    )


def finished(folder: Path) -> str | None:
    """How the run in `folder` ended, or None where it has not."""
    if not (folder / FILE).is_file():
        return None
    records, _ = read_records(folder / FILE)
    end = next((r for r in reversed(records) if r["kind"] in ("end", "resume")), None)
    return str(end["reason"]) if end and end["kind"] == "end" else None


def recipe_of(folder: Path) -> Recipe | None:
    """The resolved recipe that a run folder was trained with, or None where it has none.

    Raises:
        DonenessError: the recipe was damaged.
    """
    place = folder / RECIPE
    if not place.is_file():
        return None
    try:
        return build_recipe(tomllib.loads(place.read_text(encoding="utf-8")), where=str(place))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DonenessError(tr("workflows.recipe_damaged", path=str(place), reason=str(error))) from error


def _refuse_other_recipe(folder: Path, recipe: Recipe) -> None:
    before = recipe_of(folder)
    if before is None:
        return
    changed = _differences(_at_home(before), recipe)
    if changed:
        raise DonenessError(tr("workflows.other_recipe", folder=str(folder), changed="; ".join(changed)))


def _refuse_other_data(folder: Path, encoded: Any) -> None:
    """The rows must be those that the run began with: their losses would not compare."""
    from doneness.train.resume import data_hash

    if not (folder / FILE).is_file():
        return
    began = next((r for r in read_records(folder / FILE)[0] if r["kind"] == "start"), None)
    before = began["meta"].get("data") if began else None
    now = data_hash(encoded.train.rows, encoded.eval.rows if encoded.eval else ())
    if before is not None and before != now:
        raise DonenessError(tr("workflows.other_data", folder=str(folder)))


def _refuse_foreign_folder(folder: Path, recipe: str) -> None:
    """A folder with somebody else's files, a recipe written by hand among them, is no place for a run."""
    if not folder.is_dir() or (folder / FILE).is_file():
        return
    ours = {"control.jsonl", LOCK}
    if (folder / RECIPE).is_file() and (folder / RECIPE).read_bytes() == recipe.encode():
        ours.add(RECIPE)
    strangers = sorted(f.name for f in folder.iterdir() if f.name not in ours and not f.name.startswith("."))
    if strangers:
        raise DonenessError(tr("workflows.foreign_folder", folder=str(folder), name=strangers[0], count=len(strangers)))


def _differences(before: Recipe, now: Recipe) -> list[str]:
    """What would make the resumed run another run; where it lies and how it speaks does not."""
    free = {("run", "folder"), ("report", "lang"), ("report", "data_card"), ("report", "trackers")}
    found = []
    for section in before.__dataclass_fields__:
        old: dict[str, Any] = vars(getattr(before, section))
        new: dict[str, Any] = vars(getattr(now, section))
        # Probes are asked after training and may change; what is measured of a step does not change it.
        free_section = section in ("probes", "health")
        for key in old:
            if old[key] != new[key] and (section, key) not in free and not free_section:
                found.append(f"{section}.{key} = {old[key]!r} there, {new[key]!r} here")
    return found
