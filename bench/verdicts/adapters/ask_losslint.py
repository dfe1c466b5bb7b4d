"""losslint 0.4.1, as `losslint check FILE` runs it: `run_all_checks(load_run(path))` with the defaults.

Overfitting is its check "overfit_onset" ("best checkpoint is probably behind you"), a plateau its
check "stagnation" of the train loss ("consider stopping or raising the LR").
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from common import Answer, serve  # type: ignore[import-not-found]

checks: Any = importlib.import_module("losslint.checks")
parsing: Any = importlib.import_module("losslint.parsing")


def ask(path: Path) -> Answer:
    found = {f.check: f for f in checks.run_all_checks(parsing.load_run(path))}
    onset = found.get("overfit_onset")
    return {
        "overfitting": onset is not None,
        "mild": False,
        "plateau": "stagnation" in found,
        "best_step": None if onset is None else onset.details["since_step"],
        "verdict": "; ".join(f"{f.severity}: {f.check}" for f in found.values()),
    }


if __name__ == "__main__":
    serve(ask)
