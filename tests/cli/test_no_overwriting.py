"""No output is written over what a command reads."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from doneness.cli.main import main


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rows = [{"step": 10 * i, "epoch": i / 4, "loss": 2 - 0.1 * i} for i in range(1, 9)]
    rows += [{"step": 10 * i, "epoch": i / 4, "eval_loss": 2.1 - 0.1 * i} for i in range(1, 9)]
    place = tmp_path / "run"
    place.mkdir()
    (place / "trainer_state.json").write_text(json.dumps({"log_history": rows, "max_steps": 80}))
    for name in ("log.svg", "log.html"):
        (tmp_path / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize(
    "arguments",
    [
        "check run --html run/trainer_state.json",
        "check run/trainer_state.json --html run/../run/trainer_state.json",
        "check log.html --html link.html",
        "check log.html run --html hard.html",
        "check log.* --html log.svg",
        "report run -o run/trainer_state.json",
        "report run -o hard.json",
        "compare run log.html --html log.html",
        "compare run log.svg --svg log.svg",
        "figure log.svg -o log.svg",
    ],
)
def test_what_is_read_is_not_written_over(
    arguments: str, lang: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    Path("link.html").symlink_to("log.html")
    Path("hard.html").hardlink_to("log.html")
    Path("hard.json").hardlink_to("run/trainer_state.json")
    before = {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}
    assert main(["--lang", lang, *arguments.split()]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()} == before


def test_a_report_is_written_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    Path("old.txt").write_text("no log")
    for arguments in ("report run", "check run --html run/report.html", "figure run -o run/a.svg"):
        assert main(arguments.split()) == main(arguments.split()) == 0
    assert main(["check", "log.html", "--html", "old.txt"]) == 0
