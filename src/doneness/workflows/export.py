"""A checkpoint as a folder for use: the adapter as it is, merged into its base model, or as GGUF."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from doneness.config import Recipe
from doneness.core import DonenessError, disk_faults, tr
from doneness.runs import read
from doneness.runs.atomic import sync
from doneness.workflows.check import Judged, judge
from doneness.workflows.export_card import Origin, write_card
from doneness.workflows.gguf import converter, to_gguf
from doneness.workflows.train import recipe_of

_ADAPTER = "adapter_config.json"
# What a checkpoint holds for resuming alone, and cards that say nothing of the checkpoint.
_OF_TRAINING = frozenset(
    ("optimizer.pt", "scheduler.pt", "scaler.pt", "trainer_state.json", "training_args.bin", "README.md")
)


@dataclass(frozen=True)
class Export:
    """What to export, and how.

    Attributes:
        step: of the checkpoint; None for the one that the run's evidence chooses.
        merge: add the adapter into the base model's weights.
        gguf: also convert the merged model to one GGUF file; without `merge`, that file alone is written.
        out: the folder to write; None for one beside the checkpoints.
        exploratory: export of an exploratory run all the same, marked.
    """

    step: int | None = None
    merge: bool = False
    gguf: bool = False
    out: Path | None = None
    exploratory: bool = False


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        folder: where.
        step: of the checkpoint.
        form: "adapter", "merged", "whole" (trained in full, nothing to merge) or "gguf".
    """

    folder: Path
    step: int
    form: str


def export_run(folder: Path, asked: Export) -> Exported:
    """Write a checkpoint of a run of ours as a folder for use; all of it or nothing, and never over anything.

    Raises:
        DonenessError: no run or no such checkpoint there, nothing to recommend and no step named, an exploratory run
            without leave, a folder that exists, or no converter for GGUF.
        StorageError: the disk is full or refuses.
    """
    recipe = recipe_of(folder)
    if recipe is None:
        raise DonenessError(tr("workflows.export.no_run", path=str(folder)))
    if recipe.run.mode == "explore" and not asked.exploratory:
        raise DonenessError(tr("workflows.export.exploratory", path=str(folder)))
    run = read(folder)[0]
    judged = judge(run)
    step, checkpoint = _chosen(folder, judged, asked.step)
    form = _form(checkpoint, asked)
    # Found before the hour that merging a large model may take.
    tool = converter() if asked.gguf else None
    out = asked.out or folder / f"export-{step}-{form}"
    if out.exists() or out.is_symlink():
        raise DonenessError(tr("workflows.export.exists", path=str(out)))
    origin = Origin(folder, recipe, judged, step, form)
    with _whole(out) as place:
        if form in ("adapter", "whole"):
            _copy(checkpoint, place)
        else:
            _merge(recipe, checkpoint, place)
        if tool is not None:
            to_gguf(tool, place, f"{folder.resolve().name}-{step}")
            if not asked.merge:
                _leave_gguf(place)
        write_card(place, origin)
    return Exported(out, step, form)


def _chosen(folder: Path, judged: Judged, step: int | None) -> tuple[int, Path]:
    """The step and the folder of the checkpoint: the one named, or the one that loss and probes choose."""
    there = {c.step: c.path for c in judged.run.checkpoints if c.exists and c.path is not None}
    if not there:
        raise DonenessError(tr("workflows.export.none", path=str(folder)))
    known = ", ".join(map(str, sorted(there)))
    if step is None:
        step = judged.kept
        if step is None:
            headline = judged.diagnosis.headline.text()
            raise DonenessError(tr("workflows.export.no_choice", path=str(folder), headline=headline, known=known))
    if step not in there:
        raise DonenessError(tr("workflows.export.no_step", path=str(folder), step=step, known=known))
    return step, there[step]


def _form(checkpoint: Path, asked: Export) -> str:
    if not (checkpoint / _ADAPTER).is_file():
        return "gguf" if asked.gguf and not asked.merge else "whole"
    if asked.merge:
        return "merged"
    return "gguf" if asked.gguf else "adapter"


@contextmanager
def _whole(out: Path) -> Iterator[Path]:
    """A hidden folder beside `out` that becomes `out` once everything in it is on the disk."""
    partial = out.with_name(f".{out.name}.{os.getpid()}")
    with disk_faults(out):
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        try:
            yield partial
            for place in sorted(partial.rglob("*")):
                sync(place)
            sync(partial)
            if out.exists():
                raise DonenessError(tr("workflows.export.exists", path=str(out)))
            partial.rename(out)
            sync(out.parent)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def _copy(checkpoint: Path, place: Path) -> None:
    """Weights, configuration and tokenizer of a checkpoint, byte for byte."""

    def left_out(home: str, names: list[str]) -> list[str]:
        return [name for name in names if name in _OF_TRAINING or name.startswith("rng_state")]

    shutil.copytree(checkpoint, place, ignore=left_out, dirs_exist_ok=True)


def _merge(recipe: Recipe, checkpoint: Path, place: Path) -> None:
    if not (checkpoint / _ADAPTER).is_file():
        _copy(checkpoint, place)
        return
    from doneness.models import Quantization, load_tokenizer
    from doneness.models.merge import merge

    model = recipe.model
    scores = recipe.run.seed if recipe.run.stage == "reward" else None
    merged = merge(model.path, checkpoint, model.device, Quantization.of(recipe.method), scores)
    merged.model.save_pretrained(place)
    # The checkpoint has the tokenizer as it was trained with; older ones may lack it.
    own = (checkpoint / "tokenizer_config.json").is_file()
    (load_tokenizer(str(checkpoint)) if own else merged.tokenizer).save_pretrained(place)


def _leave_gguf(place: Path) -> None:
    for each in place.iterdir():
        if each.suffix != ".gguf":
            shutil.rmtree(each) if each.is_dir() else each.unlink()
