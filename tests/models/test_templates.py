"""Chat templates by LLaMA-Factory's names."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from doneness.core import DonenessError, speaking
from doneness.models.templates import template, templates, with_template
from doneness.testing.tiny import make_tiny_tokenizer

pytestmark = pytest.mark.model

# What LLaMA-Factory 0.9.5 itself writes (baichuan, baichuan2 and xverse: 0.9.3), with <B> and <E> for the tokenizer's
# own tokens: the conversation of TALK, and one without a system message.
THEIRS = json.loads((Path(__file__).parent / "llamafactory_templates.json").read_text(encoding="utf-8"))
# What MedicalGPT's own get_dialog writes, its answers followed by <E>.
MEDICAL = json.loads((Path(__file__).parent / "medicalgpt_templates.json").read_text(encoding="utf-8"))
TALK = (("system", "S"), ("user", "U"), ("assistant", "A"), ("user", "V"), ("assistant", "B"))


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return bare()


def bare() -> Any:
    """A tokenizer without a chat template."""
    made = make_tiny_tokenizer()
    made.chat_template = None
    made.add_special_tokens({"bos_token": "<B>", "eos_token": "<E>"})
    return made


def write(tokenizer: Any, name: str, talk: Sequence[tuple[str, str]] = TALK, ask: bool = False) -> str:
    turns = [{"role": role, "content": content} for role, content in talk]
    tokenizer.chat_template = template(name).jinja()
    return str(tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=ask))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("default", "System: S<E>\nHuman: U<E>\nAssistant:A<E>\nHuman: V<E>\nAssistant:B<E>\n"),
        ("empty", "SUAVB"),
        ("vicuna", "SUSER: U ASSISTANT:A<E>USER: V ASSISTANT:B<E>"),
        ("llama2", "<B>[INST] <<SYS>>\nS\n<</SYS>>\n\nU [/INST]A<E><B>[INST] V [/INST]B<E>"),
        ("mistral", "<B>[INST] S\n\nU[/INST] A<E>[INST] V[/INST] B<E>"),
        ("glm4", "[gMASK]<sop><|system|>\nS<|user|>\nU<|assistant|>\nA<|user|>\nV<|assistant|>\nB<E>"),
        (
            "qwen3",
            "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nU<|im_end|>\n"
            "<|im_start|>assistant\n<think>\n\n</think>\n\nA<|im_end|>\n<|im_start|>user\nV<|im_end|>\n"
            "<|im_start|>assistant\n<think>\n\n</think>\n\nB<|im_end|>\n",
        ),
        (
            "llama3",
            "<B><|start_header_id|>system<|end_header_id|>\n\nS<|eot_id|>"
            "<|start_header_id|>user<|end_header_id|>\n\nU<|eot_id|>"
            "<|start_header_id|>assistant<|end_header_id|>\n\nA<|eot_id|>"
            "<|start_header_id|>user<|end_header_id|>\n\nV<|eot_id|>"
            "<|start_header_id|>assistant<|end_header_id|>\n\nB<|eot_id|>",
        ),
    ],
)
def test_a_conversation_is_written_as_the_name_says(tokenizer: Any, name: str, text: str) -> None:
    assert write(tokenizer, name) == text


@pytest.mark.parametrize("name", THEIRS)
def test_it_writes_what_llamafactory_writes(tokenizer: Any, name: str) -> None:
    theirs, ours = THEIRS[name], template(name)
    assert write(tokenizer, name) == theirs["talk"]
    assert write(tokenizer, name, TALK[1:3]) == theirs["bare"]
    assert (list(ours.stops), ours.eos) == (theirs["stops"], theirs["eos"])


@pytest.mark.parametrize("name", MEDICAL)
def test_it_writes_what_medicalgpt_writes(tokenizer: Any, name: str) -> None:
    assert write(tokenizer, f"medicalgpt-{name}") == MEDICAL[name]["talk"]
    assert write(tokenizer, f"medicalgpt-{name}", TALK[1:]) == MEDICAL[name]["plain"]


def test_medicalgpt_leaves_the_first_token_to_the_tokenizer() -> None:
    made = bare()
    assert with_template(made, "medicalgpt-belle") is None
    turns = [{"role": "user", "content": "Q"}]
    assert made.apply_chat_template(turns, tokenize=False) == "Human: Q\n\nBelle: "

    class Beginning:
        bos_token_id, bos_token, eos_token, chat_template = 7, "<B>", "<E>", None

        def __call__(self, text: str, **more: Any) -> dict[str, list[int]]:
            return {"input_ids": [7, 8]}

    begun = Beginning()
    with_template(begun, "medicalgpt-belle")
    assert "{{- bos_token -}}" in str(begun.chat_template)


@pytest.mark.parametrize("name", templates())
def test_the_prompt_is_what_the_whole_begins_with(tokenizer: Any, name: str) -> None:
    whole = write(tokenizer, name)
    asked = write(tokenizer, name, TALK[:4], ask=True)
    assert whole.startswith(asked)
    assert asked.startswith(write(tokenizer, name, TALK[:3]).removesuffix("<E>"))
    assert whole[len(asked) :].strip().removeprefix("<think>\n\n</think>\n\n").strip().startswith("B")


def test_an_own_system_message_comes_before_the_usual_one(tokenizer: Any) -> None:
    assert "Qwen, created by Alibaba" in write(tokenizer, "qwen", TALK[1:])
    assert "Qwen" not in write(tokenizer, "qwen")
    # An empty one is none.
    assert "Qwen, created by Alibaba" in write(tokenizer, "qwen", (("system", ""), *TALK[1:]))
    assert write(tokenizer, "llama3", TALK[1:3]).count("system") == 0


def test_what_is_said_is_never_taken_for_a_template(tokenizer: Any) -> None:
    said = "{text} {{ bos_token }} {% if %} 'a' \\n \"b\" {bos}"
    for name in ("chatml", "alpaca", "llama2", "mistral"):
        assert said in write(tokenizer, name, (("system", said), ("user", said), ("assistant", said)))


def test_reasoning_that_is_there_is_not_doubled(tokenizer: Any) -> None:
    text = write(tokenizer, "qwen3", (("user", "U"), ("assistant", "<think>\nwhy\n</think>\n\nA")))
    assert text.count("<think>") == 1


def test_a_named_template_wins_over_the_models_own_and_the_user_is_told() -> None:
    made = make_tiny_tokenizer()
    own, turns = made.chat_template, [{"role": "user", "content": "Q"}]
    assert with_template(made, "") is None
    assert made.chat_template == own
    line = with_template(made, "alpaca")
    assert line is not None
    assert "alpaca" in line.text("en")
    assert "### Instruction:\nQ" in made.apply_chat_template(turns, tokenize=False)
    # Asked again, it is its own by now.
    assert with_template(made, "alpaca") is None


def test_a_template_that_writes_the_same_leaves_the_models_own() -> None:
    made = make_tiny_tokenizer()
    own = template("chatml").jinja() + " "
    made.chat_template = own.rstrip() + "{# the same #}"
    before = made.chat_template
    assert with_template(made, "chatml") is None
    assert made.chat_template == before


def test_without_one_of_its_own_nothing_is_to_be_told() -> None:
    tokenizer = bare()
    assert with_template(tokenizer, "chatml") is None
    assert tokenizer.eos_token == "<|im_end|>"
    assert tokenizer.chat_template


def test_a_template_that_ends_answers_with_a_token_that_is_not_there_is_refused() -> None:
    tokenizer = bare()
    with pytest.raises(DonenessError, match=r"llama3 ends answers with <\|eot_id\|>"):
        with_template(tokenizer, "llama3")
    assert tokenizer.chat_template is None
    with pytest.raises(DonenessError, match=r"no such template .*qwen"):
        with_template(tokenizer, "qwen9")
    with speaking("zh"), pytest.raises(DonenessError, match="没有这个模板"):
        with_template(tokenizer, "nonsense")
