"""One of several processes that train together: run by test_processes.py."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from doneness.cli.main import main
from doneness.config import load_recipe
from doneness.core import launched
from doneness.models import require
from doneness.workflows.train import train_run
from tests.train.conftest import Quiet


def at_pass(number: int, do: Any) -> None:
    """Do something in this process's forward pass number `number`, once."""
    require("torch")  # which quiets it, before anything else loads it
    from doneness.train import evidence

    whole, passes = evidence.Evidence.compute_loss, iter(range(1, 10**9))

    def counted(self: Any, *args: Any, **kwargs: Any) -> Any:
        if next(passes) == number:
            evidence.Evidence.compute_loss = whole  # type: ignore[method-assign]
            do()
        return whole(self, *args, **kwargs)

    evidence.Evidence.compute_loss = counted  # type: ignore[method-assign]


def all_of(place: Path) -> int:
    last = launched.rank() == launched.processes() - 1
    # Ctrl-C in one process that is not the first; then the same command again.
    if last:
        at_pass(5, lambda: os.kill(os.getpid(), signal.SIGINT))
    recipe = load_recipe(place / "sft" / "recipe.toml")
    try:
        train_run(recipe, Quiet())
    except KeyboardInterrupt:
        print("interrupted", launched.rank())
    train_run(recipe, Quiet())
    for name in ("dpo", "taught"):
        train_run(load_recipe(place / name / "recipe.toml"), Quiet())
    print("by command", flush=True)
    told = main(["train", str(place / "judged" / "recipe.toml")])
    print("told", told, flush=True)
    # One is killed in the middle of a step.
    if last:
        at_pass(2, lambda: os._exit(9))
    return main(["train", str(place / "killed" / "recipe.toml")])


if __name__ == "__main__":
    sys.exit(all_of(Path(sys.argv[1])))
