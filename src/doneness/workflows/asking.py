"""What is asked of a run, by what behaviours it is judged, and the table and the choice that follow."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from doneness.config import ProbesSection
from doneness.core import DataError, DonenessError, tr
from doneness.diagnose import diagnose
from doneness.runs import Run, read
from doneness.runs.probes import FOLDER, Choice, ProbeTable
from doneness.workflows.asked_in import asked_in
from doneness.workflows.check import judge, own_params
from doneness.workflows.deciding import decide, losses_of, spot_of
from doneness.workflows.going import without_strays
from doneness.workflows.subject import Subject

if TYPE_CHECKING:
    from doneness.probe.allocation import Aim
    from doneness.probe.asking import Asking
    from doneness.probe.judge import Judge
    from doneness.probe.measure import Measure
    from doneness.probe.panel import Panel
    from doneness.probe.suite import Probe
    from doneness.probe.vetoes import Guards

_SHAKEN = 32  # questions; each costs four passes a checkpoint
_BY_HEART = ("recite", "recite_held_out")  # rows that were trained on, and the same ones in other words
JUDGED = "judge"  # folder of a judge's replies


@dataclass(frozen=True)
class Questions:
    """The questions of one run.

    Attributes:
        probes: in the order of their suite.
        asking: how they are put.
        measures: the behaviours.
        guards: which of them may rule a checkpoint out.
        judge: who grades and compares answers, where the environment names one.
    """

    probes: tuple[Probe, ...]
    asking: Asking
    measures: tuple[Measure, ...]
    guards: Guards
    judge: Judge | None = None

    def aim(self, tied: Sequence[int]) -> Aim:
        """What the choice is made by, given the steps that loss alone would take, in order."""
        from doneness.probe.allocation import Aim

        return Aim(tuple(tied), self.measures, self.guards)

    def table(self, panel: Panel, steps: Sequence[int], run: Run | None, tied: Sequence[int] = ()) -> ProbeTable:
        """Behaviours × those of `steps` that were asked; `tied` are the steps that are tied in loss."""
        from doneness.probe.table import build_table

        answers = {s: a for s, a in panel.answers(steps).items() if a}
        return build_table(self.probes, answers, self.measures, losses_of(run), self.guards, tied=tied)


def questions_of(
    subject: Subject, section: ProbesSection, without: Collection[str] = (), judge: Judge | None = None
) -> Questions:
    """The questions that a section names, for a run.

    Args:
        subject: the run.
        section: of its recipe, or what the command line made of it.
        without: kinds of questions that the engine does not know.
        judge: grades open answers; by default the one that the environment names, if it does.

    Raises:
        DataError: a suite, or a behaviour of the user's own, that cannot be read.
    """
    from doneness.probe.asking import Asking
    from doneness.probe.judge import judge_from_environment, with_judge
    from doneness.probe.opening import open_suite
    from doneness.probe.suite import choose_questions

    suite = open_suite(section.suite, asked_in(subject.out, section.suite))
    probes = choose_questions(suite.probes, section.questions, subject.seed)
    if without:
        probes = tuple(replace(p, asks=tuple(a for a in p.asks if a not in without)) for p in probes)
        probes = tuple(p for p in probes if p.asks)
    judge = judge or judge_from_environment(subject.out / FOLDER / JUDGED)
    measures = with_judge(measures_of(section, suite.behaviours), judge)
    limit = suite.max_new_tokens or section.max_new_tokens
    asking = Asking(subject.system, limit, section.batch_size, suite.temperature, subject.seed)
    return Questions(probes, asking, measures, guards_of(measures, suite.guards), judge)


def with_flatness(asked: Questions) -> Questions:
    """The same questions, some of which are also scored under noise on the weights.

    Of those whose loss is asked for anyway, where there are any: no other behaviour is to be of other questions by it.

    Raises:
        DonenessError: no question has a reference that could be scored.
    """
    from doneness.probe.allocation import in_turn

    able = [p for p in in_turn(asked.probes) if p.sort not in _BY_HEART and (p.text or (p.prompt and p.reference))]
    if not able:
        raise DonenessError(tr("probing.flatness_needs"))
    chosen = {p.id for p in ([p for p in able if "nll" in p.asks] or able)[:_SHAKEN]}
    more = ("nll", "shaken")
    probes = tuple(
        replace(p, asks=tuple(dict.fromkeys((*p.asks, *more)))) if p.id in chosen else p for p in asked.probes
    )
    return replace(asked, probes=probes)


def measures_of(section: ProbesSection, named: Collection[str] = ()) -> tuple[Measure, ...]:
    """All behaviours, or those named, and the user's own behind them."""
    from doneness.probe.behaviours import MEASURES

    known = {m.behaviour.name for m in MEASURES}
    absent = [name for name in named if name not in known]
    if absent:
        raise DataError(tr("probing.no_behaviour", name=absent[0], known=", ".join(sorted(known))))
    chosen = tuple(m for m in MEASURES if not named or m.behaviour.name in named)
    if not section.behaviours:
        return chosen
    from doneness.probe.custom import load_behaviours

    return (*chosen, *load_behaviours(section.behaviours))


def choose(subject: Subject, table: ProbeTable) -> Choice:
    """The checkpoint to keep by what was asked, and by the run's own losses where there are any."""
    if subject.recipe is not None:
        run = without_strays(read(subject.folder)[0])
        return decide(run, own_params(run), table)[1]
    run = subject.run or Run(subject.folder.name, subject.folder)
    if not run.checkpoints:
        from doneness.runs.readers.checkpoints import listed

        run = replace(run, checkpoints=listed(subject.folder))
    return decide(run, own_params(run), table)[1]


def tied_in_loss(subject: Subject) -> tuple[int, ...]:
    """Steps on disk that loss alone would take, the first choice first."""
    if subject.run is None:
        return ()
    if subject.recipe is not None:
        judged = judge(subject.run).diagnosis
    else:
        judged = diagnose(subject.run, own_params(subject.run))
    first = judged.recommended_step
    spot = [s for s in spot_of(judged) if s in subject.checkpoints]
    return tuple(sorted(spot, key=lambda s: (s != first, s)))


def guards_of(measures: Sequence[Measure], named: Sequence[str] | None) -> Guards:
    """Those that a suite names guard, and no others; without a word each guards as it does."""
    from doneness.probe.behaviours import MEASURES
    from doneness.probe.vetoes import Guards

    if named is None:
        return Guards()
    known = {m.behaviour.name for m in (*MEASURES, *measures)}
    absent = [name for name in named if name not in known]
    if absent:
        raise DataError(tr("probing.no_behaviour", name=absent[0], known=", ".join(sorted(known))))
    margins: Mapping[str, float] = {m.behaviour.name: m.behaviour.margin for m in measures if m.behaviour.name in named}
    return Guards(margins, tuple(m.behaviour.name for m in measures if m.behaviour.name not in named))
