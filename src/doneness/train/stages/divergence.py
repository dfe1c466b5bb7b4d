"""How far one model's probabilities of the next token are from another's."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.nn.functional import kl_div

from doneness.models import Encoded

_LOGITS = 32 * 1024 * 1024  # numbers in the logits of a batch, of both models each


def divergence(student: Any, teacher: Any, beta: float = 0.0, temperature: float = 1.0) -> Any:
    """Generalised Jensen-Shannon divergence of next-token probabilities, as TRL's GKDTrainer has it; shape (n,), nats.

    Args:
        student, teacher: logits; shape (n, vocabulary). Where one vocabulary is padded further than the other, the
            tokens that both have count.
        beta: 0 is KL(teacher‖student), 1 is KL(student‖teacher).
        temperature: both are divided by it.
    """
    size = min(student.shape[-1], teacher.shape[-1])
    ours = (student[:, :size].float() / temperature).log_softmax(-1)
    theirs = (teacher[:, :size].float() / temperature).log_softmax(-1)
    if beta == 0.0:
        return kl_div(ours, theirs, reduction="none", log_target=True).sum(-1)
    if beta == 1.0:
        return kl_div(theirs, ours, reduction="none", log_target=True).sum(-1)
    mixed = torch.logaddexp(ours + math.log1p(-beta), theirs + math.log(beta))
    told = kl_div(mixed, theirs, reduction="none", log_target=True).sum(-1)
    own = kl_div(mixed, ours, reduction="none", log_target=True).sum(-1)
    return beta * told + (1.0 - beta) * own


def teacher_kl(
    model: Any, teacher: Any, rows: Sequence[Encoded], batch_size: int, told: Callable[[int], None]
) -> float:
    """KL(teacher‖model) on the rows' target tokens, nats a token.

    Args:
        model: a causal language model; it is left in the mode that it was in.
        teacher: another of the same vocabulary.
        rows: encoded rows.
        batch_size: rows of a forward pass at most.
        told: given the number of rows done.
    """
    order = sorted(range(len(rows)), key=lambda i: len(rows[i].ids))
    was_training, device = model.training, next(model.parameters()).device
    total, count, done = 0.0, 0, 0
    model.eval()
    try:
        with torch.inference_mode():
            while done < len(order):
                longest = len(rows[order[min(done + batch_size, len(order)) - 1]].ids)
                most = max(1, _LOGITS // (longest * int(model.config.get_text_config().vocab_size)))
                batch = [rows[i] for i in order[done : done + min(batch_size, most)]]
                inputs, asked = _batch(batch, device)
                logits = (each(**inputs).logits[:, :-1][asked] for each in (model, teacher))
                found = divergence(*logits)
                total, count, done = total + float(found.double().sum()), count + len(found), done + len(batch)
                told(done)
    finally:
        model.train(was_training)
    return total / max(count, 1)


def _batch(rows: Sequence[Encoded], device: Any) -> tuple[dict[str, Any], Any]:
    """The rows padded on the right, and where their target tokens are predicted; shape (rows, length − 1)."""
    width = max(len(row.ids) for row in rows)
    ids = torch.zeros((len(rows), width), dtype=torch.long)
    mask, asked = torch.zeros_like(ids), torch.zeros((len(rows), width - 1), dtype=torch.bool)
    for i, row in enumerate(rows):
        ids[i, : len(row.ids)] = torch.tensor(row.ids)
        mask[i, : len(row.ids)] = 1
        asked[i, : len(row.ids) - 1] = torch.tensor(row.labels[1:]) != -100
    return {"input_ids": ids.to(device), "attention_mask": mask.to(device), "use_cache": False}, asked.to(device)
