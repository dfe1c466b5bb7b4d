"""Whether a model can be decoded by our own loop: by what it says of itself, and then by a try.

What speaks against it is named. Such a model is asked by transformers' own `generate`: the same answers, more slowly.
"""

from __future__ import annotations

import inspect
import weakref
from collections.abc import Iterator
from typing import Any

from doneness.models.decode_pack import Pending, pack
from doneness.models.decode_slots import Slots, UnfitError, attending, forward
from doneness.models.head import parts
from doneness.models.imports import require

_LAYERS = {"full_attention", "sliding_attention"}
# Positions by these depend on how long the longest row of a batch is.
_MOVING_POSITIONS = {"dynamic", "longrope"}
# What `generate` would change of the logits; each with the value that changes nothing.
_CHANGES: dict[str, tuple[Any, ...]] = {
    "min_length": (None, 0), "min_new_tokens": (None, 0), "no_repeat_ngram_size": (None, 0),
    "encoder_no_repeat_ngram_size": (None, 0), "encoder_repetition_penalty": (None, 1.0), "bad_words_ids": (None,),
    "suppress_tokens": (None, []), "begin_suppress_tokens": (None, []), "forced_bos_token_id": (None,),
    "forced_eos_token_id": (None,), "sequence_bias": (None,), "exponential_decay_length_penalty": (None,),
    "guidance_scale": (None, 1.0), "watermarking_config": (None,), "remove_invalid_values": (None, False),
    "stop_strings": (None,), "max_time": (None,),
}  # fmt: skip

_FOUND: weakref.WeakKeyDictionary[Any, str] = weakref.WeakKeyDictionary()


def under(model: Any) -> Any:
    """The transformers model under its adapters."""
    return parts(model)[0]


def why_not(model: Any) -> str:
    """What keeps a model from our own loop, in one word or two; empty where nothing does.

    Args:
        model: a causal language model, with or without adapters, in evaluation mode.
    """
    base, body = parts(model)
    adapters = getattr(model, "peft_config", {}) or {}
    if any(getattr(config, "is_prompt_learning", False) for config in getattr(adapters, "values", tuple)()):
        return "learnt prompt"
    if body is None:
        return "wrapped"
    if base not in _FOUND:
        _FOUND[base] = _told(base) or _tried(base)
    return _FOUND[base]


def _told(base: Any) -> str:
    """What the model's own settings say."""
    config = base.config.get_text_config()
    if base.config.is_encoder_decoder:
        return "encoder"
    if "logits_to_keep" not in inspect.signature(base.forward).parameters:
        return "logits_to_keep"
    strange = set(getattr(config, "layer_types", None) or ()) - _LAYERS
    if strange:
        return ", ".join(sorted(strange))
    if _MOVING_POSITIONS & set(_rope_types(getattr(config, "rope_parameters", None) or {})):
        return "rope"
    generation = getattr(base, "generation_config", None)
    return next((n for n, plain in _CHANGES.items() if getattr(generation, n, None) not in plain), "")


def _rope_types(parameters: Any) -> Iterator[str]:
    """The kinds of positions, of all layers where they differ among them."""
    if isinstance(parameters, dict):
        yield str(parameters.get("rope_type", "default"))
        for value in parameters.values():
            yield from _rope_types(value) if isinstance(value, dict) else ()


def _tried(base: Any) -> str:
    """Read two rows in two turns, and hold the logits against the model's own."""
    torch = require("torch")
    vocabulary = int(
        getattr(base.config.get_text_config(), "vocab_size", 0) or base.get_input_embeddings().weight.shape[0]
    )
    rows = [[(7919 * k + 11) % vocabulary for k in range(9)], [(7919 * k + 11) % vocabulary for k in (0, 1, 5, 3, 8)]]
    device = base.get_input_embeddings().weight.device
    slots = Slots(2, 9)
    # The first two tokens are shared, and of the second row only they are read at first.
    turns = (
        [Pending(0, 0, rows[0][:6]), Pending(1, 0, rows[1][:3], 0, 2)],
        [Pending(0, 6, rows[0][6:]), Pending(1, 3, rows[1][3:])],
    )
    try:
        with torch.inference_mode():
            with attending(base):
                for turn in turns:
                    line = pack(turn, slots.capacity, device)
                    last = torch.tensor([int(places[-1]) for places in line.places], device=device)
                    logits = forward(base, slots, line, last)
            own = [base(input_ids=torch.tensor([row], device=device), use_cache=False).logits[0, -1] for row in rows]
    except (
        UnfitError,
        AttributeError,
        TypeError,
        ValueError,
        RuntimeError,
        KeyError,
        IndexError,
        AssertionError,
    ) as error:
        return str(error) if isinstance(error, UnfitError) else type(error).__name__
    wanted = torch.stack(own)
    exact = wanted.dtype == torch.float32 and not getattr(base, "is_quantized", False)
    apart = float((logits.float() - wanted.float()).abs().max())
    if not apart <= (1e-3 if exact else 0.1) * float(wanted.float().abs().max()):
        return "logits"
    return _windows(base, slots)


def _windows(base: Any, slots: Slots) -> str:
    """A window that attention is not told of would not be kept."""
    config = base.config.get_text_config()
    kinds = getattr(config, "layer_types", None)
    if kinds is not None:
        wanted = {i for i, kind in enumerate(kinds) if kind == "sliding_attention"}
        return "" if wanted <= slots.slid else "sliding_window"
    slides = getattr(config, "sliding_window", None) and getattr(config, "use_sliding_window", True)
    return "sliding_window" if slides and not slots.slid else ""
