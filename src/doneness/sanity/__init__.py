"""Can a pipeline learn at all: what a run on few rows measured, and what is to blame where it does not learn them."""

from doneness.sanity.floor import Floor, floor_of
from doneness.sanity.measured import Gradient, Levels, Measured, Setting, Targets, Tokens, Trace, Trial
from doneness.sanity.outcome import Outcome, outcome, outcome_of
from doneness.sanity.suite import CHECKS, causes, judge

__all__ = [
    "CHECKS",
    "Floor",
    "Gradient",
    "Levels",
    "Measured",
    "Outcome",
    "Setting",
    "Targets",
    "Tokens",
    "Trace",
    "Trial",
    "causes",
    "floor_of",
    "judge",
    "outcome",
    "outcome_of",
]
