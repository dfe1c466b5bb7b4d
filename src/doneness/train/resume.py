"""What a run can be resumed from, and whether it is still the same run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

# What transformers needs to go on exactly; without one of these it would go on silently otherwise.
_NEEDED = ("trainer_state.json", "optimizer.pt", "scheduler.pt", "rng_state.pth")


def sizes(checkpoint: Path) -> dict[str, int]:
    """Every file of a checkpoint with its size in bytes, as the journal remembers it."""
    return {file.name: file.stat().st_size for file in sorted(checkpoint.iterdir()) if file.is_file()}


def resume_point(records: Sequence[Mapping[str, Any]], folder: Path) -> int:
    """The last checkpoint that the journal vouches for and that is whole on disk; 0 for none."""
    known = {r["step"]: r for r in records if r["kind"] == "checkpoint"}
    return next((s for s in sorted(known, reverse=True) if _whole(folder / known[s]["path"], known[s])), 0)


def _whole(checkpoint: Path, record: Mapping[str, Any]) -> bool:
    """Whether everything that was written is there in its size, and the state can be read."""
    if not checkpoint.is_dir():
        return False
    found, promised = sizes(checkpoint), record.get("files")
    if isinstance(promised, dict) and any(found.get(name) != size for name, size in promised.items()):
        return False
    # One process writes rng_state.pth, several write rng_state_0.pth and so on.
    if any(n not in found for n in _NEEDED[:3]) or not any(name.startswith("rng_state") for name in found):
        return False
    if not any(name.endswith(".safetensors") for name in found):
        return False
    try:
        json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return True


def data_hash(train: Sequence[Any], held_out: Sequence[Any]) -> str:
    """A hash of all token ids: the same rows in the same order, as this tokenizer reads them."""
    digest = hashlib.sha256()
    for part in (train, held_out):
        digest.update(b"|")
        for row in part:
            several = ",".join(f"{answer.begin}-{answer.end}" for answer in row.several)
            mark = getattr(row, "good", "")  # an answer's verdict, where the rows have one
            digest.update(f"{row.id}:{several or row.start}{mark}:".encode())
            digest.update(",".join(map(str, row.ids)).encode())
    return digest.hexdigest()[:24]
