"""Every file of the collection read, its counts against the index, and no traceback."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from bench.verdicts.collection import HOME, index
from doneness.core import UnreadableError
from doneness.runs import read

# The differences that are meant, with their reasons, are kept with the test.
_TEST = Path(__file__).resolve().parents[2] / "tests" / "runs" / "readers" / "test_collection.py"


def measure() -> dict[str, Any]:
    """Files, runs, refusals, tracebacks and counts that differ from the index, by format."""
    different, tables = _meant()
    files = index()
    by_kind: dict[str, int] = {}
    wrong, refused, raised, runs_found, meant = [], [], [], 0, []
    for row in files:
        file = row["file"]
        by_kind[row["kind"]] = by_kind.get(row["kind"], 0) + 1
        try:
            runs = read(HOME / file)
        except UnreadableError as error:
            said = str(error).replace(f"{HOME}/", "")  # where the collection lies is nobody's business
            refused.append({"file": file, "said": said[:200]})
            continue
        except Exception as error:
            raised.append({"file": file, "error": f"{type(error).__name__}: {error}".replace(f"{HOME}/", "")[:200]})
            continue
        runs_found += len(runs)
        got = (sum(len(r.train or ()) for r in runs), sum(len(r.evals or ()) for r in runs))
        told = (int(float(row["n_train_points"] or 0)), int(float(row["n_eval_points"] or 0)))
        expected = next((counts for end, counts in different.items() if file.endswith(end)), told)
        if expected != told:
            meant.append(file)
        if got != expected:
            wrong.append({"file": file, "expected": list(expected), "got": list(got)})
    return {
        "files": len(files),
        "by_kind": by_kind,
        "runs": runs_found,
        "tracebacks": raised,
        "refused": refused,
        "refused_meant": sum(r["file"].endswith(tables) for r in refused),
        "counts_differ": wrong,
        "counts_differ_meant": meant,
    }


def _meant() -> tuple[dict[str, tuple[int, int]], tuple[str, ...]]:
    spec = importlib.util.spec_from_file_location("bench_test_collection", _TEST)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return dict(module.DIFFERENT), tuple(module.TABLES)
