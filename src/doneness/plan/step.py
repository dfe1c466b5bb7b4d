"""Forward and loss of one step, as the stages of the trainer have them; for counting, on fake or real tensors."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from typing import Any

from doneness.plan.block_loss import block_loss, is_plain
from doneness.plan.setup import REFERRED, SUPERVISED, Setup
from doneness.plan.tiled_loss import TILE_WORDS, tiled_losses

_ENTROPY = 32  # places whose entropy is taken at once, see the trainer's loss
_MOST = 1 << 28  # bytes of single-precision logits above which the trainer takes TRL's way on a CPU, too


def make_inputs(setup: Setup, vocabulary: int, device: Any) -> dict[str, Any]:
    """Token ids and labels of a micro-batch, and where losses are; shape (rows, length), of packed rows (1, all).

    `places` are the positions that predict a token that carries loss.
    """
    import torch

    rows, length = (1, setup.rows * setup.seq) if setup.packed else (setup.rows, setup.seq)
    ids = torch.zeros((rows, length), dtype=torch.long, device=device)
    labels = torch.zeros((rows, length), dtype=torch.long, device=device)
    found: dict[str, Any] = {"input_ids": ids, "labels": labels}
    if setup.packed:
        places = torch.zeros((1, length), dtype=torch.long, device=device)
        # The beginnings of rows are read off the positions' numbers, which there are none of here.
        if setup.rows > 1:
            edges = [(at, at + setup.seq) for at in range(0, length, setup.seq)]
            places._doneness_bounds = edges
        found["position_ids"] = places
    elif setup.rows > 1:
        found["attention_mask"] = torch.ones((rows, length), dtype=torch.long, device=device)
    # A row's first token is predicted by nothing.
    count = max(1, min(length - 1, round(setup.target_share * length)))
    found["places"] = torch.zeros((count,), dtype=torch.long, device=device)
    return found


def backward(model: Any, reference: Any, inputs: dict[str, Any], setup: Setup) -> Any:
    """The loss of the stage, to be gone back from."""
    asked = {name: value for name, value in inputs.items() if name in ("input_ids", "attention_mask", "position_ids")}
    if setup.stage == "reward":
        scores = model(**asked, use_cache=False).logits.float()
        chosen, rejected = scores.chunk(2)
        return -(chosen - rejected).sigmoid().log().mean()
    losses = _losses(model, asked, inputs, setup)
    if setup.stage in REFERRED:
        import torch

        with torch.no_grad(), _as_before(model, reference) as before:
            earlier = _losses(before, asked, inputs, setup).sum()
        losses = losses - earlier
    return losses.sum()


def _losses(model: Any, asked: dict[str, Any], inputs: dict[str, Any], setup: Setup) -> Any:
    if setup.loss == "whole":
        return model(**asked, labels=inputs["labels"], use_cache=False).loss
    if setup.loss == "copied":
        return _copied(model, asked, inputs)
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    if setup.loss == "targets" and setup.stage in SUPERVISED:
        if is_plain(base, setup.packed and setup.rows > 1):
            return block_loss(model, base, asked | {"logits_to_keep": inputs["places"], "use_cache": False})
        if _small(model, inputs):
            return _of_targets(model, asked, inputs)
    hidden = base.base_model(**asked, use_cache=False).last_hidden_state[:, :-1]
    if setup.device == "cpu":
        return _by_trl(base, hidden, inputs["labels"][:, 1:])
    flat = hidden.reshape(-1, hidden.shape[-1])
    if setup.target_share < 1:
        flat = flat[inputs["places"].new_zeros(max(1, round(len(flat) * setup.target_share)))]
    return tiled_losses(flat, base.get_output_embeddings())


def _copied(model: Any, asked: dict[str, Any], inputs: dict[str, Any]) -> Any:
    """A model's own loss as it was: single-precision logits, and a copy of them that is shifted by one."""
    from torch.nn.functional import cross_entropy

    out = model(**asked, use_cache=False)
    out.logits = out.logits.float()
    shifted = out.logits[..., :-1, :].contiguous().view(-1, out.logits.shape[-1])
    loss = cross_entropy(shifted, inputs["labels"][..., 1:].reshape(-1))
    del shifted
    inputs["outputs"] = out  # a Trainer holds them till the way back is done
    return loss


def _small(model: Any, inputs: dict[str, Any]) -> bool:
    words = int(model.config.get_text_config().vocab_size)
    return bool(4 * inputs["input_ids"].shape[0] * len(inputs["places"]) * words <= _MOST)


def _of_targets(model: Any, asked: dict[str, Any], inputs: dict[str, Any]) -> Any:
    """What the trainer does on a CPU with a head that is no plain one: the logits of places that carry loss."""
    import torch
    from torch.nn.functional import nll_loss

    places = inputs["places"]
    shares = model(**asked, logits_to_keep=places, use_cache=False).logits.float().log_softmax(dim=-1).flatten(0, 1)
    labels = inputs["labels"][:, places + 1].flatten()
    total = nll_loss(shares, labels, reduction="sum", ignore_index=-100)
    with torch.no_grad():
        for part in shares.detach().split(_ENTROPY):
            -part.exp().mul_(part).sum(dim=-1)
    return total


def _by_trl(base: Any, hidden: Any, labels: Any) -> Any:
    """TRL's fused head as it is where there are no kernels for it."""
    from trl.kernels import ChunkedLogProbFunction

    head = base.get_output_embeddings()
    flat = hidden.reshape(-1, hidden.shape[-1])
    told = labels.clamp(min=0).reshape(-1)
    wanted = ("log_probs", "entropy", "is_top1")
    return -ChunkedLogProbFunction.apply(flat, head.weight, head.bias, told, 1.0, TILE_WORDS, None, 1.0, wanted)[0]


@contextmanager
def _as_before(model: Any, reference: Any) -> Any:
    """The reference: a copy, or the model with its adapters switched off."""
    with nullcontext() if reference is not None else model.disable_adapter():
        yield model if reference is None else reference
