"""What the page on probing shows works as it is shown."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest

from doneness.cli.main import build_parser
from doneness.probe.custom import load_behaviours
from doneness.probe.loaders import LOADERS
from doneness.probe.opening import built_in, open_suite
from doneness.probe.suite import Probe
from doneness.runs.probes import Answer

PAGES = Path(__file__).parents[2] / "docs" / "howto"
ENGLISH, CHINESE = ((PAGES / f"probing{end}.md").read_text(encoding="utf-8") for end in ("", ".zh"))


def blocks(page: str, kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", page, re.S)


@pytest.mark.parametrize("kind", ["toml", "json", "python"])
def test_both_languages_show_the_same(kind: str) -> None:
    assert blocks(ENGLISH, kind) == blocks(CHINESE, kind) != []


def test_both_languages_show_the_same_commands() -> None:
    english, chinese = (re.findall(r"^(?:doneness|export) .+$", page, re.M) for page in (ENGLISH, CHINESE))
    assert english == chinese and len(english) == 6


def test_the_suite_that_is_shown_opens(tmp_path: Path) -> None:
    (shown,) = blocks(ENGLISH, "toml")
    assert tomllib.loads(shown)
    (tmp_path / "s.toml").write_text(shown)
    (tmp_path / "questions.jsonl").write_text(blocks(ENGLISH, "json")[0])
    rows = [json.dumps({"prompt": f"Q{i}?", "completion": f"Answer {i}."}) for i in range(300)]
    for name in ("held_out", "train"):
        (tmp_path / f"{name}.jsonl").write_text("\n".join(rows))
    suite = open_suite(str(tmp_path / "s.toml"))
    sorts = [p.sort for p in suite.probes]
    assert (sorts.count("task"), sorts.count("recite"), sorts.count("recite_held_out")) == (200, 50, 50)
    assert {"knowledge", "choice", "sycophancy", "general", "invented", "text"} <= set(sorts)
    (knowledge,) = [p for p in suite.probes if p.sort == "knowledge"]
    assert knowledge.asks == ("answer", "samples") and knowledge.samples == 5


def test_the_behaviour_that_is_shown_works(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(blocks(ENGLISH, "python")[0])
    (measure,) = load_behaviours(["mine.py:Polite"], tmp_path)
    assert measure.score(Probe("p", "safe", "Q?", "", ()), Answer("p", 0, "Please wait.", 2, 0.9, False)) == 1.0
    assert measure.score(Probe("p", "unsafe", "Q?", "", ()), Answer("p", 0, "Please", 2, 0.9, False)) is None


@pytest.mark.parametrize("page", [ENGLISH, CHINESE], ids=["en", "zh"])
def test_what_is_named_is_there(page: str) -> None:
    for line in re.findall(r"^doneness (.+)$", page, re.M):
        build_parser().parse_args(line.split())
    for name in built_in():
        suite, lang = name.split("-")
        (row,) = [line for line in page.splitlines() if line.startswith("|") and f"`{suite}" in line]
        assert re.findall(r"\d+", row)[("en", "zh").index(lang)] == str(len(open_suite(name).probes))
    for loader in LOADERS:
        assert loader.name in page
    for target in re.findall(r"\]\(([^)]+\.md)\)", page):
        if "results" not in target:
            assert (PAGES / target).exists(), target
