"""Attention of rows that lie end to end, each row by itself: the work of a row grows with its own length squared.

Without a kernel for rows of several lengths (FlashAttention), transformers keeps such rows apart by a mask, and
attention is computed of every token with every other of the forward pass: of four rows, four times too much.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

NAME = "sdpa_by_row"
_BOUNDS = "_doneness_bounds"  # kept on a forward pass's positions: they are asked for in every layer


def attend_by_row(model: Any) -> bool:
    """Let `model` attend row by row where rows lie end to end; everything else is as before.

    Of models alone that compute full attention by torch's scaled dot product: windows, chunks and caps are masks that a
    row needs, too.

    Args:
        model: whole or with adapters.

    Returns:
        Whether it does now.
    """
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    config = base.config
    if config._attn_implementation == NAME:
        return True
    if config._attn_implementation != "sdpa" or not _plain(config):
        return False
    _register()
    base.set_attn_implementation(NAME)
    return bool(config._attn_implementation == NAME)


def attend_as_before(model: Any) -> None:
    """Undo `attend_by_row`."""
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    if base.config._attn_implementation == NAME:
        base.set_attn_implementation("sdpa")


def _plain(config: Any) -> bool:
    """Whether every layer attends to everything before it in a row."""
    layers = getattr(config, "layer_types", None) or ["full_attention"]
    narrow = ["sliding_window", "attention_chunk_size", "attn_logit_softcapping", "sub_configs"]
    # A window that is switched off stands in many configurations; the layers' kinds say whether one is used.
    if getattr(config, "use_sliding_window", None) is False or getattr(config, "layer_types", None):
        narrow = narrow[1:]
    return all(kind == "full_attention" for kind in layers) and not any(getattr(config, key, None) for key in narrow)


def _register() -> None:
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.integrations.sdpa_attention import sdpa_attention_forward
    from transformers.masking_utils import sdpa_mask

    def attend(
        module: Any, query: Any, key: Any, value: Any, attention_mask: Any, dropout: float = 0.0, **more: Any
    ) -> tuple[Any, None]:
        import torch

        bounds = _bounds(query, key, more.get("position_ids"))
        if not bounds or not getattr(module, "is_causal", True):
            found = sdpa_attention_forward(module, query, key, value, attention_mask, dropout=dropout, **more)
            return found[0], None
        parts = [
            sdpa_attention_forward(
                module, query[:, :, a:b], key[:, :, a:b], value[:, :, a:b], None, dropout=dropout, **more
            )[0]
            for a, b in bounds
        ]
        return torch.cat(parts, dim=1), None

    AttentionInterface.register(NAME, attend)
    AttentionMaskInterface.register(NAME, sdpa_mask)


def _bounds(query: Any, key: Any, places: Any) -> list[tuple[int, int]]:
    """Where each row begins and ends; empty unless several lie in one line, each counted from its own beginning."""
    tokens = key.shape[2]
    if places is None or query.shape[0] != 1 or query.shape[2] != tokens or tuple(places.shape) != (1, tokens):
        return []
    known: list[tuple[int, int]] | None = getattr(places, _BOUNDS, None)
    if known is None:
        # As transformers tells rows apart: by positions that do not follow one another.
        cuts = (places[0].diff() != 1).nonzero()[:, 0].tolist()
        edges = [0, *(cut + 1 for cut in cuts), tokens]
        known = list(pairwise(edges)) if cuts else []
        setattr(places, _BOUNDS, known)
    return known
