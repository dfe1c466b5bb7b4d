"""What was said in a row: messages of every spelling as role, text, and what else a chat template may know.

Tool calls count as the assistant's, tool results as the user's, which is how trainers mask them. Calls and reasoning
are kept twice: written out in the text, for whoever reads, and apart, for templates that write them in their own way.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from doneness.core import Message, say

_ROLES = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "tool": "user",
    "observation": "user",
    "function": "user",
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
_RESULTS = ("tool", "observation", "function", "function_response", "tool_response")
_CALLS = ("function_call", "tool_call")
_MEDIA = ("image", "image_url", "video", "video_url", "audio", "input_audio")
_REASONING = ("reasoning_content", "reasoning", "thinking")


class Said(NamedTuple):
    """One utterance.

    Attributes:
        role: system, user or assistant.
        content: its text, reasoning and tool calls written out.
        more: what a template may want apart: "said" (the text without them), "reasoning", "tool_calls"; "role": tool,
            "name" and "tool_call_id" of a tool's result; "weight": 0 where the answer is not to be learnt.
    """

    role: str
    content: str
    more: Mapping[str, Any] | None = None


class Fault(Exception):
    """A row that cannot be used; `message` says what is wrong with it."""

    def __init__(self, message: Message) -> None:
        self.message = message
        super().__init__(message.key)


class Blank(Fault):
    """A row of a known shape without a question or an answer; it may be skipped."""


def messages(items: Any, field: str) -> list[Said]:
    """The utterances of a list of messages: role and content, or from and value.

    Raises:
        Fault: no list of messages, or a role that is not known.
    """
    items = decoded(items)
    if not isinstance(items, list):
        raise Fault(say("data.not_list", field=field, type=type(items).__name__))
    return [message(item, field) for item in items]


def message(item: Any, field: str) -> Said:
    """One message.

    Raises:
        Fault: no message, or a role that is not known.
    """
    if not isinstance(item, Mapping):
        raise Fault(say("data.not_list", field=field, type=type(item).__name__))
    name = str(item.get("role", item.get("from", "")))
    role = _ROLES.get(name.lower())
    if role is None:
        raise Fault(say("data.unknown_role", field=field, role=name, roles="system, user, assistant"))
    content = item.get("content", item.get("value"))
    more: dict[str, Any] = {}
    if role == "assistant":
        return _spoken(item, content, name.lower() in _CALLS, field)
    if name.lower() in _RESULTS:
        more = {key: item[key] for key in ("name", "tool_call_id") if isinstance(item.get(key), str)}
        more["role"] = "tool"
    return Said(role, string(content, field), more or None)


def string(value: Any, field: str) -> str:
    """The text of a field; None and NaN are an empty text, and a list of parts is its text parts joined.

    Raises:
        Fault: it is no text.
    """
    if type(value) is str and value.isascii():
        return value
    # Tables write what is missing as NaN; nobody means the word.
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, list) and all(isinstance(part, Mapping) for part in value):
        media = next((str(part["type"]) for part in value if part.get("type") in _MEDIA), None)
        if media is not None:
            raise Fault(say("data.media", field=media))
        return "".join(string(part.get("text", part.get("value")), field) for part in value)
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise Fault(say("data.not_text", field=field, type=type(value).__name__))
    # A lone surrogate cannot be written or tokenised; U+FFFD keeps the damage visible to the audit.
    text = str(value)
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def tools_of(item: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    """What may be called in a row, in OpenAI's form, which chat templates expect.

    Raises:
        Fault: "tools" is neither a list of objects nor JSON of one.
    """
    told = decoded(item.get("tools"))
    if told is None or told == "":
        return ()
    told = [told] if isinstance(told, Mapping) else told
    if not isinstance(told, list) or not all(isinstance(tool, Mapping) for tool in told):
        raise Fault(say("data.bad_tools", type=type(told).__name__))
    return tuple(tool if "function" in tool else {"type": "function", "function": dict(tool)} for tool in told)


def written_calls(calls: Sequence[Mapping[str, Any]]) -> str:
    """Tool calls as text: one JSON object, or an array of several."""
    told = [call["function"] for call in calls]
    return json.dumps(told[0] if len(told) == 1 else told, ensure_ascii=False)


def written_out(said: str, reasoning: str = "", calls: Sequence[Mapping[str, Any]] = ()) -> str:
    """An answer as one text."""
    thought = f"<think>\n{reasoning.strip()}\n</think>\n\n" if reasoning.strip() else ""
    return thought + "\n".join(part for part in (said, written_calls(calls) if calls else "") if part)


def decoded(value: Any) -> Any:
    """A list or object that was written as JSON into a text, as tables have them; other values as they are."""
    if isinstance(value, str) and value.lstrip()[:1] in ("[", "{"):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def _spoken(item: Mapping[str, Any], content: Any, is_call: bool, field: str) -> Said:
    """What the assistant said, with its reasoning and its calls."""
    parts = content if isinstance(content, list) and all(isinstance(part, Mapping) for part in content) else []
    reasoning = next((string(item[key], field) for key in _REASONING if item.get(key)), "")
    reasoning += string([p for p in parts if p.get("type") in ("reasoning", "thinking")], field)
    calls = [call for part in parts if part.get("type") in _CALLS for call in _calls(part.get("value"))]
    apart = ("reasoning", "thinking", *(_CALLS if calls else ()))
    text = string([p for p in parts if p.get("type") not in apart] if parts else content, field)
    asked = item.get("tool_calls")
    told = _calls(asked)
    if asked and not told:
        raise Fault(say("data.bad_calls", field=field))
    calls += told + (_calls(text) if is_call else [])
    if is_call and calls:
        text = ""
    more: dict[str, Any] = {}
    if reasoning.strip():
        more["reasoning"] = reasoning.strip()
    if calls:
        more["tool_calls"] = tuple(calls)
    if more:
        more["said"] = text
    if item.get("weight", item.get("loss_weight")) == 0:
        more["weight"] = 0
    return Said("assistant", written_out(text, reasoning, calls), more or None)


def _calls(value: Any) -> list[dict[str, Any]]:
    """Tool calls in OpenAI's form, arguments as an object; none where the value holds none."""
    value = decoded(value)
    found = []
    for each in value if isinstance(value, list) else [value]:
        function = each.get("function", each) if isinstance(each, Mapping) else None
        if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
            return []
        call = {"name": function["name"], "arguments": decoded(function.get("arguments", {}))}
        told = {key: each[key] for key in ("id",) if isinstance(each.get(key), str)}
        found.append({**told, "type": "function", "function": call})
    return found
