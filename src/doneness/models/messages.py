"""The turns of a row as its chat template wants them: tool calls and reasoning in their places, or written out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from doneness.core import DataError
from doneness.data import Row, Turn
from doneness.data.said import written_out
from doneness.models.render import render

_REASONING = ("reasoning_content", "reasoning", "thinking")
_MARK = "REASONSTANDSHERE"


@dataclass(frozen=True)
class Known:
    """What a chat template writes in its own way: tools, and reasoning under this name ("" for none)."""

    tools: bool = False
    reasoning: str = ""


def known_to(tokenizer: Any) -> Known:
    """What the tokenizer's chat template knows; of reasoning it is asked."""
    template = tokenizer.chat_template or ""
    names = (name for name in _REASONING if name in template)
    return Known("tool" in template, next((name for name in names if _writes(tokenizer, name)), ""))


def as_turns(row: Row, system: str = "", known: Known | None = None) -> list[dict[str, Any]]:
    """The row's turns with `system` put before them where it has none of its own.

    Args:
        row: what is said.
        system: a system message.
        known: what the chat template writes in its own way; all else stands in the text, a tool's results as the
            user's.
    """
    turns = [_message(turn, known or Known()) for turn in row.turns]
    if system and turns[0]["role"] != "system":
        turns.insert(0, {"role": "system", "content": system})
    return turns


def _message(turn: Turn, known: Known) -> dict[str, Any]:
    found: dict[str, Any] = {"role": turn.role, "content": turn.content}
    more = turn.more or {}
    if known.tools and more.get("role") == "tool":
        found |= {key: more[key] for key in ("role", "name", "tool_call_id") if key in more}
    if "weight" in more:
        found["weight"] = more["weight"]
    if "said" not in more:
        return found
    reasoning, calls = more.get("reasoning", ""), more.get("tool_calls", ())
    if calls and known.tools:
        found["tool_calls"], calls = list(calls), ()
    if reasoning and known.reasoning:
        found[known.reasoning], reasoning = reasoning, ""
    found["content"] = written_out(more["said"], reasoning, calls)
    return found


def _writes(tokenizer: Any, name: str) -> bool:
    """Whether the reasoning of an answer is written where it stands under this name."""
    turns = [{"role": "user", "content": "?"}, {"role": "assistant", "content": "!", name: _MARK}]
    try:
        return _MARK in render(tokenizer, turns)
    except DataError:
        return False
