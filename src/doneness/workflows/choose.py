"""Choose again from what was answered, by other guards, margins or another goal; no model is loaded."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from doneness.config import ProbesSection
from doneness.core import LANGUAGES, Diagnosis, DonenessError, UnreadableError, tr
from doneness.diagnose import diagnose
from doneness.runs import Run, read
from doneness.runs.probes import (
    FOLDER,
    Answer,
    Choice,
    ProbeTable,
    load_answers,
    load_choice,
    load_table,
    save_choice,
    save_table,
)
from doneness.workflows.asked_in import all_asked, asked_in, suite_asked
from doneness.workflows.check import own_params
from doneness.workflows.deciding import decide, losses_of, spot_of
from doneness.workflows.going import without_strays

if TYPE_CHECKING:
    from doneness.probe.judge import Judge
    from doneness.probe.measure import Measure
    from doneness.probe.opening import Suite
    from doneness.probe.suite import Probe
    from doneness.probe.vetoes import Guards


@dataclass(frozen=True)
class Wanted:
    """What to choose by.

    Attributes:
        margins: guards by name, with the harm that still counts as the same.
        off: behaviours that guard no more.
        strict: whether a guard that cannot tell rules a checkpoint out too.
        goal: the behaviour whose gain decides; None leaves it to those that say so themselves.
        suite: the questions that were asked; empty takes those of the run's recipe.
    """

    margins: Mapping[str, float] = field(default_factory=dict)
    off: Sequence[str] = ()
    strict: bool = False
    goal: str | None = None
    suite: str = ""


@dataclass(frozen=True)
class Chosen:
    """What came of it.

    Attributes:
        diagnosis, table, choice: as after probing.
        before: what was chosen last, None where nothing was.
        others: steps whose answers are to other questions, which are left out.
    """

    diagnosis: Diagnosis
    table: ProbeTable
    choice: Choice
    before: Choice | None
    others: tuple[int, ...] = ()


def choose(folder: Path, wanted: Wanted | None = None) -> Chosen:
    """Score the stored answers anew and choose.

    Args:
        folder: a run that was probed; the folder that holds `probes/`.
        wanted: what to choose by.

    Raises:
        DonenessError: nothing was answered, the questions cannot be found, or a behaviour that is not there is named.
    """
    from doneness.probe.table import build_table

    wanted = wanted or Wanted()
    answers = _answers(folder)
    old = load_table(folder)
    if not answers or old is None:
        raise DonenessError(tr("choice.error.no_table", path=str(folder)))
    wanted = _by_name(wanted, old)
    probes, measures, guards = _questions(folder, answers, wanted, old)
    _known(wanted, old)
    answers, others = _of_these(answers, probes, old)
    run = _run(folder)
    tied = spot_of(diagnose(run, own_params(run)))
    table = build_table(probes, answers, measures, losses_of(run), guards, wanted.goal, tied)
    _refuse_lost(folder, old, table)
    table = replace(table, nulls=old.nulls)
    diagnosis, choice = decide(run, own_params(run), table)
    return Chosen(diagnosis, table, choice, load_choice(folder), others)


def _of_these(
    answers: Mapping[int, list[Answer]], probes: Sequence[Probe], old: ProbeTable
) -> tuple[dict[int, list[Answer]], tuple[int, ...]]:
    """The answers by step, without those steps that answered other questions; and which these are."""
    known = {p.id: p for p in probes}
    before = {question.id: question.prompt for question in old.questions}
    fits = {
        step: all(a.id in known and still(known[a.id], a, before.get(a.id)) for a in some)
        for step, some in answers.items()
    }
    return {s: some for s, some in answers.items() if fits[s]}, tuple(s for s, fit in fits.items() if not fit)


def keep(folder: Path, chosen: Chosen) -> None:
    """Write the choice, and the table whose guards and goal it follows, so that everything else goes by it."""
    save_table(folder, chosen.table)
    save_choice(folder, chosen.choice)


def _answers(folder: Path) -> dict[int, list[Answer]]:
    found: dict[int, list[Answer]] = {}
    for path in sorted((folder / FOLDER / "answers").glob("step-*.jsonl")):
        number = path.stem.removeprefix("step-")
        if number.isdecimal() and (stored := load_answers(folder, int(number))) is not None and stored[1]:
            found[int(number)] = stored[1]
    return found


def _questions(
    folder: Path, answers: Mapping[int, Sequence[Answer]], wanted: Wanted, old: ProbeTable
) -> tuple[tuple[Probe, ...], tuple[Measure, ...], Guards]:
    """The questions that the answers are to, the behaviours, and what guards; the run's, as the wish changes it."""
    from doneness.probe.judge import with_judge
    from doneness.probe.vetoes import Guards
    from doneness.workflows.asking import guards_of, measures_of

    section, suite, probes = _suite(folder, answers, wanted, old)
    # Some were asked for more than their suite says: for the loss, and for it under noise on the weights.
    shaken = {a.id for stored in answers.values() for a in stored if a.shaken}
    probes = tuple(
        replace(p, asks=tuple(dict.fromkeys((*p.asks, "nll", "shaken")))) if p.id in shaken else p for p in probes
    )
    judged = bool({"wins", "task_rubric"} & {b.name for b in old.behaviours})
    measures = with_judge(measures_of(section, suite.behaviours), _judge(folder) if judged else None)
    usual = guards_of(measures, suite.guards)
    off = {*usual.off, *wanted.off} - set(wanted.margins)
    return probes, measures, Guards({**usual.margins, **wanted.margins}, tuple(sorted(off)), wanted.strict)


def _suite(
    folder: Path, answers: Mapping[int, Sequence[Answer]], wanted: Wanted, old: ProbeTable
) -> tuple[ProbesSection, Suite, tuple[Probe, ...]]:
    """The suite that the answers of the last table are to, with those of its questions that were asked.

    Raises:
        DonenessError: none is, or one is but for questions that have been changed since.
    """
    from doneness.probe.opening import open_suite

    needed = [a for step in old.steps for a in answers.get(step, ())]
    before = {question.id: question.prompt for question in old.questions}
    changed, faults = "", list[DonenessError]()
    for section, lang in (tries := _tries(folder, wanted)):
        try:
            suite = open_suite(section.suite, lang)
        except DonenessError as fault:
            faults.append(fault)
            continue
        known = {p.id: p for p in suite.probes}
        if any(a.id not in known for a in needed):
            continue
        other = next((a.id for a in needed if not still(known[a.id], a, before.get(a.id))), "")
        if not other:
            asked = {a.id for a in needed}
            return section, suite, tuple(p for p in suite.probes if p.id in asked)
        changed = changed or other
    path = str(folder)
    if changed:
        raise DonenessError(tr("choice.error.changed", path=path, id=changed))
    if faults and len(faults) == len(tries):
        raise faults[0]
    last, named = suite_asked(folder), wanted.suite or (tries[0][0].suite if tries else "")
    if wanted.suite and last:
        raise DonenessError(tr("choice.error.other_suite", path=path, suite=named, asked=last))
    raise DonenessError(tr("choice.error.no_suite", path=path, suite=named or "-"))


def _tries(folder: Path, wanted: Wanted) -> list[tuple[ProbesSection, str]]:
    """Suites that the questions may be of, the likeliest first, each in the languages that it may have been asked in.

    Answers that were kept before their language was are found by trying.
    """
    from doneness.workflows.train import recipe_of

    recipe = recipe_of(folder)
    section = recipe.probes if recipe is not None else ProbesSection()
    past = all_asked(folder)
    own = past[0].behaviours if past and past[0].behaviours else section.behaviours
    if wanted.suite:
        sections = [replace(section, suite=wanted.suite, behaviours=own)]
    else:
        sections = [
            replace(section, suite=each.whole, behaviours=each.behaviours or section.behaviours) for each in past
        ]
        sections += [section] if section.suite and section.suite not in [each.suite for each in past] else []
    return [(each, lang) for each in sections for lang in dict.fromkeys((asked_in(folder, each.suite), *LANGUAGES))]


def still(probe: Probe, answer: Answer, before: str | None) -> bool:
    """Whether an answer is to the question as it is now; of older files, which kept no digest, by the prompt alone."""
    from doneness.probe.asking import worded

    if answer.asked:
        return answer.asked in (worded(probe, scored=False), worded(probe, scored=True))
    return before is None or before == probe.prompt


def _judge(folder: Path) -> Judge | None:
    """The judge that was asked last, who says again what is kept of it and no more; None where nothing is kept."""
    from doneness.probe.endpoint import Endpoint
    from doneness.probe.judge import Judge
    from doneness.workflows.asking import JUDGED

    place = folder / FOLDER / JUDGED
    files = sorted(place.glob("*.json"), key=lambda file: file.stat().st_mtime_ns)
    try:
        kept = json.loads(files[-1].read_text(encoding="utf-8"))
        model, url = str(kept["model"]), str(kept.get("url", ""))  # replies of before told no address
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return None
    return Judge(Endpoint(url, model, cache=place, tries=0))


def _known(wanted: Wanted, table: ProbeTable) -> None:
    """A behaviour that guards or decides nothing: saying so is better than seeming to obey."""
    from doneness.probe.phrases import title

    names = {b.name: b for b in table.behaviours}
    for name in (*wanted.margins, *wanted.off, *([wanted.goal] if wanted.goal else ())):
        if name not in names:
            known = ", ".join(f"{each} ({title(each).text()})" for each in sorted(names))
            raise DonenessError(tr("choice.error.unknown", name=name, known=known))
        if names[name].better == "none" and name not in wanted.off:
            raise DonenessError(tr("choice.error.no_direction", name=name))


def _by_name(wanted: Wanted, table: ProbeTable) -> Wanted:
    """The same wish with behaviours by their names where it has the titles that the table shows."""
    from doneness.probe.phrases import title

    named = {title(b.name).text(lang).casefold(): b.name for b in table.behaviours for lang in LANGUAGES}

    def name(text: str) -> str:
        return named.get(text.strip(" †").casefold(), text)

    return replace(
        wanted,
        margins={name(each): margin for each, margin in wanted.margins.items()},
        off=tuple(name(each) for each in wanted.off),
        goal=name(wanted.goal) if wanted.goal else wanted.goal,
    )


def _refuse_lost(folder: Path, old: ProbeTable, new: ProbeTable) -> None:
    """What decided or guarded when the run was probed does not go without a word."""
    lost = {b.name for b in old.behaviours if b.goal or b.guard} - {b.name for b in new.behaviours}
    if lost:
        raise DonenessError(tr("choice.error.lost", path=str(folder), names=", ".join(sorted(lost))))


def _run(folder: Path) -> Run:
    """The run as it is judged everywhere else; where no log can be read, its checkpoints alone."""
    from doneness.runs.readers.checkpoints import listed

    try:
        run = without_strays(max(read(folder), key=lambda each: each.last_step))
    except UnreadableError:
        run = Run(folder.name, folder)
    return run if run.checkpoints else replace(run, checkpoints=listed(folder))
