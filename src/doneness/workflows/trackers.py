"""The trackers of a recipe: whether they are there, who tells them of a changed verdict, and how their runs end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from doneness.config import Recipe
from doneness.core import DonenessError, StopDecision, Verdict, tr
from doneness.core.text import printable
from doneness.runs import Run, read_records
from doneness.runs.journal import FILE

if TYPE_CHECKING:
    from doneness.train.callback import Watcher

_PACKAGES = {"tensorboard": ("tensorboard", "tensorboardX")}


def refuse_absent(trackers: Iterable[str]) -> None:
    """Refuse a tracker that is not installed or cannot be imported, before anything is trained.

    Raises:
        DonenessError: there is such a one.
    """
    for name in trackers:
        # The Trainer takes either of two for TensorBoard.
        there = next(filter(_installed, _PACKAGES.get(name, (name,))), None)
        if there is None:
            raise DonenessError(tr("workflows.no_tracker", name=name))
        try:
            import_module(there)
        except Exception as error:
            reason = printable(" ".join(str(error).split()))
            raise DonenessError(tr("workflows.broken_tracker", name=there, reason=reason)) from error


def _installed(package: str) -> bool:
    spec = find_spec(package)
    # A folder without code passes for a package: ./wandb is what W&B leaves where it ran.
    return spec is not None and (spec.origin is not None or spec.submodule_search_locations is None)


@contextmanager
def closing(trackers: Iterable[str]) -> Iterator[None]:
    """End the runs that a training opens in `trackers` as the training ends.

    Left to itself W&B keeps its run open for the next training of the process, and both it and MLflow call a run
    that broke a success.
    """
    if not (asked := set(trackers)):
        yield
        return
    from doneness.integrations.alerts import finish, running

    before, failed = running(), True
    try:
        yield
        failed = False
    finally:
        finish(sorted(asked & (running() - before)), failed)


def telling(watcher: Watcher, recipe: Recipe) -> Watcher:
    """The watcher; where the recipe names trackers, they are alerted of every change of the verdict as well."""
    return cast("Watcher", _Telling(watcher, Path(recipe.run.folder))) if recipe.report.trackers else watcher


class _Telling:
    """Passes everything on, and hears of evaluations."""

    def __init__(self, watcher: Watcher, folder: Path) -> None:
        self._watcher, self._folder, self._run = watcher, folder, Run(folder.name)
        # The first verdict is mostly "cannot tell": no news.
        self._told = Verdict.UNDECIDED

    def __getattr__(self, name: str) -> Any:
        return getattr(self._watcher, name)

    def began(self, step: int, total: int) -> None:
        """Training begins; where it is resumed, what was told before is no news, and what has changed since is."""
        self._watcher.began(step, total)
        records = read_records(self._folder / FILE)[0] if step else []
        before = [r for r in records if r["kind"] == "decision" and r["step"] > 0]
        if before:
            self._told = StopDecision.from_dict(before[-1]).verdict

    def evaluated(self, record: dict[str, Any], decision: StopDecision | None) -> None:
        """The rule has decided: an alert where it says something new, and the newest in the summary."""
        self._watcher.evaluated(record, decision)
        if decision is None:
            return
        from doneness.integrations.alerts import alert, summarise

        # The base model is judged before any tracker is there to hear of it.
        if decision.step and decision.verdict is not self._told:
            self._told = decision.verdict
            alert(decision, self._run)
        summarise(decision)
