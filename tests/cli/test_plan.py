"""doneness plan without a recipe, and doneness scaling: what is asked is answered, in both languages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from doneness.cli.main import main
from doneness.core import speaking

FLAGS = ["plan", "--model", "8b", "--method", "lora", "--rank", "16", "--seq", "2048", "--rows", "2000000"]


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert main([*arguments, "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_the_flags_are_answered(capsys: pytest.CaptureFixture[str]) -> None:
    found = told(capsys, *FLAGS, "--gpu", "80GB")
    assert found["model"] == {
        "name": "llama-3.1-8b", "shipped_sizes": True, "parameters": 8_030_261_248, "active_parameters": 8_030_261_248,
    }  # fmt: skip
    assert 20 < found["peak_gb"] < 60
    assert found["peak_gb"] == pytest.approx(found["memory"]["total"] / 1e9, abs=1e-3)
    assert found["fits"] is True
    assert found["eval_rows"] == 800  # of the two million
    assert found["budget"]["steps"] == 124_950  # more steps than that many ask for no second pass
    assert told(capsys, *FLAGS, "--epochs", "3")["budget"]["steps"] == 3 * 124_950
    assert told(capsys, "plan", "--model", "8b", "--rows", "4000")["budget"]["epochs"] == 3
    assert found["largest"]["micro_batch"] > found["setup"]["micro_batch"]
    assert found["memory"]["trainable"] == 41_943_040
    assert found["change_first"] == []
    assert found["formulas"]["A"] == pytest.approx(128.5, abs=0.1)


def test_what_does_not_fit_is_told_what_to_change(capsys: pytest.CaptureFixture[str]) -> None:
    found = told(capsys, "plan", "--model", "7b", "--method", "full", "--gpu", "24GB")
    assert found["fits"] is False
    names = [each["name"] for each in found["change_first"]]
    assert names[0] in ("rows", "eight_bit")
    assert {"lora", "zero3"} <= set(names)
    assert "qlora" not in names  # adapters fit
    assert all(each["saved_gb"] > 0 and each["what"] and each["cost"] for each in found["change_first"])


def test_more_cards_and_money(capsys: pytest.CaptureFixture[str]) -> None:
    one = told(capsys, *FLAGS, "--gpu", "a100", "--price", "2")
    eight = told(capsys, *FLAGS, "--gpu", "a100", "--price", "2", "--gpus", "8", "--parallel", "zero3")
    assert eight["devices"] == 8
    assert eight["peak_gb"] < one["peak_gb"]
    low, mid, high = (one["hours"][name] for name in ("low", "mid", "high"))
    assert 0 < low < mid < high
    assert one["cost"]["mid"] == pytest.approx(2 * mid)
    # Eight cards share the rows of a step, and lose a little by it.
    assert eight["setup"]["micro_batch"] == 2
    assert 1 < 8 * eight["hours"]["mid"] / mid < 2
    assert [each["devices"] for each in one["scaling"]] == [1, 2, 4, 8, 16]
    assert one["scaling"][0]["speed"] == 1.0
    assert one["scaling"][3]["steps"] == -(-one["budget"]["steps"] // 8)


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize(
    "more", [["--gpu", "h100", "--price", "3", "--why"], ["--gpu", "12GB", "--method", "full", "--model", "1b"]]
)
def test_it_is_shown_within_the_screen(more: list[str], lang: str, capsys: pytest.CaptureFixture[str]) -> None:
    base = FLAGS if "--model" not in more else ["plan", "--seq", "4096"]
    assert main(["--lang", lang, *base, *more]) == 0
    out = capsys.readouterr().out
    assert "cli." not in out and "plan." not in out
    from rich.cells import cell_len

    assert max(cell_len(line) for line in out.splitlines()) <= 100
    with speaking(lang):
        from doneness.core import tr

        assert tr("cli.plan.sizes") in out


def test_written_recipes_run_as_planned(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from doneness.config import load_recipe

    place = tmp_path / "recipe.toml"
    wanted = ["optimizer.learning_rate=0.02", "schedule.kind=cosine", "schedule.epochs=20"]
    flags = ["plan", "--model", "3b", "--rank", "8", "--gpu", "24GB", "--rows", "5000", "--write", str(place)]
    assert main([*flags, *wanted]) == 0
    assert str(place) in capsys.readouterr().err
    recipe = load_recipe(place)
    assert (recipe.method.rank, recipe.method.alpha, recipe.data.max_length) == (8, 16, 2048)
    assert recipe.optimizer.learning_rate < 0.002  # it was warned of
    assert recipe.schedule.kind == "wsd"
    assert recipe.model.path == "meta-llama/Llama-3.2-3B-Instruct"
    assert main([*flags]) == 2  # it is there already


def test_what_a_written_recipe_lacks_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from doneness.config import load_recipe

    first, second = tmp_path / "first.toml", tmp_path / "second.toml"
    flags = ["plan", "--model", "qwen3-8b", "--method", "full", "--gpu", "24GB", "--rows", "2000"]
    assert main([*flags, "--write", str(first), "stopping.patience=1"]) == 0
    said = capsys.readouterr().err
    assert all(word in said for word in ("data.train (train.jsonl stands", "Qwen/Qwen3-8B", "does not fit", "PL04"))
    recipe = load_recipe(first)
    assert (recipe.model.path, recipe.data.hold_out_rows, recipe.stopping.patience) == ("Qwen/Qwen3-8B", 200, 0)
    assert main(["plan", "--model", "pythia-160m", "--gpu", "24GB", "--write", str(second)]) == 0
    said = capsys.readouterr().err
    assert "Set model.path" in said and "hold_out_rows" in said


def test_cards_that_share_a_step_are_told_their_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from doneness.config import load_recipe

    place = tmp_path / "recipe.toml"
    shared = ["plan", "--model", "8b", "--batch", "24", "--micro", "8", "--gpu", "80GB", "--gpus", "6"]
    assert main([*shared, "--write", str(place)]) == 0
    assert "optimizer.micro_batch = 4" in capsys.readouterr().out
    assert load_recipe(place).optimizer.micro_batch == 4  # as six processes will take it
    assert main([*shared[:-1], "3"]) == 0
    assert "micro_batch" not in capsys.readouterr().out


def test_flags_mean_what_they_say(capsys: pytest.CaptureFixture[str]) -> None:
    base = ["plan", "--model", "3b", "--gpu", "RTX 4090", "--rows", "600"]
    found = told(capsys, *base, "--batch", "10", "--eval-rows", "100", "--tokens", "400")
    assert (found["budget"]["batch_size"], found["budget"]["rows"], found["eval_rows"]) == (10, 500, 100)
    assert found["budget"]["batch_size"] % found["setup"]["micro_batch"] == 0
    assert found["hours"] is not None  # as of a 4090
    chosen = {goal: told(capsys, *base, "--goal", goal)["budget"]["epochs"] for goal in ("facts", "chat", "reasoning")}
    assert chosen == {"facts": 2, "chat": 3, "reasoning": 5}
    bare = told(capsys, "plan", "--model", "8b", "--rows", "4000", "--gpu", "80GB")["hours"]
    named = [
        told(capsys, "plan", "--model", "8b", "--rows", "4000", "--gpu", card)["hours"] for card in ("a100", "h100")
    ]
    assert (bare["low"], bare["high"]) == pytest.approx((named[1]["low"], named[0]["high"]))
    # A mean says nothing of the longest: no cut is advised by it.
    tight = told(capsys, "plan", "--model", "8b", "--gpu", "12GB", "--rows", "600", "--tokens", "400")
    assert tight["fits"] is False
    assert "shorter" not in [each["name"] for each in tight["change_first"]]


@pytest.mark.parametrize(
    "arguments",
    [
        [], ["--model", "nothing-of-the-kind"], ["--model", "8b", "--gpu", "huge"], ["--model", "8b", "--seq", "2"],
        ["--model", "8b", "--rank", "0"], ["--model", "8b", "--measure"], ["--model", "8b", "--gpus", "0"],
        ["recipe.toml", "--model", "8b"], ["--model", "8b", "--simulate", "run.stage=grpo"],
        ["--model", "8b", "--method", "guess"], ["--model", "8b", "--gpu", "rtx9999"], ["rows.jsonl", "--model", "8b"],
        ["--model", "8b", "--rows", "1000", "--tokens", "-5"], ["--model", "8b", "--price", "nan"],
        ["--model", "8b", "--price", "inf"], ["--model", "8b", "--epochs", "nan"], ["--model", "8b", "--epochs", "-1"],
        ["--model", "8b", "--batch", "16", "--micro", "32"], ["--model", "8b", "--micro", "-1"],
        ["--model", "8b", "--rows", "50", "--eval-rows", "50"], ["--model", "8b", "--eval-rows", "50"],
        ["--model", ""], ["--model", "8b", "--gpus", "3"], ["--model", "8b", "--gpus", "32"],
        ["--model", "8b", "--gpus", "4", "optimizer.batch_size=6", "optimizer.micro_batch=2"],
        ["--model", "broken"], ["--model", "listed"], ["--model", "shapeless"],
    ],
)  # fmt: skip
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_faults_are_one_line(
    arguments: list[str], lang: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "recipe.toml").write_text("")
    for name, config in (("broken", '{"a":'), ("listed", "[1]"), ("shapeless", '{"hidden_size": 8}')):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text(config)
    assert main(["--lang", lang, "plan", *arguments]) == 2
    error = capsys.readouterr().err
    assert len(error.strip().splitlines()) == 1, error
    assert "DONENESS_DEBUG" not in error  # it is the user's fault, and told as that


def journal(
    place: Path, processes: int, steps: int, tokens: int, seconds: float, data: str = "same", **more: int
) -> str:
    place.mkdir()
    meta = {"processes": processes, "planned_steps": steps, "data": data, "stage": "sft", "method": "lora", **more}
    records = [{"v": 1, "kind": "start", "step": 0, "meta": meta}]
    records += [
        {"v": 1, "kind": "train", "step": s, "loss": 2.0 - 0.001 * s, "lr": 1e-4, "epoch": s / steps,
         "tokens": tokens * s, "targets": tokens * s // 2, "time": seconds * s} for s in range(1, steps + 1)
    ]  # fmt: skip
    (place / "journal.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))
    return str(place)


def test_a_real_pair_of_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = journal(tmp_path / "one", 1, 40, 1000, 2.0)
    same = journal(tmp_path / "same", 8, 40, 1000, 2.0 / 7)
    assert main(["scaling", one, same, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["speed_up"] == pytest.approx(7.0, rel=1e-3)
    assert found["efficiency"] == pytest.approx(7 / 8, rel=1e-3)
    eighth = journal(tmp_path / "eighth", 8, 5, 8000, 4.0, data="other")
    for lang in ("en", "zh"):
        assert main(["--lang", lang, "scaling", one, eighth]) == 1
        assert "40" in capsys.readouterr().out
    codes = {f["code"]: f["status"] for f in found["findings"]}
    assert set(codes.values()) == {"pass"}
    # Twelve times the speed on eight processes is no success.
    faster = journal(tmp_path / "faster", 8, 40, 1000, 2.0 / 12)
    main(["scaling", one, faster, "--json"])
    found = json.loads(capsys.readouterr().out)
    assert {f["code"]: f["status"] for f in found["findings"]}["SC01"] == "unsure"
    assert main(["scaling", one, one]) == 2
    # Another model at the same steps and tokens is another speed.
    small = journal(tmp_path / "small", 1, 40, 1000, 2.0, total_parameters=10**9, trainable_parameters=10**6)
    for name, size, status in (("like", 10**9, "pass"), ("large", 8 * 10**9, "warn")):
        other = journal(tmp_path / name, 8, 40, 1000, 0.3, total_parameters=size, trainable_parameters=10**6)
        assert main(["scaling", small, other, "--json"]) == int(status == "warn")
        told_of = {f["code"]: f["status"] for f in json.loads(capsys.readouterr().out)["findings"]}
        assert told_of["SC05"] == status
