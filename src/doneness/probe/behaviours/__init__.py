"""One file per behaviour."""

from doneness.probe.behaviours import (
    emergency,
    false_premise,
    knowledge,
    length,
    over_refusal,
    overconfidence,
    refusal_invented,
    refusal_unknown,
    repetition,
)
from doneness.probe.measure import Measure

MEASURES: tuple[Measure, ...] = (
    knowledge.MEASURE,
    emergency.MEASURE,
    refusal_invented.MEASURE,
    refusal_unknown.MEASURE,
    false_premise.MEASURE,
    over_refusal.MEASURE,
    length.MEASURE,
    repetition.MEASURE,
    overconfidence.MEASURE,
)
