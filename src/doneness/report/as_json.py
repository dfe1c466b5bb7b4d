"""Diagnoses as JSON; what a command prints with `--json` and has a `--schema` for keeps to a published schema."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from importlib import resources
from typing import Any

from doneness.core import Diagnosis, language, speaking
from doneness.runs import Run

CHECK = "doneness.check/1"

# JSON escapes controls below space only; a terminal obeys these too, and no output encodes half a surrogate pair.
_RAW = re.compile("[\x7f-\x9f\ud800-\udfff]")


def to_json(diagnosis: Diagnosis, lang: str | None = None) -> str:
    """Strict JSON of one diagnosis, ending in a line break; what is no number becomes null."""
    with speaking(lang or language()):
        return written(diagnosis.to_dict())


def check_json(
    found: Sequence[tuple[Run, Diagnosis]],
    unreadable: Sequence[tuple[str, str]],
    version: str,
    lang: str | None = None,
) -> str:
    """All runs of one `doneness check` in the envelope that `schema` describes.

    Args:
        found: runs with their diagnoses.
        unreadable: paths that gave no run, each with the line that says why.
        version: of the doneness that judged.
        lang: of the sentences; by default the reader's language.
    """
    with speaking(lang or language()):
        runs = [
            diagnosis.to_dict()
            | {
                "path": None if run.path is None else str(run.path),
                "kind": run.kind,
                "evaluations": len(run.evals or ()),
                "notes": [*run.notes, *run.faults],
            }
            for run, diagnosis in found
        ]
        lost = [{"path": path, "error": error} for path, error in unreadable]
        return written({"schema": CHECK, "doneness": version, "runs": runs, "unreadable": lost})


def schema(command: str = "check") -> str:
    """The JSON schema of what `doneness check --json` prints, or "replay", "compare" or "audit"."""
    return (resources.files("doneness.report") / "schema" / f"{command}.schema.json").read_text(encoding="utf-8")


def written(data: Any) -> str:
    """Strict JSON of plain data, ending in a line break: no NaN, no control a terminal obeys."""
    text = json.dumps(_strict(data), ensure_ascii=False, indent=2, allow_nan=False) + "\n"
    return _RAW.sub(lambda m: f"\\u{ord(m[0]):04x}", text)


def _strict(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _strict(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_strict(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    # Findings may carry numpy scalars in their evidence.
    return _strict(value.item()) if hasattr(value, "item") else str(value)
