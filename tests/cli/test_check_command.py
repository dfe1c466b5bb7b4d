from __future__ import annotations

import csv
import json
import re
import shutil
from pathlib import Path

import jsonschema
import pytest
from rich.cells import cell_len

from doneness.cli.main import main
from doneness.report import schema
from doneness.report.many import labels, shortened
from doneness.runs import Run, Series, read
from doneness.workflows.gather import expanded
from doneness.workflows.mapping import parse_map

DIP = (2.0, 1.6, 1.4, 1.3, 1.35, 1.45, 1.6, 1.8, 2.0, 2.2)
FALL = (2.4, 2.0, 1.8, 1.7, 1.62, 1.56, 1.52, 1.49, 1.47, 1.45)


def state(folder: Path, losses: tuple[float, ...] = DIP, until: int = 100) -> Path:
    rows = [{"step": s, "epoch": s / 50, "loss": 3.0 - 0.01 * s, "learning_rate": 1e-4} for s in range(1, until + 1)]
    rows += [{"step": s, "epoch": s / 50, "eval_loss": v} for s, v in zip(range(10, 101, 10), losses, strict=True)
             if s <= until]  # fmt: skip
    rows.sort(key=lambda row: row["step"])  # stable: a Trainer logs the loss, then evaluates
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "trainer_state.json"
    file.write_text(json.dumps({"log_history": rows, "max_steps": 100, "num_train_epochs": 2}))
    return file


@pytest.fixture
def two(tmp_path: Path) -> Path:
    state(tmp_path / "dip")
    state(tmp_path / "fall", FALL)
    return tmp_path


def test_the_fixture_is_logged_as_a_trainer_logs(two: Path) -> None:
    """Evaluations after all of the training are a resume to a reader, and rightly so."""
    for name in ("dip", "fall"):
        (run,) = read(two / name)
        assert run.notes == () and not [event for event in run.events if event.kind == "resume"]


def test_many_runs_are_a_table_of_80_columns(
    two: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    state(two / ("a-name-that-goes-on-and-on-" * 3 + "end"), FALL)
    monkeypatch.setenv("COLUMNS", "80")
    for lang in ("en", "zh"):
        assert main(["--lang", lang, "check", str(two)]) == 0
        lines = capsys.readouterr().out.rstrip().splitlines()
        assert len(lines) == 5
        assert max(map(cell_len, lines)) <= 80
        assert re.search(r"\ba-name-.*….*end ", "\n".join(lines))
        assert all("100/10" in line for line in lines[2:])
    assert "过拟合" in "\n".join(lines)


def test_what_was_exported_is_no_run_that_failed_to_be_read(two: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (two / "merged").mkdir()
    (two / "merged" / "doneness.json").write_text("{}")
    assert main(["check", *(str(two / name) for name in ("dip", "fall", "merged"))]) == 0
    assert "merged" not in capsys.readouterr().err
    assert main(["check", str(two / "merged")]) == 2


def test_one_unreadable_path_hides_none_of_the_others(two: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (two / "empty.csv").write_text("")
    paths = [str(two / "dip"), str(two / "empty.csv"), str(two / "nowhere"), str(two / "fall")]
    assert main(["check", *paths, "--fail-on", "overfitting"]) == 2
    got = capsys.readouterr()
    assert "dip" in got.out and "fall" in got.out
    assert [line.split(":")[0] for line in got.err.splitlines()] == [str(two / "empty.csv"), str(two / "nowhere")]
    assert main(["check", *paths, "--json"]) == 2
    found = json.loads(capsys.readouterr().out)
    assert [run["run"] for run in found["runs"]] == ["dip", "fall"]
    assert [lost["path"] for lost in found["unreadable"]] == paths[1:3]


def test_a_run_in_several_paths_is_shown_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    early, late = state(tmp_path / "out" / "checkpoint-50", until=50), state(tmp_path / "out" / "checkpoint-100")
    out = tmp_path / "out"
    for paths in ([out, early.parent, late], [early, late], [early.parent, out], [late, late]):
        assert main(["check", *map(str, paths), "--json"]) == 0
        found = json.loads(capsys.readouterr().out)["runs"]
        assert [run["last_step"] for run in found] == [100], paths
    other = tmp_path / "copy"
    shutil.copytree(out, other)
    assert main(["check", str(out), str(other), "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["runs"]) == 2


def test_patterns_are_expanded_and_addresses_left_alone(two: Path) -> None:
    assert expanded([str(two / "*")]) == [str(two / "dip"), str(two / "fall")]
    assert expanded([str(two / "**" / "*.json")]) == [str(two / n / "trainer_state.json") for n in ("dip", "fall")]
    assert expanded(["hf://owner/name-[1]*", "no*thing"]) == ["hf://owner/name-[1]*", "no*thing"]
    odd = two / "run[1]"
    odd.mkdir()
    assert expanded([odd, odd]) == [str(odd)]


def test_json_keeps_to_its_published_schema(two: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (two / "short.csv").write_text("step,loss\n1,2.0\n2,nan\n3,1.5\n")
    assert main(["check", "--schema"]) == 0
    published = json.loads(capsys.readouterr().out)
    assert published == json.loads(schema())
    checker = jsonschema.Draft202012Validator(published)
    checker.check_schema(published)
    for lang in ("en", "zh"):
        assert main(["--lang", lang, "check", str(two), str(two / "nowhere"), "--json"]) == 2
        found = json.loads(capsys.readouterr().out)
        assert [e.message for e in checker.iter_errors(found)] == []
        assert len(found["runs"]) == 3
        assert any(run["forecast"] for run in found["runs"]) and any(run["sweet_spot"] for run in found["runs"])
    found["runs"][0]["verdict"] = "fine"
    found["more"] = 1
    assert len(list(checker.iter_errors(found))) == 2


def test_real_logs_keep_to_the_schema(curves: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = [
        str(file) for kind in ("llamafactory", "csv", "hf_trainer") for file in sorted((curves / kind).iterdir())[:4]
    ]
    assert main(["check", *paths, "--json"]) in (0, 2)
    found = json.loads(capsys.readouterr().out)
    assert len(found["runs"]) >= 9
    jsonschema.validate(found, json.loads(schema()))


def test_html_of_many_runs_leads_to_a_section_for_each(two: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = two / "out.html"
    assert main(["check", str(two), str(two / "nowhere"), "--html", str(out)]) == 2
    page = out.read_text(encoding="utf-8")
    assert "nowhere" in page
    targets = re.findall(r'href="#([^"]+)"', page)
    assert targets == ["run-0", "run-1"]
    assert all(page.count(f'id="{t}"') == 1 for t in targets)
    assert page.count("<svg") == 4 and not re.search(r"(?:href|src)=.https?:", page)
    capsys.readouterr()
    assert main(["check", str(two / "dip"), "--html", str(out), "--lang", "zh"]) == 0
    page = out.read_text(encoding="utf-8")
    assert 'lang="zh-CN"' in page and 'id="evidence"' in page


def table(file: Path, *heads: str) -> Path:
    with file.open("w", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(heads)
        writer.writerows([10 * (i + 1), loss, loss + 0.1] for i, loss in enumerate(FALL))
    return file


def test_columns_of_any_name_are_read_when_mapped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = table(tmp_path / "odd.csv", "it", "my_loss", "held out, mean")
    assert main(["check", str(file), "--map", "loss=my_loss,eval_loss=held out, mean,step=it", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["runs"]
    assert (found["last_step"], found["evaluations"]) == (100, 10)


@pytest.mark.parametrize("heads", [("it", "my_loss", "x"), ("step", "loss", "eval_loss")])
def test_a_wrong_map_names_the_columns_there_are(
    heads: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also where a guess would have done: a misspelt column must not be passed over in silence."""
    file = table(tmp_path / "odd.csv", *heads)
    for place in (file, tmp_path):
        assert main(["check", str(place), "--map", "loss=my_los"]) == 2
        error = capsys.readouterr().err
        assert len(error.splitlines()) == 1
        if place is file or heads[0] == "step":
            assert "'my_los'" in error and ", ".join(heads) in error
    rows = tmp_path / "late.jsonl"
    rows.write_text(
        "".join(json.dumps({"it": s, "my_loss": 2.0}) + "\n" for s in range(9000)) + '{"it":9000,"ev":1.0}\n'
    )
    assert main(["check", str(rows), "--map", "loss=my_loss,step=it,eval_loss=ev"]) == 0
    assert main(["check", str(rows), "--map", "loss=my_loss,step=it,eval_loss=evv"]) == 2
    assert "it, my_loss" in capsys.readouterr().err


def test_maps_are_told_as_pairs() -> None:
    assert parse_map("loss=a,b, step = it") == {"a,b": "train/loss", "it": "step"}
    assert parse_map("lr=rate,grad_norm=g,tokens=t,time=s,epoch=e") == {
        "rate": "train/learning_rate", "g": "train/grad_norm", "t": "tokens", "s": "time", "e": "epoch",
    }  # fmt: skip
    for wrong in ("", "loss", "lose=a", "loss=", "loss=a,loss=b", "loss=a,step=a"):
        with pytest.raises(ValueError, match=r"\w"):
            parse_map(wrong)


def test_names_are_told_apart_and_shortened_in_the_middle() -> None:
    def run(name: str, path: str) -> Run:
        return Run(name, Path(path), series={"train/loss": Series.of([1], [1.0])})

    found = [run("lora", "/a/x/lora"), run("lora", "/a/y/lora"), run("log", "/a/log.csv"), run("log", "/b/log.csv")]
    assert labels(found) == ["x/lora", "y/lora", "a/log", "b/log"]
    assert shortened("checkpoint-with-a-long-name", 11) == "check…-name"
    assert shortened("训练日志文件夹名称", 8) == "训…名称"
    assert [cell_len(shortened("名" * 9, n)) <= n for n in range(1, 20)] == [True] * 19


def test_checkpoints_beyond_the_log_are_not_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state(tmp_path / "run")
    for step in (50, 100, 900):
        (tmp_path / "run" / f"checkpoint-{step}").mkdir()
        (tmp_path / "run" / f"checkpoint-{step}" / "model.safetensors").write_bytes(b"x")
    assert main(["check", str(tmp_path / "run"), "--json"]) == 0
    run = json.loads(capsys.readouterr().out)["runs"][0]
    assert any("1 of step 900 and later" in note for note in run["notes"])
    assert "900" not in json.dumps(run.get("checkpoints", []))
