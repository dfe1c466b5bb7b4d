"""Measure: one behaviour as a function of a question and its answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from doneness.probe.suite import Probe
from doneness.runs.probes import Answer, Behaviour


@dataclass(frozen=True, slots=True)
class Measure:
    """One behaviour.

    Attributes:
        behaviour: its row in the table.
        score: the value of one answer, None where the question does not bear on it; 0 or 1 for a share.
        binary: scores are 0 or 1, so intervals are those of shares.
    """

    behaviour: Behaviour
    score: Callable[[Probe, Answer], float | None]
    binary: bool = True
