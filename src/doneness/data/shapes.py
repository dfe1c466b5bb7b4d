"""The shapes of a supervised row, told apart by their keys, all turned into what was said.

| shape | keys |
|---|---|
| prompt and completion | prompt, completion (texts, or lists of messages as TRL has them) |
| messages | messages: role, content (OpenAI; content may be a list of text parts) |
| alpaca | instruction, input, output, perhaps system and history |
| ShareGPT | conversations: from, value, perhaps system |
| question and answer | question, answer |

A list may also stand as JSON in a text, as tables have it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from doneness.core import Message, say
from doneness.data.said import Blank, Fault, Said, decoded, messages, string

_MEDIA = ("images", "videos", "audios")


def turns_of(item: Mapping[str, Any]) -> tuple[Said, ...]:
    """The conversation in a row, ending with the assistant's answer.

    Raises:
        Blank: there is no question, or no answer.
        Fault: the shape or a role is not known, or a text is something else.
    """
    if "chosen" in item and "rejected" in item:
        raise Fault(say("data.preference"))
    refuse_media(item)
    for keys, read in _SHAPES:
        if all(map(item.__contains__, keys)):
            said = read(item)
            break
    else:
        raise Fault(_unknown(item))
    return tuple(said)


def refuse_media(item: Mapping[str, Any]) -> None:
    """Refuse a row with images, videos or sound: they would be left out without a word.

    Raises:
        Fault: it has some.
    """
    if not any(map(item.__contains__, _MEDIA)):
        return
    found = next((key for key in _MEDIA if decoded(item.get(key))), None)
    if found is not None:
        raise Fault(say("data.media", field=found))


def with_system(item: Mapping[str, Any], said: list[Said]) -> list[Said]:
    """What was said after the row's own system message, where it has one and the conversation has none."""
    system = string(item.get("system") or item.get("system_prompt"), "system")
    return [Said("system", system), *said] if system and not (said and said[0].role == "system") else said


def asked(item: Mapping[str, Any]) -> list[Said]:
    """History and question of an alpaca row.

    Raises:
        Fault: the history is no list of pairs.
    """
    said: list[Said] = []
    for pair in decoded(item.get("history")) or []:
        if not isinstance(pair, Sequence) or isinstance(pair, str) or len(pair) != 2:
            raise Fault(say("data.bad_history"))
        said += [Said("user", string(pair[0], "history")), Said("assistant", string(pair[1], "history"))]
    question = [string(item.get(key), key) for key in ("instruction", "input")]
    # Joined with a line break, as LLaMA-Factory joins them.
    return [*said, Said("user", "\n".join(part for part in question if part.strip()))]


def listed(value: Any) -> Any:
    """Messages that stand as JSON in a text, as a list; any other value as it is, other JSON in a text, too."""
    found = decoded(value)
    each = found if isinstance(found, list) else [found]
    told = each and all(isinstance(part, Mapping) and ("role" in part or "from" in part) for part in each)
    return found if told else value


def prompted(prompt: Any) -> list[Said]:
    """A prompt: a text, or a list of messages."""
    prompt = listed(prompt)
    return messages(prompt, "prompt") if isinstance(prompt, list) else [Said("user", string(prompt, "prompt"))]


def _unknown(item: Mapping[str, Any]) -> Message:
    keys = ", ".join(str(key) for key in list(item)[:12]) or "-"
    lone = next((pair for pair in (("prompt", "completion"), ("instruction", "output")) if pair[0] in item), None)
    if lone is not None:
        return say("data.half", has=lone[0], lacks=lone[1], keys=keys)
    return say("data.only_text") if "text" in item else say("data.unknown_shape", keys=keys)


def _prompt_completion(item: Mapping[str, Any]) -> list[Said]:
    completion = listed(item["completion"])
    said = prompted(item["prompt"])
    if isinstance(completion, list):
        said += messages(completion, "completion")
    else:
        said.append(Said("assistant", string(completion, "completion")))
    return _checked(with_system(item, said), "prompt", "completion")


def _openai(item: Mapping[str, Any]) -> list[Said]:
    return _checked(with_system(item, messages(item["messages"], "messages")), "messages", "messages")


def _sharegpt(item: Mapping[str, Any]) -> list[Said]:
    said = with_system(item, messages(item["conversations"], "conversations"))
    return _checked(said, "conversations", "conversations")


def _alpaca(item: Mapping[str, Any]) -> list[Said]:
    said = [*asked(item), Said("assistant", string(item["output"], "output"))]
    return _checked(with_system(item, said), "instruction", "output")


def _question_answer(item: Mapping[str, Any]) -> list[Said]:
    said = [Said("user", string(item["question"], "question")), Said("assistant", string(item["answer"], "answer"))]
    return _checked(said, "question", "answer")


_SHAPES: tuple[tuple[tuple[str, ...], Callable[[Mapping[str, Any]], list[Said]]], ...] = (
    (("messages",), _openai),
    (("conversations",), _sharegpt),
    (("prompt", "completion"), _prompt_completion),
    (("instruction", "output"), _alpaca),
    (("question", "answer"), _question_answer),
)


def _checked(said: list[Said], asked: str, answered: str) -> list[Said]:
    if not said:
        raise Blank(say("data.no_turns", field=answered))
    if said[-1].role not in ("user", "assistant"):
        raise Blank(say("data.ends_with_other", field=answered, role=said[-1].role))
    if said[-1].role != "assistant":
        raise Blank(say("data.ends_with_user", field=answered))
    if not said[-1].content.strip():
        # Of a list of turns only the last is meant.
        raise Blank(say("data.no_answer" if asked != answered else "data.no_last", field=answered))
    for each in said:
        if each.role == "user" and each.content.strip():
            break
    else:
        raise Blank(say("data.no_question" if asked != answered else "data.no_asked", field=asked))
    first = said[0] if said[0].role != "system" else next(each for each in said if each.role != "system")
    if first.role == "assistant":
        # Many templates refuse it, and LLaMA-Factory leaves such a row out.
        raise Blank(say("data.answer_first", field=asked))
    return said
