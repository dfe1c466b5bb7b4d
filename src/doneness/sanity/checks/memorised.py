"""SA01: a few rows learnt by heart, or not."""

from __future__ import annotations

from doneness.core import Check, Finding, Status
from doneness.sanity.findings import finding, needs_run
from doneness.sanity.measured import Measured
from doneness.sanity.outcome import REPRODUCED, outcome_of

_STATUS = {"learnt": Status.PASS, "closing": Status.UNSURE, "diverged": Status.FAIL, "failed": Status.FAIL}


def memorised(measured: Measured) -> Finding:
    """Find whether the pipeline can learn at all: its loss on a few rows falls to what they leave to any model.

    *What it finds*: a run on few rows, many passes each, whose training loss does not come near the floor, or whose
    answers are not the model's own afterwards.

    *How*: near is within 0.1 nats per target token of the floor, or 5 % of the way from the untrained model to it;
    the one-sided 95 % bound of the loss over the judged rows must be there, and three quarters of the answers that
    can be reproduced at all (lower end of Wilson's 95 % interval) must be the model's first choice, word for word. It
    fails where the loss rises, or where after half of the steps the rest are too few even at twice the steepest pace;
    where it is still falling at the end and most of the way is gone, it is not decided.

    *Source*: "overfit a single batch first", A. Karpathy, "A recipe for training neural networks", 2019; the floor is
    that of conflicting answers (AU06), token by token.
    """
    found, trace = outcome_of(measured), measured.trace
    assert found is not None and trace is not None
    exact = found.exact if found.exact is not None else 0.0
    numbers = {
        "loss": found.excess + measured.levels.floor.loss,
        "base": measured.levels.base,
        "floor": measured.levels.floor.loss,
        "bound": found.bound + measured.levels.floor.loss,
        "near": found.near + measured.levels.floor.loss,
        "gone": found.gone,
        "step": int(trace.looks[-1]),
        "exact": exact,
        "low": found.interval[0],
        "high": found.interval[1],
        "wanted": REPRODUCED * measured.levels.floor.attainable,
        "n": trace.judged,
    }
    key = found.word if found.exact is not None else f"{found.word}_texts"
    return finding(
        "SA01",
        _STATUS[found.word],
        numbers,
        value=found.excess,
        key=key,
        n=trace.judged,
        threshold=found.near,
        interval=(max(0.0, 2 * found.excess - found.bound), found.bound) if found.bound > found.excess else None,
        exact=found.exact,
        floor=measured.levels.floor.loss,
    )


CHECK = Check("SA01", memorised, needs_run, required=True)
