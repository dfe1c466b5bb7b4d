"""Rows as they will be learnt from: targets, the token that ends an answer, the one that begins a text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from doneness.core import DataError
from doneness.data import Row, Turn
from doneness.models import Encoded, encode, stop_ids
from doneness.train.preflight.found import Found, answers_of, named

_QUESTION, _ANSWER = "Is it done?", "Not yet."
_LONG = 4096  # tokens: more than any template writes around a short conversation


def look_at_rows(tokenizer: Any, model: Any, rows: Sequence[Any], texts: bool, found: Found) -> None:
    """Check every training row, and the tokenizer by a short conversation.

    Args:
        tokenizer: of the run, with its chat template.
        model: whose embedding the ids go into.
        rows: encoded training rows of any stage.
        texts: they are texts, which no chat template wrote.
        found: what is found is added to it.
    """
    _vocabulary(model, rows, found)
    _specials(tokenizer, found)
    parts = [(row, part) for row in rows for part in answers_of(row)]
    _targets(parts, found)
    _beginnings(tokenizer, [part for _, part in parts], found)
    if tokenizer.eos_token_id is not None and not texts and parts:
        _ends(tokenizer, model, [part for _, part in parts], found)
        _asked_as_learnt(tokenizer, found)


def _vocabulary(model: Any, rows: Sequence[Any], found: Found) -> None:
    """No id may lie beyond the embedding: on a GPU that ends in an error that names nothing."""
    size = int(model.get_input_embeddings().weight.shape[0])
    beyond = next((row for row in rows if row.ids and max(row.ids) >= size), None)
    if beyond is not None:
        found.fault("vocabulary", row=beyond.id, id=max(beyond.ids), size=size)


def _specials(tokenizer: Any, found: Found) -> None:
    """The end of a sequence is one token, and so are the others that have a name."""
    if tokenizer.eos_token_id is None:
        found.fault("no_eos")
    for name in ("eos_token", "bos_token", "pad_token"):
        text = getattr(tokenizer, name)
        ids = [] if text is None else tokenizer(str(text), add_special_tokens=False)["input_ids"]
        if len(ids) > 1:
            found.fault("parted_special", name=name, text=str(text), count=len(ids))


def _targets(parts: Sequence[tuple[Any, Encoded]], found: Found) -> None:
    bare = [row.id for row, part in parts if part.targets == 0]
    if bare:
        found.fault("no_targets", count=len(bare), names=named(bare))


def _beginnings(tokenizer: Any, parts: Sequence[Encoded], found: Found) -> None:
    """The token that begins a text stands there once, where the tokenizer puts it before texts at all."""
    bos = tokenizer.bos_token_id
    if bos is None:
        return
    doubled = [part.id for part in parts if part.ids[:2] == (bos, bos)]
    if doubled:
        key = "doubled_bos" if 2 * len(doubled) > len(parts) else "some_doubled_bos"
        (found.fault if key == "doubled_bos" else found.doubt)(
            key, count=len(doubled), all=len(parts), names=named(doubled), token=str(tokenizer.bos_token)
        )
    plain = tokenizer("a")["input_ids"]
    if plain and plain[0] == bos:
        without = sum(part.ids[0] != bos for part in parts)
        if without:
            found.doubt("no_bos", count=without, all=len(parts), token=str(tokenizer.bos_token))


def _ends(tokenizer: Any, model: Any, parts: Sequence[Encoded], found: Found) -> None:
    """Each answer that was not cut ends with a token that ends an answer, and that token carries loss."""
    stops = set(stop_ids(tokenizer))
    last = [(part, part.answers[-1]) for part in parts if part.targets]
    ended = [(part, part.ids[answer.end - 1]) for part, answer in last if answer.ended]
    # A named template may want more learnt after the end of a turn.
    after = len(tokenizer(str(getattr(tokenizer, "learnt_after_end", "")), add_special_tokens=False)["input_ids"])
    endless = [part.id for part, token in ended if token not in stops and not after]
    if endless:
        found.fault("no_end", count=len(endless), names=named(endless))
        return
    tokens = {token for _, token in ended}
    known = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
    known = {known} if isinstance(known, int) else set(known or ())
    known |= {tokenizer.eos_token_id}
    if len(tokens) == 1 and not after and not tokens & known:
        learnt = tokenizer.convert_ids_to_tokens(next(iter(tokens)))
        others = ", ".join(map(str, tokenizer.convert_ids_to_tokens(sorted(known))))
        found.doubt("other_end", learnt=learnt, stops=others)


def _asked_as_learnt(tokenizer: Any, found: Found) -> None:
    """What stands before an answer in training is what the model is asked with when it answers, here and elsewhere."""
    if not tokenizer.chat_template:
        return
    try:
        row = encode(tokenizer, Row("preflight", (Turn("user", _QUESTION), Turn("assistant", _ANSWER)), 1), _LONG)
    except DataError:
        return  # a template that wants more than a question; the rows have it
    asked = tokenizer.apply_chat_template(
        [{"role": "user", "content": _QUESTION}], add_generation_prompt=True, tokenize=True, return_dict=False
    )
    if list(row.ids[: row.start]) != list(asked):
        found.doubt("asked_otherwise")
