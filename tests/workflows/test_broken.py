"""Whatever is broken gives one line that says what, where, and what to do; and nothing is written."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.conftest import SHARED
from tests.workflows.broken import FILES, RECIPES, ROWS, Broken, masked, prepared
from tests.workflows.broken_models import MODELS

from doneness.cli.main import main

PAGES = {"en": "broken-data.md", "zh": "broken-data.zh.md"}
HOWTO = Path(__file__).parents[2] / "docs" / "howto"
BAD = SHARED / "data" / "bad_fixtures"
ALL = FILES + ROWS + RECIPES + MODELS


def told(command: list[str], capsys: pytest.CaptureFixture[str], lang: str) -> str:
    """The one line on standard error."""
    capsys.readouterr()
    assert main(["--lang", lang, *command]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and "Traceback" not in err, err
    return err.strip()


def contents(folder: Path) -> dict[str, int]:
    return {str(f.relative_to(folder)): f.stat().st_size for f in sorted(folder.rglob("*")) if f.is_file()}


def cases() -> list[object]:
    return [
        pytest.param(each, id=each.name.replace(" ", "-"), marks=[pytest.mark.model] if each.model else [])
        for each in ALL
    ]


@pytest.mark.parametrize("each", cases())
def test_one_line_says_what_where_and_what_to_do(
    each: Broken,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    request: pytest.FixtureRequest,
) -> None:
    monkeypatch.chdir(tmp_path)
    command = prepared(each, tmp_path, request.getfixturevalue("tiny_model") if each.model else None)
    before = contents(tmp_path)
    found = {lang: told(command, capsys, lang).replace(f"{tmp_path}/", "") for lang in PAGES}
    assert contents(tmp_path) == before
    assert not [word for word in each.words if word not in found["en"]], found["en"]
    assert "defect" not in found["en"]
    assert re.search(r"[\u4e00-\u9fff]", found["zh"]), found["zh"]
    for lang, page in PAGES.items():
        shown = (HOWTO / page).read_text(encoding="utf-8")
        assert f"      {masked(each, found[lang])}\n" in shown, f"{page} lacks: {masked(each, found[lang])}"


def test_there_are_thirty_and_more() -> None:
    assert len({each.name for each in ALL}) == len(ALL) >= 30


@pytest.mark.parametrize("lang", PAGES)
@pytest.mark.parametrize(
    ("file", "words"),
    [("medquad_empty_answers_600.jsonl", "data.on_empty"), ("CMtMedQA_test_mixed_schema.json", "instruction + output")],
)
def test_files_that_came_broken(
    file: str, words: str, lang: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if not (BAD / file).is_file():
        pytest.skip("the broken files are not on this machine")
    (tmp_path / "recipe.toml").write_text(f'[run]\nfolder = "{tmp_path}/run"\n', encoding="utf-8")
    line = told(["train", str(tmp_path / "recipe.toml"), f"data.train={BAD / file}"], capsys, lang)
    assert file in line and words in line
    assert re.search(r"row (1|51):|第 (1|51) 行", line)
    assert not (tmp_path / "run").exists()
