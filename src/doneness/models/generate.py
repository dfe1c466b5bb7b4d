"""Greedy answers in batches, with how sure the model was of each token."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from doneness.models.imports import require
from doneness.models.render import stop_ids


@dataclass(frozen=True)
class Generated:
    """One greedy answer.

    Attributes:
        text: special tokens apart.
        tokens: new tokens, the end-of-sequence token apart.
        confidence: mean probability of the tokens chosen, the end-of-sequence token included.
        capped: the limit came before the end of the answer.
    """

    text: str
    tokens: int
    confidence: float
    capped: bool


def answer_all(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[Sequence[int]],
    max_new_tokens: int,
    batch_size: int = 16,
    progress: Callable[[int], None] | None = None,
) -> list[Generated]:
    """Answer every prompt greedily; the answers come in the order of the prompts.

    Args:
        prompts: token ids up to the point where the assistant begins to speak.
        batch_size: prompts answered at once; prompts of like length go together.
    """
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    found: dict[int, Generated] = {}
    was_training = model.training
    model.eval()
    try:
        for begin in range(0, len(order), batch_size):
            batch = order[begin : begin + batch_size]
            answers = _answer_batch(model, tokenizer, [prompts[i] for i in batch], max_new_tokens)
            found.update(zip(batch, answers, strict=True))
            if progress:
                progress(len(found))
    finally:
        model.train(was_training)
    return [found[i] for i in range(len(prompts))]


def _answer_batch(model: Any, tokenizer: Any, prompts: list[Sequence[int]], limit: int) -> list[Generated]:
    torch = require("torch")
    device = next(model.parameters()).device
    stops = stop_ids(tokenizer)
    width = max(len(p) for p in prompts)
    ids = torch.full((len(prompts), width), tokenizer.pad_token_id, dtype=torch.long)
    mask = torch.zeros((len(prompts), width), dtype=torch.long)
    for i, prompt in enumerate(prompts):  # padded on the left, so that every answer starts at one column
        ids[i, width - len(prompt) :] = torch.tensor(list(prompt))
        mask[i, width - len(prompt) :] = 1
    with torch.inference_mode():
        out = model.generate(
            input_ids=ids.to(device),
            attention_mask=mask.to(device),
            max_new_tokens=limit,
            do_sample=False,
            num_beams=1,
            temperature=None,
            top_p=None,
            top_k=None,
            repetition_penalty=1.0,
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=stops,
            return_dict_in_generate=True,
            output_logits=True,
        )
    chosen = out.sequences[:, width:]
    sure = torch.stack(
        [step.float().log_softmax(-1).gather(1, chosen[:, [i]]).squeeze(1).exp() for i, step in enumerate(out.logits)],
        dim=1,
    )
    return [_cut(tokenizer, stops, chosen[i].tolist(), sure[i].tolist()) for i in range(len(prompts))]


def _cut(tokenizer: Any, stops: list[int], ids: list[int], sure: list[float]) -> Generated:
    """What was said up to the first token that ends an answer; what follows it is padding."""
    length = next((k for k, i in enumerate(ids) if i in stops), len(ids))
    ended = length < len(ids)
    counted = sure[: length + 1] if ended else sure
    text = tokenizer.decode(ids[:length], skip_special_tokens=True).strip()
    return Generated(text, length, sum(counted) / len(counted), not ended)
