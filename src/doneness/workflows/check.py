"""Judge a run, ours or anybody's."""

from __future__ import annotations

from pathlib import Path

from doneness.core import Diagnosis
from doneness.diagnose import Params, diagnose
from doneness.runs import Run, read
from doneness.workflows.rules import params_of
from doneness.workflows.train import recipe_of


def check(path: str | Path, params: Params | None = None, until: int | None = None) -> list[tuple[Run, Diagnosis]]:
    """Read every run at `path` and diagnose it.

    Args:
        path: a run folder, an output or checkpoint folder, or a log file.
        params: thresholds; by default those of the run's own recipe, else the usual ones.
        until: judge the runs as they were at this step.

    Raises:
        UnreadableError: nothing there that can be read.
    """
    found = []
    for run in read(path):
        chosen = params or _own_params(run)
        found.append((run, diagnose(run, chosen, until)))
    return found


def _own_params(run: Run) -> Params | None:
    recipe = recipe_of(run.path) if run.path is not None and run.kind == "journal" else None
    return params_of(recipe.stopping) if recipe else None
