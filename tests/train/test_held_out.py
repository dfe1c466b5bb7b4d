"""Runs without an evaluation file: rows are held out, said aloud and recorded, and no overlap is made of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from doneness.cli.main import main
from doneness.config import Recipe, dump_recipe
from doneness.core import DataError, Message, Status, speaking
from doneness.report import build, render
from doneness.runs import read_records
from doneness.runs.journal import FILE
from doneness.testing.tiny import write_rows
from doneness.workflows.check import judge
from doneness.workflows.rows import read_recipe_rows
from doneness.workflows.stage_rows import read_stage_rows
from doneness.workflows.train import train_run
from tests.train.conftest import ROWS, WORDS, Quiet

pytestmark = pytest.mark.model
Make = Callable[..., Recipe]
# Forty questions of their own words, and one that is asked ten times over.
UNLIKE = [(f"{a} {b}?", f"{b}.") for a in WORDS for b in ("zebra", "mountain", "violin", "harbour")]


@pytest.fixture
def without(make_recipe: Make, tmp_path: Path) -> Make:
    """A recipe with a training file alone."""
    file = write_rows(tmp_path / "all.jsonl", UNLIKE)
    return lambda *more: make_recipe("run", f"data.train={file}", 'data.eval=""', "schedule.max_steps=4", *more)


def test_rows_are_held_out_and_the_run_says_so(without: Make) -> None:
    recipe, told = without(), list[Message]()
    run = train_run(recipe, Quiet(), told.append).run
    records = read_records(Path(recipe.run.folder) / FILE)[0]
    facts = next(r["meta"]["held_out"] for r in records if r["kind"] == "start")
    assert run.number("eval_rows") == facts["rows"] == 8
    assert run.number("train_rows") == 40 - facts["rows"] - facts["near_duplicates_left_out"]
    assert facts["groups"] >= 2 and facts["seed"] == 17 and len(facts["hash"]) == 24
    assert facts["rows_advised"] == 1327 and facts["detects"] > 0.05
    assert run.evals is not None and len(run.examples[-1].ids) == facts["rows"]
    assert [m.key for m in told] == ["workflows.held_out.done", "workflows.held_out.few"]
    assert "Held out 8 of 40 rows" in told[0].text() and "1,327" in told[1].text()
    with speaking("zh"):
        assert "从 40 行中留出 8 行" in told[0].text()
    # A split of one file is no overlap.
    found = {f.code: f for f in judge(run).diagnosis.findings}
    assert found["CV08"].status is not Status.FAIL
    assert "held_out.groups" in render(build(run, judge(run).diagnosis, lang="en"))
    assert train_run(recipe, Quiet(), told.append).already


def test_how_well_held_out_pairs_tell_an_accuracy_is_said_in_points(make_recipe: Make, tmp_path: Path) -> None:
    pairs = [{"prompt": q, "chosen": a, "rejected": f"Not {a}"} for q, a in UNLIKE]
    file = tmp_path / "pairs.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in pairs), encoding="utf-8")
    rows = read_stage_rows(make_recipe("dpo", "run.stage=dpo", f"data.train={file}", 'data.eval=""'))
    assert rows.held_out is not None
    points = round(100 * 1.96 * (0.25 / rows.held_out["groups"]) ** 0.5)
    assert 10 < points < 100
    assert f"is known to within {points} points." in rows.lines[0].text()
    with speaking("zh"):
        assert f"误差在 {points} 个百分点以内" in rows.lines[0].text()


def test_a_resumed_run_holds_out_the_same(without: Make) -> None:
    first, again = read_recipe_rows(without()), read_recipe_rows(without())
    assert first.eval is not None and again.eval is not None
    assert [r.id for r in first.eval] == [r.id for r in again.eval]
    part = read_recipe_rows(without("data.train_rows=10", "data.eval_rows=3"))
    assert part.eval is not None
    assert (len(part.train), len(part.eval)) == (10, 3)
    assert {r.id for r in part.eval} < {r.id for r in first.eval}


@pytest.mark.parametrize("stage", ["sft", "dpo"])
def test_as_many_are_held_out_as_are_evaluated_on(make_recipe: Make, tmp_path: Path, stage: str) -> None:
    file = tmp_path / "many.jsonl"
    asked = [f"{a} {b} {c}?" for a in WORDS for b in WORDS for c in WORDS[:6]]
    rows = [{"prompt": q, "completion": "Yes.", "chosen": "Yes.", "rejected": "No."} for q in asked]
    names = ("prompt", "completion") if stage == "sft" else ("prompt", "chosen", "rejected")
    file.write_text("".join(json.dumps({n: row[n] for n in names}) + "\n" for row in rows), encoding="utf-8")
    recipe = make_recipe("few", f"run.stage={stage}", f"data.train={file}", 'data.eval=""', "data.eval_rows=12")
    found = read_recipe_rows(recipe) if stage == "sft" else read_stage_rows(recipe)
    assert found.eval is not None and found.held_out is not None
    assert len(found.eval) == found.held_out["rows"] == 12
    assert f"Held out 12 of {len(rows)} rows" in found.lines[0].text()
    left = len(rows) - len(found.train) - found.held_out["near_duplicates_left_out"]
    assert 12 <= left <= 36, "what is not evaluated on is trained on, but for the roundness of a share"


@pytest.mark.parametrize("wanted", [6, 50, 100, 300])
def test_as_many_rows_are_held_out_as_somebody_asks_for(make_recipe: Make, tmp_path: Path, wanted: int) -> None:
    file = tmp_path / "many.jsonl"
    things = ("zebra", "violin", "harbour", "mountain", "teapot", "glacier")
    asked = [f"{a} {b} {c}?" for a in WORDS for b in WORDS[::-1] for c in things if a != b]
    file.write_text("".join(json.dumps({"prompt": q, "completion": "Yes."}) + "\n" for q in asked), encoding="utf-8")
    rows = read_recipe_rows(make_recipe("n", f"data.train={file}", 'data.eval=""', f"data.hold_out_rows={wanted}"))
    assert rows.eval is not None and rows.held_out is not None
    near = rows.held_out["near_duplicates_of_train"]
    assert len(rows.eval) + near >= wanted and len(rows.eval) <= wanted + 8, (len(rows.eval), near)


@pytest.mark.parametrize("ask", ["data.hold_out_rows=6", "data.hold_out_share=0.3", "stopping.patience=2"])
def test_whoever_asks_for_evaluation_rows_is_not_left_without_them(make_recipe: Make, tmp_path: Path, ask: str) -> None:
    alike = write_rows(tmp_path / "alike.jsonl", [("What is the sum of one and one?", f"{n}.") for n in range(24)])
    recipe = make_recipe("n", f"data.train={alike}", 'data.eval=""', ask)
    with pytest.raises(DataError, match="can be held out"):
        read_recipe_rows(recipe)


def test_few_rows_are_enough_where_few_are_asked_for(make_recipe: Make, tmp_path: Path) -> None:
    few = write_rows(tmp_path / "few.jsonl", UNLIKE[:20])
    rows = read_recipe_rows(make_recipe("n", f"data.train={few}", 'data.eval=""', "data.hold_out_share=0.3"))
    assert rows.eval is not None and 2 <= len(rows.eval) <= 8


def test_none_trains_on_everything(without: Make) -> None:
    rows = read_recipe_rows(without("data.hold_out=none"))
    assert (len(rows.train), rows.eval, rows.lines, rows.held_out) == (40, None, (), None)


def test_what_cannot_be_parted_is_said_and_trained_on(without: Make, tmp_path: Path) -> None:
    few = write_rows(tmp_path / "few.jsonl", ROWS[:12])
    rows = read_recipe_rows(without(f"data.train={few}"))
    assert (len(rows.train), rows.eval, rows.held_out) == (12, None, None)
    assert [line.key for line in rows.lines] == ["workflows.held_out.none"]
    assert "data.eval" in rows.lines[0].text()


def test_spans_are_looked_for_in_the_rows_held_out(without: Make) -> None:
    assert read_recipe_rows(without("evaluation.spans=last=/(\\w+)\\./")).eval is not None


def test_the_dry_run_and_the_plan_say_it_before_anything_is_trained(
    without: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tmp_path / "r.toml"
    recipe.write_text(dump_recipe(without("data.hold_out_rows=8")), encoding="utf-8")
    assert main(["train", str(recipe), "--dry-run"]) == 0
    shown = capsys.readouterr()
    assert "Held out 8 of 40" in shown.err and "Held out" not in shown.out
    assert main(["plan", str(recipe)]) == 0
    assert "Held out 8 of 40" in " ".join(capsys.readouterr().out.split())


def test_losses_by_source_and_turn_are_recorded_and_shown(make_recipe: Make, tmp_path: Path) -> None:
    def conversation(i: int) -> dict[str, object]:
        turns = [[{"role": "user", "content": f"{WORDS[i % 10]} {k}?"}, {"role": "assistant", "content": f"{k}."}]
                 for k in range(1 + i % 4)]  # fmt: skip
        return {"messages": [m for turn in turns for m in turn], "dataset": f"book {i % 20 if i < 20 else 1}"}

    file = tmp_path / "talks.jsonl"
    file.write_text("\n".join(json.dumps(conversation(i)) for i in range(40)) + "\n", encoding="utf-8")
    recipe = make_recipe("run", f"data.eval={file}", "schedule.max_steps=2", "data.max_length=256")
    run = train_run(recipe, Quiet()).run
    records = [r for r in read_records(Path(recipe.run.folder) / FILE)[0] if r["kind"] == "eval"]
    told = records[-1]["groups"]
    assert {name: each["rows"] for name, each in told["turn"].items()} == {"1": 10, "2": 10, "3": 20}
    # Of twenty sources only the one with rows enough is named.
    assert {name: each["rows"] for name, each in told["source"].items()} == {"book 1": 21, "other": 19}
    last = run.examples[-1]
    mine = last.groups["source"] == "book 1"
    assert told["source"]["book 1"]["loss"] == pytest.approx(last.nll[mine].sum() / last.tokens[mine].sum())
    view = build(run, judge(run).diagnosis, lang="en")
    titles = ["book 1", "all other sources", "first answer", "second answer", "third and later answers"]
    assert [row.title for row in view.groups] == titles
    assert [row.n for row in view.groups] == ["21", "19", "10", "10", "20"]
    assert [row.few for row in view.groups] == [False, True, True, True, False]
    page = render(view)
    assert 'id="groups"' in page and "third and later answers" in page and "Fewer than twenty rows" in page
