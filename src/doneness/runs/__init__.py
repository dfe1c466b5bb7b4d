"""One type for every training run: Run. Reading it, and the journal that ours are written to."""

from doneness.runs.claim import Claim
from doneness.runs.examples import load_examples, save_examples
from doneness.runs.groups import of_group, sorted_by
from doneness.runs.journal import Journal, read_records
from doneness.runs.readers import read
from doneness.runs.recorder import Recorder
from doneness.runs.run import (
    EVAL_LOSS,
    GRAD_NORM,
    HEALTH,
    LEARNING_RATE,
    SPAN_LOSS,
    TRAIN_LOSS,
    Checkpoint,
    Damage,
    Event,
    ExampleLosses,
    Run,
    Series,
    SpanLosses,
)
from doneness.runs.spans import of_span, span_names

__all__ = [
    "EVAL_LOSS",
    "GRAD_NORM",
    "HEALTH",
    "LEARNING_RATE",
    "SPAN_LOSS",
    "TRAIN_LOSS",
    "Checkpoint",
    "Claim",
    "Damage",
    "Event",
    "ExampleLosses",
    "Journal",
    "Recorder",
    "Run",
    "Series",
    "SpanLosses",
    "load_examples",
    "of_group",
    "of_span",
    "read",
    "read_records",
    "save_examples",
    "sorted_by",
    "span_names",
]
