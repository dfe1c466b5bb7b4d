"""Preference and reward trainers: pairs are heard without a second pass, and a run that overfits is stopped."""

from __future__ import annotations

import math
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from doneness.core import Verdict
from doneness.diagnose import Case, Params
from doneness.integrations import DonenessCallback
from doneness.runs import Run, read
from doneness.stopping import EvidenceRule
from doneness.workflows.check import check
from tests.integrations.conftest import WORDS, Planted

pytestmark = [pytest.mark.model, pytest.mark.filterwarnings("ignore::FutureWarning")]
EVEN = math.log(2.0)


def answers(count: int, seed: int = 0) -> list[dict[str, Any]]:
    """Pairs that nothing tells apart: whatever is learned of them is learned by heart."""
    draw = random.Random(seed)

    def said(role: str, words: int) -> list[dict[str, str]]:
        return [{"role": role, "content": " ".join(draw.choice(WORDS) for _ in range(words))}]

    return [
        {"prompt": said("user", 3), "chosen": said("assistant", 5), "rejected": said("assistant", 5)}
        for _ in range(count)
    ]


def dpo(tiny_model: Path, settings: dict[str, Any], callback: DonenessCallback, train: int = 8, **changes: Any) -> Any:
    from datasets import Dataset
    from trl import DPOConfig, DPOTrainer

    peft = changes.pop("peft_config", None)
    return DPOTrainer(
        model=str(tiny_model),
        args=DPOConfig(**(settings | {"bf16": False, "per_device_eval_batch_size": 8} | changes)),
        train_dataset=Dataset.from_list(answers(train)),
        eval_dataset=Dataset.from_list(answers(16, seed=1)),
        callbacks=[callback],
        peft_config=peft,
    )


def recorded(tmp_path: Path) -> Run:
    return read(tmp_path / "out" / "doneness")[0]


def lora() -> Any:
    from peft import LoraConfig

    return LoraConfig(r=4, target_modules=["q_proj", "v_proj"])


@pytest.mark.parametrize("adapter", [False, True])
def test_dpo_is_recorded_pair_by_pair(
    tiny_model: Path, settings: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture, adapter: bool
) -> None:
    calls: list[int] = []
    more = {"peft_config": lora()} if adapter else {}
    trainer = dpo(tiny_model, settings, DonenessCallback(rule=Planted(99)), eval_on_start=True, **more)
    trainer.model.register_forward_pre_hook(lambda module, args: calls.append(1) if not module.training else None)
    trainer.train()
    run = recorded(tmp_path)
    assert run.evals is not None and [e.step for e in run.examples] == [0, 2, 4, 6, 8]
    assert len(calls) == 5 * 2 * (2 if adapter else 1), "no pass but the Trainer's own"
    # Nothing tells a policy from its reference at the start; later the mean of the pairs is what the Trainer logs.
    np.testing.assert_allclose(run.examples[0].nll, EVEN, atol=1e-6)
    told = [e.nll.mean() for e in run.examples]
    np.testing.assert_allclose(told, run.evals.value, rtol=1e-4)
    last = run.examples[-1]
    assert len(last.ids) == 16 and set(last.tokens.tolist()) == {1} and last.nll.std() > 1e-3
    assert np.mean(last.nll < EVEN - 1e-9) == pytest.approx(run.series["eval/rewards/accuracies"].value[-1], abs=1e-6)
    assert Case(run, Params()).pairs is not None
    assert [r for r in caplog.records if r.name == "doneness"] == []
    assert not trainer.model._forward_hooks
    assert not __import__("torch").nn.modules.module._global_forward_hooks


def test_without_a_reference_that_is_called_the_means_have_to_do(
    tiny_model: Path, settings: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    dpo(tiny_model, settings, DonenessCallback(rule=Planted(99)), precompute_ref_log_probs=True).train()
    run = recorded(tmp_path)
    assert run.example_steps == () and run.evals is not None and len(run.evals) == 4
    assert [r for r in caplog.records if r.name == "doneness"] == []
    assert not __import__("torch").nn.modules.module._global_forward_hooks


def test_a_dpo_run_that_learns_its_pairs_by_heart_is_stopped(
    tiny_model: Path, settings: dict[str, Any], tmp_path: Path
) -> None:
    callback = DonenessCallback(rule=EvidenceRule(), health=0)
    trainer = dpo(tiny_model, settings, callback, max_steps=80, eval_steps=2, per_device_train_batch_size=8)
    trainer.train()
    assert callback.stopped and callback.decision is not None
    assert callback.decision.verdict is Verdict.OVERFITTING
    assert trainer.state.global_step < 60
    run = recorded(tmp_path)
    assert run.evals is not None and run.evals.value[-1] > 1.3 * run.evals.value.min()
    train = [row["loss"] for row in trainer.state.log_history if "loss" in row]
    assert train[-1] < 0.3, "by its own training loss it was doing well"


def test_a_reward_model_is_judged_by_the_likelihood_of_its_pairs(
    tiny_model: Path, settings: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    from datasets import Dataset
    from trl import RewardConfig, RewardTrainer

    def whole(row: dict[str, Any]) -> dict[str, Any]:
        return {side: row["prompt"] + row[side] for side in ("chosen", "rejected")}

    callback = DonenessCallback(rule=EvidenceRule(), health=0)
    trainer = RewardTrainer(
        model=str(tiny_model),
        args=RewardConfig(
            **(settings | {"bf16": False, "max_steps": 80, "per_device_train_batch_size": 8}),
            center_rewards_coefficient=None,
        ),
        train_dataset=Dataset.from_list([whole(row) for row in answers(8)]),
        eval_dataset=Dataset.from_list([whole(row) for row in answers(60, seed=1)]),
        callbacks=[callback],
    )
    trainer.train()
    run, found = check(tmp_path / "out" / "doneness")[0]
    assert run.meta["method"] == "reward" and run.evals is not None
    # 60 pairs, five at once: batches are as large as one another.
    np.testing.assert_allclose([e.nll.mean() for e in run.examples], run.evals.value, rtol=1e-5)
    codes = {f.code: f.status.value for f in found.findings}
    assert "PF01" not in codes and codes["CV02"] != "skipped" and codes["CV03"] != "skipped"
    assert callback.stopped and found.verdict is Verdict.OVERFITTING and trainer.state.global_step < 70


def test_kto_is_judged_by_its_loss_and_its_margin(
    tiny_model: Path, settings: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    from datasets import Dataset
    from trl import KTOConfig, KTOTrainer

    def single(rows: list[dict[str, Any]]) -> Any:
        told = [("chosen", True), ("rejected", False)]
        return Dataset.from_list(
            [{"prompt": r["prompt"], "completion": r[side], "label": label} for r in rows for side, label in told]
        )

    trainer = KTOTrainer(
        model=str(tiny_model),
        args=KTOConfig(
            **(settings | {"bf16": False, "max_steps": 16, "eval_steps": 2, "per_device_eval_batch_size": 8})
        ),
        train_dataset=single(answers(8)),
        eval_dataset=single(answers(8, seed=1)),
        callbacks=[DonenessCallback()],
    )
    trainer.train()
    run, found = check(tmp_path / "out" / "doneness")[0]
    assert run.meta["method"] == "kto" and not any("accurac" in name for name in run.series)
    judged = next(f for f in found.findings if f.code == "PF01")
    assert judged.status.value != "skipped" and judged.n == 8
    assert judged.message.key.rpartition(".")[2] in ("loss_falls", "loss_unsure", "confident_loss", "overfit")
    assert [r for r in caplog.records if r.name == "doneness"] == []
