"""What each stopping rule would have done on your past runs."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from doneness.core import DonenessError, tr
from doneness.diagnose import Params
from doneness.diagnose.case import Case
from doneness.runs import Run
from doneness.runs.panels import with_panels
from doneness.runs.readers.checkpoints import root_of
from doneness.stopping import EvidenceRule, PatienceRule, Replayed, StopRule, replay
from doneness.stopping.rules import BehaviourRule
from doneness.stopping.summary import FEWEST, RuleSummary, summarise
from doneness.workflows.gather import Unreadable, gather

RULES = ("evidence", "patience:1", "patience:3", "patience:5", "patience:3:0.001", "patience:3:0.01")
LEAST_EVALS = 5  # a rule that waits has hardly a chance to act on fewer


@dataclass(frozen=True)
class ReplayedRun:
    """One past run with what each rule would have done on it, in the order of the rules."""

    run: Run
    group: str
    outcomes: list[Replayed]


@dataclass(frozen=True)
class ReplayedAll:
    """Rules on runs.

    Attributes:
        runs: those replayed.
        rules: a summary for each rule; empty without runs.
        grouped: whether runs were grouped, or each stands for itself.
        left_out: runs with too few evaluations.
        unsuited: runs of preference or reinforcement learning, whose loss is no measure of what was learnt.
        unreadable: paths that gave no run.
    """

    runs: list[ReplayedRun]
    rules: list[RuleSummary]
    grouped: bool
    left_out: list[Run]
    unreadable: list[Unreadable]
    unsuited: list[Run] = field(default_factory=list)


def parse_rule(text: str, params: Params | None = None) -> StopRule:
    """A rule from "evidence", "behaviour", "patience:3" or "patience:3:0.01" (evaluations, nats).

    Raises:
        ValueError: it is none of these; the text says what would be.
    """
    name, *numbers = text.strip().split(":")
    try:
        if name == "evidence" and not numbers:
            return EvidenceRule(params) if params else EvidenceRule()
        if name == "behaviour" and not numbers:
            return BehaviourRule(EvidenceRule(params) if params else EvidenceRule())
        if name == "patience" and 1 <= len(numbers) <= 2:
            thresholds = [float(n) for n in numbers[1:]]
            if all(map(math.isfinite, thresholds)):  # nothing is an improvement by more than infinity or NaN
                return PatienceRule(int(numbers[0]), sum(thresholds))
    except ValueError:
        pass
    raise ValueError(tr("workflows.rule_fault", text=text))


def replay_all(
    paths: Iterable[str | Path],
    rules: Sequence[StopRule],
    mapping: Mapping[str, str] | None = None,
    group: str | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> ReplayedAll:
    """Replay every rule on every run at `paths` of likelihood that has at least five evaluations.

    Args:
        paths: files, folders, or patterns that no shell expanded.
        rules: at least one.
        mapping: column → series name, for tables whose columns are named unusually.
        group: a regular expression; what its first group matches in a run's path is the run's group.
            By default the folder below the one that all runs share, where there are at least five such.
        progress: told how many runs are done, and how many there are.

    Raises:
        DonenessError: `group` is no regular expression.
    """
    found = gather(paths, mapping)
    unsuited = [run for run in found.runs if Case(run, Params()).preference]
    suited = [run for run in found.runs if not any(run is each for each in unsuited)]
    runs = [run for run in suited if len(run.evals or ()) >= LEAST_EVALS]
    names = _groups(runs, group)
    done = []
    for index, (run, name) in enumerate(zip(runs, names, strict=True)):
        progress(index, len(runs))
        done.append(ReplayedRun(run, name, replay(with_panels(run), rules)))
    summaries = [summarise([each.outcomes[i] for each in done], names) for i in range(len(rules))] if done else []
    grouped = len(set(names)) < len(runs)
    short = [run for run in suited if len(run.evals or ()) < LEAST_EVALS]
    return ReplayedAll(done, summaries, grouped, short, found.unreadable, unsuited)


def _groups(runs: Sequence[Run], pattern: str | None) -> list[str]:
    """What each run belongs to; itself, where folders do not tell at least five groups apart."""
    alone = [str(index) for index in range(len(runs))]
    places = [_place(run) for run in runs]
    if pattern is not None:
        try:
            sought = re.compile(pattern)
        except re.error as error:
            raise DonenessError(tr("workflows.group_fault", text=pattern, reason=str(error))) from error
        hits = [sought.search(str(place)) if place else None for place in places]
        return [(h.group(1) if sought.groups else h[0]) or "" if h else own for h, own in zip(hits, alone, strict=True)]
    known = [place for place in places if place is not None]
    if len(known) < 2:
        return alone
    shared = len(Path(os.path.commonpath(known)).parts)
    names = [
        own if place is None or len(place.parts) <= shared else place.parts[shared]
        for place, own in zip(places, alone, strict=True)
    ]
    return names if len(set(names)) >= FEWEST else alone


def _place(run: Run) -> Path | None:
    """The run's folder, or its file where the folder may hold others."""
    if run.path is None:
        return None
    path = run.path.resolve()
    return root_of(path.parent) if run.kind == "hf_trainer" and path.name == "trainer_state.json" else path
