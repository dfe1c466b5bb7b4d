"""Keys and values of several rows, each token at the slot of its position, and attention over them.

A row is a stretch of slots, and position p stands at slot p. Tokens that turn out not to be the answer's need no
taking back: what comes next is written over them, and nobody looks at a slot beyond its own position.

The model is run by transformers' own code: through its `Cache`, and by an attention function registered with its
`AttentionInterface`, which takes the rows apart again.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from doneness.models.decode_head import by_parts
from doneness.models.decode_pack import Group, Pack
from doneness.models.imports import require

NAME = "doneness_rows"
# What models hand to attention that changes nothing here.
_KNOWN = {"sliding_window", "softcap", "is_causal", "position_ids", "use_cache", "cache_position", "output_attentions"}


class UnfitError(Exception):
    """A model that cannot be run over these slots; transformers' own `generate` can."""


class Slots:
    """The cache of one decoding.

    Attributes:
        rows, capacity: how many rows, and slots of each.
        pack: of the forward that is due.
        slid: layers that were run with a sliding window.
    """

    def __init__(self, rows: int, capacity: int) -> None:
        self.rows, self.capacity = rows, capacity
        self.pack: Pack | None = None
        self.slid: set[int] = set()
        self._stored: dict[int, tuple[Any, Any]] = {}

    def update(self, keys: Any, values: Any, layer: int) -> tuple[Any, Any]:
        """Write the keys and values of a layer, (1, heads, tokens, width); returns all, (rows, slots, heads, width)."""
        assert self.pack is not None
        if layer not in self._stored:
            # Zeros: a slot that was never written is masked, but what is no number would come through.
            self._stored[layer] = (self._empty(keys), self._empty(values))
        for stored, new in zip(self._stored[layer], (keys, values), strict=True):
            line = new[0].transpose(0, 1)
            if self.pack.source is not None:
                line = line.index_select(0, self.pack.source)
            stored.view(-1, *stored.shape[2:]).index_copy_(0, self.pack.slots, line.to(stored.dtype))
        return self._stored[layer]

    def _empty(self, like: Any) -> Any:
        return like.new_zeros((self.rows, self.capacity, like.shape[1], like.shape[3]))

    def copy(self, source: int, target: int, length: int) -> None:
        """Give row `target` the first `length` slots of row `source`."""
        for pair in self._stored.values():
            for stored in pair:
                stored[target, :length] = stored[source, :length]


@functools.cache
def _kind() -> Any:
    """Transformers' cache with our slots behind it; made when it is first needed."""
    transformers = require("transformers")

    class RowCache(transformers.Cache):  # type: ignore[misc, name-defined]
        def __init__(self, slots: Slots) -> None:
            super().__init__(layers=[])
            self.slots = slots

        def update(self, key_states: Any, value_states: Any, layer_idx: int, *args: Any, **kwargs: Any) -> Any:
            return self.slots.update(key_states, value_states, layer_idx)

    return RowCache


_CURRENT: ContextVar[Slots] = ContextVar("slots")


def forward(model: Any, slots: Slots, pack: Pack, keep: Any) -> Any:
    """Logits of some places of the line; tensor (places, vocabulary).

    Args:
        model: a transformers model under `attending`.
        slots: its cache, which this fills.
        pack: what is read.
        keep: the places; tensor of whole numbers.
    """
    return model(**inputs(slots, pack), logits_to_keep=keep).logits[0]


def inputs(slots: Slots, pack: Pack) -> dict[str, Any]:
    """What the model is called with; `slots` is the cache it will find."""
    slots.pack = pack
    _CURRENT.set(slots)
    return {
        "input_ids": pack.tokens,
        "position_ids": pack.positions,
        "past_key_values": _kind()(slots),
        "use_cache": True,
    }


@contextmanager
def attending(model: Any) -> Iterator[None]:
    """The model attends by rows within, and as before afterwards.

    Raises:
        UnfitError: its attention cannot be exchanged.
    """
    own = model.config._attn_implementation
    require("transformers").AttentionInterface.register(NAME, attend)
    try:
        model.set_attn_implementation(NAME)
        if model.config.get_text_config()._attn_implementation != NAME:
            raise UnfitError("attention")
        with by_parts(model):
            yield
    finally:
        model.set_attn_implementation(own)


def attend(
    module: Any,
    query: Any,
    key: Any,
    value: Any,
    attention_mask: Any = None,
    scaling: float | None = None,
    dropout: float = 0.0,
    **more: Any,
) -> tuple[Any, None]:
    """Attention of the tokens in line over their own rows, as transformers calls it.

    Args:
        module: the layer.
        query: (1, heads, tokens, width).
        key, value: what `Slots.update` returned.
        attention_mask: not looked at: who sees whom is told by the positions.
        scaling: of the scores.
        dropout: none in evaluation.
        more: a sliding window, a soft cap on the scores, and what changes nothing.

    Returns:
        (1, tokens, heads, width), and None for the weights, which nobody asks for.
    """
    torch = require("torch")
    slots = _CURRENT.get()
    strange = [name for name, given in more.items() if given is not None and given is not False and name not in _KNOWN]
    if strange or key.dim() != 4 or key.shape[0] != slots.rows or slots.pack is None:
        raise UnfitError(", ".join(strange) or "cache")
    window, cap = more.get("sliding_window"), more.get("softcap")
    if window is not None:
        slots.slid.add(int(getattr(module, "layer_idx", -1)))
    line = query[0].transpose(0, 1)
    found = [
        _attend(torch, line[group.gather], group, key, value, (scaling, window, cap)) for group in slots.pack.groups
    ]
    together = found[0] if len(found) == 1 else torch.cat(found)
    return together.index_select(0, slots.pack.order)[None], None


def _attend(
    torch: Any, query: Any, group: Group, key: Any, value: Any, how: tuple[float | None, int | None, float | None]
) -> Any:
    """Attention of one group; `query` is (rows, queries, heads, width), the result (rows × queries, heads, width)."""
    scaling, window, cap = how
    rows, queries, heads, width = query.shape
    key, value = (each[group.rows, : group.length].transpose(1, 2) for each in (key, value))
    share = heads // key.shape[1]
    # Heads that share keys become further queries of one head, so that keys need not be repeated for them.
    folded = query.unflatten(2, (-1, share)).permute(0, 2, 3, 1, 4).reshape(rows, -1, share * queries, width)
    if cap is not None or not (group.whole and share == 1 and queries == group.length and window is None):
        mask = _mask(torch, group, share, window, query.dtype)
        if cap is not None:
            found = _capped(torch, folded, key, value, mask, scaling or width**-0.5, cap)
        else:
            found = torch.nn.functional.scaled_dot_product_attention(folded, key, value, attn_mask=mask, scale=scaling)
    else:
        found = torch.nn.functional.scaled_dot_product_attention(folded, key, value, is_causal=True, scale=scaling)
    return found.unflatten(2, (share, queries)).permute(0, 3, 1, 2, 4).reshape(rows * queries, heads, -1)


def _mask(torch: Any, group: Group, share: int, window: int | None, dtype: Any) -> Any:
    """What is added to the scores, (rows, 1, share × queries, slots); made once for all layers."""
    if (share, window) not in group.masks:
        slot = torch.arange(group.length, device=group.positions.device)
        seen = slot <= group.positions[..., None]
        if window is not None:
            seen &= slot > group.positions[..., None] - window
        mask = torch.zeros(seen.shape, dtype=dtype, device=seen.device).masked_fill_(~seen, float("-inf"))
        group.masks[share, window] = mask[:, None].repeat(1, 1, share, 1)
    return group.masks[share, window]


def _capped(torch: Any, query: Any, key: Any, value: Any, mask: Any, scaling: float, cap: float) -> Any:
    scores = torch.tanh(query @ key.transpose(2, 3) * (scaling / cap)) * cap + mask
    return scores.softmax(dim=-1, dtype=torch.float32).to(query.dtype) @ value
