"""Runs on ever larger parts of one set, judged on the same held-out rows: whether more rows pay."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from doneness.config import Recipe, dump_recipe
from doneness.core import DataError, Message, say, tr
from doneness.data import normalise, stratified
from doneness.runs import Run, read
from doneness.runs.atomic import write_text
from doneness.sanity import floor_of
from doneness.sanity.ladder import Climb, Ladder, climb
from doneness.workflows.base import load_base
from doneness.workflows.rows import RecipeRows, encode_recipe_rows, read_recipe_rows
from doneness.workflows.rules import params_of, rule_of
from doneness.workflows.sanity import refuse_unfit
from doneness.workflows.stage_rows import StageRows, encode_stage_rows, read_stage_rows
from doneness.workflows.train import at_home, finished, refuse_foreign_folder, train_rows

if TYPE_CHECKING:
    from doneness.train.callback import Watcher

SUFFIX, RESULT = "-ladder", "ladder.json"
LEAST = 8  # rows of a rung
_NEAR = 0.1  # of the steps around an evaluation, whose training losses go with it

Told = Callable[[Message], None]


@dataclass(frozen=True)
class Asked:
    """What a ladder is to be.

    Attributes:
        rungs: rows of each run; those beyond the whole set become the whole set.
        seeds: runs of each rung.
        by: steps (every run may take as many as the largest) or epochs (each as many as the recipe says).
    """

    rungs: tuple[int, ...]
    seeds: int = 2
    by: str = "steps"


def ladder_run(recipe: Recipe, asked: Asked, watcher: Watcher, told: Told = lambda message: None) -> Ladder:
    """Train the rungs in a folder beside the recipe's own; runs that are there already are kept.

    Raises:
        DonenessError: data, model or folder cannot be used, or there is nothing held out to judge by.
        KeyboardInterrupt: interrupted; everything is saved.
    """
    refuse_unfit(recipe)
    rows = _read(recipe)
    for line in rows.lines:
        told(line)
    if rows.eval is None:
        raise DataError(tr("sanity.fault.no_eval"))
    whole = len(rows.train.rows)
    rungs = sorted({min(rung, whole) for rung in asked.rungs})
    if len(rungs) < 2 or rungs[0] < LEAST or asked.seeds < 1:
        raise DataError(tr("sanity.fault.rungs", rows=whole, least=LEAST))
    home = Path(recipe.run.folder.rstrip("/") + SUFFIX)
    told(say(f"sanity.ladder.by_{asked.by}", rungs=", ".join(map(str, rungs)), seeds=asked.seeds, folder=str(home)))
    found: list[Climb] = []
    floor = 0.0
    for seed in range(recipe.run.seed, recipe.run.seed + asked.seeds):
        parts = _parts(rows, rungs, seed)
        planned = 0
        for part in reversed(parts):
            size = len(part.train.rows)
            own = at_home(_rung(recipe, home / f"{size}-{seed}", size, seed, planned if asked.by == "steps" else 0))
            told(say("sanity.ladder.rung", rows=size, seed=seed))
            run, planned, least = _train(own, part, watcher)
            # The largest rung comes first and says how many steps the others get.
            floor = max(floor, least)
            found.append(_climbed(run, size, seed, planned))
    params = params_of(recipe.stopping)
    level = min(run.loss for run in found)
    matters = max(params.gain_nats, params.gain_share * level)
    ladder = climb(found, whole, matters, _repeats(rows), floor)
    write_text(home / RESULT, json.dumps(as_dict(ladder), ensure_ascii=False, indent=2) + "\n")
    return ladder


def as_dict(ladder: Ladder) -> dict[str, Any]:
    """A JSON form; nats per target token, NaN as null."""
    top, power = ladder.rungs[-1].rows, ladder.power
    return {
        "word": ladder.word,
        "rungs": [
            {name: _known(getattr(rung, name)) for name in rung.__slots__ if name != "interval"}
            | {"interval": list(rung.interval) if rung.interval else None}
            for rung in ladder.rungs
        ],
        "noise": _known(ladder.noise),
        "exponent": list(power.exponent) if power else None,
        "gain_whole": list(power.gain(top, ladder.whole)) if power and ladder.whole > top else None,
        "gain_tenfold": list(power.gain(top, 10.0 * top)) if power else None,
        "hours_per_1000_rows": ladder.hours,
        "whole": ladder.whole,
        "repeats": ladder.repeats,
        "floor": ladder.floor,
        "matters": ladder.matters,
    }


def _known(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _read(recipe: Recipe) -> RecipeRows | StageRows:
    own = replace(recipe, data=replace(recipe.data, train_rows=0))
    return read_recipe_rows(own) if recipe.run.stage == "sft" else read_stage_rows(own)


def _parts(rows: RecipeRows | StageRows, rungs: Sequence[int], seed: int) -> list[Any]:
    """The rows of each rung, the smaller inside the larger, kinds in proportion."""
    kept: Sequence[Any] = rows.train.rows
    found: list[Any] = []
    for size in sorted(rungs, reverse=True):
        kept = stratified(kept, size, seed, key=lambda row: getattr(row, "kind", None))
        found.append(replace(rows, train=replace(rows.train, rows=tuple(kept))))  # type: ignore[arg-type]
    return found[::-1]


def _rung(recipe: Recipe, folder: Path, rows: int, seed: int, steps: int) -> Recipe:
    """The recipe of one run: a constant rate, so that a run that ends early is not worse for its high rate."""
    return replace(
        recipe,
        run=replace(recipe.run, folder=str(folder), seed=seed),
        data=replace(recipe.data, train_rows=rows),
        schedule=replace(recipe.schedule, kind="constant", max_steps=steps or recipe.schedule.max_steps),
        stopping=replace(recipe.stopping, enabled=True, on_stop="stop"),
        checkpoints=replace(recipe.checkpoints, with_evaluations=False, every=0, keep_gb=1e-9),
        probes=replace(recipe.probes, suite=""),
        report=replace(recipe.report, trackers=()),
    )


def _train(recipe: Recipe, rows: RecipeRows | StageRows, watcher: Watcher) -> tuple[Run, int, float]:
    """One run; its planned steps, and the floor of its rows."""
    from doneness.models import load_tokenizer
    from doneness.models.templates import with_template
    from doneness.train.arguments import total_steps

    folder = Path(recipe.run.folder)
    done = finished(folder) is not None
    refuse_foreign_folder(folder, dump_recipe(recipe))
    loaded = None if done else load_base(recipe)
    tokenizer = load_tokenizer(recipe.model.path) if loaded is None else loaded.tokenizer
    if loaded is None:
        with_template(tokenizer, recipe.model.template)
    if isinstance(rows, StageRows):
        encoded = encode_stage_rows(tokenizer, rows, recipe)
    else:
        encoded = encode_recipe_rows(tokenizer, rows, recipe.data)
    planned = total_steps(recipe, len(encoded.train.rows))
    floor = floor_of([(row.ids, row.labels) for row in encoded.train.rows]).loss
    if loaded is None:
        return read(folder)[0], planned, floor
    from doneness.train.method import apply_method

    loaded = replace(loaded, model=apply_method(loaded.model, recipe.method, recipe.run.seed))
    return train_rows(recipe, encoded, loaded, rule_of(recipe.stopping), watcher).run, planned, floor


def _climbed(run: Run, rows: int, seed: int, planned: int) -> Climb:
    """The run at its lowest evaluation after the first step."""
    evals, train = run.evals, run.train
    assert evals is not None and train is not None
    examples = {each.step: each for each in run.examples}
    able = [i for i, step in enumerate(evals.step) if step > 0 and int(step) in examples]
    at = min(able, key=lambda i: float(evals.value[i]))
    step = int(evals.step[at])
    near = np.abs(train.step - step) <= max(1.0, _NEAR * step)
    losses = examples[step]
    return Climb(
        rows=rows,
        seed=seed,
        step=step,
        planned=planned,
        tokens=float(evals.tokens[at]),
        loss=float(evals.value[at]),
        train=float(np.median(train.value[near])) if near.any() else math.nan,
        nll=losses.nll,
        targets=losses.tokens.astype(np.float64),
        hours=float(evals.time[at]) / 3600.0,
    )


def _repeats(rows: RecipeRows | StageRows) -> float:
    """Share of training rows that repeat another, word for word."""
    if isinstance(rows, StageRows):
        said = [normalise(row.text) for row in rows.train.rows]
    else:
        said = [f"{normalise(row.context)}\x1f{normalise(row.answer)}" for row in rows.train.rows]
    return 1.0 - len(set(said)) / len(said)
