"""The table of stages shows one quantity in both columns: what it was before and after, and the change of that."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from bench.stages import teachers

from bench import stages_page

RESULTS = Path(__file__).parents[2] / "bench" / "results" / "stages.json"


@pytest.mark.parametrize("name", ["stages-table.md", "stages-table.zh.md"])
def test_the_change_is_of_what_stands_beside_it(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work = Path("/tmp/doneness-stages")
    kept = (stages_page.DOCS / name).read_text(encoding="utf-8")
    monkeypatch.setattr(stages_page, "DOCS", tmp_path)
    stages_page.write(json.loads(RESULTS.read_text(encoding="utf-8")), work, teachers(work))
    made = (tmp_path / name).read_text(encoding="utf-8")
    assert made == kept, "the page is not of bench/results/stages.json"
    lines = re.findall(r"^\| (\w+) \| \w+ \| .*? ([\d.]+) → ([\d.]+) \| ([+−][\d.]+) ", made, re.MULTILINE)
    assert len(lines) == 32
    for stage, before, after, change in lines:
        moved = float(change.replace("−", "-"))
        assert moved == pytest.approx(float(after) - float(before), abs=0.0016), stage
