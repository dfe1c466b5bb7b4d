"""One evaluation row by row, from all processes: by listening, else by a pass of our own."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

from doneness.core import tr
from doneness.integrations import together
from doneness.integrations.capture import Capture
from doneness.integrations.guard import Guard
from doneness.integrations.own_pass import score_rows
from doneness.integrations.pairs import PairCapture
from doneness.integrations.scored import Row, Unusable
from doneness.integrations.target_spans import TargetSpans
from doneness.runs import ExampleLosses

logger = logging.getLogger("doneness")
_Part = tuple[list[Row] | None, str]


@dataclass(frozen=True)
class Asked:
    """An evaluation that has just been run.

    Attributes:
        step: optimizer steps done.
        loader: its data loader, for a pass of our own.
        batch_size: rows at once in such a pass.
        due: whether such a pass is worth it now.
    """

    step: int
    loader: Any
    batch_size: int
    due: bool

    @property
    def rows(self) -> int | None:
        """Rows of the data set; None where it does not know."""
        return length_of(getattr(self.loader, "dataset", None))


class Scoring:
    """Listens to one model, and scores the rows itself where that is not enough.

    All processes must go the same ways in here: they wait for one another at each `gathered`.

    Attributes:
        capture: what listens.
        pairs: whether it listens to pairs of answers.
    """

    def __init__(self, model: Any, heard: Any, guard: Guard, spans: TargetSpans | None = None) -> None:
        """Begin to listen.

        Args:
            model: as it is called for a pass of our own.
            heard: the module inside that is called with labels.
            guard: catches what goes wrong; the process that has the monitor speaks.
            spans: also sum by these.
        """
        self.capture, self.pairs = Capture(heard, spans), False
        self._model, self._guard = model, guard
        self._able, self._said = True, False

    def hear_pairs(self, capture: PairCapture | None) -> None:
        """Listen with `capture` instead, if there is one. Of pairs there is no pass of our own: means have to do."""
        if capture is not None:
            self.capture.remove()
            self.capture, self.pairs, self._able = capture, True, False

    def remove(self) -> None:
        """Listen no longer."""
        self.capture.remove()

    def take(self, asked: Asked) -> tuple[ExampleLosses | None, dict[str, Any]]:
        """The evaluation's losses row by row, None where they cannot be had; and what the record is to say of them."""
        facts: dict[str, Any] = {} if asked.rows is None else {"examples": asked.rows}
        heard = self.capture.take()
        parts: list[_Part] = together.gathered((heard.rows, heard.why))
        why = _reason(parts)
        if why is not None:
            if heard.fault is not None:
                self._guard.failed("capture", asked.step, heard.fault)
            if not self._able or not asked.due:
                return None, facts
            parts = self._own(asked, why)
        rows = [each for each, _ in parts if each is not None]
        if len(rows) < len(parts):
            return None, facts
        losses, repeats = together.merged(asked.step, rows, asked.rows)
        return losses, facts | ({"repeats": repeats} if repeats else {})

    def _own(self, asked: Asked, why: str) -> list[_Part]:
        """The rows of every process by a pass of our own; where that cannot be it is not tried again."""
        mine: _Part = (None, why)
        if why != "other_kind":
            self._say("own_pass", why)
            mine = self._scored(asked)
        parts: list[_Part] = together.gathered(mine)
        lost = _reason(parts)
        if lost is not None:
            self._able, self._said = False, False
            self._say("mean_only", lost)
        return parts

    def _scored(self, asked: Asked) -> _Part:
        self.capture.on = False
        try:
            capture, mine = self.capture, together.share()
            return score_rows(self._model, capture.kind, asked.loader, asked.batch_size, mine, capture.spans), ""
        except Unusable as reason:
            return None, reason.key
        except Exception as error:
            self._guard.failed("own_pass", asked.step, error)
            return None, "failed"
        finally:
            self.capture.on = True

    def _say(self, key: str, why: str) -> None:
        """Once, on the process that writes."""
        if self._guard.monitor is not None and not self._said:
            logger.warning(tr(f"integrations.{key}", why=tr(f"integrations.why.{why}")))
        self._said = True


def length_of(sized: Any) -> int | None:
    """How many there are; None for streams."""
    try:
        return len(sized)
    except (TypeError, NotImplementedError):
        return None


def _reason(parts: list[_Part]) -> str | None:
    return next((reason for rows, reason in parts if rows is None), None)
