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
# bfloat16 adds 32 MiB, a soft cap up to 128 MiB. On a CPU a quarter is as fast, and an evaluation then takes no more
# memory than a step of training.
_BLOCK, _ON_CPU = 16 * 1024 * 1024, 4 * 1024 * 1024
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
    base, body = parts(model)
    if not len(wanted):
        return np.zeros(0)
    if body is not None:
        found = _by_block(torch, model, body, _Chosen(inputs, row, place, wanted, first), block_size(base))
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

    @property
    def kept(self) -> tuple[Any, Any]:
        """The body's answer without its hidden states, and those that were chosen."""
        return self._answer, self._states

    @kept.setter
    def kept(self, value: tuple[Any, Any]) -> None:
        self._answer, self._states = value

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
            # Nothing else of it is looked at, and the cache in it may be large.
            empty = {f.name: None for f in dataclasses.fields(answer)}
            self._answer = dataclasses.replace(answer, **empty)  # type: ignore[type-var]
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


class States:
    """What a model's output layer is given at chosen places, so that its logits can be had later, a part at a time.

    Of a model that cannot be called so, the logits themselves.
    """

    def __init__(self, answer: Any, states: Any, logits: Any = None) -> None:
        self._answer, self._states, self._logits = answer, states, logits

    def __len__(self) -> int:
        return len(self._states if self._logits is None else self._logits)

    @property
    def numbers(self) -> int:
        """How many numbers it holds."""
        held = self._states if self._logits is None else self._logits
        return int(held.numel())

    @classmethod
    def of(cls, model: Any, inputs: Mapping[str, Any], row: Any, place: Any) -> States:
        """Run the body; arguments as for `target_losses`."""
        base, body = parts(model)
        if body is not None:
            with _stand_in(body, _Chosen(inputs, row, place, place, None)) as stand_in:
                logits = model(**inputs).logits
                if stand_in.able and stand_in.calls == 1 and tuple(logits.shape[:2]) == (1, 0):
                    return cls(*stand_in.kept)
        length = inputs["input_ids"].shape[1]
        more = {"logits_to_keep": int(length - place.min())} if _keeps(base) else {}
        logits = model(**inputs, **more).logits
        return cls(None, None, logits[row, place + logits.shape[1] - length])

    def logits(self, model: Any, cut: slice) -> Any:
        """Logits of some of the places by a model's output layer; tensor (places, vocabulary)."""
        if self._logits is not None:
            return self._logits[cut]
        torch = require("torch")
        _, body = parts(model)
        nothing = torch.zeros((1, 1), dtype=torch.long, device=self._states.device)
        with _stand_in(body, _Chosen({"input_ids": nothing}, nothing[0], nothing[0], nothing[0], None)) as stand_in:
            stand_in.kept, stand_in.cut = (self._answer, self._states), cut
            return model(input_ids=nothing, use_cache=False).logits[0]


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


def parts(model: Any) -> tuple[Any, Any]:
    """The model under its adapters, and its body; None in its place for a body that cannot be stood in for."""
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


def block_size(base: Any) -> int:
    """Of how many positions the logits are held at once."""
    config = base.config.get_text_config()
    most = min(_BLOCK, _ON_CPU) if next(base.parameters()).device.type == "cpu" else _BLOCK
    return max(1, most // int(getattr(config, "vocab_size", None) or _VOCABULARY))


def _keeps(base: Any) -> bool:
    """Whether it computes the logits of the last positions alone where asked to."""
    return "logits_to_keep" in inspect.signature(base.forward).parameters


def _entropies(torch: Any, logits: Any, wanted: Any, first: NDArray[np.bool_] | None) -> NDArray[np.float64]:
    if first is not None:
        first[:] = (logits.argmax(dim=-1) == wanted.to(logits.device)).cpu().numpy()
    losses = torch.nn.functional.cross_entropy(logits.float(), wanted.to(logits.device), reduction="none")
    return np.asarray(losses.double().cpu().numpy(), dtype=np.float64)
