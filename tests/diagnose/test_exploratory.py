"""An exploratory run is judged like any other, and nothing of it is recommended."""

from __future__ import annotations

from dataclasses import replace

import pytest

from doneness.core import speaking
from doneness.diagnose import diagnose
from doneness.runs import Run
from doneness.stopping import EvidenceRule
from doneness.testing.synthetic import converged_run, overfitting_run


@pytest.mark.parametrize("usual", [converged_run(), overfitting_run()], ids=["converged", "overfitting"])
def test_the_verdict_stays_and_the_recommendation_goes(usual: Run) -> None:
    run = replace(usual, meta={**usual.meta, "mode": "explore"})
    before, after = diagnose(usual), diagnose(run)
    assert before.recommended_step is not None
    assert after.verdict is before.verdict and after.sweet_spot == before.sweet_spot
    assert after.recommended_step is None and after.recommended_checkpoint is None
    assert after.advice is not None and after.advice.key == "diagnose.advice.explore"
    assert "Keep" not in after.headline.text() and "is the one to keep" not in after.headline.text()
    with speaking("zh"):
        assert "探索性训练" in after.advice.text()
    assert EvidenceRule().decide(run).recommended_step is None


def test_another_tools_mode_is_no_such_run() -> None:
    usual = converged_run()
    for mode in ("train", "online", 3, None, ["explore"]):
        assert not replace(usual, meta={**usual.meta, "mode": mode}).exploratory
