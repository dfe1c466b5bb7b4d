"""trainspotter 0.2.6, used as its README shows: `run_all(load_run(path))` with the default detectors.

Overfitting is its finding "Overfitting onset" (a warning; one that it took back to info for a
divergence does not count). A plateau counts where it lasts to the end of the log.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from common import Answer, serve  # type: ignore[import-not-found]

trainspotter: Any = importlib.import_module("trainspotter")


def ask(path: Path) -> Answer:
    run = trainspotter.load_run(str(path))
    found = trainspotter.run_all(run)
    onset = [f for f in found if f.detector == "overfitting"]
    loud = [f for f in onset if f.severity != "info"]
    flat = [f for f in found if f.detector == "plateau"]
    return {
        "overfitting": bool(loud),
        "mild": bool(onset) and not loud,
        "plateau": any(f.step_end >= run.get(f.metric).steps()[-1] for f in flat),
        "best_step": onset[0].evidence["best_step"] if onset else None,
        "verdict": "; ".join(dict.fromkeys(f"{f.severity}: {f.title}" for f in found)),
    }


if __name__ == "__main__":
    serve(ask)
