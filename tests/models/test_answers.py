"""Loss on every answer of a conversation."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from doneness.core import DataError
from doneness.data import Row, Turn, parse_spans
from doneness.models import Encoded, as_turns, encode, encode_rows, example_losses, load_model, render
from doneness.models.messages import Known, known_to
from doneness.testing.tiny import make_tiny_tokenizer

pytestmark = pytest.mark.model

TALK = (
    Turn("system", "Be brief."),
    Turn("user", "What is gout?"),
    Turn("assistant", "A joint disease."),
    Turn("user", "Does it hurt?"),
    Turn("assistant", "It does."),
    Turn("user", "For how long?"),
    Turn("assistant", "Decision: days"),
)
THOUGHT = "<think>\nHm.\n</think>\n\nYes."


def talk(*turns: Turn, name: str = "a") -> Row:
    return Row(name, turns or TALK, 1)


def learnt(tokenizer: Any, encoded: Encoded) -> list[str]:
    return [tokenizer.decode(encoded.ids[a.begin : a.end]) for a in encoded.answers]


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return make_tiny_tokenizer()


def family(name: str) -> Any:
    """The tiny tokenizer with another model's template and its control tokens."""
    trl = pytest.importorskip("trl")
    file = Path(trl.__file__).parent / "chat_templates" / f"{name}.jinja"
    if not file.is_file():
        pytest.skip(f"this version of trl has no {file.name}")
    tokenizer = make_tiny_tokenizer()
    tokenizer.chat_template = file.read_text(encoding="utf-8")
    marks = set(re.findall(r"<\|[A-Za-z_]+\|>|<end_of_turn>|<start_of_turn>", tokenizer.chat_template))
    tokenizer.add_special_tokens({"additional_special_tokens": sorted(marks)})
    return tokenizer


def test_every_answer_and_its_end_carry_loss_and_nothing_else(tokenizer: Any) -> None:
    encoded = encode(tokenizer, talk(), 512)
    assert learnt(tokenizer, encoded) == [
        "A joint disease.<|im_end|>", "It does.<|im_end|>", "Decision: days<|im_end|>"
    ]  # fmt: skip
    assert encoded.targets == sum(label != -100 for label in encoded.labels) == 26 - 9 + 9 + 15
    assert [i for i, label in zip(encoded.ids, encoded.labels, strict=True) if label != -100] == [
        i for a in encoded.answers for i in encoded.ids[a.begin : a.end]
    ]
    assert encoded.start == encoded.answers[0].begin


def test_the_tokens_are_those_of_the_whole_conversation(tokenizer: Any) -> None:
    encoded = encode(tokenizer, talk(), 512)
    whole = tokenizer(render(tokenizer, as_turns(talk())), add_special_tokens=False)["input_ids"]
    assert list(encoded.ids) == whole[: len(encoded.ids)]
    assert tokenizer.decode(whole[len(encoded.ids) :]) == "\n"


@pytest.mark.parametrize("name", ["llama3", "qwen2_5", "phi3", "gemma3", "lfm2"])
def test_other_templates_are_taken_apart_as_well(name: str) -> None:
    other = family(name)
    encoded = encode(other, talk(), 1024)
    whole = other(render(other, as_turns(talk())), add_special_tokens=False)["input_ids"]
    assert list(encoded.ids) == whole[: len(encoded.ids)]
    assert [text.split("<")[0] for text in learnt(other, encoded)] == ["A joint disease.", "It does.", "Decision: days"]
    assert not encoded.rewritten


def test_a_last_answer_alone_is_what_it_was(tokenizer: Any) -> None:
    last = encode(tokenizer, talk(), 512, answers="last")
    assert learnt(tokenizer, last) == ["Decision: days<|im_end|>"]
    assert last.ids == encode(tokenizer, talk(), 512).ids
    one = talk(*TALK[:3])
    assert encode(tokenizer, one, 512) == encode(tokenizer, one, 512, answers="last")


def test_a_template_that_drops_reasoning_from_the_history_is_recognised_and_counted() -> None:
    qwen = family("qwen3")
    rows = [talk(name="several"), talk(*TALK[:3], name="one")]
    encoded = encode_rows(qwen, rows, 1024)
    assert (encoded.rewritten, [row.rewritten for row in encoded.rows]) == (1, [True, False])
    assert learnt(qwen, encoded.rows[0]) == ["<think>\n\n</think>\n\nDecision: days<|im_end|>"]
    assert encode_rows(qwen, rows, 1024, answers="last").rewritten == 0


def test_a_template_without_an_end_of_turn_learns_the_end_of_the_last_answer_alone() -> None:
    plain = make_tiny_tokenizer()
    plain.chat_template = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}"
    encoded = encode(plain, talk(), 512)
    assert learnt(plain, encoded) == ["A joint disease.", "It does.", "Decision: days<|im_end|>"]
    assert [answer.ended for answer in encoded.answers] == [False, False, True]


def test_a_conversation_without_a_template_is_written_plainly() -> None:
    plain = make_tiny_tokenizer()
    plain.chat_template = None
    encoded = encode(plain, talk(*TALK[1:5]), 512)
    assert learnt(plain, encoded) == ["A joint disease.", "It does.<|im_end|>"]
    text = "User: What is gout?\nAssistant: A joint disease.\nUser: Does it hurt?\nAssistant: It does.<|im_end|>"
    assert plain.decode(encoded.ids) == text


def test_answers_without_words_or_weight_are_context(tokenizer: Any) -> None:
    silent = Turn("assistant", "Never mind.", {"weight": 0})
    row = talk(Turn("user", "a"), Turn("assistant", " "), Turn("user", "b"), silent, *TALK[3:5])
    assert learnt(tokenizer, encode(tokenizer, row, 512)) == ["It does.<|im_end|>"]
    with pytest.raises(DataError, match="weight 0"):
        encode(tokenizer, talk(Turn("user", "b"), silent), 512)


def test_first_and_end_are_those_of_every_answer_and_spans_those_of_the_last(tokenizer: Any) -> None:
    encoded = encode(tokenizer, talk(), 512, spans=parse_spans(["label"]))
    targets = [i for i in encoded.labels if i != -100]
    said = {name: tokenizer.decode([targets[k] for k in places]) for name, places in encoded.parts.items()}
    assert said["first"] == "AID"
    assert said["end"] == "<|im_end|>" * 3
    assert said["label"] == "days"
    parts = [encoded.parts[name] for name in ("first", "rest", "end")]
    assert sorted(k for part in parts for k in part) == list(range(encoded.targets))


def test_losses_are_summed_over_every_answer(tiny_model: Path, tokenizer: Any) -> None:
    import torch

    model = load_model(str(tiny_model), device="cpu").model
    rows = encode_rows(tokenizer, [talk(), talk(*TALK[:3], name="b")], 512, spans=parse_spans(["label"])).rows
    found = example_losses(model, rows, 0, 2)
    for k, row in enumerate(rows):
        labels = torch.tensor([row.labels])
        with torch.inference_mode():
            mean = model(torch.tensor([row.ids]), labels=labels).loss
        assert found.nll[k] == pytest.approx(float(mean) * row.targets, rel=1e-5)
    assert found.tokens.tolist() == [row.targets for row in rows]
    np.testing.assert_allclose(sum(found.spans[n].nll for n in ("first", "rest", "end")), found.nll, atol=1e-9)


def test_tool_calls_and_reasoning_go_to_a_template_that_knows_them() -> None:
    qwen = family("qwen3")
    assert known_to(qwen) == Known(True, "reasoning_content")
    call = {"type": "function", "function": {"name": "weather", "arguments": {"city": "Bern"}}}
    tool = {"type": "function", "function": {"name": "weather", "parameters": {}}}
    turns = (
        Turn("user", "Will it rain?"),
        Turn("assistant", "…", {"said": "", "tool_calls": (call,), "reasoning": "Ask."}),
        Turn("user", "sun", {"role": "tool", "name": "weather"}),
        Turn("assistant", THOUGHT, {"said": "Yes.", "reasoning": "Hm."}),
    )
    encoded = encode(qwen, Row("a", turns, 1, tools=(tool,)), 4096)
    text = qwen.decode(encoded.ids)
    assert '<tools>\n{"type": "function", "function": {"name": "weather"' in text
    assert "<tool_response>\nsun\n</tool_response>" in text
    assert learnt(qwen, encoded) == [
        '<think>\nAsk.\n</think>\n\n<tool_call>\n{"name": "weather", "arguments": {"city": "Bern"}}\n</tool_call>'
        "<|im_end|>",
        f"{THOUGHT}<|im_end|>",
    ]  # fmt: skip


def test_elsewhere_they_are_written_out(tokenizer: Any) -> None:
    assert known_to(tokenizer) == Known()
    turns = (
        Turn("user", "Rain?"),
        Turn("assistant", '{"name": "weather"}', {"said": "", "tool_calls": ({"function": {"name": "weather"}},)}),
        Turn("user", "sun", {"role": "tool"}),
        Turn("assistant", THOUGHT, {"said": "Yes.", "reasoning": "Hm."}),
    )
    encoded = encode(tokenizer, Row("a", turns, 1), 512)
    assert learnt(tokenizer, encoded) == ['{"name": "weather"}<|im_end|>', f"{THOUGHT}<|im_end|>"]
    assert "<|im_start|>user\nsun<|im_end|>" in tokenizer.decode(encoded.ids)


def test_a_name_in_a_template_is_not_taken_for_reasoning_that_is_written() -> None:
    other = make_tiny_tokenizer()
    other.chat_template += "{# enable_thinking #}"
    assert known_to(other).reasoning == ""


def test_a_template_that_writes_no_texts_is_refused() -> None:
    other = make_tiny_tokenizer()
    other.chat_template = (
        "{% for m in messages %}<|im_start|>{{ m.role }}\n{% for p in m.content if p.text %}{{ p.text }}{% endfor %}"
        "<|im_end|>\n{% endfor %}"
    )
    with pytest.raises(DataError, match="does not write the answer"):
        encode(other, talk(), 512)
