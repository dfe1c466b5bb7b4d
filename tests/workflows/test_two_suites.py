"""Choosing again after questions were changed, after another suite, and after an interrupted one."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.workflows.test_probing import foreign, probe, written

from doneness.cli.main import INTERRUPTED, main
from doneness.probe import Store, panel
from doneness.runs.probes import load_answers, load_table
from doneness.workflows.asked_in import all_asked
from doneness.workflows.choose import choose

__all__ = ["foreign", "written"]  # fixtures

pytestmark = pytest.mark.model


def rewritten(path: Path, change: Callable[[dict[str, Any]], Mapping[str, Any]]) -> None:
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps({**row, **change(row)}) + "\n" for row in rows))


def test_a_question_that_was_changed_is_asked_again_and_another_way_to_score_is_not(
    foreign: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert probe(foreign) == 0
    kept = len(Store(foreign))
    suite = foreign / "suite.jsonl"
    rewritten(suite, lambda row: {"contains": [["hue"]]} if row["id"] == "k1" else {})
    assert main(["choose", str(foreign)]) == 0
    capsys.readouterr()
    rewritten(suite, lambda row: {"prompt": "Blue or red?", "options": ["blue", "red"]} if row["id"] == "c1" else {})
    assert main(["choose", str(foreign), "--lang", "en"]) == 2
    assert "question c1 is no longer the one that was answered" in capsys.readouterr().err
    assert probe(foreign) == 0
    assert len(Store(foreign)) == kept + 3  # of the base model and both checkpoints
    assert main(["choose", str(foreign)]) == 0


def test_answers_of_older_files_are_held_against_the_prompts_of_the_table(
    foreign: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert probe(foreign) == 0
    for path in (foreign / "probes" / "answers").glob("step-*.jsonl"):
        head, *lines = path.read_text().splitlines()
        rows = [{k: v for k, v in json.loads(line).items() if k != "asked"} for line in lines]
        path.write_text("\n".join([head, *map(json.dumps, rows)]) + "\n")
    assert main(["choose", str(foreign)]) == 0
    rewritten(foreign / "suite.jsonl", lambda row: {"prompt": "What is green?"} if row["id"] == "k1" else {})
    capsys.readouterr()
    assert main(["choose", str(foreign), "--lang", "en"]) == 2
    assert "question k1" in capsys.readouterr().err


@pytest.mark.parametrize("same_ids", [True, False])
def test_checkpoints_that_answered_another_suite_are_left_out_by_name(
    foreign: Path, capsys: pytest.CaptureFixture[str], same_ids: bool
) -> None:
    assert probe(foreign) == 0
    table = load_table(foreign)
    other = foreign / "other.jsonl"
    other.write_text((foreign / "suite.jsonl").read_text())
    rewritten(
        other,
        lambda row: (
            {"id": row["id"] if same_ids else f"o{row['id']}"}
            | ({"prompt": f"Now then: {row['prompt']}"} if "prompt" in row else {"text": "Fire is hot."})
        ),
    )
    asked = ["probe", str(foreign), "--suite", str(other), "--max-new-tokens", "4", "--steps", "base,2"]
    assert main(asked) == 0
    capsys.readouterr()
    for more in ((), ("--suite", str(other))):
        assert main(["choose", str(foreign), *more, "--lang", "en"]) == 0
        assert "answers are to other questions: step 4" in capsys.readouterr().out
    found = choose(foreign)
    assert (found.table.steps, found.others) == ((0, 2), (4,))
    # The first suite again: nothing is asked, and everything is as it was.
    kept = len(Store(foreign))
    assert probe(foreign) == 0
    assert len(Store(foreign)) == kept
    assert load_table(foreign) == table
    assert choose(foreign).others == ()
    assert [Path(each.whole).name for each in all_asked(foreign)] == ["suite.jsonl", "other.jsonl"]


def test_an_interrupted_suite_leaves_the_one_before_it_whole(
    foreign: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert probe(foreign) == 0
    before, stored = choose(foreign), load_answers(foreign, 2)
    whole, done = panel.execute, 0

    def dying(*given: Any) -> Any:
        nonlocal done
        done += 1
        if done == 3:
            raise KeyboardInterrupt
        return whole(*given)

    other = ["probe", str(foreign), "--suite", "general", "--questions", "4", "--max-new-tokens", "4"]
    with monkeypatch.context() as patched:
        patched.setattr(panel, "execute", dying)
        assert main(other) == INTERRUPTED
    assert load_answers(foreign, 2) == stored
    after = choose(foreign)
    assert (after.table, after.choice) == (before.table, before.choice)
    assert main(other) == 0
    assert len(choose(foreign).table.questions) == 4
    capsys.readouterr()


def test_rows_without_ids_are_the_same_questions_in_whatever_order(
    foreign: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [{"instruction": f"Say {name}.", "output": f"It is {name}."} for name in ("red", "blue", "green", "red")]
    data, suite = foreign / "held_out.jsonl", foreign / "mine.toml"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    suite.write_text('[[files]]\npath = "held_out.jsonl"\nsort = "task"\nnll = true\n')
    assert main(["probe", str(foreign), "--suite", str(suite), "--max-new-tokens", "4"]) == 0
    before = choose(foreign).table
    assert len(before.questions) == 3  # the row that stands there twice is one
    data.write_text("".join(json.dumps(row) + "\n" for row in rows[::-1]))
    after = choose(foreign).table
    assert {c.step: c.value for c in after.cells if c.behaviour == "task_rouge"} == {
        c.step: c.value for c in before.cells if c.behaviour == "task_rouge"
    }
    # Their references were scored by the models: another one is another question.
    data.write_text("".join(json.dumps({**row, "output": "Nothing."}) + "\n" for row in rows))
    capsys.readouterr()
    assert main(["choose", str(foreign), "--lang", "en"]) == 2
    assert "cannot be found" in capsys.readouterr().err


def test_flags_that_would_do_nothing_are_refused(foreign: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for more, part in (
        (("--workers", "3"), "--ray"),
        (("--judge-model", "m"), "--judge URL"),
        (("--steps", ""), "base, 2, 4"),
    ):
        assert probe(foreign, *more, "--lang", "en") == 2
        assert part in capsys.readouterr().err


def test_one_checkpoint_stands_for_its_run_and_those_not_asked_are_named(
    foreign: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["probe", str(foreign / "checkpoint-2"), "--suite", str(foreign / "suite.jsonl"), "--max-new-tokens", "4"]
    assert main([*asked, "--checkpoints", "1", "--lang", "en"]) == 0
    table = load_table(foreign)
    assert table is not None and len(table.steps) == 2
    (left,) = {2, 4} - {*table.steps}
    assert f"Not asked, of 2 checkpoints on disk: step {left}." in " ".join(capsys.readouterr().out.split())
    assert main(["choose", str(foreign / "checkpoint-2")]) == 0


def test_random_adapters_need_a_checkpoint_to_stand_beside(foreign: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert probe(foreign, "--steps", "base", "--null", "2", "--lang", "en") == 2
    assert "no checkpoint is asked beside the base model" in " ".join(capsys.readouterr().err.split())


SILENT = """
class Silent:
    name = "silent"
    better = "higher"
    unit = "share"
    margin = 0.05
    guard = True

    def score(self, probe, answer):
        return None
"""


def test_a_guard_of_ones_own_that_scores_nothing_is_named(foreign: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (foreign / "mine.py").write_text(SILENT)
    assert probe(foreign, "--behaviour", f"{foreign / 'mine.py'}:Silent", "--lang", "en") == 0
    assert "silent, a behaviour of your own, scored no answer" in " ".join(capsys.readouterr().out.split())


def test_a_judge_that_has_nothing_to_grade_is_not_looked_for(
    foreign: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The suite has no question that a judge would grade, or every answer and grade is on the disk."""
    assert probe(foreign) == 0
    monkeypatch.setenv("DONENESS_JUDGE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("DONENESS_JUDGE_MODEL", "m")
    assert probe(foreign) == 0
    capsys.readouterr()
