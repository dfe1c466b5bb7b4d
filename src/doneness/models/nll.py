"""Per-example losses: summed NLL and target tokens of each row and of its spans, without keeping logits.

Only the positions that predict a target are sent through the output layer, and only as many at once as `head`
allows: a row of 1,024 tokens with a vocabulary of 152,000 takes 32 MB more than a short one, one of 4,096 no more
than that (float32, CPU); with its logits whole it took 1,778. A token's loss is taken in float32 and a row's sum in
float64, each row by itself, so batch size and order do not change what is recorded beyond rounding.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doneness.models.chat import Encoded
from doneness.models.head import target_losses
from doneness.models.imports import require
from doneness.models.parted import Parted, looking
from doneness.runs import ExampleLosses, SpanLosses

# Rows go through the model together while all their logits, of which only a part is ever there, would be no more
# numbers than this: it keeps batches of long rows small.
_LOGITS = 64 * 1024 * 1024
_MOST_SORTS = 12  # of sources, turns or labels; of more each has too few rows to say anything
_LEAST = 5  # rows of a sort that is named, where there are more than a dozen
_OTHER = "other"
_LATER = 3  # from the third answer of a conversation on they count as one sort


def example_losses(
    model: Any,
    rows: Sequence[Encoded],
    step: int,
    batch_size: int = 16,
    progress: Callable[[int], None] | None = None,
    exact: NDArray[np.bool_] | None = None,
    shared: bool = False,
) -> ExampleLosses:
    """Score every row with the model as it stands; shapes (n,), n = len(rows).

    Args:
        model: a causal language model, with or without adapters.
        rows: encoded rows; each has at least one target token.
        step: recorded with the result.
        batch_size: rows per forward pass at most.
        progress: called with the number of rows done.
        exact: filled with whether all target tokens of a row are the model's first choices, that is whether it would
            say them word for word when asked for its likeliest answer; shape (n,).
        shared: every process of several calls this: each scores a part, and all get the whole. The batches are those
            that one process would make, and so the numbers are the same.
    """
    torch = require("torch")
    order = sorted(range(len(rows)), key=lambda i: len(rows[i].ids))
    parts = [row.parts for row in rows]
    names = list(dict.fromkeys(name for each in parts for name in each))
    nll = np.zeros(len(rows), dtype=np.float64)
    by_span = {name: np.zeros(len(rows), dtype=np.float64) for name in names}
    was_training = model.training
    model.eval()
    try:
        with looking(model):
            done, own = 0, Parted(_batches(rows, order, batch_size, int(model.config.vocab_size)), model, shared)
            for batch in own:
                asked = [rows[i] for i in batch]
                first = None if exact is None else np.zeros(sum(row.targets for row in asked), dtype=np.bool_)
                for i, each in zip(batch, _batch_losses(torch, model, asked, first), strict=True):
                    nll[i] = each.sum()
                    for name, places in parts[i].items():
                        by_span[name][i] = each[list(places)].sum()
                if exact is not None and first is not None:
                    ends = np.cumsum([row.targets for row in asked])[:-1]
                    exact[batch] = [bool(each.all()) for each in np.split(first, ends)]
                done += len(batch) * own.processes
                if progress:
                    progress(min(done, len(rows)))
            own.complete([nll, *by_span.values(), *([] if exact is None else [exact])])
    finally:
        model.train(was_training)
    return ExampleLosses(
        step,
        np.array([r.id for r in rows], dtype=np.str_),
        nll,
        np.array([r.targets for r in rows], dtype=np.int64),
        {name: SpanLosses(by_span[name], np.array([len(p.get(name, ())) for p in parts])) for name in names},
        *_sorting(rows),
    )


def label_entropy(rows: Sequence[Encoded]) -> dict[str, float | int] | None:
    """What always guessing a label by its frequency among `rows` would cost, in nats a label.

    Returns:
        {"nats", "labels", "rows"}: the entropy, how many different labels, and on how many rows; None where
        fewer than two different labels are known.
    """
    told = [row.label for row in rows if row.label]
    count = np.array(list(Counter(told).values()), dtype=np.float64)
    if count.size < 2:
        return None
    share = count / count.sum()
    return {"nats": float(-(share * np.log(share)).sum()), "labels": int(count.size), "rows": len(told)}


def _sorting(rows: Sequence[Encoded]) -> tuple[NDArray[np.str_] | None, dict[str, NDArray[np.str_]]]:
    """The cluster of each row, and what sorts of rows there are, where there are several and not too many."""
    known = any(row.cluster is not None for row in rows)
    # A row of no named conversation is its own.
    cluster = np.array([row.cluster or f"row {row.id}" for row in rows], dtype=np.str_) if known else None
    sorts = {
        "source": _largest([row.source or "" for row in rows]),
        "turn": [str(min(row.turn, _LATER)) for row in rows],
        "label": [row.label or "" for row in rows],
    }
    groups = {name: np.array(s, dtype=np.str_) for name, s in sorts.items() if 1 < len(set(s)) <= _MOST_SORTS}
    return cluster, groups


def _largest(sorts: list[str]) -> list[str]:
    """The largest sorts by their names, the rest as "other", a dozen in all; equals by name.

    Of more than a dozen only those of five rows are named: a source of its own for each row sorts nothing.
    """
    count = Counter(sorts)
    if len(count) <= _MOST_SORTS:
        return sorts
    order = sorted(count.items(), key=lambda item: (-item[1], item[0]))[: _MOST_SORTS - 1]
    named = {name for name, size in order if size >= _LEAST}
    return [name if name in named else _OTHER for name in sorts]


def _batches(rows: Sequence[Encoded], order: list[int], size: int, vocab: int) -> list[list[int]]:
    """Rows of like length together, few of them where they are long."""
    batches: list[list[int]] = []
    current: list[int] = []
    for index in order:
        trial = [*current, index]
        longest = max(len(rows[i].ids) for i in trial)
        kept = longest - min(rows[i].start for i in trial) + 1
        if current and (len(trial) > size or len(trial) * kept * vocab > _LOGITS):
            batches.append(current)
            current = [index]
        else:
            current = trial
    return [*batches, current] if current else batches


def _batch_losses(
    torch: Any, model: Any, rows: Sequence[Encoded], first: NDArray[np.bool_] | None = None
) -> list[NDArray[np.float64]]:
    """The loss of every target token, row by row; `first` as for `target_losses`."""
    device = next(model.parameters()).device
    width = max(len(r.ids) for r in rows)
    ids = torch.zeros((len(rows), width), dtype=torch.long)
    mask = torch.zeros((len(rows), width), dtype=torch.long)
    labels = torch.full((len(rows), width), -100, dtype=torch.long)
    for i, row in enumerate(rows):
        ids[i, : len(row.ids)] = torch.tensor(row.ids)
        mask[i, : len(row.ids)] = 1
        labels[i, : len(row.ids)] = torch.tensor(row.labels)
    # The token at position t is predicted by the logits at t − 1.
    row, place = (labels[:, 1:] != -100).nonzero(as_tuple=True)
    inputs = {"input_ids": ids.to(device), "attention_mask": mask.to(device), "use_cache": False}
    wanted = labels[row, place + 1]
    found = target_losses(model, inputs, row.to(device), place.to(device), wanted.to(device), first)
    # Targets stand row after row.
    return np.split(found, np.cumsum([r.targets for r in rows])[:-1])
