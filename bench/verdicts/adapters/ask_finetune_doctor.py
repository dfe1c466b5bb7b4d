"""finetune-doctor 0.2.2, used as its README shows: `diagnose(load(path))`.

Overfitting is its finding of that title (WARNING or CRITICAL). The same check below 3 % is titled
"Final checkpoint slightly worse" (INFO) and reported as `mild`.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from common import Answer, serve  # type: ignore[import-not-found]

doctor: Any = importlib.import_module("finetune_doctor")


def ask(path: Path) -> Answer:
    result = doctor.diagnose(doctor.load(str(path)))
    found = {f.check: f for f in result.findings}
    overfit = found.get("overfitting")
    loud = overfit is not None and overfit.severity >= doctor.Severity.WARNING
    pick = result.pick
    return {
        "overfitting": loud,
        "mild": overfit is not None and not loud,
        "plateau": "stopped_improving" in found,
        "best_step": None if pick is None else pick.keep_step if pick.keep_step is not None else pick.best_step,
        "verdict": "; ".join(dict.fromkeys(f.title for f in result.problems)),
    }


if __name__ == "__main__":
    serve(ask)
