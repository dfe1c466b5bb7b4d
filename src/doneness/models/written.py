"""Sampled or greedy answers as token ids, in batches, without touching the generators that training draws from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from doneness.models.imports import require
from doneness.models.render import stop_ids


@dataclass(frozen=True)
class Sampling:
    """How answers are drawn.

    Attributes:
        max_new_tokens: the longest answer.
        temperature: 0 takes the likeliest token every time.
        top_p: probability of the tokens that are sampled among.
        answers: to every prompt.
        seed: of the draws; the same answers come again.
    """

    max_new_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    answers: int = 1
    seed: int = 0


@dataclass(frozen=True)
class Sampled:
    """One answer.

    Attributes:
        text: special tokens apart.
        ids: its tokens, the one that ends it included.
        ended: whether it came to its end before the limit.
    """

    text: str
    ids: tuple[int, ...]
    ended: bool


def sample_all(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[Sequence[int]],
    how: Sampling,
    batch_size: int = 16,
    progress: Callable[[int], None] | None = None,
) -> list[list[Sampled]]:
    """Answers to every prompt, in the order of the prompts.

    Args:
        model: a causal language model; it is left in the mode that it was in.
        tokenizer: whose template ends answers.
        prompts: token ids up to the point where the assistant begins to speak.
        how: how they are drawn.
        batch_size: answers written at once; prompts of like length go together.
        progress: called with the number of prompts done.
    """
    torch = require("torch")
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    at_once = max(1, batch_size // how.answers)
    found: dict[int, list[Sampled]] = {}
    was_training, device = model.training, next(model.parameters()).device
    model.eval()
    try:
        # Of draws in batches the answers depend on the batches; these are always the same.
        with torch.random.fork_rng([device] if device.type == "cuda" else []), torch.inference_mode():
            torch.manual_seed(how.seed)
            for begin in range(0, len(order), at_once):
                batch = order[begin : begin + at_once]
                answers = _answers(torch, model, tokenizer, [prompts[i] for i in batch], how)
                found |= {i: answers[k * how.answers : (k + 1) * how.answers] for k, i in enumerate(batch)}
                if progress:
                    progress(len(found))
    finally:
        model.train(was_training)
    return [found[i] for i in range(len(prompts))]


def _answers(torch: Any, model: Any, tokenizer: Any, prompts: Sequence[Sequence[int]], how: Sampling) -> list[Sampled]:
    device = next(model.parameters()).device
    stops = stop_ids(tokenizer)
    rows = [list(prompt) for prompt in prompts for _ in range(how.answers)]
    width = max(len(row) for row in rows)
    ids = torch.full((len(rows), width), tokenizer.pad_token_id, dtype=torch.long)
    mask = torch.zeros((len(rows), width), dtype=torch.long)
    for i, row in enumerate(rows):  # padded on the left, so that every answer starts at one column
        ids[i, width - len(row) :] = torch.tensor(row)
        mask[i, width - len(row) :] = 1
    drawn = how.temperature > 0
    out = model.generate(
        input_ids=ids.to(device),
        attention_mask=mask.to(device),
        max_new_tokens=how.max_new_tokens,
        do_sample=drawn,
        num_beams=1,
        temperature=how.temperature if drawn else None,
        top_p=how.top_p if drawn else None,
        top_k=0 if drawn else None,
        repetition_penalty=1.0,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=stops,
    )
    return [_cut(tokenizer, stops, row[width:].tolist()) for row in out]


def _cut(tokenizer: Any, stops: Sequence[int], ids: Sequence[int]) -> Sampled:
    """What was said up to the first token that ends an answer; what follows it is padding."""
    length = next((k for k, i in enumerate(ids) if i in stops), len(ids))
    text = tokenizer.decode(ids[:length], skip_special_tokens=True)
    return Sampled(text, tuple(ids[: length + 1]), length < len(ids))
