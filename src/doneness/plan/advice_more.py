"""PL08 and PL09: what a run can learn by heart, and how often it is looked at."""

from __future__ import annotations

import math
from typing import Any

from doneness.core import Finding, Status, say

_ROOM = 100.0  # bits that the trained parameters hold for each that the targets say
_MANY_EPOCHS = 3.0
_BITS_PER_PARAMETER = 2.0
_LOOKS = 8  # evaluations after the first step, below which a turn falls between two
_SHARE = 0.1  # of the run, which patience should span


def parameters_per_row(trained: int, rows: int, target_tokens: int, loss: float, epochs: float) -> Finding:
    """PL08: are there so many trained parameters for each row that repeats are learnt by heart?"""
    each = trained / max(rows, 1)
    need = max(target_tokens * loss / math.log(2), 1.0)
    room = _BITS_PER_PARAMETER * trained / need
    found = room > _ROOM and epochs > _MANY_EPOCHS
    numbers = {"each": each, "room": room, "epochs": epochs, "rows": rows}
    return _finding("PL08", "found" if found else "pass", numbers, each, None, found,
                    "2 bits a parameter: Allen-Zhu and Li, ICLR 2025; the limit of 100 is a convention")  # fmt: skip


def looks(evaluations: int, patience: int, steps: int) -> Finding:
    """PL09: is the run looked at often enough, and is patience counted in steps and not in looks?

    Args:
        evaluations: planned, step 0 apart.
        patience: evaluations without a gain after which the run stops; 0 where evidence decides.
        steps: of the run.
    """
    span = patience * steps / max(evaluations, 1)
    wanted = max(patience, math.ceil(_SHARE * steps / max(steps / max(evaluations, 1), 1e-9)))
    numbers: dict[str, Any] = {
        "looks": evaluations, "patience": patience, "span": span, "share": span / max(steps, 1), "wanted": wanted,
        "least": _LOOKS, "every": max(1, round(steps / 12)), "reach": math.ceil(_SHARE * steps),
    }  # fmt: skip
    key = "rare" if 0 < evaluations < _LOOKS else "hasty" if patience and span < _SHARE * steps else "pass"
    if not evaluations:
        key = "none"
    source = "10 to 20 evaluations a run; patience counts evaluations: transformers' trainer_callback.py"
    return _finding("PL09", key, numbers, float(evaluations), float(_LOOKS), key in ("rare", "hasty"), source)


def _finding(
    code: str, key: str, numbers: dict[str, Any], value: float, threshold: float | None, warns: bool, source: str
) -> Finding:
    name = code.lower()
    return Finding(
        code=code,
        status=Status.WARN if warns else Status.PASS,
        message=say(f"plan.{name}.{key}", **numbers),
        value=value,
        threshold=threshold,
        advice=say(f"plan.{name}.advice_{key}", **numbers) if warns else None,
        evidence={"source": source},
    )
