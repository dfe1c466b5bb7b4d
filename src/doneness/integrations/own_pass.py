"""A pass of our own over the evaluation rows, for trainers that cannot be listened to.

One process alone holds the logits of a few positions at a time (see `doneness.models.head`). Several processes,
and models whose labels are not the tokens they read, hold those of a batch whole.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

from doneness.integrations.scored import IGNORED, Kind, Row, Unusable, rows_of_batch
from doneness.integrations.target_spans import TargetSpans
from doneness.models import require
from doneness.models.head import target_losses

_MOST_ROWS = 8  # at once: several processes hold the logits of a whole batch


def score_rows(
    model: Any, kind: Kind, loader: Any, batch_size: int, share: tuple[int, int], spans: TargetSpans | None = None
) -> list[Row]:
    """Score the rows rank, rank + world, … of the loader's data set with its own collator.

    Every process scores as many batches, repeating rows where the set does not come out even, so
    that models spread over several processes stay in step.

    Args:
        model: as the trainer calls it.
        kind: of the model.
        loader: the evaluation's data loader.
        batch_size: rows at once, at most 8.
        share: rank and number of processes.
        spans: also sum by these.

    Raises:
        Unusable: no rows by number, no labels in them, or no logits.
    """
    rank, world = share
    dataset: Any = getattr(loader, "dataset", None)
    if not hasattr(dataset, "__len__") or not hasattr(dataset, "__getitem__") or not len(dataset):
        raise Unusable("no_dataset")
    count = len(dataset)
    mine = [(rank + k * world) % count for k in range(math.ceil(count / world))]
    size = max(1, min(batch_size, _MOST_ROWS))
    device = next(model.parameters()).device
    found: list[Row] = []
    with _judging(model):
        for at in range(0, len(mine), size):
            batch = _collated([dataset[i] for i in mine[at : at + size]], loader.collate_fn, device)
            # Each block is a call of the model; processes that share one must make as many calls.
            answer = _fused(model, batch) if world == 1 and _blocks(kind, batch) else _whole(model, kind, batch)
            found += rows_of_batch(kind, batch, answer, spans)
    return found


def _whole(model: Any, kind: Kind, batch: dict[str, Any]) -> Any:
    """What the model answers. Without labels a fused loss has nothing to fuse and the logits come out."""
    # Decoders beside an encoder are led by the labels.
    asked = batch if kind.encoder else _unlabelled(batch)
    return model(**asked, use_cache=False) if kind.shifted else model(**asked)


def _blocks(kind: Kind, batch: dict[str, Any]) -> bool:
    """Whether each label is that of the token in its place, one a token."""
    labels: Any = batch["labels"]
    tokens: Any = batch.get("input_ids")
    fits = require("torch").is_tensor(tokens) and tokens.ndim == 2 and labels.shape == tokens.shape
    return bool(kind.shifted and fits and batch.get("shift_labels") is None)


def _fused(model: Any, batch: dict[str, Any]) -> SimpleNamespace:
    """Log-probabilities of the labels in the form of TRL's fused head: shifted by one, zero where there is none."""
    labels = batch["labels"][:, 1:]
    row, place = (labels != IGNORED).nonzero(as_tuple=True)
    losses = target_losses(model, _unlabelled(batch) | {"use_cache": False}, row, place, labels[row, place])
    told = require("torch").zeros(labels.shape, dtype=require("torch").float64)
    told[row.cpu(), place.cpu()] = -require("torch").from_numpy(losses)
    return SimpleNamespace(log_probs=told)


def _unlabelled(batch: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in batch.items() if k != "labels"}


def _collated(rows: Sequence[Any], collate: Any, device: Any) -> dict[str, Any]:
    torch = require("torch")
    batch = {k: v.to(device) if torch.is_tensor(v) else v for k, v in dict(collate(list(rows))).items()}
    if batch.get("labels") is None:
        raise Unusable("no_row_labels")
    return batch


@contextmanager
def _judging(model: Any) -> Iterator[None]:
    """Evaluation mode without gradients, as it was afterwards."""
    training = model.training
    model.eval()
    try:
        with require("torch").no_grad():
            yield
    finally:
        model.train(training)
