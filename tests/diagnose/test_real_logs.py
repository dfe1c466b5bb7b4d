"""What is said of public logs whose staircases and rewards were looked at one by one."""

from __future__ import annotations

from pathlib import Path

import pytest

from doneness.core import Action, Verdict
from doneness.diagnose import diagnose
from doneness.runs import read

TRAIN_ALONE = {
    # Medians of quarters of an epoch: 1.09 1.08 1.07 1.08 | 0.76 0.75 0.75 0.75 | 0.51 0.49 0.50 0.50
    "Kent0n-Li__ChatDoctor__pretrained.json": Verdict.MEMORISING,
    # 0.65 0.52 0.46 0.42 | 0.32 0.30 0.29 0.28 | 0.18 0.17 0.17 0.17 | 0.12 0.12 0.12 0.11
    "syGOAT__Mistral-v0.2-Translator-bf16__root.json": Verdict.MEMORISING,
    # 0.55 0.49 0.46 0.44 | 0.41 0.40 0.39 0.39 | 0.36 0.35 0.34 0.34
    "francis-wong__msds-cs-388-final-project__trained_model.json": Verdict.MEMORISING,
    # 2.36 1.28 0.78 0.68 | 0.58 0.41 0.41 0.32 | … : a smooth fall with a noise of a quarter of the loss
    "MemaSp__FT-Llama2-HRChatbot__outputs_477d0b.json": Verdict.UNDECIDED,
    # 0.38 0.36 0.35 0.36 | 0.34 0.34 0.35 0.34 | 0.35 … : flat over five epochs
    "TANGHULU6__Llama3-8B-Mob__outputs-checkpoint-2500_a91e67.json": Verdict.UNDECIDED,
}


@pytest.mark.parametrize("name", TRAIN_ALONE)
def test_staircases_are_told_from_smooth_falls(curves: Path, name: str) -> None:
    found = diagnose(read(curves / "hf_trainer" / name)[0])
    assert found.verdict is TRAIN_ALONE[name], found.headline.text("en")
    assert found.recommended_step is None
    assert found.forecast is None


REWARDED = {
    # reward 0.22 → 1.6, still climbing in its last third
    "IMJONEZZ__UnslothGRPO__outputs-checkpoint-250.json": (Verdict.LEARNING, Action.CONTINUE),
    # reward 0.94 → 0.99 over three epochs, answers 239 → 631 tokens
    "samyakshrestha__grpo-verified-reasoner__outputs-checkpoint-1134.json": (Verdict.CONVERGED, Action.STOP),
    # −4.3, 1.0, 1.6, 4.0, −0.8, −1.2 by sixths
    "srinath-manda__IITD_Feb26_AAIPL__outputs-checkpoint-500.json": (Verdict.UNDECIDED, Action.CONTINUE),
}


@pytest.mark.parametrize("name", REWARDED)
def test_rewards_decide_over_reinforcement_runs(curves: Path, name: str) -> None:
    found = diagnose(read(curves / "hf_trainer" / name)[0])
    assert (found.verdict, found.action) == REWARDED[name], found.headline.text("en")


def test_a_forecast_that_knows_nothing_calls_no_run_done(curves: Path) -> None:
    # Flat for a while at four fifths of the peak rate; 5.7 % more came later.
    run = read(curves / "hf_trainer" / "shlomota__taami__checkpoint-5000.json")[0]
    found = diagnose(run, until=1400)
    ahead = next(f for f in found.findings if f.code == "CV04")
    assert ahead.message.key == "diagnose.cv04.open" and found.action is Action.CONTINUE
