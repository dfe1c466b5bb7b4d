"""Probe a run's checkpoints and choose one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from doneness.config import ProbesSection
from doneness.core import DonenessError, tr
from doneness.runs import Recorder, read
from doneness.runs.probes import Choice, ProbeTable, save_choice, save_table
from doneness.workflows.base import load_base
from doneness.workflows.check import Judged, judge
from doneness.workflows.train import recipe_of

if TYPE_CHECKING:
    from doneness.probe.panel import Progress


def probe_run(folder: Path, section: ProbesSection | None = None, progress: Progress | None = None) -> Judged:
    """Ask the run's checkpoints and its base model, write the table and the choice.

    Where every tied checkpoint that was asked is ruled out, those not asked yet are asked as well.

    Args:
        folder: a run folder of ours.
        section: what to ask; by default what the run's recipe says.
        progress: told of every batch of answers.

    Raises:
        DonenessError: no recipe, no suite, or no checkpoint on disk.
    """
    from doneness.probe import Asking, ask_all, build_table, choose_questions, load_suite, pick_checkpoints

    recipe = recipe_of(folder)
    if recipe is None:
        raise DonenessError(tr("workflows.probe_needs_run", path=str(folder)))
    section = section or recipe.probes
    if not section.suite:
        raise DonenessError(tr("workflows.no_suite", path=str(folder)))
    run = read(folder)[0]
    on_disk = {c.step: c.path for c in run.checkpoints if c.exists and c.path is not None}
    if not on_disk:
        raise DonenessError(tr("workflows.no_checkpoints", path=str(folder)))
    probes = choose_questions(load_suite(section.suite), section.questions, recipe.run.seed)
    spot = judge(run).diagnosis.sweet_spot
    tied = [s for s in (spot.steps if spot else ()) if s in on_disk]
    steps = set(pick_checkpoints(sorted(on_disk), section.checkpoints, tied[:2]))
    asking = Asking(recipe.data.system, section.max_new_tokens, section.batch_size)
    while True:
        asked = {s: on_disk[s] for s in sorted(steps)}
        answers = ask_all(lambda: load_base(recipe), folder, asked, probes, asking, *([progress] if progress else []))
        table = build_table(probes, answers)
        save_table(folder, table)
        judged = judge(read(folder)[0])
        unasked = [s for s in tied if s not in steps]
        if judged.choice.step is not None or not judged.choice.vetoed or not unasked:
            break
        steps |= set(unasked[:2])
    save_choice(folder, judged.choice)
    _record(folder, table, judged.choice)
    return judged


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
