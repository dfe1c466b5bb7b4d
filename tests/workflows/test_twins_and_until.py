"""What `check` shows ends where --until says, and one run in two logs of a folder is shown once."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from doneness.cli.main import main
from doneness.workflows.check import check_all

LOSSES = (2.0, 1.6, 1.4, 1.3, 1.35, 1.45, 1.6, 1.8, 2.0, 2.2)


def state(folder: Path, losses: tuple[float, ...] = LOSSES) -> Path:
    rows: list[dict[str, float]] = [{"step": s, "loss": 3.0 - 0.01 * s, "learning_rate": 1e-4} for s in range(1, 101)]
    rows += [{"step": 10 * (i + 1), "eval_loss": v} for i, v in enumerate(losses)]
    rows.sort(key=lambda row: row["step"])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "trainer_state.json").write_text(json.dumps({"log_history": rows, "max_steps": 100}))
    return folder


def beside(file: Path, losses: tuple[float, ...] = LOSSES) -> Path:
    lines = [f"{s},{3.0 - 0.01 * s:.4f},{losses[s // 10 - 1] if s % 10 == 0 else ''}" for s in range(1, 101)]
    file.write_text("\n".join(["step,loss,eval_loss", *lines]) + "\n")
    return file


@pytest.mark.parametrize("form", [["--json"], [], ["--html"]])
def test_until_cuts_all_that_is_shown(form: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.html"
    given = [*form, str(out)] if form == ["--html"] else form
    assert main(["check", str(state(tmp_path / "a")), "--until", "50", *given]) == 0
    text = out.read_text(encoding="utf-8") if form == ["--html"] else capsys.readouterr().out
    if form == ["--json"]:
        assert json.loads(text)["runs"][0]["evaluations"] == 5
    assert "step 40 to 100" not in text and "steps 0 to 100" not in text and "2.200" not in text
    assert form == ["--json"] or "to 50" in text


def test_one_run_in_two_logs_is_shown_once_and_says_so(tmp_path: Path) -> None:
    folder, table = state(tmp_path / "out"), beside(tmp_path / "log.csv")
    for paths in ((table, folder), (folder, table)):
        found = check_all(paths)
        assert [each.run.kind for each in found.judged] == ["hf_trainer"]
        assert any(str(table) in note for note in found.judged[0].run.notes)


def test_other_losses_or_another_folder_are_another_run(tmp_path: Path) -> None:
    folder, other = state(tmp_path / "out"), beside(tmp_path / "log.csv", tuple(v + 0.01 for v in LOSSES))
    assert len(check_all([folder, other]).judged) == 2
    assert len(check_all([folder, state(tmp_path / "copy")]).judged) == 2


def test_the_example_of_the_readme_can_be_called_twice(tmp_path: Path) -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    code = readme.split("```python\n")[1].split("```")[0].replace("runs/first", str(state(tmp_path / "a")))
    done = subprocess.run([sys.executable, "-c", code * 2], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 2
