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
from doneness.runs.run import ExampleLosses, SpanLosses, tamed

FOLDER = "evals"
_SPAN, _GROUP = "span.", "group."  # "span.label.nll", "group.source"
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
    further: dict[str, Any] = {}
    for name, span in losses.spans.items():
        further |= {f"{_SPAN}{name}.nll": span.nll, f"{_SPAN}{name}.tokens": span.tokens}
    if losses.cluster is not None:
        further["cluster"] = losses.cluster
    further |= {f"{_GROUP}{name}": values for name, values in losses.groups.items()}
    np.savez_compressed(buffer, step=losses.step, ids=losses.ids, nll=losses.nll, tokens=losses.tokens, **further)
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
            # What older versions did not write; anything else in the file is left where it is.
            known = [name for name in data.files if name == "cluster" or name.startswith((_SPAN, _GROUP))]
            further = {name: np.asarray(data[name]) for name in known}
    except _DAMAGE as error:
        raise _unreadable(path, _reason(error)) from error
    fault = _fault(found) or _fault_of_further(further, found["ids"].shape)
    if fault:
        raise _unreadable(path, tr(f"errors.examples.{fault}"))
    return ExampleLosses(
        int(found["step"]),
        found["ids"].astype(str),
        tamed(found["nll"].astype(np.float64)),
        found["tokens"].astype(np.int64),
        _spans(further),
        further["cluster"].astype(str) if "cluster" in further else None,
        {name.removeprefix(_GROUP): values.astype(str) for name, values in further.items() if name.startswith(_GROUP)},
    )


def _spans(further: Mapping[str, Any]) -> dict[str, SpanLosses]:
    names = [name[len(_SPAN) : -len(".nll")] for name in further if name.startswith(_SPAN) and name.endswith(".nll")]
    return {
        name: SpanLosses(
            tamed(further[f"{_SPAN}{name}.nll"].astype(np.float64)), further[f"{_SPAN}{name}.tokens"].astype(np.int64)
        )
        for name in names
    }


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


def _fault_of_further(further: Mapping[str, Any], shape: tuple[int, ...]) -> str | None:
    """The same for spans, clusters and groups."""
    if any(values.shape != shape for values in further.values()):
        return "further"
    for name, values in further.items():
        if not name.startswith(_SPAN):
            if values.dtype.kind != "U":
                return "further_types"
            continue
        stem, _, kind = name.rpartition(".")
        other = {"nll": "tokens", "tokens": "nll"}.get(kind, "")
        if not other or f"{stem}.{other}" not in further:
            return "span_half"
        if values.dtype.kind not in ("fiu" if kind == "nll" else "iu"):
            return "further_types"
        if kind == "tokens" and not 0 <= int(values.min()) <= int(values.max()) <= LAST_STEP:
            return "span_tokens"
    return None


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
