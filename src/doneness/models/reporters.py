"""What a Trainer reports to (`report_to`): a row of our numbers through its own integrations."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from doneness.core import tr
from doneness.core.text import printable
from doneness.models.imports import require

logger = logging.getLogger("doneness")


def report(trainer: Any, row: Mapping[str, float]) -> None:
    """Hand `row` to every integration of `trainer`, at its step; never an exception.

    Only the integrations are told: other callbacks take a row of logs for a step or an evaluation of the Trainer.
    """
    utils = require("transformers.integrations.integration_utils")
    kinds = tuple(utils.INTEGRATION_TO_CALLBACK.values())
    handler = trainer.callback_handler
    if not row or not trainer.is_world_process_zero():
        return
    for each in handler.callbacks:
        if not isinstance(each, kinds):
            continue
        try:
            each.on_log(trainer.args, trainer.state, trainer.control, logs=dict(row), model=handler.model)
        except Exception as error:
            name = type(each).__name__.removesuffix("Callback")
            logger.warning(tr("models.tracker_failed", tracker=name, reason=printable(" ".join(str(error).split()))))
