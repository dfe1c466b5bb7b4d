"""What a run can be resumed from, and whether it is still the same run."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

# What transformers needs to go on exactly; without one of these it would go on silently otherwise.
_STATE = "trainer_state.json"
# The optimizer's state: whole, or in parts by FSDP or DeepSpeed, which keeps the schedule with it.
_OPTIMIZER = re.compile(r"optimizer\.(pt|bin)|optimizer_\d+/.+|global_step\d+/.+")


def sizes(checkpoint: Path) -> dict[str, int]:
    """Every file of a checkpoint, those in its folders too, with its size in bytes, as the journal remembers it."""
    files = sorted(file for file in checkpoint.rglob("*") if file.is_file())
    return {file.relative_to(checkpoint).as_posix(): file.stat().st_size for file in files}


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
    kept = [name for name in found if _OPTIMIZER.fullmatch(name)]
    deepspeed = any(name.startswith("global_step") for name in kept)
    if _STATE not in found or not kept or not ("scheduler.pt" in found or deepspeed):
        return False
    # One process writes rng_state.pth, several write rng_state_0.pth and so on.
    if not any(name.startswith("rng_state") for name in found):
        return False
    if not any(name.endswith(".safetensors") for name in found):
        return False
    try:
        json.loads((checkpoint / _STATE).read_text(encoding="utf-8"))
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
            # An answer's verdict, or the right answer to a question, where the rows have one.
            mark = getattr(row, "good", getattr(row, "reference", ""))
            digest.update(f"{row.id}:{several or row.start}{mark}:".encode())
            digest.update(",".join(map(str, row.ids)).encode())
    return digest.hexdigest()[:24]
