"""Other tools' command lines on ours."""

from __future__ import annotations

import argparse
from pathlib import Path
from types import ModuleType

import pytest

from doneness.cli import align, plan, preview, sanity, train
from doneness.cli.foreign import OWN, set_apart
from doneness.cli.main import main

LINE = ["--stage", "sft", "--do_train", "True", "--model_name_or_path", "M", "--dataset", "D", "--plot_loss"]


def test_our_own_options_are_told_from_theirs() -> None:
    assert set_apart(["train", *LINE, "--dry-run"]) == ["train", "--dry-run", "--", *LINE]
    assert set_apart(["--lang", "zh", "train", "--lang", "en", *LINE]) == [
        *("--lang", "zh", "train", "--lang", "en", "--"),
        *LINE,
    ]
    assert set_apart(["--lang=zh", "train", "--lang=en", "--x"]) == ["--lang=zh", "train", "--lang=en", "--", "--x"]
    for ours in (["train", "a.toml", "run.seed=1", "--dry-run"], ["plan", "a.toml", "--measure"], ["--version"], []):
        assert set_apart(ours) == ours


@pytest.mark.parametrize("command", [train, plan, sanity, preview, align])
def test_every_option_of_the_command_is_known_as_ours(command: ModuleType) -> None:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    options = {name for action in parser._actions for name in action.option_strings}
    assert options <= set(OWN[command.__name__.rpartition(".")[2]])


@pytest.fixture
def listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder in which D is a data set; M is a model that is elsewhere."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "dataset_info.json").write_text('{"D": {"file_name": "d.json"}}', encoding="utf-8")
    (tmp_path / "data" / "d.json").write_text('[{"instruction": "Gout?", "output": "It hurts."}]', encoding="utf-8")
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("listed")
def test_a_dry_run_prints_the_recipe_and_says_what_was_not_needed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--lang", "en", "train", *LINE, "--dry-run", "stopping.on_stop=stop"]) == 0
    out, err = capsys.readouterr()
    assert 'path = "M"' in out
    assert 'on_stop = "stop"' in out
    assert "Read as LLaMA-Factory's: 5 arguments." in err
    assert "Not needed here (1): plot_loss." in err
    # It is let already.
    assert "lets it end the run" not in err


@pytest.mark.usefixtures("listed")
def test_a_file_with_settings_after_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "lf.json"
    file.write_text('{"do_train": true, "model_name_or_path": "M", "dataset": "D"}', encoding="utf-8")
    assert main(["train", str(file), "learning_rate=1e-5", "--dry-run"]) == 0
    assert "learning_rate = 1e-05" in capsys.readouterr().out


def test_a_fault_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--lang", "en", "train", *LINE, "--learning_r", "1"]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "learning_r is no argument" in err
    assert main(["--lang", "en", "train", "mine.toml", "--bogus"]) == 2
    assert "--bogus is no option" in capsys.readouterr().err
