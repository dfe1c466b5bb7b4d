"""doneness choose: other guards, margins and goals on answers that are there; nothing is loaded, little is written."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.probe.test_judge import endpoint, said, serving

from doneness.cli.choose import guard
from doneness.cli.main import main
from doneness.config import build_recipe, dump_recipe
from doneness.core import DonenessError
from doneness.probe.behaviours import MEASURES
from doneness.probe.judge import Judge, with_judge
from doneness.probe.opening import open_suite
from doneness.probe.table import build_table
from doneness.runs.probes import Answer, load_choice, load_table, save_answers, save_choice, save_table
from doneness.workflows.choose import Wanted, choose

STEPS = (0, 10, 20, 30)
KNOWS, DECLINES = (0.3, 0.6, 0.85, 0.85), (0.05, 0.05, 0.05, 0.4)
N = 150
ROWS = [
    {"id": f"k{i}", "behaviour": "knowledge", "prompt": f"Q{i}?", "reference": "A", "contains": [["right"]]}
    for i in range(N)
]


def texts(knows: float, declines: float) -> list[str]:
    """What is known is alike over checkpoints; what is declined is never what is known."""
    ease = np.random.default_rng(1).random(N)
    return ["That is right." if e < knows else "I do not know that." if e > 1 - declines else "Other." for e in ease]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    (tmp_path / "probes.jsonl").write_text("\n".join(map(json.dumps, ROWS)) + "\n")
    suite = tmp_path / "mine.toml"
    suite.write_text('behaviours = ["knowledge", "over_refusal", "length"]\n[[files]]\npath = "probes.jsonl"\n')
    folder = tmp_path / "run"
    folder.mkdir()
    recipe = build_recipe({
        "run": {"folder": str(folder)}, "data": {"train": "train.jsonl"}, "model": {"path": "m"},
        "probes": {"suite": str(suite)},
    })  # fmt: skip
    (folder / "recipe.toml").write_text(dump_recipe(recipe))
    answers = {
        step: [Answer(r["id"], step, t, 4, 0.6, False) for r, t in zip(ROWS, texts(*level), strict=True)]  # type: ignore[arg-type]
        for step, level in zip(STEPS, zip(KNOWS, DECLINES, strict=True), strict=True)
    }
    for step, stored in answers.items():
        save_answers(folder, step, stored, {})
        if step:
            (folder / f"checkpoint-{step}").mkdir()
            (folder / f"checkpoint-{step}" / "adapter_model.safetensors").write_bytes(b"")
    measures = [m for m in MEASURES if m.behaviour.name in ("knowledge", "over_refusal", "length")]
    save_table(folder, build_table(open_suite(str(suite)).probes, answers, measures=measures))
    return folder


def as_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert main(["choose", *arguments, "--json", "--lang", "en"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_the_gain_decides_and_nothing_is_written(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {p: p.read_bytes() for p in run.rglob("*") if p.is_file()}
    found = as_json(capsys, str(run))
    assert found["schema"] == "doneness.choose/1"
    assert found["choice"]["step"] == 20
    assert found["choice"]["goal"] == "knowledge"
    assert {p: p.read_bytes() for p in run.rglob("*") if p.is_file()} == before
    assert load_choice(run) is None


def test_other_guards_choose_otherwise(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    loose = as_json(capsys, str(run), "--no-guard", "knowledge")
    assert loose["choice"]["step"] == 20
    guards = {b["name"]: (b["guard"], b["margin"]) for b in loose["behaviours"]}
    assert guards["knowledge"] == (False, 0.05)
    tight = as_json(capsys, str(run), "--guard", "over_refusal=1%", "--goal", "knowledge")
    assert {b["name"]: (b["guard"], b["margin"]) for b in tight["behaviours"]}["over_refusal"] == (True, 0.01)
    titled = as_json(
        capsys, str(run), "--guard", "refuses the answerable=1%", "--goal", "答对", "--no-guard", "Right answers †"
    )
    assert next(b for b in titled["behaviours"] if b["name"] == "over_refusal")["margin"] == 0.01
    assert not next(b for b in titled["behaviours"] if b["name"] == "knowledge")["guard"]
    for more in (("--guard", "length=1%"), ("--goal", "length")):
        assert main(["choose", str(run), *more, "--lang", "en"]) == 2
        assert "neither good nor bad" in capsys.readouterr().err
    strict = as_json(capsys, str(run), "--strict-guards", "--guard", "knowledge=0.0")
    assert strict["choice"]["step"] in (None, 10, 20, 30)


def test_a_choice_is_written_only_when_asked_for_and_then_everything_goes_by_it(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = choose(run)
    save_choice(run, first.choice)
    assert main(["choose", str(run), "--goal", "over_refusal", "--lang", "en"]) == 0
    out = capsys.readouterr().out
    assert "Right answers" in out
    assert load_choice(run) == first.choice
    assert main(["choose", str(run), "--no-guard", "over_refusal", "--write"]) == 0
    table = load_table(run)
    assert table is not None
    assert [b.guard for b in table.behaviours if b.name == "over_refusal"] == [False]
    assert load_choice(run) is not None


def test_what_changed_is_said(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_choice(run, replace(choose(run).choice, step=10))
    assert main(["choose", str(run), "--lang", "en"]) == 0
    assert "Chosen before: 10; now: 20. Keep it with --write." in capsys.readouterr().out
    assert main(["choose", str(run), "--lang", "zh", "--write"]) == 0
    assert "此前选择：10；现在：20，已写入。" in capsys.readouterr().out


def test_markdown_holds_every_behaviour(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["choose", str(run), "--markdown", "--lang", "en"]) == 0
    out = capsys.readouterr().out
    lines = out.splitlines()
    assert lines[0] == "| Behaviour | base | 10 | **20 (keep)** | 30 |"
    assert sum(line.count("|") == 6 for line in lines) >= 5
    assert any(line.startswith("| Right answers |") and "▲" in line for line in lines)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--guard", "kindness=0.1"), 'no behaviour "kindness"'),
        (("--goal", "kindness"), "there are: "),
        (("--guard", "knowledge"), "NAME=MARGIN"),
        (("--guard", "knowledge=-1"), "NAME=MARGIN"),
        (("--suite", "general-en"), "cannot be found"),
    ],
)
def test_faults_are_one_line(
    run: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], words: str
) -> None:
    assert main(["choose", str(run), *arguments, "--lang", "en"]) == 2
    assert words in capsys.readouterr().err


def test_a_run_that_was_not_probed_is_told_how(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["choose", str(tmp_path), "--lang", "en"]) == 2
    assert "doneness probe" in capsys.readouterr().err


def test_margins_are_read() -> None:
    assert guard("a=2%") == ("a", 0.02)
    assert guard("a=0.5") == ("a", 0.5)


def test_no_model_library_is_loaded(run: Path) -> None:
    code = (
        "import sys; from doneness.cli.main import main; "
        f"assert main(['choose', {str(run)!r}, '--json']) == 0; "
        "sys.exit(any(m in sys.modules for m in ('torch', 'transformers', 'peft')))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


def test_a_goal_that_is_not_there_decides_nothing(run: Path) -> None:
    found = choose(run, Wanted(goal="over_refusal"))
    assert found.choice.goal is None


def probed(tmp_path: Path, judged: Judge) -> Path:
    """A run whose open answers a judge has graded, some of its questions asked under noise on the weights as well."""
    rows = [
        {"id": f"t{i}", "behaviour": "task", "prompt": f"Q{i}?", "reference": "R", "metric": "rubric"}
        for i in range(16)
    ]
    (tmp_path / "open.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")
    folder = tmp_path / "run"
    folder.mkdir()
    recipe = build_recipe({
        "run": {"folder": str(folder)}, "data": {"train": "train.jsonl"}, "model": {"path": "m"},
        "probes": {"suite": str(tmp_path / "open.jsonl")},
    })  # fmt: skip
    (folder / "recipe.toml").write_text(dump_recipe(recipe))
    answers = {
        step: [
            Answer(f"t{i}", step, f"{kind} {i}", 4, 0.6, False, nll=4.0, nll_tokens=4, shaken=(5.0,) if step else ())
            for i in range(16)
        ]
        for step, kind in ((0, "plain"), (10, "good"), (20, "good"))
    }
    for step, stored in answers.items():
        save_answers(folder, step, stored, {})
        if step:
            (folder / f"checkpoint-{step}").mkdir()
            (folder / f"checkpoint-{step}" / "adapter_model.safetensors").write_bytes(b"")
    probes = tuple(
        replace(p, asks=("answer", "nll", "shaken")) for p in open_suite(str(tmp_path / "open.jsonl")).probes
    )
    save_table(folder, build_table(probes, answers, measures=with_judge(MEASURES, judged)))
    return folder


def test_what_a_judge_and_noise_said_still_counts(tmp_path: Path) -> None:
    """No judge is asked again: what it said is on the disk."""

    def reply(n: int, text: str) -> tuple[int, str]:
        if "[Answer B]" in text:
            return 200, said("Verdict: A" if "[Answer A]\ngood" in text else "Verdict: B")
        return 200, said("Grade: 9" if "[Answer]\ngood" in text else "Grade: 3")

    with serving(reply) as served:
        judge = Judge(replace(endpoint(served), cache=tmp_path / "run" / "probes" / "judge"))
        folder = probed(tmp_path, judge)
    old, found = load_table(folder), choose(folder)
    assert old is not None
    assert [b.name for b in found.table.behaviours] == [b.name for b in old.behaviours]
    assert {"task_rubric", "wins", "flatness"} <= {b.name for b in found.table.behaviours}
    assert (found.choice.goal, found.choice.step) == ("task_rubric", 10)
    assert choose(folder, Wanted(goal="wins")).choice.goal == "wins"
    shutil.rmtree(folder / "probes" / "judge")
    with pytest.raises(DonenessError, match="task_rubric, wins cannot be scored again"):
        choose(folder)
