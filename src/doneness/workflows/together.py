"""What several processes settle before they train as one."""

from __future__ import annotations

import hashlib
import math
import time
from pathlib import Path
from typing import Any

from doneness.config import Recipe, bits_of, dump_recipe
from doneness.core import DonenessError, Message, RecipeError, launched, say, tr
from doneness.runs import read_records
from doneness.runs.journal import FILE

_PATIENCE = 10.0  # seconds until a file that one machine wrote is seen on another


def refuse_split(recipe: Recipe) -> None:
    """A step must come out even, so many processes each with so many whole micro-batches; and weights must part.

    Raises:
        RecipeError: they do not.
    """
    if launched.fsdp() and bits_of(recipe.method):
        raise RecipeError([tr("workflows.together.quantised", bits=bits_of(recipe.method))])
    processes, batch, micro = launched.processes(), recipe.optimizer.batch_size, recipe.optimizer.micro_batch
    if batch % (micro * processes) == 0:
        return
    if batch % processes:
        faults = [tr("workflows.together.batch", batch=batch, processes=processes, next=_next(batch, processes))]
    else:
        fits = math.gcd(batch // processes, micro)
        faults = [tr("workflows.together.micro", batch=batch, micro=micro, processes=processes, fits=fits)]
    raise RecipeError(faults)


def refuse_differing(recipe: Recipe, encoded: Any) -> None:
    """All processes must have read the same recipe and the same rows; all must call it.

    Raises:
        DonenessError: one has others.
    """
    from doneness.models.together import gathered
    from doneness.train.resume import data_hash

    rows = data_hash(encoded.train.rows, encoded.eval.rows if encoded.eval else ())
    told = gathered((hashlib.sha256(dump_recipe(recipe).encode()).hexdigest(), rows))
    for rank, (recipe_there, rows_there) in enumerate(told):
        if recipe_there != told[0][0]:
            raise DonenessError(tr("workflows.together.other_recipe", rank=rank))
        if rows_there != told[0][1]:
            raise DonenessError(tr("workflows.together.other_rows", rank=rank))


def refuse_unseen(place: Path) -> None:
    """What the first process wrote must be seen by all: they write their parts of a checkpoint beside it.

    Raises:
        DonenessError: it is not there.
    """
    end = time.monotonic() + _PATIENCE
    while not place.is_file():
        if time.monotonic() > end:
            raise DonenessError(tr("workflows.together.folder", folder=str(place.parent), rank=launched.rank()))
        time.sleep(0.1)


def lines(recipe: Recipe) -> list[Message]:
    """How a step is shared, and what is not measured then; and that a run went on by another number of processes."""
    folder, processes = Path(recipe.run.folder), launched.processes()
    found, before = [], _before(folder / FILE)
    if processes > 1:
        batch, micro = recipe.optimizer.batch_size, recipe.optimizer.micro_batch
        parts = batch // (micro * processes)
        found.append(say("workflows.together.shared", processes=processes, batch=batch, micro=micro, parts=parts))
        if recipe.health.every:
            found.append(say("workflows.together.no_noise"))
    if before is not None and before != processes:
        found.append(say("workflows.together.other_number", before=before, now=processes))
    return found


def _before(journal: Path) -> int | None:
    """How many processes the run last had; None for a new run."""
    if not journal.is_file():
        return None
    told = [r for r in read_records(journal)[0] if r["kind"] in ("start", "resume")]
    known = [(r["meta"] if r["kind"] == "start" else r).get("processes") for r in told]
    return next((int(each) for each in reversed(known) if each), 1) if told else None


def _next(batch: int, processes: int) -> int:
    return math.ceil(batch / processes) * processes
