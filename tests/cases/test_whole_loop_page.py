"""The case of the whole loop quotes what the commands printed, word for word, in both languages."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

CASES = Path(__file__).parents[2] / "docs" / "cases"


@pytest.mark.parametrize(("lang", "page"), [("en", "whole-loop.md"), ("zh", "whole-loop.zh.md")])
def test_what_the_page_quotes_was_printed(lang: str, page: str) -> None:
    told = json.loads((CASES / "whole-loop" / "results.json").read_text(encoding="utf-8"))
    printed = "".join("".join(each["printed"].split()) for each in told[lang].values())
    blocks = re.findall(r"```text\n(.*?)```", (CASES / page).read_text(encoding="utf-8"), re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines() if line.strip() not in ("", "…")]
    assert len(lines) > 20
    absent = [line for line in lines if "".join(line.split()) not in printed]
    assert absent == []


def test_the_rows_of_the_chinese_table_are_those_of_the_terminal() -> None:
    told = json.loads((CASES / "whole-loop" / "results.json").read_text(encoding="utf-8"))["zh"]["probe"]["printed"]
    page = (CASES / "whole-loop.zh.md").read_text(encoding="utf-8")
    rows = [line.strip("|").split("|") for line in page.splitlines() if line.startswith("| ") and "%" in line]
    assert len(rows) == 5
    for row in rows:
        assert "".join("".join(row).split()) in "".join(told.split())
