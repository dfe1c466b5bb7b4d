"""The model of a recipe that begins with random weights, and whether there is text enough for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from doneness.config import Recipe
from doneness.core import Message, say, tr
from doneness.workflows.rows import read_recipe_rows
from doneness.workflows.stage_rows import read_stage_rows

if TYPE_CHECKING:
    from doneness.models import LoadedModel

_FEW, _MANY = 10.0, 100.0  # tokens a parameter


def load_scratch(recipe: Recipe, told: Callable[[Message], None]) -> LoadedModel:
    """The model, with a tokenizer: that of the recipe, or one made of the training rows.

    Raises:
        DonenessError: no shape, no tokenizer, or a vocabulary that does not fit.
    """
    from doneness.models import LoadedModel, pick_device
    from doneness.models.scratch import Shape, model_by_config, new_model
    from doneness.models.templates import with_template

    asked, model, seed = recipe.scratch, recipe.model, recipe.run.seed
    tokenizer = tokenizer_of(recipe)
    if _trains_one(recipe) and len(tokenizer) < asked.vocabulary:
        told(say("models.scratch.few_texts", tokens=len(tokenizer), asked=asked.vocabulary))
    line = with_template(tokenizer, model.template)
    if line is not None:
        told(line)
    more: dict[str, Any] = {} if model.attention == "auto" else {"attn_implementation": model.attention}
    if model.trust_remote_code:
        more["trust_remote_code"] = True
    if model.path:
        made = model_by_config(model.path, len(tokenizer), seed, more)
    else:
        shape = Shape(
            asked.width,
            asked.depth,
            asked.heads,
            asked.kv_heads or asked.heads,
            asked.context or recipe.data.max_length,
        )
        made = new_model(tokenizer, shape, seed)
    where = pick_device(model.device)
    if where == "cpu" and model.dtype not in ("auto", "float32"):
        told(say("models.scratch.float32", dtype=model.dtype))
    return LoadedModel(made.to(where), tokenizer, model.path or "scratch")


def tokenizer_of(recipe: Recipe) -> Any:
    """The recipe's tokenizer: the model's, another, or one made of the training rows; without model.template.

    Raises:
        DonenessError: there is none, or the rows that it would be made of cannot be read.
    """
    from doneness.models import load_tokenizer

    if not _trains_one(recipe):
        own = recipe.scratch.tokenizer if recipe.scratch.enabled else ""
        return load_tokenizer(own or recipe.model.path)
    from doneness.models.scratch import train_tokenizer

    return train_tokenizer(_texts(recipe), recipe.scratch.vocabulary)


def _trains_one(recipe: Recipe) -> bool:
    return recipe.scratch.enabled and not (recipe.scratch.tokenizer or recipe.model.path)


def tokens_line(recipe: Recipe, rows: Sequence[Any], model: Any) -> Message:
    """Tokens that the run will have seen for each parameter, beside what is best for the computing (Chinchilla).

    Args:
        recipe: of the run.
        rows: encoded training rows.
        model: with random weights.
    """
    from doneness.train.arguments import steps_per_epoch, total_steps

    each = sum(len(row.ids) for row in rows)
    epochs = total_steps(recipe, len(rows)) / steps_per_epoch(recipe, len(rows))
    # What is read a second time teaches less; up to four passes it is nearly as good as new (arXiv 2305.16264).
    tokens, parameters = round(each * min(epochs, 4.0)), sum(p.numel() for p in model.parameters())
    ratio = tokens / parameters
    advice = tr(f"workflows.scratch.{'few' if ratio < _FEW else 'many' if ratio > _MANY else 'fair'}")
    return say("workflows.scratch.tokens", parameters=parameters, tokens=tokens, ratio=ratio, advice=advice)


def _texts(recipe: Recipe) -> Iterator[str]:
    """What the training rows say; of rows held out nothing."""
    if recipe.run.stage == "pretrain":
        yield from (row.text for row in read_stage_rows(recipe).train.rows)
    else:
        for row in read_recipe_rows(recipe).train.rows:
            yield from (turn.content for turn in row.turns)
