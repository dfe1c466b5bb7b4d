"""SA02: weights that nothing moves."""

from __future__ import annotations

from doneness.core import Check, Finding, Message, Status, say
from doneness.sanity.findings import finding, told
from doneness.sanity.frozen import mostly_frozen
from doneness.sanity.measured import Measured
from doneness.sanity.outcome import outcome_of


def no_gradient(measured: Measured) -> Finding:
    """Find trained tensors that get no gradient, and weights that were to be trained and are frozen.

    *What it finds*: nothing is set to be trained, or the loss has no gradient with regard to what is; or the whole
    model was to be trained, most of it is frozen, and the rows were not learnt.

    *How*: of adapters, two steps (B of LoRA is zero at first, so that A has no gradient in the first); of whole models
    one, at a rate of zero. A tensor moves whose gradient was there and not all zero in one of them. None moving
    fails; less than half is a warning. With method.kind = full, less than a tenth of the parameters trained fails
    where the run came less than half of the way, or what is trained cannot hold the answers at two bits each.

    *Source*: the chain rule; a model loaded frozen, or gradient checkpointing without input gradients, does this.
    """
    found = measured.gradient
    share = found.moving / found.tensors if found.tensors else 0.0
    mostly = bool(found.moving) and mostly_frozen(measured)
    key = "frozen" if not found.trained else "mostly" if mostly else None
    status = Status.FAIL if not found.moving or mostly else Status.WARN if share < 0.5 else Status.PASS
    ended = outcome_of(measured)
    numbers = {
        "moving": found.moving,
        "tensors": found.tensors,
        "trained": found.trained,
        "total": found.total,
        "part": found.trained / max(found.total, 1),
        "gone": ended.gone if ended else 0.0,
        "idle": ", ".join(found.idle) or "-",
    }
    tried = told(next(iter(measured.tried("unfrozen")), None))
    return finding("SA02", status, numbers, value=share, key=key, n=found.tensors, threshold=0.5, tried=tried)


def _needs_gradients(measured: Measured) -> Message | None:
    return None if measured.gradient.known else say("sanity.unread")


CHECK = Check("SA02", no_gradient, _needs_gradients, required=True)
