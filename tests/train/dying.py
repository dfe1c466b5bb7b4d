"""A training that is killed, in a process of its own: forked from one that has the libraries loaded already."""

from __future__ import annotations

import multiprocessing
import os
import signal
from pathlib import Path
from typing import Any

from doneness.config import Recipe, dump_recipe, load_recipe
from tests.train.conftest import Quiet

# Loading them takes longer than the training does.
_LOADED = ["torch", "transformers.trainer", "trl.trainer.sft_trainer", "peft", "datasets", "doneness.train.loop"]


class Killer(Quiet):
    """Kills its process after step `at`, or of a negative number amidst the evaluation at step -`at`."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self.at = at

    def trained(self, record: dict[str, Any]) -> None:
        if record["step"] == self.at:
            os.kill(os.getpid(), signal.SIGKILL)

    def scoring(self, step: int, done: int, total: int) -> None:
        if step == -self.at and done > 4:
            os.kill(os.getpid(), signal.SIGKILL)


def kill_at(recipe: Recipe, at: int, folder: Path) -> None:
    """Train the recipe until it is killed; `folder` is for the recipe's file."""
    file = folder / f"killed-{at}.toml"
    file.write_text(dump_recipe(recipe))
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_LOADED)
    process = context.Process(target=_train, args=(str(file), at))
    process.start()
    process.join(600)
    assert process.exitcode == -signal.SIGKILL


def _train(file: str, at: int) -> None:
    from doneness.workflows.train import train_run

    train_run(load_recipe(file), Killer(at))
