"""SA02: weights that nothing moves."""

from __future__ import annotations

from doneness.core import Check, Finding, Status
from doneness.sanity.findings import finding, told
from doneness.sanity.measured import Measured


def no_gradient(measured: Measured) -> Finding:
    """Find trained tensors that get no gradient.

    *What it finds*: nothing is set to be trained, or the loss has no gradient with regard to what is.

    *How*: of adapters, two steps (B of LoRA is zero at first, so that A has no gradient in the first); of whole models
    one, at a rate of zero. A tensor moves whose gradient was there and not all zero in one of them. None moving
    fails; less than half is a warning.

    *Source*: the chain rule; a model loaded frozen, or gradient checkpointing without input gradients, does this.
    """
    found = measured.gradient
    share = found.moving / found.tensors if found.tensors else 0.0
    key = "frozen" if not found.trained else None
    status = Status.FAIL if not found.moving else Status.WARN if share < 0.5 else Status.PASS
    numbers = {
        "moving": found.moving,
        "tensors": found.tensors,
        "trained": found.trained,
        "total": found.total,
        "idle": ", ".join(found.idle) or "-",
    }
    tried = told(next(iter(measured.tried("unfrozen")), None))
    return finding("SA02", status, numbers, value=share, key=key, n=found.tensors, threshold=0.5, tried=tried)


CHECK = Check("SA02", no_gradient, required=True)
