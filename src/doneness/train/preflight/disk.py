"""One checkpoint written and read back, and whether the planned ones have room."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from doneness.config import Recipe
from doneness.core import disk_faults, tr
from doneness.models import LoadedModel
from doneness.train.arguments import total_steps
from doneness.train.keeping import GIGABYTE, TRIAL
from doneness.train.preflight.found import Found, named
from doneness.train.preflight.step import optimizer_bytes
from doneness.train.spacing import checkpoint_steps, evaluation_steps

_LARGE = 2e9  # bytes that take longer to write than is worth waiting for here
_PART = 64 << 20  # bytes written in place of so many


def look_at_the_disk(recipe: Recipe, rows: Any, loaded: LoadedModel, found: Found) -> None:
    """Write a checkpoint into the run folder as the run will, read it back, remove it; leave no folder behind.

    Raises:
        StorageError: the disk is full or refuses.
    """
    folder = Path(recipe.run.folder)
    size = _weights(loaded.model)
    if not recipe.checkpoints.only_model:
        size += optimizer_bytes(recipe, loaded.model)
    with disk_faults(folder), _trial(folder) as place:
        free = shutil.disk_usage(place).free
        if size > free:
            found.fault("disk_one", folder=str(folder), size=_told(size), free=_told(free))
            return
        begun = time.perf_counter()
        if size > _LARGE:
            _write(place / "trial", _PART)
            seconds = (time.perf_counter() - begun) * size / _PART
            found.measure("disk_reckoned", size=_told(size), seconds=seconds)
        else:
            wrong = _written_and_read(place, loaded, size)
            if wrong:
                found.fault("read_back", count=len(wrong), names=named(wrong), folder=str(folder))
                return
            found.measure("disk", size=_told(size), seconds=time.perf_counter() - begun)
    planned = _planned(recipe, rows)
    needed = min(planned * size, recipe.checkpoints.keep_gb * GIGABYTE + size if recipe.checkpoints.keep_gb else 1e30)
    if needed > free:
        numbers = {"count": planned, "size": _told(size), "needed": _told(needed), "free": _told(free)}
        found.doubt("disk_full", folder=str(folder), **numbers, fit=int(free // size))


def _planned(recipe: Recipe, rows: Any) -> int:
    steps = total_steps(recipe, len(rows.train.rows))
    looks = evaluation_steps(steps, recipe.evaluation.every, recipe.early_looks) if rows.eval else ()
    return len(checkpoint_steps(recipe.checkpoints, steps, looks))


def _weights(model: Any) -> int:
    """Bytes of what a checkpoint holds of the model: adapters, or all of it."""
    whole = not hasattr(model, "peft_config")
    return sum(p.numel() * p.element_size() for p in model.parameters() if whole or p.requires_grad)


@contextmanager
def _trial(folder: Path) -> Iterator[Path]:
    """A folder for the trial inside the run folder; both are as before afterwards, whatever happens."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    place = folder / f"{TRIAL}{os.getpid()}"
    try:
        place.mkdir(parents=True, exist_ok=True)
        yield place
    finally:
        # Renamed first, so that half of one never has the name of a whole one.
        gone = place.with_name(f"{place.name}-gone")
        if place.exists():
            place.rename(gone)
            shutil.rmtree(gone, ignore_errors=True)
        for each in missing:
            if each.is_dir() and not any(each.iterdir()):
                each.rmdir()


def _written_and_read(place: Path, loaded: LoadedModel, size: int) -> list[str]:
    """Names of the tensors that are not on disk what they are in memory."""
    from safetensors.torch import load_file

    loaded.model.save_pretrained(place)
    loaded.tokenizer.save_pretrained(place)
    there = sum(file.stat().st_size for file in place.rglob("*") if file.is_file())
    _write(place / "optimizer", max(0, size - there))
    kept = {name: tensor for file in place.glob("*.safetensors") for name, tensor in load_file(file).items()}
    expected = _expected(loaded.model)
    shared = [name for name in kept if name in expected]
    if not shared:
        return [tr("preflight.nothing_saved")]
    return [name for name in shared if not _same(kept[name], expected[name])]


def _expected(model: Any) -> dict[str, Any]:
    if hasattr(model, "peft_config"):
        from peft import get_peft_model_state_dict

        return dict(get_peft_model_state_dict(model))
    return dict(model.state_dict())


def _same(one: Any, other: Any) -> bool:
    import torch

    other = other.detach().cpu()
    return bool(one.dtype == other.dtype) and torch.equal(torch.nan_to_num(one), torch.nan_to_num(other))


def _write(file: Path, size: int) -> None:
    block = bytes(1 << 20)
    with file.open("wb") as out:
        for at in range(0, size, len(block)):
            out.write(block[: min(len(block), size - at)])
        out.flush()
        os.fsync(out.fileno())


def _told(size: float) -> str:
    """Bytes in a unit that fits."""
    for unit, name in ((1e9, "GB"), (1e6, "MB")):
        if size >= unit:
            return f"{size / unit:.1f} {name}"
    return f"{size / 1e3:.0f} kB"
