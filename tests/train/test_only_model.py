"""Checkpoints of the model alone: smaller, good for use, and no place to go on from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from doneness.cli.main import main
from doneness.config import Recipe, dump_recipe
from doneness.core import DonenessError, speaking
from doneness.workflows.train import train_run
from tests.train.conftest import Quiet

pytestmark = pytest.mark.model


class Crash(Quiet):
    """Dies at a step."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self.at = at

    def trained(self, record: dict[str, object]) -> None:
        if record["step"] == self.at:
            raise RuntimeError("the power went")


def test_the_model_alone_is_written_and_not_gone_on_from(make_recipe: Callable[..., Recipe]) -> None:
    recipe = make_recipe("alone", "checkpoints.only_model=true", "schedule.max_steps=4")
    with pytest.raises(RuntimeError, match="the power went"):
        train_run(recipe, Crash(1))
    # Nothing was saved yet: beginning anew is exact.
    with pytest.raises(RuntimeError, match="the power went"):
        train_run(recipe, Crash(3))
    folder = Path(recipe.run.folder)
    files = {file.name for file in (folder / "checkpoint-2").iterdir()}
    assert "adapter_model.safetensors" in files
    assert not {"optimizer.pt", "scheduler.pt", "rng_state.pth"} & files
    with pytest.raises(DonenessError, match=r"broken off at step 2.*checkpoints\.only_model.*run\.folder"):
        train_run(recipe, Quiet())
    with speaking("zh"), pytest.raises(DonenessError, match="第 2 步中断"):
        train_run(recipe, Quiet())
    whole = train_run(make_recipe("whole", "checkpoints.only_model=true", "schedule.max_steps=4"), Quiet())
    usual = train_run(make_recipe("usual", "schedule.max_steps=4"), Quiet())
    assert whole.ending == "finished" and train_run(recipe=_of(whole), watcher=Quiet()).already
    assert whole.run.train is not None and usual.run.train is not None
    assert whole.run.train.value.tolist() == usual.run.train.value.tolist()
    assert [c.step for c in whole.run.checkpoints if c.exists] == [1, 2, 3, 4]


def test_an_interrupted_run_is_not_promised_to_go_on(
    make_recipe: Callable[..., Recipe],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def interrupted(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("doneness.workflows.train.train_run", interrupted)
    told = {}
    for alone in (True, False):
        file = tmp_path / "recipe.toml"
        file.write_text(dump_recipe(make_recipe("x", f"checkpoints.only_model={str(alone).lower()}")), encoding="utf-8")
        assert main(["train", str(file)]) == 130
        told[alone] = capsys.readouterr().err
    assert "cannot be resumed" in told[True] and "same command again to resume" in told[False]


def _of(trained: object) -> Recipe:
    from doneness.workflows.train import recipe_of

    found = recipe_of(Path(trained.run.path))  # type: ignore[attr-defined]
    assert found is not None
    return found
