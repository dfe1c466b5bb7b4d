"""Judge a run, ours or anybody's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from doneness.core import Diagnosis, DonenessError
from doneness.diagnose import Params
from doneness.runs import Run, read
from doneness.runs.probes import Choice, ProbeTable, load_table
from doneness.workflows.deciding import decide
from doneness.workflows.gather import Unreadable, gather
from doneness.workflows.going import without_strays
from doneness.workflows.twins import without_twins


@dataclass(frozen=True)
class Judged:
    """A run, the verdict on it, and which checkpoint to keep by both loss and probes.

    Attributes:
        table: what the probes found, where the run was probed.
        choice: the diagnosis's recommendation with its reasons.
    """

    run: Run
    diagnosis: Diagnosis
    table: ProbeTable | None
    choice: Choice

    @property
    def kept(self) -> int | None:
        """The step of the checkpoint to keep, by probes where there are any."""
        return self.choice.step if self.table else self.diagnosis.recommended_step


@dataclass(frozen=True)
class Checked:
    """Everything that many paths hold: the runs judged, and the paths that cannot be read.

    Attributes:
        beside: faults of logs in a folder whose other logs were read, one line each.
    """

    judged: list[Judged]
    unreadable: list[Unreadable]
    beside: list[str] = field(default_factory=list)


def check_all(
    paths: Iterable[str | Path],
    params: Params | None = None,
    until: int | None = None,
    mapping: Mapping[str, str] | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Checked:
    """Read and diagnose every run at `paths`; a path that cannot be read never hides the others.

    Args:
        paths: files, folders, patterns that no shell expanded, or addresses such as hf://owner/name.
        params: thresholds; by default those of each run's own recipe, else the usual ones.
        until: judge the runs as they were at this step.
        mapping: column → series name, for tables whose columns are named unusually.
        progress: told how many runs are judged, and how many there are.
    """
    found = gather(paths, mapping)
    runs = without_twins(found.runs)
    judged, lost = [], list(found.unreadable)
    for done, run in enumerate(runs):
        progress(done, len(runs))
        try:
            judged.append(judge(run, params, until))
        except DonenessError as error:  # its own recipe or its probes are damaged
            lost.append(Unreadable(str(run.path or run.name), str(error)))
    return Checked(judged, lost, found.beside)


def check(path: str | Path, params: Params | None = None, until: int | None = None) -> list[tuple[Run, Diagnosis]]:
    """Read every run at `path` and diagnose it.

    Args:
        path: a run folder, an output or checkpoint folder, or a log file.
        params: thresholds; by default those of the run's own recipe, else the usual ones.
        until: judge the runs as they were at this step; what is later is in no run that is returned.

    Raises:
        UnreadableError: nothing there that can be read.
    """
    return [(each.run, each.diagnosis) for each in (judge(run, params, until) for run in read(path))]


def judge(run: Run, params: Params | None = None, until: int | None = None) -> Judged:
    """Diagnose a run, with the checkpoints barred that its probes showed to do harm.

    With `until`, run and probes are cut there as well: whatever is shown of them ends where the verdict does.
    """
    chosen = params or own_params(run)
    run = without_strays(run)
    table = load_table(run.path) if run.kind == "journal" and run.path is not None else None
    if until is not None:
        run, table = run.until(until), _asked_until(table, until)
    found, choice = decide(run, chosen, table)
    return Judged(run, found, table, choice)


def _asked_until(table: ProbeTable | None, step: int) -> ProbeTable | None:
    if table is None:
        return None
    steps = tuple(s for s in table.steps if s <= step)
    if not any(steps):
        return None  # the base model alone: there is nothing to choose between
    turning = {name: at if at is not None and at.step <= step else None for name, at in table.turning.items()}
    return replace(
        table,
        steps=steps,
        cells=tuple(c for c in table.cells if c.step <= step),
        turning=turning,
        standings={name: s for name, s in table.standings.items() if s.candidates[-1] <= step},
        nulls=tuple(n for n in table.nulls if n.step <= step),
    )


def own_params(run: Run) -> Params | None:
    """The thresholds that a run of ours was trained with; None for any other."""
    if run.path is None or run.kind != "journal":
        return None
    # Only our own runs have a recipe, and what reads one takes long to load.
    from doneness.workflows.rules import params_of
    from doneness.workflows.train import recipe_of

    recipe = recipe_of(run.path)
    return params_of(recipe.stopping) if recipe else None
