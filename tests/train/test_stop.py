from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from doneness.config import Recipe
from doneness.core import Action, DonenessError, RecipeError, StopDecision, Verdict, say
from doneness.models import LoadedModel, load_model
from doneness.runs import Run, read
from doneness.testing.tiny import write_rows
from doneness.train.keeping import PARTIAL
from doneness.train.loop import train
from doneness.train.method import apply_method
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


def ready(recipe: Recipe) -> LoadedModel:
    loaded = load_model(recipe.model.path, device="cpu")
    return replace(loaded, model=apply_method(loaded.model, recipe.method, recipe.run.seed))


def test_the_rule_sees_the_run_so_far_and_is_obeyed(make_recipe: Make) -> None:
    recipe = make_recipe("stops", "stopping.on_stop=stop")
    loaded = ready(recipe)
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
    loaded = ready(recipe)
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


def test_a_stop_that_was_decided_before_a_kill_stays_decided(make_recipe: Make) -> None:
    recipe = make_recipe("decided", "stopping.on_stop=stop")
    rows = None
    for _ in range(2):
        loaded = ready(recipe)
        rows = rows or encode_recipe_rows(loaded.tokenizer, read_recipe_rows(recipe), recipe.data)
        result = train(recipe, rows, loaded, StopAt(4), Quiet())
        assert (result.ending, result.step) == ("stopped", 4)
        journal = Path(recipe.run.folder) / "journal.jsonl"
        lines = journal.read_text().splitlines(keepends=True)
        assert json.loads(lines[-1])["kind"] == "end"
        journal.write_text("".join(lines[:-1]))  # killed before the last line
    assert [c.step for c in read(recipe.run.folder)[0].checkpoints] == [1, 2, 4]


@pytest.mark.parametrize("lost", ["optimizer.pt", "rng_state.pth", "trainer_state.json", "adapter_model.safetensors"])
def test_a_damaged_checkpoint_is_not_resumed_from(make_recipe: Make, lost: str) -> None:
    recipe, whole = make_recipe("damaged"), make_recipe("whole")

    class Dying(Quiet):
        def trained(self, record: dict[str, object]) -> None:
            if record["step"] == 5:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_run(recipe, Dying())
    file = Path(recipe.run.folder) / "checkpoint-4" / lost
    if lost == "optimizer.pt":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:-7])
    watcher = Quiet()
    train_run(recipe, watcher)
    assert watcher.told[0] == ("began", 2, 9)
    train_run(whole, Quiet())
    mine, theirs = read(recipe.run.folder)[0], read(whole.run.folder)[0]
    assert mine.train is not None
    assert theirs.train is not None
    assert mine.train.value.tolist() == theirs.train.value.tolist()


def test_other_rows_under_the_same_name_are_refused(make_recipe: Make) -> None:
    recipe = make_recipe("swapped")

    class Dying(Quiet):
        def trained(self, record: dict[str, object]) -> None:
            if record["step"] == 3:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_run(recipe, Dying())
    write_rows(Path(recipe.data.train), [(f"What is {i}?", f"It is {i}.") for i in range(24)])
    with pytest.raises(DonenessError, match="other rows"):
        train_run(recipe, Quiet())


def test_a_folder_with_other_files_is_refused(make_recipe: Make) -> None:
    recipe = make_recipe("taken")
    folder = Path(recipe.run.folder)
    folder.mkdir()
    (folder / "recipe.toml").write_text("# mine")
    with pytest.raises(DonenessError, match="not empty"):
        train_run(recipe, Quiet())
    assert (folder / "recipe.toml").read_text() == "# mine"
    shutil.rmtree(folder)
    with pytest.raises(RecipeError):
        train_run(make_recipe("taken", "method.targets=none_such"), Quiet())
    assert not folder.exists()


def test_an_evaluation_file_of_training_rows_is_refused(make_recipe: Make, tmp_path: Path) -> None:
    recipe = make_recipe("leaky")
    copy = tmp_path / "copy.jsonl"
    copy.write_bytes(Path(recipe.data.train).read_bytes())
    with pytest.raises(DonenessError, match="training questions"):
        train_run(replace(recipe, data=replace(recipe.data, eval=str(copy))), Quiet())


def test_a_stop_that_was_killed_in_its_last_rotation_rotates_before_it_ends(
    make_recipe: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = make_recipe("rotating", "stopping.on_stop=stop", "checkpoints.keep_gb=1e-9")
    loaded = ready(recipe)
    rows = encode_recipe_rows(loaded.tokenizer, read_recipe_rows(recipe), recipe.data)

    def killed(*args: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr("doneness.train.callback.rotate", lambda r, step, *rest: killed() if step == 4 else None)
        train(recipe, rows, loaded, StopAt(4), Quiet())
    folder = Path(recipe.run.folder)
    assert len(list(folder.glob("checkpoint-*"))) == 3
    assert train(recipe, rows, ready(recipe), StopAt(4), Quiet()).ending == "stopped"
    records = [json.loads(line) for line in (folder / "journal.jsonl").read_text().splitlines()]
    kinds = [r["kind"] for r in records]
    assert kinds[kinds.index("resume") :] == ["resume", "checkpoint_gone", "checkpoint_gone", "end"]
    assert [p.name for p in folder.glob("checkpoint-*")] == ["checkpoint-4"]
