"""The shapes of a supervised row, told apart by their keys, all turned into (role, content) pairs.

| shape | keys |
|---|---|
| prompt and completion | prompt, completion (texts, or lists of messages as TRL has them) |
| messages | messages: role, content (OpenAI; content may be a list of text parts) |
| alpaca | instruction, input, output, perhaps system and history |
| ShareGPT | conversations: from, value, perhaps system |
| question and answer | question, answer |

Tool calls count as the assistant's, tool results as the user's, which is how trainers mask them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from doneness.core import Message, say

Said = tuple[str, str]

_ROLES = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "tool": "user",
    "observation": "user",
    "function_response": "user",
    "tool_response": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "bot": "assistant",
    "model": "assistant",
    "function_call": "assistant",
    "tool_call": "assistant",
}


class Fault(Exception):
    """A row that cannot be used; `message` says what is wrong with it."""

    def __init__(self, message: Message) -> None:
        self.message = message
        super().__init__(message.key)


class Blank(Fault):
    """A row of a known shape without a question or an answer; it may be skipped."""


def turns_of(item: Mapping[str, Any]) -> tuple[Said, ...]:
    """The conversation in a row, ending with the assistant's answer.

    Raises:
        Blank: there is no question, or no answer.
        Fault: the shape or a role is not known, or a text is something else.
    """
    if "chosen" in item and "rejected" in item:
        raise Fault(say("data.preference"))
    for keys, read in _SHAPES:
        if all(key in item for key in keys):
            said = read(item)
            break
    else:
        raise Fault(_unknown(item))
    return tuple(said)


def _unknown(item: Mapping[str, Any]) -> Message:
    keys = ", ".join(str(key) for key in list(item)[:12]) or "-"
    lone = next((pair for pair in (("prompt", "completion"), ("instruction", "output")) if pair[0] in item), None)
    if lone is not None:
        return say("data.half", has=lone[0], lacks=lone[1], keys=keys)
    return say("data.unknown_shape", keys=keys)


def _prompt_completion(item: Mapping[str, Any]) -> list[Said]:
    prompt, completion = item["prompt"], item["completion"]
    said = _messages(prompt, "prompt") if isinstance(prompt, list) else [("user", _string(prompt, "prompt"))]
    if isinstance(completion, list):
        said += _messages(completion, "completion")
    else:
        said.append(("assistant", _string(completion, "completion")))
    system = _string(item.get("system"), "system")
    return _checked([("system", system)] * bool(system) + said, "prompt", "completion")


def _openai(item: Mapping[str, Any]) -> list[Said]:
    return _checked(_messages(item["messages"], "messages"), "messages", "messages")


def _sharegpt(item: Mapping[str, Any]) -> list[Said]:
    said = _messages(item["conversations"], "conversations")
    system = _string(item.get("system") or item.get("system_prompt"), "system")
    if system and not (said and said[0][0] == "system"):
        said.insert(0, ("system", system))
    return _checked(said, "conversations", "conversations")


def _alpaca(item: Mapping[str, Any]) -> list[Said]:
    said: list[Said] = []
    system = _string(item.get("system"), "system")
    if system:
        said.append(("system", system))
    for pair in item.get("history") or []:
        if not isinstance(pair, Sequence) or isinstance(pair, str) or len(pair) != 2:
            raise Fault(say("data.bad_history"))
        said += [("user", _string(pair[0], "history")), ("assistant", _string(pair[1], "history"))]
    question = [_string(item["instruction"], "instruction"), _string(item.get("input"), "input")]
    # Joined with a line break, as LLaMA-Factory joins them.
    said.append(("user", "\n".join(part for part in question if part.strip())))
    said.append(("assistant", _string(item["output"], "output")))
    return _checked(said, "instruction", "output")


def _question_answer(item: Mapping[str, Any]) -> list[Said]:
    said = [("user", _string(item["question"], "question")), ("assistant", _string(item["answer"], "answer"))]
    return _checked(said, "question", "answer")


_SHAPES: tuple[tuple[tuple[str, ...], Callable[[Mapping[str, Any]], list[Said]]], ...] = (
    (("messages",), _openai),
    (("conversations",), _sharegpt),
    (("prompt", "completion"), _prompt_completion),
    (("instruction", "output"), _alpaca),
    (("question", "answer"), _question_answer),
)


def _messages(items: Any, field: str) -> list[Said]:
    if not isinstance(items, list):
        raise Fault(say("data.not_list", field=field, type=type(items).__name__))
    said: list[Said] = []
    for item in items:
        if not isinstance(item, Mapping):
            raise Fault(say("data.not_list", field=field, type=type(item).__name__))
        role = str(item.get("role", item.get("from", "")))
        if role.lower() not in _ROLES:
            raise Fault(say("data.unknown_role", field=field, role=role, roles="system, user, assistant"))
        said.append((_ROLES[role.lower()], _string(item.get("content", item.get("value")), field)))
    return said


def _string(value: Any, field: str) -> str:
    """The text of a field; None is an empty text, and a list of parts is its text parts joined."""
    if value is None:
        return ""
    if isinstance(value, list) and all(isinstance(part, Mapping) for part in value):
        return "".join(_string(part.get("text", part.get("value")), field) for part in value)
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise Fault(say("data.not_text", field=field, type=type(value).__name__))
    # A lone surrogate cannot be written or tokenised; U+FFFD keeps the damage visible to the audit.
    return str(value).encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _checked(said: list[Said], asked: str, answered: str) -> list[Said]:
    if not said:
        raise Blank(say("data.no_turns", field=answered))
    if said[-1][0] != "assistant":
        raise Blank(say("data.ends_with_user", field=answered))
    if not said[-1][1].strip():
        raise Blank(say("data.no_answer", field=answered))
    if not any(role == "user" and content.strip() for role, content in said):
        raise Blank(say("data.no_question", field=asked))
    return said
