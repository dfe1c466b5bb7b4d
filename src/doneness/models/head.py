"""Losses of chosen tokens, with the logits of a few positions at a time.

The body of a model (all below its output layer) runs once, and of its hidden states those are kept that
predict a target. Then the model itself is called for one block of them after the other, its body answering
with what was kept: scaling, soft caps and adapters on the output layer are therefore the model's own.

Where a model cannot be called so (compiled, wrapped, without a body of its own), all its logits are held at once.
"""

from __future__ import annotations

import dataclasses
import inspect
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doneness.models.imports import require
from doneness.models.together import parted

# Logits of a block, in numbers. As float32 they are 64 MiB and their log-probabilities as much again; a copy from
# bfloat16 adds 32 MiB, a soft cap up to 128 MiB.
_BLOCK = 16 * 1024 * 1024
_VOCABULARY = 1 << 18  # where a model does not tell the size of its own


def target_losses(
    model: Any, inputs: Mapping[str, Any], row: Any, place: Any, wanted: Any, first: NDArray[np.bool_] | None = None
) -> NDArray[np.float64]:
    """Cross-entropy in nats, in float32, of chosen tokens; shape (n,).

    Call without gradients, the model in evaluation mode.

    Args:
        model: a causal language model, with or without adapters.
        inputs: what it is called with, without labels; `input_ids` of shape (rows, length).
        row, place: where each token is predicted, one place before its own; tensors of shape (n,), whole numbers.
        wanted: the tokens; shape (n,).
        first: filled with whether each is the model's first choice there; shape (n,).
    """
    torch = require("torch")
    base, body = _parts(model)
    if not len(wanted):
        return np.zeros(0)
    if body is not None:
        found = _by_block(torch, model, body, _Chosen(inputs, row, place, wanted, first), _block(base))
        if found is not None:
            return found
    length = inputs["input_ids"].shape[1]
    # Counted from the end: then it does not matter whether virtual tokens stand before the row's own.
    more = {"logits_to_keep": int(length - place.min())} if _keeps(base) else {}
    logits = model(**inputs, **more).logits
    return _entropies(torch, logits[row, place + logits.shape[1] - length], wanted, first)


@dataclasses.dataclass(frozen=True)
class _Chosen:
    inputs: Mapping[str, Any]
    row: Any
    place: Any
    wanted: Any
    first: NDArray[np.bool_] | None


class _StandIn:
    """A body that runs once, and answers every call with the `cut` of what was chosen of its hidden states.

    Attributes:
        cut: the block that is due.
        calls: how often it was called.
        able: whether it answered with hidden states as they should be; if not, its answer is passed on.
    """

    def __init__(self, forward: Any, chosen: _Chosen) -> None:
        self._forward, self._chosen = forward, chosen
        self.cut = slice(0, 0)
        self.calls, self.able = 0, True
        self._answer: Any = None
        self._states: Any = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.calls += 1
        if self._states is None:
            answer = self._forward(*args, **kwargs)
            states: Any = getattr(answer, "last_hidden_state", None)
            rows, length = self._chosen.inputs["input_ids"].shape
            shape = tuple(getattr(states, "shape", ()))
            if not dataclasses.is_dataclass(answer) or len(shape) != 3 or shape[0] != rows or shape[1] < length:
                self.able = False
                return answer
            row, place = (each.to(states.device) for each in (self._chosen.row, self._chosen.place))
            # Virtual tokens of a learnt prompt stand before the row's own.
            self._states = states[row, place + shape[1] - length]
            self._answer = dataclasses.replace(answer, last_hidden_state=None)  # type: ignore[type-var]
        return dataclasses.replace(self._answer, last_hidden_state=self._states[None, self.cut])


def _by_block(torch: Any, model: Any, body: Any, chosen: _Chosen, size: int) -> NDArray[np.float64] | None:
    """The losses block by block; None where the model does not go along."""
    found = np.zeros(len(chosen.wanted))
    with _stand_in(body, chosen) as stand_in:
        for number, at in enumerate(range(0, len(found), size), start=1):
            stand_in.cut = slice(at, at + size)
            logits = model(**chosen.inputs).logits
            wanted = chosen.wanted[stand_in.cut]
            if not stand_in.able or stand_in.calls != number or tuple(logits.shape[:2]) != (1, len(wanted)):
                return None
            first = None if chosen.first is None else chosen.first[stand_in.cut]
            found[stand_in.cut] = _entropies(torch, logits[0], wanted, first)
            del logits  # before the next block's are there
    return found


@contextmanager
def _stand_in(body: Any, chosen: _Chosen) -> Iterator[_StandIn]:
    """The body's forward replaced, and as it was afterwards."""
    own = body.__dict__.get("forward")
    stand_in = _StandIn(body.forward, chosen)
    body.forward = stand_in
    try:
        yield stand_in
    finally:
        if own is None:
            del body.forward
        else:
            body.forward = own


def _parts(model: Any) -> tuple[Any, Any]:
    """The model under its adapters, and its body; None for a body that cannot be stood in for."""
    from transformers import PreTrainedModel

    peft = sys.modules.get("peft")
    adapted = peft is not None and isinstance(model, peft.PeftModel)
    base = model.get_base_model() if adapted else model
    if not isinstance(base, PreTrainedModel):
        return base, None
    # Adapters that begin at a place of their own in each row count on whole rows at the output layer, too.
    placed = adapted and any(getattr(c, "alora_invocation_tokens", None) for c in model.peft_config.values())
    body = base.base_model
    # OPT and decoders taken from a pair with an encoder are bodies in a shell that the model reaches past.
    body = body if base.config.is_encoder_decoder else getattr(body, "decoder", body)
    compiled = any(getattr(each, "_compiled_call_impl", None) is not None for each in (model, base, body))
    # Weights that processes have parts of are put together at every call, in all of them: the calls must be as many.
    return base, None if body is base or placed or compiled or parted(base) else body


def _block(base: Any) -> int:
    """How many positions make a block."""
    config = base.config.get_text_config()
    return max(1, _BLOCK // int(getattr(config, "vocab_size", None) or _VOCABULARY))


def _keeps(base: Any) -> bool:
    """Whether it computes the logits of the last positions alone where asked to."""
    return "logits_to_keep" in inspect.signature(base.forward).parameters


def _entropies(torch: Any, logits: Any, wanted: Any, first: NDArray[np.bool_] | None) -> NDArray[np.float64]:
    if first is not None:
        first[:] = (logits.argmax(dim=-1) == wanted.to(logits.device)).cpu().numpy()
    losses = torch.nn.functional.cross_entropy(logits.float(), wanted.to(logits.device), reduction="none")
    return np.asarray(losses.double().cpu().numpy(), dtype=np.float64)
