"""Trained weights keep the precision that they were made in, whatever a library thinks of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def unrounded(model: Any) -> Iterator[None]:
    """Undo what is done to trained weights meanwhile.

    TRL casts adapters over a quantised model to bfloat16. That saves little, rounds away small updates, and
    what a resumed adapter had learnt beyond eight bits with them.
    """
    base = getattr(model, "base_model", model)
    packed = getattr(base, "is_loaded_in_4bit", False) or getattr(base, "is_loaded_in_8bit", False)
    before = {name: p.data for name, p in model.named_parameters() if p.requires_grad} if packed else {}
    yield
    for name, parameter in model.named_parameters():
        if name in before and parameter.dtype != before[name].dtype:
            parameter.data = before[name]
