from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from doneness.core import Action, StopDecision, Verdict, say
from doneness.models import Encoded
from doneness.runs import Run

WORDS = ("red", "blue", "green", "black", "white", "brown")
ROWS = [
    {
        "prompt": [{"role": "user", "content": f"What is {a} {b}?"}],
        "completion": [{"role": "assistant", "content": f"{a}, mostly {b}."}],
    }
    for a in WORDS
    for b in WORDS
]


class Planted:
    """A rule that goes on until a step, keeps what it was shown, and then asks for an action."""

    name = "planted"

    def __init__(self, step: int, action: Action = Action.STOP, verdict: Verdict = Verdict.OVERFITTING) -> None:
        self.step, self.action, self.verdict = step, action, verdict
        self.seen: list[tuple[int, int]] = []

    def decide(self, run: Run) -> StopDecision:
        self.seen.append((run.last_step, len(run.examples)))
        late = run.last_step >= self.step
        action, verdict = (self.action, self.verdict) if late else (Action.CONTINUE, Verdict.LEARNING)
        return StopDecision(action, verdict, say("probe.choice.only", step=self.step), (), run.last_step)


class Raising:
    """A rule that is broken."""

    name = "raising"

    def decide(self, run: Run) -> StopDecision:
        raise RuntimeError("the rule broke")


def encoded(dataset: Any) -> list[Encoded]:
    """Rows of a prepared data set as our own scoring takes them; targets are one stretch at the end."""
    rows = []
    for i, row in enumerate(dataset):
        ids, labels = row["input_ids"], row.get("labels") or row["input_ids"]
        start = next((k for k, label in enumerate(labels) if label != -100), len(ids))
        rows.append(Encoded(f"r{i}", tuple(ids), max(start, 1)))
    return rows


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def sft_rows() -> Any:
    from datasets import Dataset

    return Dataset.from_list(ROWS[:24]), Dataset.from_list(ROWS[24:])


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, Any]:
    """Arguments that every trainer here shares."""
    return {
        "output_dir": str(tmp_path / "out"),
        "max_steps": 8,
        "per_device_train_batch_size": 4,
        "per_device_eval_batch_size": 5,
        "eval_strategy": "steps",
        "eval_steps": 2,
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": "none",
        "learning_rate": 5e-3,
        "use_cpu": True,
        "disable_tqdm": True,
    }
