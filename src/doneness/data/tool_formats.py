"""Tools, calls of them and their results as text, for models whose chat template knows none.

The formats are those that MedicalGPT's `--tool_format` names. Without one a row's tools are left to the chat template.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from doneness.core import say
from doneness.data.said import Fault, decoded

Tool = Mapping[str, Any]

TEMPLATE = "template"  # no format: the chat template writes tools
_KEYS = ("conversations", "messages")
_CALLS, _RESULTS = ("function_call", "tool_call"), ("observation", "tool", "function_response", "tool_response")
# Llama 3 is told the day: that of its own template, since today would make other rows of the same file tomorrow.
_DAY = "26 Jul 2024"


@dataclass(frozen=True)
class Format:
    """How a format writes.

    Attributes:
        tools: what may be called, for the system message.
        call: a call by its name and its arguments as JSON.
        result: what was answered to one.
    """

    tools: Callable[[Sequence[Tool]], str]
    call: Callable[[str, str], str]
    result: Callable[[str], str]


def in_text(item: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A row whose tools, calls and results stand in its texts; one without messages or tools is as it was.

    Args:
        item: the row as it was read.
        name: of the format; "template" changes nothing.

    Raises:
        Fault: its tools cannot be read.
    """
    if not any(map(item.__contains__, _KEYS)):
        return item
    key = next((each for each in _KEYS if isinstance(decoded(item.get(each)), list)), None)
    if name == TEMPLATE or key is None:
        return item
    how, said = FORMATS[name], decoded(item[key])
    tools = _functions(item.get("tools"))
    found = [_said(each, how) if isinstance(each, Mapping) else each for each in said]
    if tools:
        found = _with_tools(found, item, how.tools(tools))
    return {name: value for name, value in item.items() if name != "tools"} | {key: found}


def _with_tools(said: list[Any], item: Mapping[str, Any], text: str) -> list[Any]:
    """The messages with the tools after what the system says, in a message of its own where it says nothing."""
    first = said[0] if said and isinstance(said[0], Mapping) else {}
    if _role(first) == "system":
        before, rest = str(first.get("value", first.get("content")) or ""), said[1:]
    else:
        before, rest = str(item.get("system") or item.get("system_prompt") or ""), said
    return [{"role": "system", "content": f"{before}\n\n{text}" if before else text}, *rest]


def _said(message: Mapping[str, Any], how: Format) -> Mapping[str, Any]:
    role, content = _role(message), message.get("value", message.get("content"))
    if role in _RESULTS:
        told = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
        return {"role": "user", "content": how.result(told)}
    calls = decoded(content) if role in _CALLS else None
    calls = [calls] if isinstance(calls, Mapping) else calls
    if not isinstance(calls, list) or not calls or not all(_is_call(each) for each in calls):
        return message
    written = (how.call(each["name"], json.dumps(decoded(each["arguments"]), ensure_ascii=False)) for each in calls)
    return {"role": "assistant", "content": "\n".join(written)}


def _is_call(value: Any) -> bool:
    return isinstance(value, Mapping) and isinstance(value.get("name"), str) and "arguments" in value


def _role(message: Mapping[str, Any]) -> str:
    return str(message.get("from", message.get("role", ""))).lower()


def _functions(value: Any) -> list[Tool]:
    """What may be called, as plain descriptions of functions."""
    told = decoded(value)
    if told is None or told == "":
        return []
    told = [told] if isinstance(told, Mapping) else told
    if not isinstance(told, list) or not all(isinstance(each, Mapping) for each in told):
        raise Fault(say("data.bad_tools", type=type(told).__name__))
    return [each["function"] if isinstance(each.get("function"), Mapping) else each for each in told]


def _wrapped(tool: Tool) -> dict[str, Any]:
    return {"type": "function", "function": tool}


def _json(value: Any, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent)


def _default_tools(tools: Sequence[Tool]) -> str:
    parts = []
    for tool in tools:
        asked = tool.get("parameters") or {}
        required = asked.get("required", [])
        arguments = "".join(_argument(name, each, name in required) for name, each in _properties(asked))
        description = tool.get("description", "")
        parts.append(f"> Tool Name: {tool.get('name', '')}\nTool Description: {description}\nTool Args:\n{arguments}\n")
    names = ", ".join(str(tool.get("name", "")) for tool in tools)
    return (
        f"You have access to the following tools:\n{''.join(parts)}Use the following format if using a tool:\n```\n"
        f"Action: tool name (one of [{names}])\n"
        "Action Input: the input to the tool, in a JSON format representing the kwargs "
        '(e.g. ```{"input": "hello world", "num_beams": 5}```)\n```\n'
    )


def _properties(asked: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    return [(name, each) for name, each in (asked.get("properties") or {}).items() if isinstance(each, Mapping)]


def _argument(name: str, told: Mapping[str, Any], required: bool) -> str:
    choices = f", should be one of [{', '.join(map(str, told['enum']))}]" if told.get("enum") else ""
    items = told.get("items")
    each = f", where each item should be {items.get('type', '')}" if isinstance(items, Mapping) and items else ""
    kind = f"{told.get('type', '')}{', required' if required else ''}"
    return f"  - {name} ({kind}): {told.get('description', '')}{choices}{each}\n"


def _glm4_tools(tools: Sequence[Tool]) -> str:
    bodies = "".join(
        f"\n\n## {tool.get('name', '')}\n\n{_json(tool, 4)}\n在调用上述函数时，请使用 Json 格式表示调用的参数。"
        for tool in tools
    )
    return (
        "你是一个名为 ChatGLM 的人工智能助手。你是基于智谱AI训练的语言模型 GLM-4 模型开发的，"
        f"你的任务是针对用户的问题和要求提供适当的答复和支持。# 可用工具{bodies}"
    )


def _llama3_tools(tools: Sequence[Tool]) -> str:
    bodies = "".join(f"{_json(_wrapped(tool), 4)}\n\n" for tool in tools)
    return (
        f"Cutting Knowledge Date: December 2023\nToday Date: {_DAY}\n\n"
        "You have access to the following functions. To call a function, please respond with JSON for a function call. "
        'Respond in the format {"name": function name, "parameters": dictionary of argument name and its value}. '
        f"Do not use variables.\n\n{bodies}"
    )


def _mistral_tools(tools: Sequence[Tool]) -> str:
    return f"[AVAILABLE_TOOLS] {_json([_wrapped(tool) for tool in tools])}[/AVAILABLE_TOOLS]"


def _qwen_tools(tools: Sequence[Tool]) -> str:
    bodies = "".join(f"\n{_json(_wrapped(tool))}" for tool in tools)
    return (
        "\n\n# Tools\n\nYou may call one or more functions to assist with the user query.\n\n"
        f"You are provided with function signatures within <tools></tools> XML tags:\n<tools>{bodies}"
        "\n</tools>\n\nFor each function call, return a json object with function name and arguments within "
        '<tool_call></tool_call> XML tags:\n<tool_call>\n{"name": <function-name>, '
        '"arguments": <args-json-object>}\n</tool_call>'
    )


FORMATS: Mapping[str, Format] = {
    "default": Format(
        _default_tools,
        lambda name, given: f"Action: {name}\nAction Input: {given}\n",
        lambda said: f"Observation: {said}",
    ),
    "glm4": Format(_glm4_tools, lambda name, given: f"{name}\n{given}", lambda said: f"<|observation|>\n{said}"),
    "llama3": Format(
        _llama3_tools,
        lambda name, given: f'{{"name": "{name}", "parameters": {given}}}',
        lambda said: f"Observation: {said}",
    ),
    "mistral": Format(
        _mistral_tools,
        lambda name, given: f'[{{"name": "{name}", "arguments": {given}}}]',
        lambda said: f'[TOOL_RESULTS] {{"content": {said}}}[/TOOL_RESULTS]',
    ),
    "qwen": Format(
        _qwen_tools,
        lambda name, given: f'<tool_call>\n{{"name": "{name}", "arguments": {given}}}\n</tool_call>',
        lambda said: f"<tool_response>\n{said}\n</tool_response>",
    ),
}
