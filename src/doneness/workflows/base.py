"""The base model of a recipe, loaded in one way wherever it is needed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from doneness.config import Recipe
from doneness.core import Message

if TYPE_CHECKING:
    from doneness.models import LoadedModel


def load_base(recipe: Recipe, told: Callable[[Message], None] = lambda message: None) -> LoadedModel:
    """The model that the recipe starts from, as it is trained: its dtype, its device, quantised where it is.

    Its tokenizer writes conversations as the recipe says; `told` hears of a template in place of the model's own.

    Raises:
        DonenessError: it cannot be loaded, or there is no such template.
        MissingExtraError: a library that it needs is not installed.
    """
    from doneness.models import Quantization, load_model, require
    from doneness.models.templates import with_template

    torch = require("torch")
    require("peft")
    if recipe.run.threads:
        torch.set_num_threads(recipe.run.threads)
    if recipe.scratch.enabled:
        from doneness.workflows.scratch import load_scratch

        return load_scratch(recipe, told)
    model = recipe.model
    scores = recipe.run.seed if recipe.run.stage == "reward" else None
    more: dict[str, Any] = {} if model.attention == "auto" else {"attn_implementation": model.attention}
    if model.trust_remote_code:
        more["trust_remote_code"] = True
    loaded = load_model(model.path, model.dtype, model.device, Quantization.of(recipe.method), scores, more)
    line = with_template(loaded.tokenizer, model.template)
    if line is not None:
        told(line)
    return loaded
