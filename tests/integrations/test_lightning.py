from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from doneness.core import Action, DonenessError, Verdict
from doneness.integrations import lightning_callback
from doneness.models import example_losses
from doneness.runs import Run, read
from tests.integrations.conftest import Planted, Raising, encoded, said

pytestmark = [pytest.mark.model, pytest.mark.filterwarnings("ignore")]
COOLING = Planted(2, Action.COOLDOWN, Verdict.CONVERGED)
HELD = [{"input_ids": [(7 * i + 3 * j) % 250 for j in range(6 + i % 5)]} for i in range(24)]


@pytest.fixture
def pl() -> Any:
    """Lightning, or why the test is left out."""
    return pytest.importorskip("lightning.pytorch", reason="Lightning is not installed")


def collate(rows: list[dict[str, Any]]) -> dict[str, Any]:
    import torch

    width = max(len(r["input_ids"]) for r in rows)
    ids = torch.tensor([r["input_ids"] + [0] * (width - len(r["input_ids"])) for r in rows])
    mask = torch.tensor([[1] * len(r["input_ids"]) + [0] * (width - len(r["input_ids"])) for r in rows])
    return {"input_ids": ids, "attention_mask": mask, "labels": ids.masked_fill(mask == 0, -100)}


def fitted(
    model: Path, out: Path, callback: Any, language: bool = True, schedule: Any = None, resume: Any = None
) -> tuple[Any, Any]:
    """Fit a small module for eight steps, validating every second one."""
    import lightning.pytorch as pl
    import torch
    from transformers import AutoModelForCausalLM

    class Module(pl.LightningModule):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.net = AutoModelForCausalLM.from_pretrained(model) if language else torch.nn.Linear(4, 1)

        def loss(self, batch: Any) -> Any:
            if language:
                return self.net(**batch).loss
            return self.net(batch["attention_mask"][:, :4].float()).square().mean()

        def training_step(self, batch: Any, index: int) -> Any:
            return self.loss(batch)

        def validation_step(self, batch: Any, index: int) -> None:
            self.log("val_loss", self.loss(batch))
            self.log("val_twice", 2.0 * self.loss(batch))

        def configure_optimizers(self) -> Any:
            optimizer = torch.optim.AdamW(self.parameters(), 1e-3)
            if schedule is None:
                return optimizer
            return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule(optimizer), "interval": "step"}}

    module = Module()
    trainer = pl.Trainer(
        max_steps=8, accelerator="cpu", val_check_interval=2, log_every_n_steps=1, default_root_dir=out, logger=False,
        enable_progress_bar=False, enable_model_summary=False,
        callbacks=[callback, pl.callbacks.ModelCheckpoint(every_n_train_steps=4, save_top_k=-1)],
    )  # fmt: skip
    loaders = [torch.utils.data.DataLoader(rows, batch_size=4, collate_fn=collate) for rows in (HELD[:16], HELD[16:])]
    trainer.fit(module, *loaders, ckpt_path=resume)
    return trainer, module


def recorded(tmp_path: Path) -> Run:
    return read(tmp_path / "fit" / "doneness")[0]


@pytest.mark.usefixtures("pl")
def test_a_fit_is_recorded_row_by_row(tiny_model: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    _, module = fitted(tiny_model, tmp_path / "fit", lightning_callback())
    run = recorded(tmp_path)
    assert run.name == "fit" and run.faults == () and run.train is not None and run.evals is not None
    assert run.train.step.tolist() == list(range(1, 9)) and "train/learning_rate" in run.series
    assert [e.step for e in run.examples] == run.evals.step.tolist() == [2, 4, 6, 8]
    np.testing.assert_allclose(run.series["eval/val_twice"].value, 2 * run.evals.value, rtol=1e-5)
    ours = example_losses(module.net, encoded(HELD[16:]), 8)
    np.testing.assert_allclose(np.sort(run.examples[-1].nll), np.sort(ours.nll), rtol=1e-5)
    assert [(c.step, c.exists) for c in run.checkpoints] == [(4, True), (8, True)]
    assert (run.number("planned_steps"), run.number("steps_per_epoch")) == (8, 4)
    assert run.events[-1].data["reason"] == "finished"
    # The module asks twice for each batch: the rows stand there once all the same.
    journal = (tmp_path / "fit" / "doneness" / "journal.jsonl").read_text(encoding="utf-8")
    assert '"repeats"' not in journal and '"examples":8' in journal
    assert said(caplog) == []


@pytest.mark.usefixtures("pl")
def test_a_stop_is_obeyed_with_a_checkpoint(tiny_model: Path, tmp_path: Path) -> None:
    trainer, _ = fitted(tiny_model, tmp_path / "fit", lightning_callback(rule=Planted(4)))
    assert trainer.global_step == 4
    run = recorded(tmp_path)
    assert (tmp_path / "fit" / "doneness" / "checkpoint-4.ckpt").is_file()
    assert 4 in [c.step for c in run.checkpoints if c.exists]
    assert run.events[-1].data["reason"] == "stopped"


def flat(optimizer: Any) -> Any:
    import torch

    return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1.0)


@pytest.mark.usefixtures("pl")
@pytest.mark.parametrize("schedule", [None, flat])
def test_a_cooldown_is_obeyed(
    tiny_model: Path, tmp_path: Path, schedule: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("doneness.stopping.cooldown.LEAST_STEPS", 3)
    trainer, _ = fitted(tiny_model, tmp_path / "fit", lightning_callback(rule=COOLING), schedule=schedule)
    assert trainer.global_step == 5
    run = recorded(tmp_path)
    # A record has what the rate is after its step.
    after = [1e-3, 1e-3, 1e-3 * 2 / 3, 1e-3 / 3, 0.0]
    np.testing.assert_allclose(run.series["train/learning_rate"].value, after, atol=1e-12)
    assert run.evals is not None and run.evals.step.tolist() == [2, 4, 5]
    assert run.events[-1].data["reason"] == "cooled"
    assert (tmp_path / "fit" / "doneness" / "checkpoint-5.ckpt").is_file()
    assert "falls to zero from here to step 5" in said(caplog)[0]
    # The fit is resumed where it had ended: it ends again, and the journal stays as it is.
    before = (tmp_path / "fit" / "doneness" / "journal.jsonl").read_bytes()
    again, _ = fitted(
        tiny_model, tmp_path / "fit", lightning_callback(rule=COOLING), schedule=schedule,
        resume=tmp_path / "fit" / "doneness" / "checkpoint-5.ckpt",
    )  # fmt: skip
    assert again.global_step == 5 and (tmp_path / "fit" / "doneness" / "journal.jsonl").read_bytes() == before


@pytest.mark.usefixtures("pl")
def test_a_schedule_that_cannot_be_lowered_is_named(
    tiny_model: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    import torch

    def stepped(optimizer: Any) -> Any:
        return torch.optim.lr_scheduler.StepLR(optimizer, 100)

    trainer, _ = fitted(tiny_model, tmp_path / "fit", lightning_callback(rule=COOLING), schedule=stepped)
    assert trainer.global_step == 8
    assert ["StepLR is no LambdaLR" in line for line in said(caplog)] == [True]


@pytest.mark.usefixtures("pl")
def test_our_errors_do_not_end_a_fit(tiny_model: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    trainer, _ = fitted(tiny_model, tmp_path / "fit", lightning_callback(rule=Raising()))
    assert trainer.global_step == 8
    assert [e.data["where"] for e in recorded(tmp_path).events if e.kind == "error"] == ["rule"]
    assert len(said(caplog)) == 1


@pytest.mark.usefixtures("pl")
def test_a_module_of_another_kind_has_its_mean_recorded(tiny_model: Path, tmp_path: Path) -> None:
    fitted(tiny_model, tmp_path / "fit", lightning_callback(rule=Planted(99)), language=False)
    run = recorded(tmp_path)
    assert run.evals is not None and len(run.evals) == 4 and run.example_steps == ()
    assert run.meta["devices"] == 1


def test_without_lightning_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("lightning", "lightning.pytorch", "pytorch_lightning"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(DonenessError, match="pip install lightning"):
        lightning_callback()
