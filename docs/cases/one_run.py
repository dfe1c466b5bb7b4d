"""Makes the run of one-run-three-ways.md: trains it here, and logs it as the Hugging Face Trainer would.

python docs/cases/one_run.py
"""

from __future__ import annotations

import json
from pathlib import Path

from doneness.workflows.textbook import PAIR, trained

FILE = Path(__file__).parent / "one-run" / "trainer_state.json"


def log() -> dict[str, object]:
    """The second run of the textbook pair: more weights than rows, 2,400 epochs."""
    run = trained(PAIR[1])
    rows: list[dict[str, float]] = []
    for name, key in (("train/loss", "loss"), ("eval/loss", "eval_loss")):
        series = run.series[name]
        for step, value in zip(series.step.tolist(), series.value.tolist(), strict=True):
            rows.append({"epoch": round(step / run.meta["steps_per_epoch"], 2), key: round(value, 5), "step": step})
    rows.sort(key=lambda row: (row["step"], "eval_loss" in row))
    last = int(run.meta["planned_steps"])
    return {"epoch": float(PAIR[1].epochs), "global_step": last, "log_history": rows, "max_steps": last}


if __name__ == "__main__":
    FILE.parent.mkdir(exist_ok=True)
    history = log()
    lines = ",\n  ".join(json.dumps(row) for row in history.pop("log_history"))  # type: ignore[attr-defined]
    head = json.dumps(history)[:-1]
    FILE.write_text(f'{head}, "log_history": [\n  {lines}\n]}}\n', encoding="utf-8")
