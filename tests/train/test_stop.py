from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from doneness.config import Recipe
from doneness.core import Action, StopDecision, Verdict, say
from doneness.models import load_model
from doneness.runs import Run, read
from doneness.train.loop import train
from doneness.train.trainer import PARTIAL
from doneness.workflows.rows import encode_recipe_rows, read_recipe_rows
from doneness.workflows.train import finished, train_run
from tests.train.conftest import Quiet

pytestmark = pytest.mark.model
Make = Callable[..., Recipe]


class StopAt:
    """A rule that keeps what it saw and stops at a given step."""

    name = "planted"

    def __init__(self, step: int) -> None:
        self.step = step
        self.seen: list[tuple[int, int]] = []

    def decide(self, run: Run) -> StopDecision:
        self.seen.append((run.last_step, len(run.examples)))
        action = Action.STOP if run.last_step >= self.step else Action.CONTINUE
        return StopDecision(action, Verdict.OVERFITTING, say("probe.choice.only", step=self.step), (), run.last_step, 2)


def test_the_rule_sees_the_run_so_far_and_is_obeyed(make_recipe: Make) -> None:
    recipe = make_recipe("stops", "stopping.on_stop=stop")
    loaded = load_model(recipe.model.path, device="cpu")
    rows = encode_recipe_rows(loaded.tokenizer, read_recipe_rows(recipe), recipe.data)
    rule = StopAt(4)
    result = train(recipe, rows, loaded, rule, Quiet())
    assert (result.ending, result.step) == ("stopped", 4)
    assert result.decision is not None
    assert rule.seen == [(0, 1), (1, 2), (2, 3), (4, 4)]
    run = read(recipe.run.folder)[0]
    assert [c.step for c in run.checkpoints if c.exists] == [1, 2, 4]
    assert finished(Path(recipe.run.folder)) == "stopped"
    assert [e.data["action"] for e in run.events if e.kind == "decision"] == ["continue"] * 3 + ["stop"]


def test_a_note_goes_on(make_recipe: Make) -> None:
    recipe = make_recipe("notes")
    loaded = load_model(recipe.model.path, device="cpu")
    rows = encode_recipe_rows(loaded.tokenizer, read_recipe_rows(recipe), recipe.data)
    assert train(recipe, rows, loaded, StopAt(2), Quiet()).ending == "finished"


def test_what_a_kill_left_of_a_checkpoint_is_no_checkpoint(make_recipe: Make) -> None:
    recipe, whole = make_recipe("half"), make_recipe("whole")
    folder = Path(recipe.run.folder)

    class Dying(Quiet):
        def trained(self, record: dict[str, object]) -> None:
            if record["step"] == 6:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_run(recipe, Dying())
    # Whole on disk, but the journal does not know it; and half of one under its working name.
    (folder / "checkpoint-5").mkdir()
    (folder / PARTIAL / "checkpoint-6").mkdir(parents=True)
    (folder / PARTIAL / "checkpoint-6" / "adapter_model.safetensors").write_bytes(b"half")
    watcher = Quiet()
    train_run(recipe, watcher)
    assert watcher.told[0] == ("began", 4, 9)
    train_run(whole, Quiet())
    mine, theirs = read(folder)[0], read(whole.run.folder)[0]
    assert mine.train is not None
    assert theirs.train is not None
    assert mine.train.value.tolist() == theirs.train.value.tolist()
    assert not (folder / PARTIAL).exists()
