"""The text of trainer_state.json files: of a curve, and of a real log cut at a step."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.verdicts.collection import HOME

Floats = NDArray[np.float64]


@lru_cache(maxsize=4)
def _whole(file: str) -> dict[str, Any]:
    text = (HOME / file).read_text(encoding="utf-8")
    state: dict[str, Any] = json.loads(text)
    return state


def cut(file: str, step: int) -> str:
    """The state file as the Trainer would have written it at `step`: no later row, no summary, the best so far."""
    whole = _whole(file)
    rows = [
        row for row in whole["log_history"]
        if isinstance(row, dict) and "train_runtime" not in row and row.get("step", math.inf) <= step
    ]  # fmt: skip
    state = {key: value for key, value in whole.items() if key != "log_history"}
    state |= {"global_step": step, "best_model_checkpoint": None, **_best(whole, rows), "log_history": rows}
    if rows and "epoch" in rows[-1]:
        state["epoch"] = rows[-1]["epoch"]
    return json.dumps(state)


def _best(whole: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """best_metric and best_global_step at the cut, by the metric that the whole run was judged on."""
    best = whole.get("best_metric")
    nothing = {"best_metric": None, "best_global_step": None}
    if not isinstance(best, (int, float)):
        return nothing
    names = {k for row in whole["log_history"] for k, v in row.items() if k.startswith("eval_") and v == best}
    if not names:
        return nothing
    name = "eval_loss" if "eval_loss" in names else min(names)
    every = [row[name] for row in whole["log_history"] if isinstance(row.get(name), (int, float))]
    choose = min if best <= float(np.median(every)) else max
    known = [(row[name], row["step"]) for row in rows if isinstance(row.get(name), (int, float))]
    if not known:
        return nothing
    value = choose(v for v, _ in known)
    return {"best_metric": value, "best_global_step": next(s for v, s in known if v == value)}


def of_curve(
    evals: tuple[Floats, Floats], train: tuple[Floats, Floats], rate: Floats, planned: int, per_epoch: int
) -> str:
    """A state file with these evaluations and training rows; all steps are whole numbers.

    Args:
        evals: steps and losses.
        train: steps and losses of the rows logged in training.
        rate: learning rate at each of those.
        planned: max_steps.
        per_epoch: steps in one pass over the data.
    """
    rows: list[dict[str, Any]] = []
    for step, loss, lr in zip(*train, rate, strict=True):
        rows.append({"epoch": float(step) / per_epoch, "grad_norm": 1.0 + 0.1 * math.sin(0.7 * float(step)),
                     "learning_rate": float(lr), "loss": round(float(loss), 4), "step": int(step)})  # fmt: skip
    for step, loss in zip(*evals, strict=True):
        rows.append({"epoch": float(step) / per_epoch, "eval_loss": float(loss), "eval_runtime": 12.5,
                     "eval_samples_per_second": 16.0, "eval_steps_per_second": 2.0, "step": int(step)})  # fmt: skip
    # At one step the training row is logged before the evaluation.
    rows.sort(key=lambda row: (row["step"], "eval_loss" in row))
    last = rows[-1]
    every = int(evals[0][-1] - evals[0][-2]) if len(evals[0]) > 1 else 500
    return json.dumps({
        "best_global_step": None, "best_metric": None, "best_model_checkpoint": None, "epoch": last["epoch"],
        "eval_steps": every, "global_step": last["step"], "is_hyper_param_search": False,
        "is_local_process_zero": True, "is_world_process_zero": True, "log_history": rows,
        "logging_steps": int(train[0][0]), "max_steps": planned, "num_input_tokens_seen": 0,
        "num_train_epochs": max(1, round(planned / per_epoch)), "save_steps": every, "stateful_callbacks": {},
        "total_flos": 0.0, "train_batch_size": 8, "trial_name": None, "trial_params": None,
    })  # fmt: skip
