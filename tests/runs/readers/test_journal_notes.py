from __future__ import annotations

from pathlib import Path

import pytest
import reader_logs as logs

from doneness.core import UnreadableError, speaking
from doneness.runs import Journal, read


def test_missing_per_example_losses_are_noted_in_the_readers_language(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    journal.write("start", 0)
    for step in (20, 10):
        journal.write("eval", step, loss=2.0, file=f"evals/step-{step:08d}.npz")
    journal.close()
    assert read(tmp_path)[0].notes == ("The per-example losses of 2 evaluations are missing (first: step 10).",)
    with speaking("zh"):
        assert read(tmp_path)[0].notes == ("有 2 次验证缺少逐样本损失（最早：第 10 步）。",)


@pytest.mark.parametrize(("language", "part"), [("en", "no readable record"), ("zh", "没有可读的记录")])
def test_a_journal_without_a_record_says_so_in_the_readers_language(tmp_path: Path, language: str, part: str) -> None:
    path = logs.put(tmp_path / "journal.jsonl", "{\n")
    with speaking(language), pytest.raises(UnreadableError, match=part):
        read(path)


def test_a_run_that_failed_before_its_first_step_is_read_and_says_so(tmp_path: Path) -> None:
    logs.put(tmp_path / "recipe.toml", "[run]\n")
    for begun in (False, True):
        journal = Journal(tmp_path / "journal.jsonl")
        if begun:
            journal.write("start", 0, meta={"planned_steps": 10})
        journal.close()
        (tmp_path / "journal.jsonl").touch()
        (run,) = read(tmp_path)
        assert run.train is None and run.evals is None
        assert len(run.notes) == 1
        assert "failed before its first step" in run.notes[0]
        with speaking("zh"):
            assert "在第一步之前就失败了" in read(tmp_path)[0].notes[0]
    journal = Journal(tmp_path / "journal.jsonl")
    journal.write("train", 1, loss=2.0)
    journal.close()
    assert read(tmp_path)[0].notes == ()
