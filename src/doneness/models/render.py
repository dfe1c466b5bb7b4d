"""Conversations as text and token ids, by the tokenizer's own chat template."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from doneness.core import DataError, tr

Said = Mapping[str, Any]

# Stands for an answer while a template is asked where answers go; no template changes letters.
_MARK = "ANSWERSTANDSHERE"


class TemplateRefusal(DataError):
    """A conversation that the chat template does not write."""


def render(tokenizer: Any, turns: Sequence[Said], ask: bool = False, tools: Sequence[Any] = ()) -> str:
    """The conversation as text, by the tokenizer's chat template, or plainly where it has none.

    Args:
        tokenizer: with its chat template, if it has one.
        turns: what was said; role, content, and what else the template knows.
        ask: also write what stands before the assistant's next answer.
        tools: descriptions of what may be called, as the template wants them.

    Raises:
        TemplateRefusal: the template refuses the conversation (some know no system turn).
    """
    if tokenizer.chat_template:
        from jinja2 import TemplateError

        more = {"tools": list(tools)} if tools else {}
        try:
            return str(tokenizer.apply_chat_template(list(turns), tokenize=False, add_generation_prompt=ask, **more))
        except TemplateError as error:
            roles = ", ".join(turn["role"] for turn in turns)
            raise TemplateRefusal(tr("models.template_refuses", roles=roles, reason=str(error))) from error
    lines = [f"{turn['role'].capitalize()}: {turn['content']}" for turn in turns]
    return "\n".join([*lines, "Assistant: "] if ask else lines)


def prompt_ids(tokenizer: Any, turns: Sequence[Said]) -> list[int]:
    """Tokens of a conversation up to the point where the assistant begins to speak."""
    return head_ids(tokenizer, head_text(tokenizer, turns))


def stop_ids(tokenizer: Any) -> list[int]:
    """Tokens that end an answer: the end-of-sequence token, and what the template ends a turn with."""
    question = [{"role": "user", "content": "?"}]
    whole = render(tokenizer, [*question, {"role": "assistant", "content": _MARK}])
    _, _, tail = whole.rpartition(_MARK)
    ends, special = text_ids(tokenizer, tail), special_ids(tokenizer)
    first = next((i for i in ends if i in special), None)
    return [*dict.fromkeys(i for i in (first, tokenizer.eos_token_id) if i is not None)]


def head_text(tokenizer: Any, turns: Sequence[Said], tools: Sequence[Any] = ()) -> str:
    """The text before the answer, role header included, whether or not the template can ask for it."""
    head = render(tokenizer, turns, ask=True, tools=tools)
    if head != render(tokenizer, turns, tools=tools):
        return head
    whole = render(tokenizer, [*turns, {"role": "assistant", "content": _MARK}], tools=tools)
    return whole[: whole.rindex(_MARK)] if _MARK in whole else head


def head_ids(tokenizer: Any, head: str) -> list[int]:
    """Tokens of the text before the answer; a template writes its own first token, plain text needs it added."""
    if tokenizer.chat_template:
        return text_ids(tokenizer, head)
    ids = list(tokenizer(head)["input_ids"])
    return ids[:-1] if ids and ids[-1] == tokenizer.eos_token_id else ids


def special_ids(tokenizer: Any) -> set[int]:
    """Ids of all control tokens, those without a name of their own included."""
    added = getattr(tokenizer, "added_tokens_decoder", {})
    return {*tokenizer.all_special_ids, *(i for i, token in added.items() if token.special)}


def text_ids(tokenizer: Any, text: str) -> list[int]:
    """Tokens of a text alone, nothing added."""
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])
