"""Per-example losses on disk: evals/step-00000500.npz, without pickles."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np

from doneness.core import UnreadableError
from doneness.runs.atomic import write_bytes
from doneness.runs.run import ExampleLosses

FOLDER = "evals"


def path_of(run: Path, step: int) -> Path:
    """Where the evaluation at `step` lies inside a run folder."""
    return run / FOLDER / f"step-{step:08d}.npz"


def save_examples(run: Path, losses: ExampleLosses) -> Path:
    """Write one evaluation atomically."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, step=losses.step, ids=losses.ids, nll=losses.nll, tokens=losses.tokens)
    path = path_of(run, losses.step)
    write_bytes(path, buffer.getvalue())
    return path


def load_examples(path: Path) -> ExampleLosses:
    """Read one evaluation; arrays of Python objects are refused, as they would be pickles.

    Raises:
        UnreadableError: the file is missing, damaged or holds something else.
    """
    try:
        # Opened here: numpy leaves a file that it could not read open.
        with path.open("rb") as handle, np.load(handle, allow_pickle=False) as data:
            losses = ExampleLosses(int(data["step"]), data["ids"].astype(str), data["nll"], data["tokens"])
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise UnreadableError(f"{path}: no per-example losses can be read ({error})") from error
    if not (losses.ids.shape == losses.nll.shape == losses.tokens.shape):
        raise UnreadableError(f"{path}: ids, nll and tokens differ in length")
    return losses
