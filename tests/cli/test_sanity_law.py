"""What the law of tokens says outside of the runs that it was fitted to."""

from __future__ import annotations

import pytest

from doneness.cli.main import main


@pytest.mark.parametrize(("parameters", "tokens", "beyond"), [("1.1B", "50e6x1000", False), ("44800", "4320", True)])
def test_far_outside_it_says_so_first(
    parameters: str, tokens: str, beyond: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--lang", "en", "sanity", "--law", "--parameters", parameters, "--tokens", tokens]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert out.startswith("The law was fitted to models of 70 million") is beyond
    # A fall of three nats is not lost in noise.
    assert ("less than the noise of a training curve" in out) is not beyond
