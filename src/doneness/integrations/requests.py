"""What somebody asks of another tool's training from outside: the first process reads it, all do it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from doneness.integrations import sparing, together
from doneness.integrations.guard import Guard
from doneness.integrations.steering import Steering
from doneness.runs.control import KEPT, Request


class Requests:
    """Obeys control.jsonl in somebody else's Trainer, at the step after it was written.

    A stop saves a checkpoint and ends the run; a cooldown is begun as the rule's would be; a checkpoint that is to be
    kept is linked into the run folder, where the Trainer's rotation does not reach.
    """

    def __init__(self, steering: Steering, guard: Guard, args: Any) -> None:
        self._steering, self._guard, self._args = steering, guard, args
        self._wanted: dict[int, Request] = {}

    def step_end(self, state: Any, control: Any) -> None:
        """Take what is new; all processes call it, and go the same ways."""
        monitor, step = self._guard.monitor, int(state.global_step)
        news: list[Request] = []
        if monitor is not None:
            with self._guard.at("requests", step):
                news = monitor.requests()
        if together.share()[1] > 1:
            # A number tells whether there is anything to tell, which is rare.
            (some,) = together.summed([len(news)])
            news = together.from_first(news) if some else []
        for request in news:
            done = self._obeyed(request, state, control)
            if monitor is not None and done is not None:
                monitor.note_request(step, request, refused=not done)

    def saved(self, state: Any) -> None:
        """A checkpoint has come: it may be one to be kept."""
        request = self._wanted.pop(int(state.global_step), None)
        if request is not None and self._guard.monitor is not None:
            kept = self._protect(int(state.global_step), int(state.global_step))
            self._guard.monitor.note_request(int(state.global_step), request, refused=not kept)

    def _obeyed(self, request: Request, state: Any, control: Any) -> bool | None:
        """Whether it was done; None where that is still to be seen."""
        step = int(state.global_step)
        if request.action == "keep":
            return self._keep(request, step)
        if request.action == "cooldown":
            return self._steering.cool_asked(state, control)
        monitor = self._guard.monitor
        decision = None if monitor is None else monitor.decision
        best = together.from_first(None if decision is None else decision.recommended_step)
        if sparing.loses(self._args, state, best):
            # The checkpoint at the stop must not cost the one that was recommended.
            self._protect(int(best or 0), step)
        self._steering.stop_asked(control)
        return True

    def _keep(self, request: Request, step: int) -> bool | None:
        wanted = int(request.step or 0)
        if sparing.place(self._args, wanted).is_dir() and wanted <= step:
            return self._protect(wanted, step)
        if wanted < step:
            return False
        self._wanted[wanted] = request
        return None

    def _protect(self, wanted: int, step: int) -> bool:
        monitor = self._guard.monitor
        if monitor is None:
            return True
        kept: list[Path] = []
        with self._guard.at("keep", step):
            kept.append(protect(monitor.folder, sparing.place(self._args, wanted)))
            monitor.log_checkpoint(wanted, kept[0])
        return bool(kept)


def protect(folder: Path, checkpoint: Path) -> Path:
    """Have the files of a checkpoint a second name under the run folder; where it lies now.

    Until the first name is deleted it takes no room; only across file systems it is a copy.
    """
    place = folder / KEPT / checkpoint.name
    if place.exists():
        return place
    place.parent.mkdir(parents=True, exist_ok=True)
    part = place.with_name(f".{place.name}")
    if checkpoint.is_file():
        part.unlink(missing_ok=True)
        _linked(str(checkpoint), str(part))
    else:
        shutil.rmtree(part, ignore_errors=True)
        shutil.copytree(checkpoint, part, copy_function=_linked)
    part.rename(place)
    return place


def _linked(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
