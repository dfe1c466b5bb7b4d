"""The line that no error of ours crosses: somebody's training must not end because we could not watch it."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar

from doneness.core import tr
from doneness.core.text import printable

if TYPE_CHECKING:
    from doneness.integrations.monitor import Monitor

logger = logging.getLogger("doneness")
F = TypeVar("F", bound=Callable[..., Any])
_LENGTH = 200


class Guard:
    """Catches what goes wrong, says so once for each place and kind, and has the journal keep it."""

    def __init__(self) -> None:
        self.monitor: Monitor | None = None
        self._told: set[tuple[str, str]] = set()

    @contextmanager
    def at(self, where: str, step: int) -> Iterator[None]:
        """Run the block; an exception ends the block and nothing else. KeyboardInterrupt passes."""
        try:
            yield
        except Exception as error:
            self.failed(where, step, error)

    def failed(self, where: str, step: int, error: Exception) -> None:
        """Tell of an error and record it, once for each place and kind."""
        kind = type(error).__name__
        if (where, kind) in self._told:
            return
        self._told.add((where, kind))
        text = printable(" ".join(str(error).split()))[:_LENGTH]
        logger.warning(tr("integrations.error", where=where, error=kind, text=text))
        if self.monitor is not None:
            # The disk may be what failed.
            with suppress(Exception):
                self.monitor.fault(step, where, error)


def guarded(method: F) -> F:
    """An event of a callback that does nothing while it is off, and never raises; it returns the event's control.

    Where the run had ended before (`self.over`), it ends again and nothing is recorded.
    """

    @functools.wraps(method)
    def event(self: Any, args: Any, state: Any, control: Any, **kwargs: Any) -> Any:
        over = self.on and self.over is not None and method.__name__ != "on_train_end"
        if self.on:
            with self.guard.at(method.__name__, int(state.global_step)):
                if over:
                    leave(method.__name__, control, kwargs.get("optimizer"))
                else:
                    method(self, args, state, control, **kwargs)
        return control

    return event  # type: ignore[return-value]


def leave(event: str, control: Any, optimizer: Any) -> None:
    """End a Trainer's loop at the first step it takes, which it cannot be kept from taking; the weights stay.

    Args:
        event: of the callback.
        control: of the Trainer.
        optimizer: whose rate is nothing for that one step.
    """
    if event == "on_pre_optimizer_step":
        for group in optimizer.param_groups:
            group["lr"] = 0.0
    elif event in ("on_step_end", "on_epoch_end"):
        control.should_log = control.should_evaluate = control.should_save = False
        control.should_training_stop = True
