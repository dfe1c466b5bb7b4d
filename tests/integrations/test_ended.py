"""A training that is resumed where it had ended stays ended."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from doneness.integrations import DonenessCallback
from tests.integrations.conftest import Plain, Planted, journal, said
from tests.integrations.test_keeping import Keeping

pytestmark = [pytest.mark.model, pytest.mark.filterwarnings("ignore::FutureWarning")]
SAVING = {"save_strategy": "steps", "save_steps": 2}


def weights(trainer: Any) -> list[Any]:
    return [parameter.detach().clone() for parameter in trainer.model.parameters()]


def test_a_stop_is_remembered(plain: Plain, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    plain.make(DonenessCallback(rule=Planted(4))).train()
    path = tmp_path / "out" / "doneness" / "journal.jsonl"
    before, loaded = path.read_bytes(), plain.make(DonenessCallback(), model=tmp_path / "out" / "checkpoint-4")
    rule = Planted(4)
    callback = DonenessCallback(rule=rule)
    trainer = plain.make(callback, **SAVING)
    caplog.clear()
    trainer.train(resume_from_checkpoint=True)
    # The Trainer cannot be kept from one more step; it changes nothing.
    assert trainer.state.global_step == 5 and callback.stopped and callback.over is not None
    assert all((a == b).all() for a, b in zip(weights(trainer), weights(loaded), strict=True))
    assert rule.seen == [] and path.read_bytes() == before
    assert sorted(p.name for p in (tmp_path / "out").glob("checkpoint-*")) == ["checkpoint-4"]
    assert ["ends again at step 4" in line and 'on_stop="note"' in line for line in said(caplog)] == [True]


def test_nothing_is_deleted_when_it_ends_again(plain: Plain, tmp_path: Path) -> None:
    limited = SAVING | {"save_total_limit": 1}
    for resumed in (None, True):
        plain.make(DonenessCallback(rule=Keeping(2, 6)), **limited).train(resume_from_checkpoint=resumed)
        assert sorted(p.name for p in (tmp_path / "out").glob("checkpoint-*")) == ["checkpoint-2", "checkpoint-6"]


def test_a_note_goes_on_from_there(plain: Plain, tmp_path: Path) -> None:
    plain.make(DonenessCallback(rule=Planted(4))).train()
    trainer = plain.make(DonenessCallback(rule=Planted(4), on_stop="note"))
    trainer.train(resume_from_checkpoint=True)
    assert trainer.state.global_step == 8
    assert [d["step"] for d in journal(tmp_path, "decision")] == [2, 4, 6, 8]


def test_from_before_the_stop_it_is_trained_again(plain: Plain, tmp_path: Path) -> None:
    plain.make(DonenessCallback(rule=Planted(6)), **SAVING).train()
    callback = DonenessCallback(rule=Planted(8))
    trainer = plain.make(callback, **SAVING)
    trainer.train(resume_from_checkpoint=str(tmp_path / "out" / "checkpoint-4"))
    assert trainer.state.global_step == 8 and callback.over is None


def test_with_the_recommended_checkpoint_alone_it_has_ended_too(plain: Plain, tmp_path: Path) -> None:
    plain.make(DonenessCallback(rule=Keeping(2, 6)), **SAVING).train()
    for step in (4, 6):
        shutil.rmtree(tmp_path / "out" / f"checkpoint-{step}")
    callback = DonenessCallback(rule=Keeping(2, 6))
    trainer = plain.make(callback, **SAVING)
    trainer.train(resume_from_checkpoint=True)
    assert trainer.state.global_step == 3 and callback.over is not None and callback.over.step == 6
