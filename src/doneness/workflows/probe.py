"""Probe a run's checkpoints and choose one."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from doneness.config import ProbesSection
from doneness.core import DonenessError, Message, tr
from doneness.runs import Recorder
from doneness.runs.atomic import write_text
from doneness.runs.probes import BASE, FOLDER, Choice, ProbeTable, load_table, save_choice, save_table
from doneness.workflows.asked_in import keep_asked
from doneness.workflows.check import Judged, judge
from doneness.workflows.judge_there import looked_for
from doneness.workflows.own_said import unscored
from doneness.workflows.probe_said import left_out, numberless, of_measuring, of_store, parted, passed_over
from doneness.workflows.subject import Subject, parse_steps, refuse_closed, subject_of

if TYPE_CHECKING:
    from doneness.probe.allocation import Allocated
    from doneness.probe.budget import Budget
    from doneness.probe.judge import Judge
    from doneness.probe.panel import Panel, Pool, Progress
    from doneness.probe.suite import Probe
    from doneness.workflows.asking import Questions

PLAN = "allocation.json"
# Questions by step and behaviour.
Lost = dict[int, dict[str, list[str]]]
_VLLM_LACKS = ("kl", "shaken")


@dataclass(frozen=True)
class ProbeOptions:
    """How to probe, beside what is asked.

    Attributes:
        steps: "base,400,1200"; None leaves it to the section's number of checkpoints.
        budget: "5m" or "20k tokens"; empty sets no limit.
        everything: every question to every checkpoint, also where the choice is certain before.
        engine: "torch" or "vllm".
        ray: address of a Ray cluster, "" for the one that is found or started here; None asks in this process.
        workers: of the Ray cluster; 0 leaves it to the cluster.
        judge, judge_model: address and name of a model that grades open answers; what is left out is as the
            environment says, a name without any "default".
        nulls: how many random adapters of the chosen checkpoint's size to ask beside it; 0 asks none.
        flatness: also how much the loss of some questions rises under small noise on the weights.
    """

    steps: str | None = None
    budget: str = ""
    everything: bool = False
    engine: str = "torch"
    ray: str | None = None
    workers: int = 0
    judge: str = ""
    judge_model: str = ""
    nulls: int = 0
    flatness: bool = False


@dataclass(frozen=True)
class Probed:
    """What came of probing.

    Attributes:
        table: behaviours × checkpoints.
        choice: which checkpoint to keep.
        told: what was asked and what was not, in words.
        out: the folder that holds `probes/`.
    """

    table: ProbeTable
    choice: Choice
    told: tuple[Message, ...]
    out: Path


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
    subject = subject_of(folder)
    if subject.recipe is None or subject.run is None:
        raise DonenessError(tr("workflows.probe_needs_run", path=str(folder)))
    probe_subject(subject, section, ProbeOptions(), progress)
    from doneness.runs import read

    return judge(read(folder)[0])


def probe_subject(
    subject: Subject, section: ProbesSection | None, options: ProbeOptions, progress: Progress | None = None
) -> Probed:
    """As `probe_run`, for any run and with all options.

    Raises:
        DonenessError: no suite, a step without a checkpoint, or an option that cannot be.
        KeyboardInterrupt: interrupted; every answer so far is kept.
    """
    from doneness.probe.earlier import take_over
    from doneness.workflows.asking import questions_of, tied_in_loss, with_flatness

    section = section or (subject.recipe.probes if subject.recipe else ProbesSection())
    if not section.suite:
        raise DonenessError(tr("workflows.no_suite", path=str(subject.folder)))
    refuse_closed(subject.out)
    if options.engine != "torch":
        # By other kernels the same weights may answer otherwise: answers of two engines are told apart.
        subject = replace(subject, base_hash=f"{subject.base_hash} by {options.engine}")
    budget = _budget(options.budget)
    without = _VLLM_LACKS if options.engine == "vllm" else ()
    asked = questions_of(subject, section, without, _judge(subject, options))
    keep_asked(subject.out, section.suite, section.behaviours)
    if options.flatness:
        asked = with_flatness(asked)
    tied = tied_in_loss(subject)
    steps = _first_steps(subject, section, options, tied)
    with closing(_pool(subject, options, section.batch_size)) as pool:
        panel = _panel(subject, asked, pool, progress)
        looked_for(panel, asked, steps)
        take_over(panel, subject.out, subject.checkpoints, asked.probes)
        shown = not _others(subject.out, asked.probes)
        try:
            found = _asked(subject, asked, panel, steps, _Way(tied, budget, options))
            shown = True
            return found
        finally:
            # Also after Ctrl-C what was answered can be looked at; but never half of one suite among another's.
            if shown:
                panel.view(subject.out, asked.probes)


def _others(out: Path, probes: Sequence[Probe]) -> bool:
    """Whether the table that is there is of questions that are not asked now."""
    table = load_table(out)
    return table is not None and bool({(q.id, q.prompt) for q in table.questions} - {(p.id, p.prompt) for p in probes})


@dataclass(frozen=True)
class _Way:
    """How the asking goes: steps tied in loss, what it may cost, and what was asked for."""

    tied: tuple[int, ...]
    budget: Budget
    options: ProbeOptions


def _asked(subject: Subject, asked: Questions, panel: Panel, steps: Sequence[int], way: _Way) -> Probed:
    """Ask, judge, and ask those that were left out where all others are ruled out."""
    from doneness.probe.allocation import Rounds, allocate
    from doneness.probe.budget import Meter
    from doneness.workflows.asking import choose

    meter = Meter(way.budget)
    rounds = Rounds(first=len(asked.probes)) if way.options.everything else Rounds()
    wanted = sorted(set(steps) - {BASE})
    while True:
        done = allocate(panel, wanted, asked.aim(way.tied), rounds, meter=meter)
        table = asked.table(panel, (BASE, *wanted), subject.run, way.tied)
        save_table(subject.out, table)
        write_text(subject.out / FOLDER / PLAN, json.dumps(done.to_dict(), ensure_ascii=False, indent=1) + "\n")
        choice = choose(subject, table)
        unasked = [s for s in way.tied if s not in wanted]
        stuck = choice.step is None and bool(choice.vetoed) and bool(unasked)
        if not stuck or way.options.steps is not None or done.ended == "budget":
            break
        wanted = sorted({*wanted, *unasked[:2]})
    save_choice(subject.out, choice)
    lost = _save_scores(subject, asked, panel, table.steps)
    more: tuple[Message, ...] = ()
    if way.options.nulls:
        from doneness.workflows.nulls import beside_nulls, told_of

        more = told_of(subject, table, choice.step)
        table = beside_nulls(subject, asked, panel, table, choice.step, way.options.nulls)
        save_table(subject.out, table)
    if subject.recipe is not None:
        _record(subject.folder, table, choice, done)
    over = () if way.options.steps is not None else passed_over(table.steps, subject.checkpoints)
    told = (*left_out(done), *over, *of_store(panel.store), *numberless(lost), *of_measuring(table, asked))
    # Where checkpoints were asked unequally, that is told already.
    told = (*told, *(() if any(done.unasked.values()) else parted(table)), *unscored(table, asked.measures), *more)
    return Probed(table, choice, told, subject.out)


def _first_steps(
    subject: Subject, section: ProbesSection, options: ProbeOptions, tied: Sequence[int]
) -> tuple[int, ...]:
    from doneness.probe.panel import pick_checkpoints

    if options.steps is not None:
        steps = parse_steps(options.steps, subject)
        if options.nulls and not set(steps) - {BASE}:
            raise DonenessError(tr("probing.null_none"))
        return steps
    return pick_checkpoints(sorted(subject.checkpoints), section.checkpoints, tied[:2])


def _panel(subject: Subject, asked: Questions, pool: Pool, progress: Progress | None) -> Panel:
    from doneness.probe.allocation import in_turn
    from doneness.probe.panel import Panel
    from doneness.probe.store import Store

    more = () if progress is None else (progress,)
    weights = subject.weights(tuple(subject.checkpoints))
    return Panel(pool, in_turn(asked.probes), asked.asking, Store(subject.out), weights, *more)


def _pool(subject: Subject, options: ProbeOptions, batch: int) -> Pool:
    """Who does the asking: this process, or the workers of a cluster."""
    from doneness.probe.panel import Alone
    from doneness.workflows.engines import torch_maker, vllm_maker

    make = vllm_maker(subject) if options.engine == "vllm" else torch_maker(subject, batch)
    if options.ray is None:
        return Alone(make)
    from doneness.probe.ray_pool import RayPool

    return RayPool(make, options.ray, options.workers)


def _judge(subject: Subject, options: ProbeOptions) -> Judge | None:
    """Who grades, where one was named."""
    from doneness.probe.endpoint import KEY, URL, Endpoint
    from doneness.probe.judge import Judge
    from doneness.workflows.asking import JUDGED

    # The environment's address, too, can be asked for another model than the environment's.
    url = options.judge or (os.environ.get(URL, "").strip() if options.judge_model else "")
    if not url:
        return None
    key = os.environ.get(KEY, "").strip()
    return Judge(Endpoint(url, options.judge_model or "default", key, subject.out / FOLDER / JUDGED))


def _save_scores(subject: Subject, asked: Questions, panel: Panel, steps: Sequence[int]) -> Lost:
    """What a stopping rule would have seen of each checkpoint, for replay; gives back where scores are no numbers."""
    from doneness.runs.panels import Panel as Scored
    from doneness.runs.panels import save_panels
    from doneness.workflows.panel import scores_of

    measures = [asked.guards.applied(m) for m in asked.measures]
    found = panel.answers(steps)
    lost: Lost = {s: {} for s in found}
    scored = {s: scores_of(measures, asked.probes, answers, lost[s]) for s, answers in found.items()}
    save_panels(subject.out, [Scored(s, {e.behaviour.name: e for e in some}) for s, some in scored.items() if some])
    return lost


def _budget(text: str) -> Budget:
    from doneness.probe.budget import Budget

    try:
        return Budget.of(text) if text else Budget()
    except ValueError:
        raise DonenessError(tr("probing.budget_fault", text=text)) from None


def _record(folder: Path, table: ProbeTable, choice: Choice, done: Allocated) -> None:
    recorder = Recorder(folder)
    try:
        last = max((r["step"] for r in recorder.records), default=0)
        data = {"steps": list(table.steps), "questions": len(table.questions), "chosen": choice.step}
        data |= {"ended": done.ended, "unasked": {str(s): n for s, n in done.unasked.items()}}
        before = recorder.last("probe")
        if before is None or any(before.get(k) != v for k, v in data.items()):
            recorder.write("probe", last, **data)
    finally:
        recorder.close()
