"""One type for every training run: Run. Reading it, and the journal that ours are written to."""

from doneness.runs.examples import load_examples, save_examples
from doneness.runs.journal import Journal, read_records
from doneness.runs.readers import read
from doneness.runs.recorder import Recorder
from doneness.runs.run import (
    EVAL_LOSS,
    GRAD_NORM,
    LEARNING_RATE,
    TRAIN_LOSS,
    Checkpoint,
    Damage,
    Event,
    ExampleLosses,
    Run,
    Series,
)

__all__ = [
    "EVAL_LOSS",
    "GRAD_NORM",
    "LEARNING_RATE",
    "TRAIN_LOSS",
    "Checkpoint",
    "Damage",
    "Event",
    "ExampleLosses",
    "Journal",
    "Recorder",
    "Run",
    "Series",
    "load_examples",
    "read",
    "read_records",
    "save_examples",
]
