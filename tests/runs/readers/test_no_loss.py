from __future__ import annotations

import os
from pathlib import Path

import pytest

from doneness.cli.main import main
from doneness.core import UnreadableError, speaking
from doneness.runs import read


def fault(path: Path, text: str, lang: str = "en") -> str:
    path.write_text(text)
    with speaking(lang), pytest.raises(UnreadableError) as caught:
        read(path)
    return str(caught.value)


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize(
    "text", ["it,objective\n1,2.5\n2,2.4\n", '{"it": 1, "objective": 2.5}\n', '[{"it": 1, "objective": 2.5}]']
)
def test_a_table_without_losses_names_its_columns(text: str, lang: str, tmp_path: Path) -> None:
    told = fault(tmp_path / "log.txt", text, lang)
    assert "it, objective" in told and "--map loss=" in told and len(told.splitlines()) == 1


@pytest.mark.parametrize("text", ["step,loss\n-1,2.5\n-2,2.4\n", '{"step": -1, "loss": 2.5}\n'])
def test_negative_steps_are_named(text: str, tmp_path: Path) -> None:
    told = fault(tmp_path / "log.txt", text)
    assert "negative" in told and "-1" in told and "'step'" in told


@pytest.mark.parametrize("text", ["step,loss\n1,high\n2,low\n", '{"step": 1, "loss": "high"}\n'])
def test_losses_that_are_words_are_named(text: str, tmp_path: Path) -> None:
    told = fault(tmp_path / "log.txt", text)
    assert "'loss'" in told and "'high'" in told


def test_what_is_no_table_of_numbers_is_no_log(tmp_path: Path) -> None:
    for text in ("dear all, the loss, alas, is large\nyours\n", '{"question": "a", "answer": "b"}\n', "a,b\nc,d\n"):
        assert "no training log" in fault(tmp_path / "log.txt", text)


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo(tmp_path / "pipe")
    for lang in ("en", "zh"):
        assert main(["--lang", lang, "check", str(tmp_path / "pipe")]) == 2
        assert len(capsys.readouterr().err.splitlines()) == 1
    assert main(["check", str(tmp_path / "pipe"), "--map", "loss=x"]) == 2
