"""Listens to an evaluation that somebody else's trainer runs anyway: losses row by row, without a second pass.

A forward hook on the model sees what it is called with and what it answers. What it saw counts
when the trainer says that a batch of an evaluation is done, and is forgotten when a training step
is: calls that belong to neither are nobody's evaluation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from doneness.integrations.scored import Kind, Row, Unusable, kind_of, rows_of_batch
from doneness.integrations.target_spans import TargetSpans


@dataclass(frozen=True)
class Heard:
    """What was heard of one evaluation.

    Attributes:
        rows: identity, NLL and target tokens of each row; None where not every batch could be read.
        why: the catalogue's key of the reason then.
        fault: the error, where one was raised.
    """

    rows: list[Row] | None
    why: str = ""
    fault: Exception | None = None


class Capture:
    """The hook on one model, and what it has heard since the last evaluation."""

    def __init__(self, model: Any, spans: TargetSpans | None = None) -> None:
        self.spans = spans
        self.kind: Kind = kind_of(model)
        self.model = model
        self.on = True
        self._hook = model.register_forward_hook(self._listen, with_kwargs=True)
        self.forget()

    def remove(self) -> None:
        """Take the hook off the model."""
        self._hook.remove()

    def forget(self) -> None:
        """Drop everything heard."""
        self._rows: list[Row] = []
        self._batches, self._missed = 0, 0
        self._why = "incomplete"
        self._fault: Exception | None = None
        self._drop()

    def batch_done(self) -> None:
        """The trainer says that a batch of an evaluation is done: what was heard since the last one is it."""
        self._batches += 1
        self._missed += not self._now_heard
        self._rows += self._now
        self._drop()

    def take(self) -> Heard:
        """The evaluation just heard; the next one begins."""
        whole = self._batches > 0 and not self._missed
        heard = Heard(self._rows if whole else None, "" if whole else self._why, None if whole else self._fault)
        self.forget()
        return heard

    def _drop(self) -> None:
        self._now: list[Row] = []
        self._now_heard = False

    def _listen(self, module: Any, args: Any, kwargs: dict[str, Any], output: Any) -> None:
        """The hook: whatever goes wrong here, the forward pass is not ours to end."""
        if module.training or not self.on:
            return
        try:
            rows = rows_of_batch(self.kind, kwargs, output, self.spans)
            # Several calls in one batch are replicas on several devices, or the same rows again for a metric.
            known = {row.name for row in self._now}
            if not self._now_heard or any(row.name not in known for row in rows):
                self._now += rows
            self._now_heard = True
        except Unusable as reason:
            self._why = reason.key
        except Exception as error:
            self._why, self._fault = "failed", error
