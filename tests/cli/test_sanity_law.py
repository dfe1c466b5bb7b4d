"""What the law of tokens says outside of the runs that it was fitted to."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from doneness.cli.main import main
from doneness.sanity.scaling import expected

ASKED = ["sanity", "--law", "--parameters", "1.1B", "--tokens", "50e9"]


def told_one_line(capsys: pytest.CaptureFixture[str]) -> str:
    shown = capsys.readouterr()
    assert shown.out == "", "no verdict beside the refusal"
    assert shown.err.count("\n") == 1
    return shown.err


def log(folder: Path, losses: list[float], name: str = "log.jsonl", **more: Any) -> str:
    lines = [{"step": s, "loss": loss, "tokens": s * 1e8, **more} for s, loss in enumerate(losses, start=1)]
    (folder / name).write_text("\n".join(map(json.dumps, lines)) + "\n", encoding="utf-8")
    return str(folder / name)


def journal(folder: Path, **meta: Any) -> str:
    known = {"total_parameters": 1_100_000_000, "vocab_size": 32_000, **meta}
    records = [{"v": 1, "kind": "start", "step": 0, "at": "2026-01-01T00:00:00+00:00", "meta": known}]
    records += [{"v": 1, "kind": "train", "step": s, "loss": 2.5, "tokens": int(s * 1e8)} for s in range(1, 401)]
    folder.mkdir()
    (folder / "journal.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records), encoding="utf-8")
    return str(folder)


@pytest.mark.parametrize(("parameters", "tokens", "beyond"), [("1.1B", "50e6x1000", False), ("30M", "2e9", True)])
def test_far_outside_it_says_so_first(
    parameters: str, tokens: str, beyond: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--lang", "en", "sanity", "--law", "--parameters", parameters, "--tokens", tokens]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert out.startswith("The law was fitted to models of 70 million") is beyond
    # A fall of three nats is not lost in noise.
    assert ("less than the noise of a training curve" in out) is not beyond


@pytest.mark.parametrize("loss", ["nan", "-3", "inf", "0"])
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_what_is_no_loss_is_not_normal(loss: str, lang: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--lang", lang, *ASKED, f"--loss={loss}"]) == 2
    told = told_one_line(capsys)
    assert str(float(loss)) in told and "sanity." not in told
    with pytest.raises(ValueError, match="no loss"):
        expected(1.1e9, 50e9).word(float(loss))


def test_a_run_whose_last_losses_are_no_numbers_is_called_broken(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fine = [2.9 - s / 1000 for s in range(400)]
    broken = log(tmp_path, [*fine, *[math.nan] * 5], "broken.jsonl")
    asked = ["--lang", "en", "sanity", "--law", "--parameters", "1.1B", "--tokens", "4e10"]
    assert main([*asked, broken]) == 2
    told = told_one_line(capsys)
    assert "step 405, the last, is nan: the run is broken" in told
    # A loss given beside is what is asked about, and one row that is no number is damage.
    assert main([*asked, broken, "--loss", "2.5"]) == 0
    assert main([*asked, log(tmp_path, [*fine, math.nan], "one.jsonl")]) == 0
    assert "Normal" in capsys.readouterr().out


def test_the_law_is_of_pretraining_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pretrained = journal(tmp_path / "pretrained", stage="pretrain", method="full")
    assert main(["--lang", "en", "sanity", "--law", pretrained]) == 0
    assert "Normal" in capsys.readouterr().out
    for stage, method in (("sft", "full"), ("pretrain", "lora"), ("dpo", "dpo")):
        tuned = journal(tmp_path / f"{stage}-{method}", stage=stage, method=method)
        assert main(["--lang", "en", "sanity", "--law", tuned]) == 2
        assert f"run.stage {stage}, method {method}" in told_one_line(capsys)


@pytest.mark.parametrize(
    ("parameters", "tokens", "said"),
    [("44800", "4320", "above chance (10.37"), ("1B", "9e12", "more than 10 times outside"), ("5M", "50B", "10 times")],
)
def test_far_outside_there_is_no_verdict(
    parameters: str, tokens: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["sanity", "--law", "--parameters", parameters, "--tokens", tokens, "--loss", "2.5"]
    assert main(["--lang", "en", *command]) == 2
    assert said in told_one_line(capsys)
    assert main(["--lang", "zh", *command, "--json"]) == 2
    assert "规律" in told_one_line(capsys)
