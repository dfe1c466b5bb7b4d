from __future__ import annotations

import ast
import re
import string
from pathlib import Path

import pytest

from doneness.core import Message, language, say, speaking, tr
from doneness.core.catalogue import entries

SOURCE = Path(__file__).parents[2] / "src" / "doneness"


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def test_both_languages_have_the_same_keys_and_placeholders() -> None:
    english, chinese = entries("en"), entries("zh")
    assert len(english) > 200
    assert set(english) == set(chinese)
    differing = [k for k in english if placeholders(english[k]) != placeholders(chinese[k])]
    assert differing == []


def test_chinese_entries_are_chinese() -> None:
    sentences = {k: v for k, v in entries("zh").items() if len(entries("en")[k].split()) > 4}
    untranslated = [k for k, v in sentences.items() if not re.search(r"[\u3400-\u9fff]", v)]
    assert untranslated == []


def test_chinese_has_one_word_for_evaluation() -> None:
    assert [key for key, text in entries("zh").items() if "评估" in text] == [], "验证 everywhere"


def test_what_an_overlap_needs_is_no_contradiction() -> None:
    """Twelve evaluations may be there and three be needed: those with train losses around them."""
    text = say("diagnose.cv08.few", evals=12, needed=3).text("zh")
    assert text.index("12") < text.index("前后都有训练损失的验证") < text.index("3 次")


def test_every_key_named_in_the_source_exists() -> None:
    called = re.compile(r'\b(?:say|tr)\(\s*"([a-z_0-9.]+)"')
    used = {key for file in SOURCE.rglob("*.py") for key in called.findall(file.read_text(encoding="utf-8"))}
    assert len(used) > 60
    assert sorted(used - set(entries("en"))) == []


def calls() -> list[tuple[str, str, set[str]]]:
    """(where, key, names given) of every sentence asked for by its full name, with all its values named."""
    found = []
    for file in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("say", "tr")):
                continue
            first = node.args[0] if node.args else None
            named = [keyword.arg for keyword in node.keywords]
            if isinstance(first, ast.Constant) and isinstance(first.value, str) and None not in named:
                found.append((f"{file.name}:{node.lineno}", first.value, {name for name in named if name}))
    return found


def test_every_sentence_gets_the_values_that_it_asks_for() -> None:
    """A name that is not given would show the key in place of the sentence."""
    english, seen = entries("en"), calls()
    assert len(seen) > 400
    lacking = [(where, key, placeholders(english[key]) - given) for where, key, given in seen
               if {each.split(".")[0] for each in placeholders(english[key])} - given]  # fmt: skip
    assert lacking == []


def test_a_message_speaks_the_readers_language() -> None:
    message = say("probe.choice.only", step=48)
    assert "48" in message.text("en")
    assert "48" in message.text("zh")
    assert message.text("en") != message.text("zh")
    with speaking("zh"):
        assert str(message) == message.text("zh")
        assert tr("probe.choice.only", step=48) == message.text("zh")


def test_a_message_survives_json_with_messages_inside() -> None:
    inner = say("probe.knowledge.title")
    message = say("probe.choice.better", behaviours=say("probe.choice.join", left=inner, right=inner))
    assert Message.from_dict(message.to_dict()) == message
    assert Message.from_dict(message.to_dict()).text("zh") == message.text("zh")


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [("DONENESS_LANG", "zh", "zh"), ("LANG", "zh_CN.UTF-8", "zh"), ("LANG", "de_DE.UTF-8", "en"), ("LANG", "", "en")],
)
def test_the_environment_chooses(monkeypatch: pytest.MonkeyPatch, variable: str, value: str, expected: str) -> None:
    monkeypatch.setenv(variable, value)
    assert language() == expected


def test_a_message_of_another_version_is_shown_as_it_is() -> None:
    assert say("probe.choice.only", other=3).text() == "probe.choice.only other=3"
    assert say("no.such.key", n=1).text("zh") == "no.such.key n=1"
