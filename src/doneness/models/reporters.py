"""What a Trainer reports to (`report_to`): a row of our numbers through its own integrations, and no fault of theirs.

The Trainer calls its integrations unguarded: a server that is down, or a key that is missing, ends the training.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from doneness.core import tr
from doneness.core.text import printable
from doneness.models.imports import require

logger = logging.getLogger("doneness")
_BEGIN = "on_train_begin"
_SAYS = {_BEGIN: "models.tracker_out", "on_log": "models.tracker_failed"}


def report(trainer: Any, row: Mapping[str, float]) -> None:
    """Hand `row` to every integration of `trainer`, at its step; never an exception.

    Only the integrations are told: other callbacks take a row of logs for a step or an evaluation of the Trainer.
    """
    handler = trainer.callback_handler
    if not row or not trainer.is_world_process_zero():
        return
    for each in _integrations(trainer):
        try:
            each.on_log(trainer.args, trainer.state, trainer.control, logs=_named(each, row), model=handler.model)
        except Exception as error:
            _say(each, "on_log", error)


def shield(trainer: Any) -> None:
    """Let an integration of `trainer` that fails cost a line, once, and no run; one that cannot begin is left out."""
    for each in _integrations(trainer):
        _Shielded(each)


class _Shielded:
    """An integration, every event of which is replaced on the instance: the Trainer goes on knowing it by its class."""

    def __init__(self, integration: Any) -> None:
        self._integration = integration
        self._out = False
        self._said: set[str] = set()
        for event in filter(lambda name: name.startswith("on_"), dir(integration)):
            setattr(integration, event, self._guarded(event, getattr(integration, event)))

    def _guarded(self, event: str, told: Callable[..., Any]) -> Callable[..., Any]:
        def guarded(*args: Any, **kwargs: Any) -> Any:
            if self._out:
                return None
            try:
                return told(*args, **kwargs)
            except Exception as error:
                # Without a run of its own it would fail again at every step.
                self._out = event == _BEGIN
                if event not in self._said:
                    self._said.add(event)
                    _say(self._integration, event, error)
                return None

        return guarded


def _integrations(trainer: Any) -> list[Any]:
    utils = require("transformers.integrations.integration_utils")
    kinds = tuple(utils.INTEGRATION_TO_CALLBACK.values())
    return [each for each in trainer.callback_handler.callbacks if isinstance(each, kinds)]


def _named(integration: Any, row: Mapping[str, float]) -> dict[str, float]:
    """The row under names that stay apart: on the way to MLflow every letter beyond ASCII becomes a "_"."""
    if type(integration).__name__ != "MLflowCallback":
        return dict(row)
    return {key.encode("ascii", "backslashreplace").decode().replace("\\", ""): row[key] for key in row}


def _say(integration: Any, event: str, error: Exception) -> None:
    name = type(integration).__name__.removesuffix("Callback")
    reason = printable(" ".join(str(error).split()))
    logger.warning(tr(_SAYS.get(event, "models.tracker_event"), tracker=name, event=event, reason=reason))
