from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from doneness.core import DonenessError
from doneness.integrations import DonenessCallback
from doneness.models import example_losses
from doneness.runs import Run
from doneness.workflows.check import check
from tests.integrations.conftest import Plain, Planted, Raising, encoded, journal, recorded, said

pytestmark = [pytest.mark.model, pytest.mark.filterwarnings("ignore::FutureWarning")]
Make = Callable[..., Any]


@pytest.fixture
def sft(tiny_model: Path, settings: dict[str, Any], sft_rows: Any) -> Make:
    """TRL's SFTTrainer as its documentation writes it, with our one line."""
    from trl import SFTConfig, SFTTrainer

    def make(callback: DonenessCallback, rows: Any = None, **changes: Any) -> Any:
        return SFTTrainer(
            model=str(tiny_model),
            args=SFTConfig(**(settings | {"bf16": False} | changes)),
            train_dataset=sft_rows[0],
            eval_dataset=sft_rows[1] if rows is None else rows,
            callbacks=[callback],
        )

    return make


def same_rows(run: Run, step: int, model: Any, dataset: Any) -> None:
    """The losses recorded at `step` are those that our own scoring gives the same rows."""
    ours = example_losses(model, encoded(dataset), step)
    found = next(e for e in run.examples if e.step == step)
    np.testing.assert_allclose(np.sort(found.nll), np.sort(ours.nll), rtol=1e-5)
    assert sorted(found.tokens.tolist()) == sorted(ours.tokens.tolist())


def test_sft_is_recorded_row_by_row(sft: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    callback = DonenessCallback()
    trainer = sft(callback, eval_on_start=True, save_strategy="steps", save_steps=4)
    trainer.train()
    run = recorded(tmp_path)
    assert run.name == "out" and run.faults == () and run.evals is not None and run.train is not None
    assert [e.step for e in run.examples] == run.evals.step.tolist() == [0, 2, 4, 6, 8]
    same_rows(run, 8, trainer.model, trainer.eval_dataset)
    assert (run.number("planned_steps"), run.number("steps_per_epoch"), run.number("eval_rows")) == (8, 6, 12)
    assert run.meta["method"] == "sft" and run.number("vocab_size") == 320
    assert run.meta["devices"] == 1
    assert [c.step for c in run.checkpoints if c.exists] == [2, 4, 6, 8], "every evaluation was a proven improvement"
    assert run.train.step.tolist() == list(range(1, 9)) and np.isfinite(run.train.tokens).all()
    # The journal has what the Trainer logged, TRL's own metrics among it.
    told = {row["step"]: row for row in trainer.state.log_history if "eval_loss" in row}
    assert run.evals.value.tolist() == [told[s]["eval_loss"] for s in (0, 2, 4, 6, 8)]
    assert run.series["eval/mean_token_accuracy"].value[-1] == told[8]["eval_mean_token_accuracy"]
    assert {"train/entropy", "train/grad_norm", "train/learning_rate"} <= set(run.series)
    assert [e.kind for e in run.events] == ["start", *["decision"] * 5, "end"]
    assert run.events[-1].data["reason"] == "finished"
    assert said(caplog) == []
    # No trace is left on the model, and the output folder reads as the same run.
    assert not trainer.model._forward_hooks
    assert [(r.kind, r.last_step) for r, _ in check(tmp_path / "out")] == [("journal", 8)]


def test_a_stop_is_obeyed_with_a_checkpoint(sft: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rule = Planted(4)
    callback = DonenessCallback(rule=rule)
    trainer = sft(callback)
    trainer.train()
    assert trainer.state.global_step == 4 and callback.stopped
    assert rule.seen == [(2, 1), (4, 2)]
    run = recorded(tmp_path)
    assert (tmp_path / "out" / "checkpoint-4" / "model.safetensors").is_file()
    assert [(c.step, c.exists) for c in run.checkpoints] == [(4, True)]
    assert run.events[-1].data["reason"] == "stopped"
    assert said(caplog) == _stop_lines(callback)


def _stop_lines(callback: DonenessCallback) -> list[str]:
    assert callback.decision is not None
    return [f"doneness: {callback.decision.reason} Training stops here; the checkpoint is saved first."]


def test_a_note_goes_on(sft: Make, tmp_path: Path) -> None:
    trainer = sft(DonenessCallback(rule=Planted(4), on_stop="note"))
    trainer.train()
    assert trainer.state.global_step == 8
    assert [d["action"] for d in journal(tmp_path, "decision")] == ["continue", *["stop"] * 3]


def test_the_stop_has_its_checkpoint_where_only_the_best_are_saved(sft: Make, tmp_path: Path) -> None:
    worse = {"save_strategy": "best", "metric_for_best_model": "mean_token_accuracy", "greater_is_better": False}
    trainer = sft(DonenessCallback(rule=Planted(6)), **worse)
    trainer.train()
    assert trainer.state.global_step == 6
    assert 6 in [c.step for c in recorded(tmp_path).checkpoints if c.exists]


def test_our_errors_do_not_end_a_training(sft: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    trainer = sft(DonenessCallback(rule=Raising()))
    trainer.train()
    assert trainer.state.global_step == 8
    run = recorded(tmp_path)
    assert [e.data["where"] for e in run.events if e.kind == "error"] == ["rule"]
    assert [e.step for e in run.examples] == [2, 4, 6, 8]
    lines = said(caplog)
    assert len(lines) == 1 and "the rule broke" in lines[0]


def test_an_error_in_the_hook_falls_back(
    sft: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: Any) -> Any:
        raise ValueError("the hook broke")

    monkeypatch.setattr("doneness.integrations.capture.rows_of_batch", broken)
    trainer = sft(DonenessCallback(rule=Planted(99)))
    trainer.train()
    run = recorded(tmp_path)
    same_rows(run, 8, trainer.model, trainer.eval_dataset)
    assert len(run.examples) == 4 and [e.data["where"] for e in run.events if e.kind == "error"] == ["capture"]
    lines = said(caplog)
    assert len(lines) == 2 and "the hook broke" in lines[0] and "once more" in lines[1]


def test_ctrl_c_passes(sft: Make, tmp_path: Path) -> None:
    class Interrupting(Raising):
        def decide(self, run: Run) -> Any:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sft(DonenessCallback(rule=Interrupting())).train()


def test_a_folder_that_cannot_be_written_is_one_line(
    sft: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "taken").write_text("a file")
    trainer = sft(DonenessCallback(tmp_path / "taken"))
    trainer.train()
    assert trainer.state.global_step == 8
    lines = said(caplog)
    assert len(lines) == 1 and "taken" in lines[0] and "goes on without a record" in lines[0]


def test_a_resumed_training_resumes_the_journal(sft: Make, tmp_path: Path) -> None:
    # The first session is killed between the checkpoint at 4 and the end.
    class Dying(Planted):
        def decide(self, run: Run) -> Any:
            if run.last_step == 6:
                raise KeyboardInterrupt
            return super().decide(run)

    saving = {"save_strategy": "steps", "save_steps": 4}
    with pytest.raises(KeyboardInterrupt):
        sft(DonenessCallback(rule=Dying(99)), **saving).train()
    rule = Planted(99)
    sft(DonenessCallback(rule=rule), **saving).train(resume_from_checkpoint=str(tmp_path / "out" / "checkpoint-4"))
    run = recorded(tmp_path)
    assert rule.seen == [(6, 3), (8, 4)]
    assert run.train is not None and run.train.step.tolist() == list(range(1, 9))
    assert (np.diff(run.train.time) > 0).all()
    assert [e.kind for e in run.events if e.kind != "decision"] == ["start", "resume", "end"]
    # The same folder, from the beginning again: what was there is superseded, nothing is deleted.
    sft(DonenessCallback(rule=rule)).train()
    again = recorded(tmp_path)
    assert again.evals is not None and again.evals.step.tolist() == [2, 4, 6, 8]
    assert len(journal(tmp_path, "eval")) == 3 + 2 + 4


def test_two_evaluation_sets_are_kept_apart(sft: Make, tmp_path: Path, sft_rows: Any) -> None:
    held = {"web": sft_rows[1].select(range(6)), "books": sft_rows[1].select(range(6, 12))}
    trainer = sft(DonenessCallback(), rows=held)
    trainer.train()
    run = recorded(tmp_path)
    assert run.evals is not None and [e.step for e in run.examples] == [2, 4, 6, 8]
    assert len(run.examples[0].ids) == 6
    last = [row for row in trainer.state.log_history if "eval_web_loss" in row][-1]
    assert run.evals.value[-1] == last["eval_web_loss"]
    assert len(run.series["eval:books/loss"]) == 4
    assert len(journal(tmp_path, "decision")) == 4


def test_dpo_is_judged_by_its_rewards(
    tiny_model: Path, settings: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    from datasets import Dataset
    from trl import DPOConfig, DPOTrainer

    from tests.integrations.conftest import ROWS

    wrong = [{"role": "assistant", "content": "No."}]
    pairs = [{"prompt": r["prompt"], "chosen": r["completion"], "rejected": wrong} for r in ROWS]
    trainer = DPOTrainer(
        model=str(tiny_model),
        args=DPOConfig(**(settings | {"bf16": False, "max_steps": 10, "eval_steps": 1})),
        train_dataset=Dataset.from_list(pairs[:24]),
        eval_dataset=Dataset.from_list(pairs[24:]),
        callbacks=[DonenessCallback()],
    )
    trainer.train()
    run, found = check(tmp_path / "out" / "doneness")[0]
    assert run.meta["method"] == "dpo" and len(run.example_steps) == 10 and run.number("eval_rows") == 12
    assert {"eval/rewards/accuracies", "eval/rewards/margins", "train/logps/chosen"} <= set(run.series)
    judged = next(f for f in found.findings if f.code == "PF01")
    assert judged.n == 6 and "12" in str(judged.message)
    assert said(caplog) == []


def test_a_plain_trainer_is_listened_to(plain: Plain, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    trainer = plain.make(DonenessCallback(), label_smoothing_factor=0.0)
    calls: list[int] = []
    trainer.model.register_forward_pre_hook(lambda module, args: calls.append(1) if not module.training else None)
    trainer.train()
    assert len(calls) == 4 * 3, "13 rows, five at once, four evaluations: no pass but the Trainer's own"
    same_rows(recorded(tmp_path), 8, trainer.model, trainer.eval_dataset)
    assert recorded(tmp_path).meta["method"] == "sft"
    assert said(caplog) == []


@pytest.mark.parametrize("every", [True, False])
def test_labels_that_are_kept_from_the_model_cost_a_pass(
    plain: Plain, tmp_path: Path, caplog: pytest.LogCaptureFixture, every: bool
) -> None:
    callback = DonenessCallback()
    callback.every_eval = every
    trainer = plain.make(callback, label_smoothing_factor=0.1, save_strategy="steps", save_steps=4)
    trainer.train()
    run = recorded(tmp_path)
    same_rows(run, 8, trainer.model, trainer.eval_dataset)
    assert [e.step for e in run.examples] == ([2, 4, 6, 8] if every else [4, 8])
    lines = said(caplog)
    assert len(lines) == 1 and "without labels" in lines[0] and "once more" in lines[0]


def test_where_no_pass_can_be_made_the_mean_has_to_do(
    plain: Plain, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    stream = plain.rows(24, 37).to_iterable_dataset()
    trainer = plain.make(DonenessCallback(), label_smoothing_factor=0.1, eval_dataset=stream)
    trainer.train()
    run = recorded(tmp_path)
    assert run.example_steps == () and run.evals is not None and len(run.evals) == 4
    lines = said(caplog)
    assert len(lines) == 2 and "Only mean losses" in lines[1]


def test_true_doubles_are_counted_once(plain: Plain, tmp_path: Path) -> None:
    from datasets import concatenate_datasets

    rows = plain.rows(24, 30)
    plain.make(DonenessCallback(), eval_dataset=concatenate_datasets([rows, rows.select([1, 4])])).train()
    assert {len(e.ids) for e in recorded(tmp_path).examples} == {6}
    assert {r["repeats"] for r in journal(tmp_path, "eval")} == {2}
    assert {r["examples"] for r in journal(tmp_path, "eval")} == {6}


def test_what_is_heard_outside_of_an_evaluation_is_nobodys(plain: Plain, tmp_path: Path) -> None:
    """A user's callback that asks the model, a prediction, an evaluation after the training."""
    import torch
    from transformers import TrainerCallback

    class Asking(TrainerCallback):  # type: ignore[misc]
        def on_step_begin(self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
            ids = torch.ones(1, 5, dtype=torch.long)
            model.eval()
            model(input_ids=ids, labels=ids)
            model.train()

    trainer = plain.make(DonenessCallback())
    trainer.add_callback(Asking())
    trainer.train()
    trainer.evaluate()
    trainer.predict(trainer.eval_dataset)
    run = recorded(tmp_path)
    assert {len(e.ids) for e in run.examples} == {13} and len(run.examples) == 4


def test_a_nan_that_the_trainer_hides_is_a_nan(plain: Plain, tmp_path: Path) -> None:
    def broken(outputs: Any, labels: Any, num_items_in_batch: Any = None) -> Any:
        return outputs.logits.sum() * float("nan")

    plain.make(DonenessCallback(rule=Planted(99)), compute_loss_func=broken).train()
    run = recorded(tmp_path)
    assert run.train is not None and np.isnan(run.train.value).all()


@pytest.mark.parametrize("wrong", [{"on_stop": "halt"}, {"gain": 5}])
def test_arguments_are_checked_at_once(wrong: dict[str, Any]) -> None:
    with pytest.raises(DonenessError, match=next(iter(wrong))):
        DonenessCallback(**wrong)


def test_our_numbers_go_through_what_the_trainer_reports_to(
    sft: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import TrainerCallback
    from transformers.integrations import integration_utils

    told: list[tuple[int, dict[str, Any]]] = []

    class Board(TrainerCallback):  # type: ignore[misc]
        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
            told.append((state.global_step, dict(logs)))

    monkeypatch.setitem(integration_utils.INTEGRATION_TO_CALLBACK, "tensorboard", Board)
    callback = DonenessCallback(rule=Planted(6), on_stop="note")
    trainer = sft(callback, report_to=["tensorboard"])
    callback.report_through(trainer)
    trainer.train()
    ours = {step: row["doneness/verdict_code"] for step, row in told if "doneness/verdict_code" in row}
    assert ours == {2: 1.0, 4: 1.0, 6: 3.0, 8: 3.0}
    assert sum("loss" in row for _, row in told) == 8
    assert sum("eval_loss" in row for _, row in told) == 4
