from __future__ import annotations

import json
from pathlib import Path

import pytest

from doneness.cli.main import main
from doneness.testing.tiny import write_rows

LOG = [
    *[{"step": s, "epoch": s / 50, "loss": 3.0 - 0.01 * s, "learning_rate": 1e-4} for s in range(1, 101)],
    *[{"step": s, "epoch": s / 50, "eval_loss": v} for s, v in zip(range(10, 101, 10), [
        2.0, 1.6, 1.4, 1.3, 1.35, 1.45, 1.6, 1.8, 2.0, 2.2], strict=True)],
]  # fmt: skip


@pytest.fixture
def log(tmp_path: Path) -> Path:
    file = tmp_path / "trainer_state.json"
    file.write_text(json.dumps({"log_history": LOG, "max_steps": 100, "num_train_epochs": 2}))
    return file


def test_help_is_a_table_of_contents_in_both_languages(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    english = capsys.readouterr().out
    names = ["demo", "audit", "plan", "train", "watch", "check", "replay", "probe", "prune", "report"]
    places = [english.index(f"    {name} ") for name in names]
    assert places == sorted(places)
    assert main(["--lang", "zh", "--help"]) == 0
    assert "火候" in capsys.readouterr().out
    for name in names:
        assert main([name, "--help"]) == 0
        assert main(["--lang=zh", name, "--help"]) == 0


def test_check_says_what_it_finds(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(log)]) == 0
    out = capsys.readouterr().out
    assert out.startswith("Overfitting")
    assert "\x1b" not in out
    assert main(["check", str(log), "--lang", "zh"]) == 0
    assert "过拟合" in capsys.readouterr().out


def test_check_speaks_json_and_markdown(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(log), "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["runs"]
    assert found["verdict"] == "overfitting"
    assert {f["code"] for f in found["findings"]} >= {"RN01", "CV01", "CV03"}
    assert main(["check", str(log), "--md"]) == 0
    assert capsys.readouterr().out.startswith("## ")


def test_fail_on_decides_the_exit_code(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(log), "--fail-on", "overfitting,diverged"]) == 1
    assert main(["check", str(log), "--fail-on", "diverged"]) == 0
    assert main(["check", str(log), "--until", "30", "--fail-on", "overfitting"]) == 0


def test_report_writes_one_file(log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(log)]) == 0
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert html.lstrip().lower().startswith("<!doctype html>")
    assert 'lang="en"' in html
    assert main(["report", str(log), "-o", str(tmp_path / "zh.html"), "--lang", "zh"]) == 0
    assert 'lang="zh' in (tmp_path / "zh.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "arguments",
    [
        ["check", "nowhere"],
        ["check", "."],
        ["check", "nowhere", "--fail-on", "bad"],
        ["check"],
        ["check", "x", "--gain", "lots"],
        ["check", "x", "--gain", "nan"],
        ["check", "x", "--until", "-1"],
        ["check", "x", "--until", "soon"],
        ["check", "x", "--map", "loss"],
        ["check", "x", "--map", "loss=a,loss=b"],
        ["watch", "nowhere", "--once"],
        ["watch", "x", "--interval", "0"],
        ["watch", "x", "--webhook", "file:///etc/passwd"],
        ["replay", "nowhere"],
        ["replay", "x", "--rule", "hope"],
        ["replay", "x", "--rule", "patience:0"],
        ["replay", ".", "--group", "("],
        ["prune", "nowhere"],
        ["train", "none.toml"],
        ["train", "recipe.toml", "run.sed=1"],
        ["plan", "recipe.toml"],
        ["probe", "nowhere"],
        ["report", "nowhere"],
        ["audit", "none.jsonl"],
        ["frobnicate"],
        [],
    ],
)
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_faults_are_one_line_and_exit_2(
    arguments: list[str], lang: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "recipe.toml").write_text('[data]\ntrain = "gone.jsonl"\n')
    assert main(["--lang", lang, *arguments]) == 2
    error = capsys.readouterr().err
    assert len(error.strip().split("\n")) == 1
    assert "Traceback" not in error


def test_audit_shows_a_leak_and_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    letters = "abcdefghijklmnopqrstuvwxyz"
    rows = [(f"What is disease number {i} like {w}?", f"It is like {w} {i}.") for i, w in enumerate(letters)]
    train = write_rows(tmp_path / "train.jsonl", rows)
    clean = write_rows(tmp_path / "clean.jsonl", [(f"Name a cure for {w}.", f"Cure {w}.") for _, w in rows])
    assert main(["audit", str(train), "--eval", str(train.with_name("clean.jsonl"))]) in (0, 1)
    capsys.readouterr()
    leaky = write_rows(tmp_path / "leaky.jsonl", rows[:20])
    assert main(["audit", str(train), "--eval", str(leaky), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert {f["code"]: f["status"] for f in found["findings"]}["AU01"] == "fail"
    assert clean.is_file()


def test_a_dry_run_prints_a_recipe_that_reads_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import tomllib

    from doneness.config import build_recipe

    (tmp_path / "r.toml").write_text("[schedule]\nepochs = 2\n")
    assert main(["train", str(tmp_path / "r.toml"), "method.rank=4", "--dry-run"]) == 0
    recipe = build_recipe(tomllib.loads(capsys.readouterr().out))
    assert recipe.method.rank == 4
    assert recipe.schedule.epochs == 2.0


def test_no_arguments_is_one_line_and_no_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    shown = capsys.readouterr()
    assert "doneness --help" in shown.err and len(shown.err.splitlines()) == 1
