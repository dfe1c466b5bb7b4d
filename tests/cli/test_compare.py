from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from rich.cells import cell_len

from doneness.cli.main import main
from doneness.report.compare_table import _stretch
from doneness.runs import ExampleLosses
from doneness.runs.examples import path_of, save_examples
from doneness.runs.recorder import Recorder

IDS = np.array([f"q{i:03d}" for i in range(200)])


def journal(folder: Path, shift: float = 0.0, **how: Any) -> Path:
    """A run of ours with evaluations example by example: `shift` nats above a common course."""
    ids, last, every = how.get("ids", IDS), how.get("last", 400), how.get("every", 40)
    rng = np.random.default_rng(1)
    hard = rng.normal(0, 0.5, len(ids))
    tokens = rng.integers(20, 60, len(ids)) + how.get("longer", 0)
    recorder = Recorder(folder)
    recipe = {"optimizer": {"learning_rate": how.get("rate", 1e-4)}, "run": {"folder": str(folder)}}
    recorder.write("start", 0, meta={"planned_steps": last, "method": "sft", "seed": 3, "recipe": recipe})
    for step in range(0, last + 1, 2):
        place = {"epoch": step / 200, "tokens": step * how.get("per_step", 1000), "time": step * 2.0}
        course = 1.2 + 0.8 * np.exp(-step / 60)
        if step:
            recorder.write("train", step, loss=course + rng.normal(0, 0.05), learning_rate=1e-4, **place)
        if step % every == 0:
            mine = np.random.default_rng(step).normal(0, 0.02, len(ids))
            level = course + (shift if step else 0.0)
            losses = ExampleLosses(step, ids, (level + hard + mine) * tokens, tokens)
            save_examples(folder, losses)
            file = str(path_of(folder, step).relative_to(folder))
            recorder.write("eval", step, loss=losses.mean, file=file, **place)
    recorder.write("end", last, reason="planned")
    recorder.close()
    return folder


def state(folder: Path, base: float = 1.0, start: float = 2.4, **extra: Any) -> Path:
    rows: list[dict[str, Any]] = [{"step": s, "epoch": s / 50, "loss": 3.0 - 0.01 * s, **extra} for s in range(1, 101)]
    rows += [
        {"step": s, "epoch": s / 50, "eval_loss": start if s == 0 else base + 5 / (s + 5)} for s in range(0, 101, 10)
    ]
    rows.sort(key=lambda row: row["step"])
    folder.mkdir(parents=True)
    (folder / "trainer_state.json").write_text(json.dumps({"log_history": rows, "max_steps": 100}))
    return folder


def found(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, Any]:
    assert main(["compare", *map(str, arguments), "--json"]) == 0
    data: dict[str, Any] = json.loads(capsys.readouterr().out)
    return data


def test_runs_with_examples_are_paired_at_the_last_common_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a, b = journal(tmp_path / "a"), journal(tmp_path / "b", 0.1, rate=2e-4, last=320)
    data = found(capsys, a, b)
    assert (data["axis"], data["place"], data["comparable"]) == ("tokens", 320_000, True)
    first, second = data["runs"]
    assert first["difference"] is None and not first["interpolated"]
    gap = second["difference"]
    assert gap["value"] == pytest.approx(0.1, abs=0.002) and gap["examples"] == 200
    assert 0.05 < gap["interval"][0] < gap["value"] < gap["interval"][1] < 0.15
    assert gap["value"] == pytest.approx(second["loss"] - first["loss"], abs=1e-9)
    assert data["differing"] == {
        "planned_steps": ["400", "320"],
        "recipe.optimizer.learning_rate": ["0.0001", "0.0002"],
    }
    assert "higher than that of A for: B" in data["summary"]


def test_between_two_evaluations_the_line_between_them_counts_and_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a, b = journal(tmp_path / "a", 0.1, per_step=900), journal(tmp_path / "b", per_step=970)
    data = found(capsys, a, b)
    assert data["place"] == 360_000
    assert [run["interpolated"] for run in data["runs"]] == [False, True]
    assert data["runs"][1]["difference"]["value"] == pytest.approx(-0.1, abs=0.004)
    assert main(["--lang", "en", "compare", str(a), str(b)]) == 0
    assert "≈ lies between two evaluations" in capsys.readouterr().out


def test_equal_runs_cannot_be_told_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = found(capsys, journal(tmp_path / "a"), journal(tmp_path / "b", 0.0005))
    assert "cannot be told from A: B" in data["summary"]


def test_single_means_are_never_ranked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a, b = state(tmp_path / "a"), state(tmp_path / "b", 0.5)
    data = found(capsys, a, b)
    assert (data["axis"], data["place"]) == ("step", 100)
    assert [run["difference"] for run in data["runs"]] == [None, None]
    assert "cannot be told" in data["summary"] and data["comparable"]


@pytest.mark.parametrize(
    ("other", "word"),
    [
        ({"ids": np.array([f"r{i}" for i in range(200)])}, "different rows"),
        ({"ids": IDS[:150]}, "150 of them shared"),
        ({"longer": 7}, "200 of 200 have other numbers of target tokens"),
    ],
)
def test_other_evaluation_rows_are_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], other: dict[str, Any], word: str
) -> None:
    data = found(capsys, journal(tmp_path / "a"), journal(tmp_path / "b", **other))
    assert not data["comparable"] and word in data["warnings"][0]
    assert "cannot be compared" in data["summary"]


def test_another_start_or_another_kind_of_loss_is_a_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a = state(tmp_path / "a")
    assert "Before any training" in found(capsys, a, state(tmp_path / "b", start=2.5))["warnings"][0]
    dpo = state(tmp_path / "c", **{"rewards/chosen": 0.1, "rewards/rejected": 0.0})
    assert "different kinds of loss" in found(capsys, a, dpo)["warnings"][0]


def test_an_axis_that_a_run_lacks_is_refused_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a, b = journal(tmp_path / "a"), state(tmp_path / "b")
    assert main(["compare", str(a), str(b), "--on", "tokens"]) == 2
    assert capsys.readouterr().err.startswith("b: the log has nothing to place it on the axis 'tokens'")
    assert found(capsys, a, b)["axis"] == "step"


def test_one_run_is_no_comparison(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", str(journal(tmp_path / "a")), str(tmp_path / "gone")]) == 2
    said = capsys.readouterr().err
    assert said.startswith("a comparison takes at least two runs; found: 1.") and "gone" in said


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_terminal_shows_both_in_80_columns(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, lang: str
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    a, b = journal(tmp_path / "one"), journal(tmp_path / "two", 0.1, rate=2e-4)
    assert main(["--lang", lang, "compare", str(a), str(b)]) == 0
    out = capsys.readouterr().out
    assert max(map(cell_len, out.splitlines())) <= 80
    assert re.search("[\u2801-\u28ff]", out) and "recipe.optimizer.learning_rate" in out
    assert re.search(r"A one.*B two", out, re.DOTALL) and "+0.100" in out


def test_files_are_written_in_every_form(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("resvg_py", reason="the extra `figure` is not installed")
    a, b = journal(tmp_path / "one<b>"), journal(tmp_path / "two", 0.1)
    out = {kind: tmp_path / f"out.{kind}" for kind in ("html", "svg", "png")}
    flags = [part for kind, file in out.items() for part in (f"--{kind}", str(file))]
    assert main(["compare", str(a), str(b), *flags]) == 0
    assert capsys.readouterr().out.count("Comparison:") == 3
    assert out["png"].read_bytes().startswith(b"\x89PNG")
    svg, page = out["svg"].read_text(), out["html"].read_text()
    assert "compared here" in svg and "one&lt;b&gt;" in svg and "one<b>" not in page
    assert page.count('class="plot ') == 8 and 'id="x-tokens" checked' in page


def test_what_differs_holds_the_peak_of_the_rate_and_no_silence_of_one_log(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a, b = state(tmp_path / "a", learning_rate=1e-4), state(tmp_path / "b", learning_rate=3e-4)
    file = b / "trainer_state.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"num_train_epochs": 2}))
    differing = found(capsys, a, b)["differing"]
    assert differing == {"learning rate, peak": ["0.0001", "0.0003"]}


def test_warnings_stand_under_the_sentence_that_names_them_and_beside_a_figure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a, b = state(tmp_path / "a"), state(tmp_path / "b", start=2.5)
    assert main(["compare", str(a), str(b)]) == 0
    out = capsys.readouterr().out
    assert out.index("cannot be compared") < out.index("Before any training")
    assert main(["compare", str(a), str(b), "--svg", str(tmp_path / "x.svg")]) == 0
    assert "Before any training" in capsys.readouterr().err


def test_json_keeps_to_its_published_schema(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "--schema"]) == 0
    published = json.loads(capsys.readouterr().out)
    checker = jsonschema.Draft202012Validator(published)
    checker.check_schema(published)
    silent = tmp_path / "silent.csv"
    silent.write_text("step,loss\n1,2.0\n2,nan\n3,1.5\n")
    a, b, c = journal(tmp_path / "a"), journal(tmp_path / "b", 0.1, rate=2e-4), state(tmp_path / "c")
    data = {}
    for name, runs in (("paired", (a, b)), ("mixed", (a, c)), ("silent", (c, silent))):
        data[name] = found(capsys, *runs)
        assert [e.message for e in checker.iter_errors(data[name])] == []
    assert data["paired"]["runs"][1]["difference"] and data["paired"]["differing"]
    assert data["mixed"]["warnings"] or data["mixed"]["runs"][1]["difference"] is None
    assert data["silent"]["place"] is None and data["silent"]["runs"][1]["best"] is None
    data["paired"]["axis"] = "miles"
    data["paired"]["more"] = 1
    assert len(list(checker.iter_errors(data["paired"]))) == 2


def test_losses_of_different_kinds_share_no_axis_and_no_column(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a, b = state(tmp_path / "a"), state(tmp_path / "b", base=0.6, start=0.69, **{"rewards/margins": 0.1})
    data = found(capsys, a, b)
    assert (data["place"], data["comparable"]) == (None, False) and data["runs"][1]["difference"] is None
    assert main(["compare", str(a), str(b)]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert re.search(r"likelihood loss: loss [0-9.]+ to", out)
    assert re.search(r"preference or reinforcement-learning loss: loss [0-9.]+ to", out)
    assert "Difference" not in out and "reference" not in out.replace("preference", "")
    assert main(["compare", str(a), str(b), "--svg", str(tmp_path / "x.svg")]) == 0
    drawn = (tmp_path / "x.svg").read_text()
    assert drawn.count("on a y-axis of its own") == 2 and "nats per target token" not in drawn


def test_a_place_has_its_unit_and_a_stretch_of_one_step_is_one_number(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")  # no cell is wrapped, however long the folder's name
    a, b = journal(tmp_path / "a"), journal(tmp_path / "b", 0.1)
    assert main(["compare", str(a), str(b)]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert re.search(r"[0-9.]+ at [0-9.]+k? tokens", out)
    assert _stretch(16, 16) == "16" and _stretch(1000, 1200) == "1,000–1,200"
