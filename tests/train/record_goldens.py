"""Record the goldens anew: python -m tests.train.record_goldens, from a tree without changes."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

from doneness.config import load_recipe
from doneness.testing.tiny import make_tiny_model
from doneness.workflows.train import train_run
from tests.train.conftest import Quiet
from tests.train.trajectories import BATCH, GOLDENS, STEPS, course, write_recipe


def main() -> int:
    here = Path(__file__).parents[2]
    changed = subprocess.run(
        ["git", "status", "--porcelain", "--", "src", "tests/train"], cwd=here, capture_output=True, text=True
    )
    if changed.returncode or changed.stdout.strip():
        print("The tree has changes (or is none of git's): commit them, so that what is recorded can be had again.")
        return 2
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True).stdout.strip()
    record(commit)
    return 0


def record(commit: str) -> None:
    """Train by one process in one micro-batch, and write the course with what it was made by."""
    versions = {name: version(name) for name in ("torch", "transformers", "trl", "peft", "accelerate")}
    made = {"commit": commit, "machine": platform.machine(), "python": platform.python_version(), "versions": versions}
    with tempfile.TemporaryDirectory() as scratch:
        model = make_tiny_model(Path(scratch) / "model")
        for stage in STEPS:
            place = Path(scratch) / stage
            recipe = load_recipe(write_recipe(place, model, stage, BATCH))
            train_run(recipe, Quiet())
            seeds = {"model": 0, "run": recipe.run.seed}
            content = {"stage": stage, "seeds": seeds, "made": made, **course(place / "run")}
            (GOLDENS / f"{stage}.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
