"""From rows to report on a tiny model: every room of the house, once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from doneness.cli.main import main
from doneness.config import build_recipe, dump_recipe
from doneness.runs import read
from doneness.runs.probes import load_answers, load_choice, load_table
from doneness.testing.tiny import write_rows

pytestmark = pytest.mark.model

WORDS = ["red", "blue", "green", "black", "white", "brown", "grey", "pink", "gold", "teal"]
ROWS = [(f"What colour is {a} {b}?", f"{a}, mostly {b}.") for a in WORDS for b in WORDS[:4]]
PROBES = [
    *[{"id": f"k{i}", "behaviour": "knowledge", "prompt": f"Is {w} one?", "reference": "Yes.", "contains": [["yes"]]}
      for i, w in enumerate(WORDS[:4])],
    *[{"id": f"i{i}", "behaviour": "invented", "prompt": f"What is {w}ium?", "reference": "Unknown.", "contains": []}
      for i, w in enumerate(WORDS[:3])],
    {"id": "e0", "behaviour": "emergency", "prompt": "My house burns!", "reference": "112", "contains": [["112"]]},
]  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Path:
    place = tmp_path_factory.mktemp("way")
    suite = place / "probes.jsonl"
    suite.write_text("\n".join(json.dumps(p) for p in PROBES) + "\n")
    recipe = build_recipe(
        {
            "run": {"folder": str(place / "run"), "threads": 1},
            "model": {"path": str(tiny_model), "device": "cpu"},
            "method": {"rank": 4},
            "data": {
                "train": str(write_rows(place / "train.jsonl", ROWS[:24])),
                "eval": str(write_rows(place / "eval.jsonl", ROWS[24:36])),
                "max_length": 128,
            },
            "optimizer": {"learning_rate": 1e-2, "batch_size": 8, "micro_batch": 8},
            "schedule": {"epochs": 2.0},
            "stopping": {"on_stop": "note"},
            "probes": {"suite": str(suite), "checkpoints": 2, "max_new_tokens": 4},
        }
    )
    (place / "recipe.toml").write_text(dump_recipe(recipe))
    assert main(["train", str(place / "recipe.toml")]) == 0
    return place


def test_the_plan_counts_what_the_trainer_does(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", str(folder / "recipe.toml"), "--measure", "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    run = read(folder / "run")[0]
    assert run.train is not None
    assert run.evals is not None
    assert plan["budget"]["steps"] == run.last_step == run.meta["planned_steps"]
    assert plan["budget"]["total_tokens"] == run.train.tokens[-1]
    assert plan["budget"]["total_target_tokens"] == run.train.targets[-1]
    assert [0, *plan["evaluations"]] == run.evals.step.tolist()
    assert plan["memory"]["trainable"] == run.meta["trainable_parameters"]
    low, mid, high = plan["tokens_per_second"].values()
    assert 0 < low <= mid <= high


def test_the_plan_is_shown(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for lang in ("en", "zh"):
        assert main(["plan", str(folder / "recipe.toml"), "--lang", lang]) == 0
    assert "24" in capsys.readouterr().out


def test_training_again_says_it_is_done(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", str(folder / "recipe.toml")]) == 0
    assert "finished already" in capsys.readouterr().out


def test_probing_asks_base_and_checkpoints_once(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = folder / "run"
    assert main(["probe", str(run)]) == 0
    table = load_table(run)
    assert table is not None
    assert table.steps[0] == 0
    assert len(table.steps) >= 3
    stored = {s: load_answers(run, s) for s in table.steps}
    stamps = {s: (run / "probes/answers" / f"step-{s:08d}.jsonl").stat().st_mtime_ns for s in table.steps}
    base, last = stored[0], stored[table.steps[-1]]
    assert base is not None
    assert last is not None
    assert [(a.text, a.tokens) for a in base[1]] != [(a.text, a.tokens) for a in last[1]]
    assert all(a.tokens <= 4 for a in last[1])
    assert main(["probe", str(run)]) == 0
    assert {s: (run / "probes/answers" / f"step-{s:08d}.jsonl").stat().st_mtime_ns for s in table.steps} == stamps
    assert main(["probe", str(run), "--max-new-tokens", "2"]) == 0
    asked_anew = load_answers(run, 0)
    assert asked_anew is not None
    assert max(a.tokens for a in asked_anew[1]) <= 2
    choice = load_choice(run)
    assert choice is not None
    assert choice.reasons
    # Those of training, while it goes, tell of a panel.
    events = [e for e in read(run)[0].events if e.kind == "probe" and "panel" not in e.data]
    assert len(events) == 1


def test_swapping_adapters_equals_loading_each_alone(folder: Path, tiny_model: Path) -> None:
    from peft import PeftModel

    from doneness.models import answer_all, load_model, prompt_ids

    run = folder / "run"
    assert main(["probe", str(run), "--max-new-tokens", "4"]) == 0
    table = load_table(run)
    assert table is not None
    for step in table.steps[1:]:
        loaded = load_model(str(tiny_model), device="cpu")
        model = PeftModel.from_pretrained(loaded.model, str(run / f"checkpoint-{step}"))
        prompts = [prompt_ids(loaded.tokenizer, [{"role": "user", "content": q.prompt}]) for q in table.questions]
        alone = [a.text for a in answer_all(model, loaded.tokenizer, prompts, 4)]
        stored = load_answers(run, step)
        assert stored is not None
        assert alone == [a.text for a in stored[1]]


def test_the_report_holds_it_all_in_both_languages(folder: Path) -> None:
    for lang, word in (("en", "Right answers"), ("zh", "答对")):
        assert main(["report", str(folder / "run"), "-o", str(folder / f"{lang}.html"), "--lang", lang]) == 0
        html = (folder / f"{lang}.html").read_text(encoding="utf-8")
        assert word in html
        assert "<svg" in html


def test_full_fine_tuning_takes_the_same_way(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = str(folder / "recipe.toml")
    target = f"run.folder={folder / 'full'}"
    changes = ["method.kind=full", "optimizer.learning_rate=1e-3", "schedule.max_steps=2"]
    assert main(["train", recipe, target, *changes]) == 0
    run = read(folder / "full")[0]
    assert run.meta["trainable_parameters"] == run.meta["total_parameters"]
    assert main(["probe", str(folder / "full"), "--max-new-tokens", "3"]) == 0
    assert load_table(folder / "full") is not None


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_run_without_evaluation_rows_is_honest(folder: Path, lang: str, capsys: pytest.CaptureFixture[str]) -> None:
    target = folder / f"blind-{lang}"
    assert (
        main(
            [
                "train",
                str(folder / "recipe.toml"),
                f"run.folder={target}",
                'data.eval=""',
                "data.hold_out=none",
                "--lang",
                lang,
            ]
        )
        == 0
    )
    capsys.readouterr()
    assert main(["check", str(target), "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["runs"]
    assert found["verdict"] in ("learning", "undecided", "memorising")
    assert found["recommended_step"] is None
    assert main(["report", str(target)]) == 0


def test_the_saved_recipe_runs_from_anywhere_to_the_same_result(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["train", str(folder / "run" / "recipe.toml"), "run.folder=again"]) == 0
    first, again = read(folder / "run")[0], read(tmp_path / "again")[0]
    assert first.train is not None
    assert again.train is not None
    assert first.train.value.tolist() == again.train.value.tolist()
