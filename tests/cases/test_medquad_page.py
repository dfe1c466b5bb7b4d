"""The MedQuAD case quotes what the commands printed and the model answered, word for word, in both languages."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

CASES = Path(__file__).parents[2] / "docs" / "cases"
PAGES = [("en", "medquad.md"), ("zh", "medquad.zh.md")]


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((CASES / "medquad" / "results.json").read_text(encoding="utf-8"))
    return found


def bare(text: str) -> str:
    return "".join(text.split())


@pytest.mark.parametrize(("lang", "page"), PAGES)
def test_what_the_page_quotes_was_printed(told: dict[str, Any], lang: str, page: str) -> None:
    printed = bare("".join(each["printed"] for each in told[lang].values()))
    blocks = re.findall(r"```text\n(.*?)```", (CASES / page).read_text(encoding="utf-8"), re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines() if line.strip() not in ("", "…")]
    assert len(lines) > 15
    assert [line for line in lines if bare(line) not in printed] == []


@pytest.mark.parametrize(("lang", "page"), PAGES)
def test_the_answers_are_the_model_s(told: dict[str, Any], lang: str, page: str) -> None:
    text = (CASES / page).read_text(encoding="utf-8")
    asked = {q["prompt"]: q for q in told["answers"]}
    parts = re.split(r"^\*\*(.+?)\*\*$", text[text.index('<a id="answers">') :], flags=re.MULTILINE)
    quoted = list(zip(parts[1::2], parts[2::2], strict=True))
    assert len(quoted) >= 3
    for question, rest in quoted:
        rows = dict(re.findall(r"^\| (\S+) \| (.*?) \|$", rest, flags=re.MULTILINE))
        said = {("base" if k == "0" else k): v for k, v in asked[question]["answers"].items()}
        found = {k: v for k, v in rows.items() if k in said}
        assert len(found) == len(said) == 5
        assert {k: bare(v) for k, v in found.items()} == {k: bare(v) for k, v in said.items()}


@pytest.mark.parametrize(("lang", "page"), PAGES)
def test_the_figures_are_there_and_show_their_numbers(told: dict[str, Any], lang: str, page: str) -> None:
    text = (CASES / page).read_text(encoding="utf-8")
    for name in ("loss", "behaviours"):
        assert f"medquad/{name}.{lang}.svg" in text
        drawn = (CASES / "medquad" / f"{name}.{lang}.svg").read_text(encoding="utf-8")
        assert drawn.startswith("<svg")
        assert len(drawn) > 5_000
    chosen = told["choice"]["step"]
    assert f"checkpoint-{chosen}" in text
