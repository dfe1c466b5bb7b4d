"""The words everything else is said with; standard library only."""

from doneness.core.catalogue import LANGUAGES, Message, language, say, speaking, tr
from doneness.core.check import Check, healthy, run_checks
from doneness.core.errors import (
    DataError,
    DonenessError,
    MissingExtraError,
    ModelError,
    RecipeError,
    StorageError,
    UnreadableError,
    disk_faults,
)
from doneness.core.finding import Finding, Status, Where
from doneness.core.verdict import Action, Diagnosis, Forecast, SpanVerdict, StopDecision, SweetSpot, Verdict

__all__ = [
    "LANGUAGES",
    "Action",
    "Check",
    "DataError",
    "Diagnosis",
    "DonenessError",
    "Finding",
    "Forecast",
    "Message",
    "MissingExtraError",
    "ModelError",
    "RecipeError",
    "SpanVerdict",
    "Status",
    "StopDecision",
    "StorageError",
    "SweetSpot",
    "UnreadableError",
    "Verdict",
    "Where",
    "disk_faults",
    "healthy",
    "language",
    "run_checks",
    "say",
    "speaking",
    "tr",
]
