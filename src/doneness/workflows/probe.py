"""Probe a run's checkpoints and choose one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from doneness.config import ProbesSection, Recipe
from doneness.core import Diagnosis, DonenessError, tr
from doneness.runs import Recorder, Run, read
from doneness.runs.probes import Choice, ProbeTable, load_table, save_choice, save_table
from doneness.workflows.check import check
from doneness.workflows.train import recipe_of

if TYPE_CHECKING:
    from doneness.models import LoadedModel
    from doneness.probe.panel import Progress


@dataclass(frozen=True)
class Probed:
    """A probed run."""

    run: Run
    diagnosis: Diagnosis
    table: ProbeTable
    choice: Choice


def probe_run(folder: Path, section: ProbesSection | None = None, progress: Progress | None = None) -> Probed:
    """Ask the run's checkpoints and its base model, write the table and the choice.

    Args:
        folder: a run folder of ours.
        section: what to ask; by default what the run's recipe says.

    Raises:
        DonenessError: no recipe, no suite, or no checkpoint on disk.
    """
    from doneness.probe import Asking, ask_all, build_table, choose, choose_questions, load_suite, pick_checkpoints

    recipe = recipe_of(folder)
    if recipe is None:
        raise DonenessError(tr("workflows.probe_needs_run", path=str(folder)))
    section = section or recipe.probes
    if not section.suite:
        raise DonenessError(tr("workflows.no_suite", path=str(folder)))
    run, diagnosis = check(folder)[0]
    on_disk = {c.step: c.path for c in run.checkpoints if c.exists and c.path is not None}
    if not on_disk:
        raise DonenessError(tr("workflows.no_checkpoints", path=str(folder)))
    probes = choose_questions(load_suite(section.suite), section.questions, recipe.run.seed)
    tied = diagnosis.sweet_spot.steps if diagnosis.sweet_spot else ()
    steps = pick_checkpoints(sorted(on_disk), section.checkpoints, tied[:2])
    answers = ask_all(
        lambda: _base(recipe),
        folder,
        {s: on_disk[s] for s in steps},
        probes,
        Asking(recipe.data.system, section.max_new_tokens, section.batch_size),
        *([progress] if progress else []),
    )
    table = build_table(probes, answers)
    choice = choose(tied, run.checkpoints, table, folder)
    save_table(folder, table)
    save_choice(folder, choice)
    _record(folder, table, choice)
    return Probed(read(folder)[0], diagnosis, table, choice)


def choose_again(folder: Path, run: Run, diagnosis: Diagnosis) -> Choice | None:
    """The choice from what is stored; None for a run that has neither evaluations nor probes."""
    from doneness.probe.choice import choose

    table = load_table(folder)
    if diagnosis.sweet_spot is None and table is None:
        return None
    return choose(diagnosis.sweet_spot.steps if diagnosis.sweet_spot else (), run.checkpoints, table, folder)


def _base(recipe: Recipe) -> LoadedModel:
    from doneness.models import load_model, require

    torch = require("torch")
    require("peft")
    if recipe.run.threads:
        torch.set_num_threads(recipe.run.threads)
    return load_model(recipe.model.path, recipe.model.dtype, recipe.model.device)


def _record(folder: Path, table: ProbeTable, choice: Choice) -> None:
    recorder = Recorder(folder)
    try:
        last = max((r["step"] for r in recorder.records), default=0)
        data = {"steps": list(table.steps), "questions": len(table.questions), "chosen": choice.step}
        before = recorder.last("probe")
        if before is None or any(before.get(k) != v for k, v in data.items()):
            recorder.write("probe", last, **data)
    finally:
        recorder.close()
