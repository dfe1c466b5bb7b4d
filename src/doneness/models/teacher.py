"""The teacher of a recipe: loaded to be asked, never trained."""

from __future__ import annotations

from typing import Any

from doneness.config import Recipe
from doneness.core import DonenessError, tr
from doneness.models.load import LoadedModel, load_model, load_tokenizer
from doneness.models.quantize import Quantization


def load_teacher(recipe: Recipe) -> LoadedModel:
    """The teacher on the recipe's device, frozen.

    Raises:
        DonenessError: it cannot be loaded.
        MissingExtraError: what quantises is not installed.
    """
    asked, model = recipe.distill, recipe.model
    more: dict[str, Any] = {} if model.attention == "auto" else {"attn_implementation": model.attention}
    if model.trust_remote_code:
        more["trust_remote_code"] = True
    how = Quantization(asked.bits) if asked.bits else None
    loaded = load_model(asked.teacher, model.dtype, model.device, how, None, more)
    loaded.model.requires_grad_(False).eval()
    return loaded


def refuse_other_tokens(recipe: Recipe, tokenizer: Any) -> None:
    """A teacher is compared token by token only where its tokens are the student's.

    Args:
        recipe: of the run.
        tokenizer: of the student.

    Raises:
        DonenessError: the teacher's are others; tokens that only one of them has added after the rest are allowed.
    """
    asked = recipe.distill
    if recipe.run.stage != "distill" or asked.kind == "text":
        return
    ours, theirs = ({i: t for t, i in each.get_vocab().items()} for each in (tokenizer, load_tokenizer(asked.teacher)))
    last = min(max(ours), max(theirs))
    other = sum(ours.get(i) != theirs.get(i) for i in {*ours, *theirs} if i <= last)
    if other:
        raise DonenessError(tr("models.teacher_tokens", path=asked.teacher, count=other, kind=asked.kind))
