"""How long a run will take."""

from __future__ import annotations

from typing import NamedTuple

# A forward pass alone is a third of forward and backward over all weights, half of it where most
# weights are frozen; the slower one is assumed.
_EVAL_SPEEDUP = 2.0


class Rate(NamedTuple):
    """Tokens a second in training, padding included: the range, and the middle."""

    low: float
    mid: float
    high: float


class Duration(NamedTuple):
    """Seconds: the middle, and the range."""

    mid: float
    low: float
    high: float


def estimate_time(
    steps: int, tokens: float, eval_tokens: float, tokens_per_second: Rate, seconds_per_step: float = 0.0
) -> Duration:
    """Estimate the seconds of a run.

    Args:
        steps: optimizer steps.
        tokens: tokens computed in training, padding included.
        eval_tokens: tokens computed in all evaluations together.
        tokens_per_second: (low, mid, high) of training, best measured on a few steps.
        seconds_per_step: what a step costs besides tokens: the optimizer, writing the log.

    Raises:
        ValueError: a rate is not positive, or the rates are out of order.
    """
    rate = Rate(*tokens_per_second)
    if not 0 < rate.low <= rate.mid <= rate.high:
        raise ValueError(f"tokens_per_second must be 0 < low <= mid <= high, got {tuple(rate)}")
    if steps < 0 or tokens < 0 or eval_tokens < 0 or seconds_per_step < 0:
        raise ValueError("steps, tokens, eval_tokens and seconds_per_step must not be negative")
    work = tokens + eval_tokens / _EVAL_SPEEDUP
    fixed = steps * seconds_per_step
    return Duration(work / rate.mid + fixed, work / rate.high + fixed, work / rate.low + fixed)
