"""What the page on other tools' recipes shows is understood, and its numbers are those of the tables."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path

import pytest

from doneness.config.foreign import Fate, kinds, translate

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "howto"
TEMPLATES = ROOT / "src" / "doneness" / "models" / "templates.toml"


def commands(page: str) -> list[str]:
    text = (PAGES / page).read_text(encoding="utf-8")
    return [line for block in re.findall(r"```sh\n(.*?)```", text, re.S) for line in block.splitlines()]


@pytest.mark.parametrize("line", commands("other-recipes.md"))
def test_what_is_shown_is_understood(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("yaml")
    monkeypatch.chdir(tmp_path)
    Path("qwen_lora_sft.yaml").write_text("do_train: true\nmodel_name_or_path: M\ndataset: D\n", encoding="utf-8")
    program, command, *words = shlex.split(line)
    assert (program, command) == ("doneness", "train")
    assert translate(words).recipe.run.stage == "sft"


def test_both_languages_show_the_same() -> None:
    assert commands("other-recipes.md") == commands("other-recipes.zh.md") != []


@pytest.mark.parametrize("page", ["other-recipes.md", "other-recipes.zh.md"])
def test_the_numbers_are_those_of_the_tables(page: str) -> None:
    text = (PAGES / page).read_text(encoding="utf-8")
    shown = [tuple(map(int, row)) for row in re.findall(r"\| (\d+) \| (\d+) \|", text)]
    theirs = [kinds(tool) for tool in ("llamafactory", "medicalgpt")]
    assert shown == [tuple(len(each[fate]) for each in theirs) for fate in Fate]
    for each in theirs:
        assert str(sum(map(len, each.values()))) in text
    assert f" {len(tomllib.loads(TEMPLATES.read_text(encoding='utf-8')))} " in text
