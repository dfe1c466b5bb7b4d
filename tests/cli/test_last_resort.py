"""What must never pass for a judgement: a fault of our own, and a gate without a verdict."""

from __future__ import annotations

import pytest

from doneness.cli import check
from doneness.cli.main import main


def broken(options: object) -> int:
    raise ValueError("steps must be\nwhole numbers")


@pytest.mark.parametrize(("lang", "word"), [("en", "defect of doneness"), ("zh", "缺陷")])
def test_a_fault_of_ours_is_one_line_and_no_verdict(
    lang: str, word: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(check, "run", broken)
    monkeypatch.delenv("DONENESS_DEBUG", raising=False)
    assert main(["--lang", lang, "check", "x"]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "ValueError" in told and "steps must be whole numbers" in told
    assert word in told and "DONENESS_DEBUG=1" in told


def test_the_traceback_is_there_for_the_asking(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "run", broken)
    monkeypatch.setenv("DONENESS_DEBUG", "1")
    with pytest.raises(ValueError, match="whole numbers"):
        main(["check", "x"])


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("given", ["", " ", ","])
def test_a_gate_without_a_verdict_is_refused(lang: str, given: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--lang", lang, "check", "x", "--fail-on", given]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "overfitting" in told
