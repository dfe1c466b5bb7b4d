"""Train a recipe: new, resumed, or already done."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from doneness.config import Recipe, build_recipe, dump_recipe
from doneness.config.places import moved, place_of, suites_moved
from doneness.config.rewards import beside
from doneness.core import DonenessError, Message, tr
from doneness.runs import Claim, Run, read, read_records
from doneness.runs.atomic import write_text
from doneness.runs.claim import FILE as LOCK
from doneness.runs.control import FILE as CONTROL
from doneness.runs.journal import FILE
from doneness.stopping import StopRule
from doneness.stopping.rules import BehaviourRule
from doneness.workflows.base import load_base
from doneness.workflows.panel import asker_of
from doneness.workflows.rows import RecipeRows, encode_recipe_rows, encoding_lines, read_recipe_rows
from doneness.workflows.rules import rule_of
from doneness.workflows.scratch import tokens_line
from doneness.workflows.stage_rows import StageRows, encode_stage_rows, read_stage_rows, stage_lines
from doneness.workflows.teacher import FOLDER as TEACHER
from doneness.workflows.teacher import with_answers, write_answers, writes
from doneness.workflows.together import lines, refuse_differing, refuse_split, refuse_unseen
from doneness.workflows.trackers import closing, refuse_absent, telling

if TYPE_CHECKING:
    from doneness.train.asking import Asker
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
    from doneness.models.together import by_first, join, told_of_loss

    recipe = at_home(recipe)
    folder = Path(recipe.run.folder)
    refuse_split(recipe)
    with told_of_loss():
        join(recipe.model.device)
        ending = by_first(lambda: _standing(folder, recipe))
        if ending:
            return Trained(read(folder)[0], ending, already=True)
        for line in lines(recipe):
            told(line)
        if writes(recipe):
            write_answers(recipe, told, folder / RECIPE)
        # Everything that can be wrong with the input is found before anything is written.
        encoded, loaded = ready(recipe, told)
        if recipe.run.preflight and not (folder / FILE).is_file():
            from doneness.train.preflight import preflight

            preflight(recipe, encoded, loaded, told)
        asker, rule = asker_of(recipe, loaded.tokenizer, told), rule_of(recipe.stopping)
        if asker is not None and rule is not None:
            rule = BehaviourRule(rule, recipe.stopping.alpha)
        return train_rows(recipe, encoded, loaded, rule, watcher, asker)


def _standing(folder: Path, recipe: Recipe) -> str | None:
    """How the run in `folder` ended, or None where it has not and this recipe may train there."""
    ending = finished(folder)
    refuse_foreign_folder(folder, dump_recipe(recipe))
    _refuse_other_recipe(folder, recipe)
    if not ending:
        _refuse_without_state(folder, recipe)
    return ending


def train_rows(
    recipe: Recipe, encoded: Any, loaded: Any, rule: StopRule | None, watcher: Watcher, asker: Asker | None = None
) -> Trained:
    """Train on rows that are encoded already and by a rule of the caller's, in the recipe's folder; else `train_run`.

    Args:
        recipe: with absolute paths, see `at_home`.
        encoded: a `TrainingRows`.
        loaded: the model with its method applied.
        rule: asked after each evaluation.
        watcher: sees the run as it goes.
        asker: puts a few questions before each decision.
    """
    from doneness.models.together import by_first, share
    from doneness.train.loop import train

    folder, first = Path(recipe.run.folder), share()[0] == 0
    refuse_differing(recipe, encoded)
    claim = Claim(folder) if first else None  # it is the first process that writes there
    try:
        ending = by_first(lambda: _entered(folder, recipe, encoded))
        if ending:
            return Trained(read(folder)[0], ending, already=True)
        refuse_unseen(folder / RECIPE)
        with closing(recipe.report.trackers if first else ()):
            result = train(recipe, encoded, loaded, rule, telling(watcher, recipe) if first else watcher, asker)
    finally:
        if claim is not None:
            claim.release()
    return Trained(read(folder)[0], result.ending, already=False)


def _entered(folder: Path, recipe: Recipe, encoded: Any) -> str | None:
    """How the run in the claimed `folder` ended, or None where it is to be trained: its recipe is written then."""
    # Again: while the model was loading another process may have begun here, or ended.
    _refuse_other_recipe(folder, recipe)
    _refuse_other_data(folder, encoded)
    ending = finished(folder)
    if not ending:
        write_text(folder / RECIPE, dump_recipe(recipe))
    return ending


def ready(recipe: Recipe, told: Callable[[Message], None]) -> tuple[Any, Any]:
    """The rows as token ids (`TrainingRows`), and the model with its method applied; nothing is written.

    Raises:
        DonenessError: data or model cannot be used.
    """
    from doneness.models.teacher import refuse_other_tokens

    refuse_absent(recipe.report.trackers)
    rows = _read(recipe)
    for line in rows.lines:
        told(line)
    _refuse_absent(recipe)
    loaded = load_base(recipe, told)
    refuse_other_tokens(recipe, loaded.tokenizer)
    encoded, lines = _encoded(loaded.tokenizer, rows, recipe)
    for line in lines:
        told(line)
    _refuse_other_data(Path(recipe.run.folder), encoded)
    from doneness.train.method import apply_method, method_lines

    if recipe.scratch.enabled:
        told(tokens_line(recipe, encoded.train.rows, loaded.model))
    loaded = replace(loaded, model=apply_method(loaded.model, recipe.method, recipe.run.seed))
    for line in method_lines(loaded.model, recipe.method):
        told(line)
    return encoded, loaded


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
    if recipe.run.stage not in ("sft", "distill"):
        return read_stage_rows(recipe)
    rows = read_recipe_rows(recipe)
    return with_answers(recipe, rows) if writes(recipe) else rows


def _encoded(tokenizer: Any, rows: RecipeRows | StageRows, recipe: Recipe) -> tuple[Any, tuple[Message, ...]]:
    """The rows as token ids, and what is to be said of them."""
    if isinstance(rows, StageRows):
        staged = encode_stage_rows(tokenizer, rows, recipe)
        return staged, stage_lines(rows, staged, recipe)
    encoded = encode_recipe_rows(tokenizer, rows, recipe.data)
    return encoded, encoding_lines(tokenizer, rows, encoded, recipe.data)


def at_home(recipe: Recipe) -> Recipe:
    """The recipe with absolute paths, so that the copy in the run folder runs from anywhere."""

    def absolute(path: str) -> str:
        place, _ = place_of(path)
        return moved(path, str(Path(place).resolve())) if place and Path(place).exists() else path

    return replace(
        recipe,
        model=replace(recipe.model, path=absolute(recipe.model.path)),
        scratch=replace(recipe.scratch, tokenizer=absolute(recipe.scratch.tokenizer)),
        method=replace(recipe.method, adapter=absolute(recipe.method.adapter)),
        data=replace(recipe.data, train=absolute(recipe.data.train), eval=absolute(recipe.data.eval)),
        probes=replace(
            recipe.probes,
            suite=suites_moved(recipe.probes.suite, absolute),
            behaviours=tuple(beside(text, Path.cwd()) for text in recipe.probes.behaviours),
        ),
        rewards=replace(recipe.rewards, use=tuple(beside(text, Path.cwd()) for text in recipe.rewards.use)),
        distill=replace(recipe.distill, teacher=absolute(recipe.distill.teacher)),
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
    changed = _differences(at_home(before), recipe)
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


def _refuse_without_state(folder: Path, recipe: Recipe) -> None:
    """Checkpoints without the optimizer's state are no place to go on from: the run would silently be another one."""
    if not recipe.checkpoints.only_model or not (folder / FILE).is_file():
        return
    saved = [r["step"] for r in read_records(folder / FILE)[0] if r["kind"] == "checkpoint"]
    if saved:
        name = f"checkpoint-{max(saved)}"
        raise DonenessError(tr("workflows.only_model", folder=str(folder), step=max(saved), path=str(folder / name)))


def refuse_foreign_folder(folder: Path, recipe: str) -> None:
    """A folder with somebody else's files, a recipe written by hand among them, is no place for a run."""
    if not folder.is_dir() or (folder / FILE).is_file():
        return
    ours = {CONTROL, LOCK, TEACHER}
    if (folder / RECIPE).is_file() and (folder / RECIPE).read_bytes() == recipe.encode():
        ours.add(RECIPE)
    strangers = sorted(f.name for f in folder.iterdir() if f.name not in ours and not f.name.startswith("."))
    if strangers:
        raise DonenessError(tr("workflows.foreign_folder", folder=str(folder), name=strangers[0], count=len(strangers)))


def _differences(before: Recipe, now: Recipe) -> list[str]:
    """What would make the resumed run another run; where it lies and how it speaks does not."""
    free = {("run", "folder"), ("run", "preflight")}
    free |= {("report", "lang"), ("report", "data_card"), ("report", "trackers")}
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
