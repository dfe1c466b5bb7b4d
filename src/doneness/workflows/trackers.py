"""The trackers of a recipe: whether they are there, and who tells them of a changed verdict."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from doneness.config import Recipe
from doneness.core import DonenessError, StopDecision, Verdict, tr
from doneness.runs import Run

if TYPE_CHECKING:
    from doneness.train.callback import Watcher


def refuse_absent(trackers: Iterable[str]) -> None:
    """Refuse a tracker that is not installed, before anything is trained.

    Raises:
        DonenessError: there is such a one.
    """
    for name in trackers:
        if find_spec(name) is None:
            raise DonenessError(tr("workflows.no_tracker", name=name))


def telling(watcher: Watcher, recipe: Recipe) -> Watcher:
    """The watcher; where the recipe names trackers, they are alerted of every change of the verdict as well."""
    return cast("Watcher", _Telling(watcher, Path(recipe.run.folder).name)) if recipe.report.trackers else watcher


class _Telling:
    """Passes everything on, and hears of evaluations."""

    def __init__(self, watcher: Watcher, run: str) -> None:
        self._watcher, self._run = watcher, Run(run)
        self._before: Verdict | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._watcher, name)

    def evaluated(self, record: dict[str, Any], decision: StopDecision | None) -> None:
        """The rule has decided: an alert where it says something new, and the newest in the summary."""
        self._watcher.evaluated(record, decision)
        if decision is None:
            return
        from doneness.integrations.alerts import alert, summarise

        before, self._before = self._before, decision.verdict
        # The first verdict is mostly "cannot tell": no news.
        if before is not None and before is not decision.verdict:
            alert(decision, self._run)
        summarise(decision)
