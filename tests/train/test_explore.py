"""Exploratory runs: marked wherever somebody might take one for a run to use."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from doneness.cli.main import main
from doneness.config import Recipe, build_recipe
from doneness.core import speaking
from doneness.report import build, render
from doneness.runs import read_records
from doneness.runs.journal import FILE
from doneness.train.card import mark
from doneness.workflows.check import judge
from doneness.workflows.train import train_run
from tests.train.conftest import Quiet

Make = Callable[..., Recipe]


@pytest.fixture
def exploring(make_recipe: Make) -> Recipe:
    usual = make_recipe("run")
    raw = {
        "run": {"folder": usual.run.folder, "threads": 1, "mode": "explore"},
        "model": {"path": usual.model.path, "device": "cpu"},
        "data": {"train": usual.data.train, "eval": usual.data.eval, "max_length": 128},
        "schedule": {"max_steps": 4},
    }
    return build_recipe(raw)


@pytest.mark.model
def test_an_exploratory_run_is_marked_everywhere(exploring: Recipe, capsys: pytest.CaptureFixture[str]) -> None:
    run = train_run(exploring, Quiet()).run
    folder = Path(exploring.run.folder)
    assert run.exploratory and run.meta["mode"] == "explore"
    cards = [(c / "README.md").read_text(encoding="utf-8") for c in sorted(folder.glob("checkpoint-*"))]
    assert len(cards) == 4
    for card in cards:
        head, body = card[4:].split("\n---\n", 1)
        assert card.startswith("---\n") and "base_model" in head
        assert body.startswith("**Exploratory run, not for use:")
    judged = judge(run)
    assert judged.diagnosis.recommended_step is None and judged.diagnosis.recommended_checkpoint is None
    assert judged.kept is None and judged.choice.step is None
    page = render(build(run, judged.diagnosis, lang="en"))
    assert page.index('class="notice"') < page.index("<header>")
    assert "none of its checkpoints is to be used" in page
    with speaking("zh"):
        assert "探索性训练" in render(build(run, judged.diagnosis, lang="zh"))
    assert main(["check", str(folder)]) == 0
    assert capsys.readouterr().out.startswith("Exploratory run:")
    decisions = [r for r in read_records(folder / FILE)[0] if r["kind"] == "decision"]
    assert decisions and all(d["recommended_step"] is None for d in decisions)


@pytest.mark.model
def test_a_usual_run_carries_no_mark(make_recipe: Make) -> None:
    recipe = make_recipe("usual", "schedule.max_steps=1")
    run = train_run(recipe, Quiet()).run
    assert not run.exploratory and run.meta["mode"] == "train"
    assert "Exploratory" not in (Path(recipe.run.folder) / "checkpoint-1" / "README.md").read_text(encoding="utf-8")
    assert 'class="notice"' not in render(build(run, judge(run).diagnosis, lang="en"))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, "**N**\n\n"),
        ("# Card\n", "**N**\n\n# Card\n"),
        ("---\na: b\n---\n\n# Card\n", "---\na: b\n---\n**N**\n\n# Card\n"),
        ("---\nnever closed\n", "**N**\n\n---\nnever closed\n"),
    ],
)
def test_the_note_stands_before_the_first_words(tmp_path: Path, before: str | None, after: str) -> None:
    if before is not None:
        (tmp_path / "README.md").write_text(before, encoding="utf-8")
    mark(tmp_path, "N")
    assert (tmp_path / "README.md").read_text(encoding="utf-8") == after
