"""Rows of one document are one unit in somebody else's Trainer, too."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from doneness.integrations import DonenessCallback
from tests.integrations.conftest import ROWS, Plain, Planted, journal, recorded, said

pytestmark = [pytest.mark.model, pytest.mark.filterwarnings("ignore::FutureWarning")]
NAMES = [f"doc {i // 3}" for i in range(13)]


def units(tmp_path: Path) -> list[int]:
    """Rows in each cluster, in the order of their names."""
    found = [e.cluster for e in recorded(tmp_path).examples]
    assert all(cluster is not None and cluster.tolist() == found[0].tolist() for cluster in found), "at each one"
    names = found[0].tolist()
    return [names.count(name) for name in sorted(set(names))]


def by_length(row: Any) -> str | None:
    return "short" if len(row["input_ids"]) < 9 else None


@pytest.mark.parametrize(
    ("cluster", "expected"),
    [(NAMES, [3, 3, 3, 3, 1]), (by_length, [1] * 9 + [4])],
)
def test_clusters_by_row(plain: Plain, tmp_path: Path, cluster: Any, expected: list[int]) -> None:
    plain.make(DonenessCallback(rule=Planted(99), cluster=cluster)).train()
    assert units(tmp_path) == expected
    assert {r["clusters"] for r in journal(tmp_path, "eval")} == {len(expected)}


@pytest.fixture
def sft(tiny_model: Path, settings: dict[str, Any]) -> Callable[..., Any]:
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    held = [{**row, "doc": f"doc {i % 4}"} for i, row in enumerate(ROWS[24:])]

    def make(callback: DonenessCallback, **changes: Any) -> Any:
        return SFTTrainer(
            model=str(tiny_model),
            args=SFTConfig(**(settings | {"bf16": False, "max_steps": 4} | changes)),
            train_dataset=Dataset.from_list(ROWS[:24]),
            eval_dataset=Dataset.from_list(held),
            callbacks=[callback],
        )

    return make


@pytest.mark.parametrize("way", ["trainer", "kept"])
def test_a_column_by_name(sft: Callable[..., Any], tmp_path: Path, way: str) -> None:
    callback = DonenessCallback(rule=Planted(99), cluster="doc")
    trainer = sft(callback, **({"remove_unused_columns": False} if way == "kept" else {}))
    if way == "trainer":
        callback.report_through(trainer)
    trainer.train()
    assert units(tmp_path) == [3, 3, 3, 3]


def test_a_column_that_the_trainer_took_away_is_said_once(
    sft: Callable[..., Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sft(DonenessCallback(rule=Planted(99), cluster="doc")).train()
    assert all(e.cluster is None for e in recorded(tmp_path).examples) and len(recorded(tmp_path).examples) == 2
    assert ['cluster=rows["doc"]' in line and "one by one" in line for line in said(caplog)] == [True]
