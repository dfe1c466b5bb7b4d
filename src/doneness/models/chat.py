"""Rows as the model sees them: token ids, and which of them carry loss.

The chat template is the tokenizer's own. Loss is on the answer alone: everything up to the point
where the assistant begins to speak is context, and what the template writes after the
end-of-sequence token (a line break, usually) is never asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from doneness.core import DataError, tr
from doneness.data import Row, Span
from doneness.models.offsets import spans_of

# Stands for an answer while a template is asked where answers go; no template changes letters.
_MARK = "ANSWERSTANDSHERE"


@dataclass(frozen=True)
class Encoded:
    """One row as token ids.

    Attributes:
        id: the row's id.
        ids: all tokens, context then answer.
        start: index of the first answer token; tokens from here on carry loss.
        cut: answer tokens that did not fit max_length.
        spans: which answer tokens belong to each span, counted from `start`, ascending; those that were cut
            are not among them.
        label: the text of the label, where a span of that name is asked for and the answer has one.
        source, turn, cluster: where the row comes from, how many questions its conversation has, and the
            conversation or document it belongs to.
    """

    id: str
    ids: tuple[int, ...]
    start: int
    cut: int = 0
    spans: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    label: str | None = None
    source: str | None = None
    turn: int = 1
    cluster: str | None = None

    @property
    def parts(self) -> dict[str, tuple[int, ...]]:
        """The spans, and those that every answer has: first, rest and end part its tokens without overlap."""
        last = self.targets - 1
        # The end of a cut answer is not there; a lone token is the first.
        end = (last,) if not self.cut and last > 0 else ()
        return {**self.spans, "first": (0,), "rest": tuple(range(1, last + 1 - len(end))), "end": end}

    @property
    def targets(self) -> int:
        """Number of tokens that carry loss."""
        return len(self.ids) - self.start


@dataclass(frozen=True)
class EncodedRows:
    """Rows ready for the model, with what was cut or left out."""

    rows: tuple[Encoded, ...]
    truncated: int
    skipped: int


def prompt_ids(tokenizer: Any, turns: Sequence[dict[str, str]]) -> list[int]:
    """Tokens of a conversation up to the point where the assistant begins to speak."""
    return _head_ids(tokenizer, _head(tokenizer, turns))


def render(tokenizer: Any, turns: Sequence[dict[str, str]], ask: bool = False) -> str:
    """The conversation as text, by the tokenizer's chat template, or plainly where it has none.

    Raises:
        DataError: the template refuses the conversation (some know no system turn).
    """
    if tokenizer.chat_template:
        from jinja2 import TemplateError

        try:
            return str(tokenizer.apply_chat_template(list(turns), tokenize=False, add_generation_prompt=ask))
        except TemplateError as error:
            roles = ", ".join(turn["role"] for turn in turns)
            raise DataError(tr("models.template_refuses", roles=roles, reason=str(error))) from error
    lines = [f"{turn['role'].capitalize()}: {turn['content']}" for turn in turns]
    return "\n".join([*lines, "Assistant: "] if ask else lines)


def stop_ids(tokenizer: Any) -> list[int]:
    """Tokens that end an answer: the end-of-sequence token, and what the template ends a turn with."""
    question = [{"role": "user", "content": "?"}]
    whole = render(tokenizer, [*question, {"role": "assistant", "content": _MARK}])
    _, _, tail = whole.rpartition(_MARK)
    ends, special_ids = _ids(tokenizer, tail), _special(tokenizer)
    special = next((i for i in ends if i in special_ids), None)
    return [*dict.fromkeys(i for i in (special, tokenizer.eos_token_id) if i is not None)]


def _head(tokenizer: Any, turns: Sequence[dict[str, str]]) -> str:
    """The text before the answer, role header included, whether or not the template can ask for it."""
    head = render(tokenizer, turns, ask=True)
    if head != render(tokenizer, turns):
        return head
    whole = render(tokenizer, [*turns, {"role": "assistant", "content": _MARK}])
    return whole[: whole.rindex(_MARK)] if _MARK in whole else head


def _head_ids(tokenizer: Any, head: str) -> list[int]:
    """Tokens of the text before the answer; a template writes its own first token, plain text needs it added."""
    if tokenizer.chat_template:
        return _ids(tokenizer, head)
    ids = list(tokenizer(head)["input_ids"])
    return ids[:-1] if ids and ids[-1] == tokenizer.eos_token_id else ids


def _special(tokenizer: Any) -> set[int]:
    """Ids of all control tokens, those without a name of their own included."""
    added = getattr(tokenizer, "added_tokens_decoder", {})
    return {*tokenizer.all_special_ids, *(i for i, token in added.items() if token.special)}


def _ids(tokenizer: Any, text: str) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def as_turns(row: Row, system: str = "") -> list[dict[str, str]]:
    """The row's turns with `system` put before them where it has none of its own."""
    turns = [{"role": t.role, "content": t.content} for t in row.turns]
    if system and turns[0]["role"] != "system":
        turns.insert(0, {"role": "system", "content": system})
    return turns


def encode(tokenizer: Any, row: Row, max_length: int, system: str = "", spans: Sequence[Span] | None = None) -> Encoded:
    """Token ids of one row; the answer's end is cut where the row is longer than `max_length`.

    Args:
        tokenizer: with its chat template, if it has one.
        row: what is said.
        max_length: in tokens, chat markup included.
        system: put before a row that has no system turn.
        spans: also find the tokens of these; None for rows that are trained on, which need none.

    Raises:
        DataError: the template does not put the answer after its prompt, or the prompt alone is too long.
    """
    turns = as_turns(row, system)
    head = _head(tokenizer, turns[:-1])
    whole = render(tokenizer, turns)
    if not whole.startswith(head):
        raise DataError(tr("models.template_moves", row=row.id))
    context = _head_ids(tokenizer, head)
    answer, text = _answer_ids(tokenizer, whole[len(head) :], row.answer)
    if len(context) >= max_length:
        raise DataError(tr("models.prompt_too_long", row=row.id, tokens=len(context), limit=max_length))
    room = max_length - len(context)
    encoded = Encoded(row.id, tuple(context + answer[:room]), len(context), max(0, len(answer) - room))
    return encoded if spans is None else _with_spans(tokenizer, encoded, row, text, spans)


def _with_spans(tokenizer: Any, encoded: Encoded, row: Row, text: str, spans: Sequence[Span]) -> Encoded:
    """The row with its spans, and with what it belongs to."""
    said = row.answer.strip()
    place = text.rfind(said)
    # A template that rewrites the answer (some set reasoning apart) is searched as it was written.
    answer, begin = (said, place) if place >= 0 else (text, 0)
    ranges = {span.name: span.find(answer, row.label) for span in spans}
    moved = {name: [(begin + a, begin + b) for a, b in found] for name, found in ranges.items()}
    # The end of the turn is nobody's, also where what was searched holds it.
    spoken = encoded.ids[encoded.start :] if encoded.cut else encoded.ids[encoded.start : -1]
    label = ranges.get("label", ())
    return replace(
        encoded,
        spans=spans_of(tokenizer, text, spoken, moved),
        label=" ".join(answer[a:b] for a, b in label).strip() if label else None,
        source=row.source,
        turn=sum(turn.role == "user" for turn in row.turns),
        cluster=row.cluster,
    )


def _answer_ids(tokenizer: Any, rest: str, said: str) -> tuple[list[int], str]:
    """Tokens that carry loss (what was said, and the one token that ends the turn), and the text they were made of.

    Tokenized apart from the prompt, so that the first answer token never merges with the prompt's
    last: at generation time the model meets exactly these prompt tokens.
    """
    place = rest.rfind(said.strip())
    if place < 0:
        # The template rewrote the answer; its last control token is the end that it writes.
        ids, special_ids = _ids(tokenizer, rest), _special(tokenizer)
        last = next((k for k in reversed(range(len(ids))) if ids[k] in special_ids), None)
        return ([*ids, tokenizer.eos_token_id] if last is None else ids[: last + 1]), rest
    end = place + len(said.strip())
    tail, special_ids = _ids(tokenizer, rest[end:]), _special(tokenizer)
    special = next((k for k, i in enumerate(tail) if i in special_ids), None)
    if special is None:
        return [*_ids(tokenizer, rest[:end]), tokenizer.eos_token_id], rest[:end]
    # Tokenized together up to and with the end, as the template writes them.
    whole = _ids(tokenizer, rest)
    extra = len(tail) - special - 1
    return (whole[: len(whole) - extra] if extra else whole), rest


def encode_rows(
    tokenizer: Any,
    rows: Sequence[Row],
    max_length: int,
    system: str = "",
    on_long: str = "truncate",
    spans: Sequence[Span] | None = None,
) -> EncodedRows:
    """Token ids of all rows; `on_long` is truncate, skip or refuse, `spans` as for `encode`.

    Raises:
        DataError: `on_long` is refuse and a row is too long, or no row is left.
    """
    kept: list[Encoded] = []
    truncated = skipped = 0
    for row in rows:
        encoded = _encode_or_skip(tokenizer, row, max_length, system, on_long, spans)
        if encoded is None or (encoded.cut and on_long == "skip"):
            skipped += 1
            continue
        if encoded.cut and on_long == "refuse":
            total = len(encoded.ids) + encoded.cut
            raise DataError(tr("models.row_too_long", row=row.id, line=row.line, tokens=total, limit=max_length))
        truncated += encoded.cut > 0
        kept.append(encoded)
    if not kept:
        raise DataError(tr("models.no_rows_left", skipped=skipped, limit=max_length))
    for span in spans or ():
        if not any(encoded.spans.get(span.name) for encoded in kept):
            raise DataError(tr("models.span_cut", name=span.name))
    return EncodedRows(tuple(kept), truncated, skipped)


def _encode_or_skip(
    tokenizer: Any, row: Row, max_length: int, system: str, on_long: str, spans: Sequence[Span] | None
) -> Encoded | None:
    try:
        return encode(tokenizer, row, max_length, system, spans)
    except DataError:
        if on_long == "skip":
            return None
        raise
