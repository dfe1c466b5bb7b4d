from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from doneness.core import Action, StopDecision, Verdict, say
from doneness.models import Encoded
from doneness.runs import Run, read

if TYPE_CHECKING:
    from doneness.integrations import DonenessCallback

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


def recorded(tmp_path: Path) -> Run:
    return read(tmp_path / "out" / "doneness")[0]


def journal(tmp_path: Path, kind: str) -> list[dict[str, Any]]:
    lines = (tmp_path / "out" / "doneness" / "journal.jsonl").read_text(encoding="utf-8").splitlines()
    return [record for line in lines if (record := json.loads(line))["kind"] == kind]


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What was logged, apart from the line on the size of the evaluation set."""
    lines = [record.message for record in caplog.records if record.name == "doneness"]
    return [line for line in lines if "independent) show changes" not in line]


class Plain:
    """transformers' own Trainer on rows that are token ids already."""

    def __init__(self, tiny_model: Path, settings: dict[str, Any]) -> None:
        self.model, self.settings = tiny_model, settings

    def rows(self, first: int, last: int) -> Any:
        from datasets import Dataset

        made = [[(7 * i + 3 * j) % 250 for j in range(6 + i % 9)] for i in range(first, last)]
        return Dataset.from_list([{"input_ids": ids, "labels": [-100, *ids[1:]]} for ids in made])

    def make(self, callback: DonenessCallback, **changes: Any) -> Any:
        from transformers import AutoModelForCausalLM, AutoTokenizer, DataCollatorForSeq2Seq, Trainer, TrainingArguments

        arguments = {k: changes.pop(k) for k in ("compute_loss_func", "eval_dataset") if k in changes}
        return Trainer(
            model=AutoModelForCausalLM.from_pretrained(changes.pop("model", self.model)),
            args=TrainingArguments(**(self.settings | changes)),
            data_collator=DataCollatorForSeq2Seq(AutoTokenizer.from_pretrained(self.model)),
            train_dataset=self.rows(0, 24),
            callbacks=[callback],
            **({"eval_dataset": self.rows(24, 37)} | arguments),
        )


@pytest.fixture
def plain(tiny_model: Path, settings: dict[str, Any]) -> Plain:
    return Plain(tiny_model, settings)


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
