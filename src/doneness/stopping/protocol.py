"""StopRule: what training, replay and a foreign log all ask."""

from __future__ import annotations

from typing import Protocol

from doneness.core import StopDecision
from doneness.runs import Run


class StopRule(Protocol):
    """Decides, from the run so far alone, whether to go on."""

    @property
    def name(self) -> str:
        """What to call the rule in a journal and in a comparison."""
        ...

    def decide(self, run: Run) -> StopDecision:
        """Continue, stop, or cool down; unsure means continue.

        Args:
            run: the run so far. A later evaluation can never change an earlier decision.
        """
        ...
