"""What a Trainer logs, in the words of our records."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# Told elsewhere in a record, or of no use for judging a run.
_CONTEXT = frozenset([
    "loss", "grad_norm", "learning_rate", "epoch", "step", "num_tokens", "num_input_tokens_seen", "total_flos",
    "runtime", "samples_per_second", "steps_per_second", "tokens_per_second", "model_preparation_time",
    "jit_compilation_time", "train_runtime", "train_tokens_per_second", "train_samples_per_second",
    "train_steps_per_second",
])  # fmt: skip


@dataclass(frozen=True)
class Measured:
    """The metrics of one evaluation: the set's name, its mean loss where there is one, and everything else."""

    name: str
    loss: float | None
    metrics: dict[str, float]


def trained(logs: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of `Monitor.log_train` from a row of training logs.

    The Trainer logs a NaN loss as 0.0 (`logging_nan_inf_filter`); a gradient norm that is no number
    gives it away.
    """
    loss, norm = float(logs["loss"]), logs.get("grad_norm")
    if loss == 0.0 and norm is not None and not math.isfinite(float(norm)):
        loss = math.nan
    given: dict[str, Any] = {"loss": loss, "metrics": _numbers(logs)}
    for ours, theirs in (("learning_rate", "learning_rate"), ("grad_norm", "grad_norm"), ("epoch", "epoch")):
        if logs.get(theirs) is not None:
            given[ours] = float(logs[theirs])
    tokens = logs.get("num_tokens", logs.get("num_input_tokens_seen"))
    return given if tokens is None else given | {"tokens": int(tokens)}


def measured(metrics: Mapping[str, Any]) -> Measured:
    """The metrics of an evaluation without their prefix, "eval_" or "eval_<set>_"."""
    # The Trainer writes one runtime for each set; TRL's own metrics carry a plain "eval_" even so.
    prefix = next((k.removesuffix("_runtime") for k in metrics if k.endswith("_runtime")), "eval")
    short = {}
    for key, value in metrics.items():
        for start in (f"{prefix}_", "eval_"):
            if key.startswith(start):
                short[key.removeprefix(start)] = value
                break
    loss = short.get("loss")
    name = prefix.removeprefix("eval_") if prefix.startswith("eval_") else prefix
    return Measured(name, None if loss is None else float(loss), _numbers(short))


def _numbers(told: Mapping[str, Any]) -> dict[str, float]:
    kept = {k: v for k, v in told.items() if k not in _CONTEXT and isinstance(v, (int, float))}
    return {key: float(value) for key, value in kept.items() if not isinstance(value, bool)}
