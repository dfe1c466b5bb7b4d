"""`doneness plan --measure` takes the steps of the run itself: its loss, its layout of rows, its optimizer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.train.conftest import Quiet
from tests.train.conftest import make_recipe as make_recipe

from doneness.config import Recipe
from doneness.core import DonenessError
from doneness.plan import Memory
from doneness.plan.measure import measure_rate
from doneness.runs import read_records
from doneness.workflows.plan import Ask, plan_recipe
from doneness.workflows.train import train_run

pytestmark = pytest.mark.model
Make = Callable[..., Recipe]


@pytest.fixture
def heads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Target tokens of every loss that the trainer's own head took."""
    from doneness.train.stages import head_loss

    seen: list[int] = []
    real = head_loss.Head.losses

    def losses(self: Any, states: Any, labels: Any) -> Any:
        seen.append(len(labels))
        return real(self, states, labels)

    monkeypatch.setattr(head_loss.Head, "losses", losses)
    return seen


def live(memory: Memory | None) -> float:
    assert memory is not None
    return memory.total - memory.items["context"]


# Rows that happen to be of one length need no mask; the simulation has one for rows that are not.
@pytest.mark.parametrize(("setting", "apart"), [("", 0.05), ("data.packing=false", 0.2), ("method.kind=full", 0.05)])
def test_the_trainers_own_step(make_recipe: Make, heads: list[int], setting: str, apart: float) -> None:
    recipe = make_recipe("run", "optimizer.batch_size=4", *([setting] if setting else []))
    planned = plan_recipe(recipe, ask=Ask(measure=True))
    assert len(heads) == 5 and min(heads) > 0  # four micro-batches timed, the longest rows weighed
    assert planned.rate is not None and 0 < planned.rate.low < planned.rate.mid < planned.rate.high
    assert planned.memory is not None and planned.memory.how == "measured"
    # AdamW: two moments in single precision, and a count for each of the tensors.
    states = planned.memory.items["optimizer"]
    assert states == pytest.approx(8 * planned.memory.trainable, rel=0.01)
    # The simulated step is that of the same trainer, its numbers apart.
    assert live(planned.memory) == pytest.approx(live(plan_recipe(recipe, ask=Ask(simulate=True)).memory), rel=apart)


def test_gradients_that_wait(make_recipe: Make) -> None:
    """Of a step in several micro-batches the gradients of the first lie there during the last."""
    once = plan_recipe(make_recipe("once", "optimizer.batch_size=4"), ask=Ask(measure=True)).memory
    twice = plan_recipe(make_recipe("twice", "optimizer.batch_size=8"), ask=Ask(measure=True)).memory
    assert once is not None and twice is not None
    assert "gradients" not in once.items
    assert twice.items["gradients"] == 4 * twice.trainable


def test_the_first_loss_is_that_of_the_run(make_recipe: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """One micro-batch with all rows: what the first step of training logs."""
    from doneness.train.preflight import step
    from doneness.workflows.plan_measure import beginning
    from doneness.workflows.rows import encode_recipe_rows, read_recipe_rows
    from doneness.workflows.scratch import tokenizer_of

    recipe = make_recipe("run", "optimizer.batch_size=24", "optimizer.micro_batch=24", "schedule.epochs=1")
    rows = encode_recipe_rows(tokenizer_of(recipe), read_recipe_rows(recipe), recipe.data).train.rows
    losses: list[float] = []
    real = step.there_and_back
    monkeypatch.setattr(step, "there_and_back", lambda *given: losses.append(real(*given)))
    with beginning(recipe, rows) as trainer:
        trainer.micro_batch(rows)
    train_run(recipe, Quiet())
    records, _ = read_records(Path(recipe.run.folder) / "journal.jsonl")
    first = next(record for record in records if record["kind"] == "train")
    assert losses == [pytest.approx(first["loss"], rel=1e-5)]


def test_stages_whose_step_needs_more(make_recipe: Make) -> None:
    with pytest.raises(DonenessError, match="dpo"):
        from doneness.workflows.plan_measure import measured

        measured(make_recipe("run", "run.stage=dpo"), (), None, None)


def test_one_micro_batch_tells_nothing() -> None:
    with pytest.raises(ValueError, match="two micro-batches"):
        measure_rate(None, [[1]])  # type: ignore[arg-type]
