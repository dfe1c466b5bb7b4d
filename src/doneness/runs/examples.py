"""Per-example losses on disk: evals/step-00000500.npz, without pickles."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from doneness.core import UnreadableError, tr
from doneness.runs.atomic import write_bytes
from doneness.runs.records import LAST_STEP
from doneness.runs.run import ExampleLosses, tamed

FOLDER = "evals"
# Whatever numpy and zipfile raise on bytes that are damaged or not theirs.
_DAMAGE = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    EOFError,
    MemoryError,
    RuntimeError,
    SyntaxError,
    zipfile.BadZipFile,
    zlib.error,
)


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
            found = {name: np.asarray(data[name]) for name in ("step", "ids", "nll", "tokens")}
    except _DAMAGE as error:
        raise _unreadable(path, _reason(error)) from error
    fault = _fault(found)
    if fault:
        raise _unreadable(path, tr(f"errors.examples.{fault}"))
    return ExampleLosses(
        int(found["step"]),
        found["ids"].astype(str),
        tamed(found["nll"].astype(np.float64)),
        found["tokens"].astype(np.int64),
    )


def _fault(found: Mapping[str, Any]) -> str | None:
    """The catalogue key of what is wrong with the arrays, or None."""
    step, ids, nll, tokens = (found[name] for name in ("step", "ids", "nll", "tokens"))
    if step.ndim or step.dtype.kind not in "iu" or not 0 <= int(step) <= LAST_STEP:
        return "step"
    if not (ids.ndim == 1 and ids.shape == nll.shape == tokens.shape):
        return "vectors"
    if not ids.size:
        return "empty"
    if ids.dtype.kind != "U" or nll.dtype.kind not in "fiu" or tokens.dtype.kind not in "iu":
        return "types"
    # Counts beyond this would overflow when they are summed.
    return None if int(tokens.min()) >= 1 and int(tokens.max()) <= LAST_STEP else "tokens"


def _reason(error: BaseException) -> str:
    if "Object arrays" in str(error):
        return tr("errors.examples.objects")
    if "pickle" in str(error):
        # numpy takes any rubbish for a pickle and advises to load it; a file from elsewhere could then run code.
        return tr("errors.examples.not_examples")
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, (KeyError, TypeError, AttributeError, MemoryError)):
        return tr("errors.examples.not_examples")
    return str(error)


def _unreadable(path: Path, reason: str) -> UnreadableError:
    return UnreadableError(tr("errors.examples_unreadable", path=str(path), reason=reason))
