"""Answers drawn at a temperature, each from random numbers of its own.

Which token comes is told by one number between 0 and 1 for each place of an answer, and that by the seed, the prompt
and the answer's number alone: neither batches nor other prompts change what is drawn.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doneness.models.decode import Task
from doneness.models.generate import Generated, Learnt, answered, cut_answers
from doneness.models.imports import require
from doneness.models.render import stop_ids

Ids = Sequence[int]


def sample_all(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[Ids],
    how: tuple[int, int, float, int],
    batch_size: int = 16,
    learnt: Learnt | None = None,
) -> list[list[Generated]]:
    """Several answers to every prompt; their confidence is at temperature 1.

    Args:
        model: with or without adapters.
        tokenizer: its own.
        prompts: token ids up to the point where the assistant begins to speak.
        how: new tokens at most, answers to each prompt, temperature above 0, and the seed.
        batch_size: answers made at once.
        learnt: kept from earlier calls, and added to.
    """
    limit, count, temperature, seed = how
    each = [prompt for prompt in prompts for _ in range(count)]
    drawn = [_drawn(prompt, number, seed, limit) for prompt in prompts for number in range(count)]

    def pick(logits: Any, places: Sequence[tuple[int, int]]) -> tuple[list[int], list[float]]:
        return _pick(logits, [drawn[index][at] for index, at in places], temperature)

    def plainly(batch: list[int]) -> list[Generated]:
        return [_plainly(model, tokenizer, each[i], (limit, temperature, seed), i % count) for i in batch]

    task = Task(each, frozenset(stop_ids(tokenizer)), limit, batch_size, pick)
    found = answered(model, tokenizer, task, learnt or Learnt(), plainly)
    return [found[i : i + count] for i in range(0, len(found), count)]


def _drawn(prompt: Ids, number: int, seed: int, limit: int) -> NDArray[np.float64]:
    """Numbers between 0 and 1 for every place of one answer."""
    told = zlib.crc32(np.asarray(prompt, dtype=np.int64).tobytes())
    return np.random.default_rng([seed, told, number]).random(limit)


def _pick(logits: Any, drawn: Sequence[float], temperature: float) -> tuple[list[int], list[float]]:
    """The token at which the sum of the probabilities passes the number drawn."""
    torch = require("torch")
    logits = logits.float()
    wanted = torch.tensor(drawn, dtype=torch.float64, device=logits.device)
    sums = (logits / temperature).softmax(dim=-1).double().cumsum(dim=-1)
    # Scaled by their own sum, which rounding leaves a hair off 1.
    chosen = torch.searchsorted(sums, (wanted * sums[:, -1])[:, None], right=True)
    chosen = chosen.clamp_max(logits.shape[-1] - 1)
    sure = logits.log_softmax(dim=-1).gather(1, chosen).exp()
    return chosen[:, 0].tolist(), sure[:, 0].tolist()


def _plainly(model: Any, tokenizer: Any, prompt: Ids, how: tuple[int, float, int], number: int) -> Generated:
    """One answer by transformers' own loop, with a random state of its own."""
    torch = require("torch")
    limit, temperature, seed = how
    device = next(model.parameters()).device
    told = zlib.crc32(np.asarray(prompt, dtype=np.int64).tobytes())
    with torch.inference_mode(), torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(int(np.random.SeedSequence([seed, told, number]).generate_state(1)[0]))
        out = model.generate(
            input_ids=torch.tensor([list(prompt)], device=device),
            attention_mask=torch.ones((1, len(prompt)), dtype=torch.long, device=device),
            max_new_tokens=limit,
            do_sample=True,
            temperature=temperature,
            top_p=1.0,
            top_k=0,
            repetition_penalty=1.0,
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=stop_ids(tokenizer),
            return_dict_in_generate=True,
            output_logits=True,
        )
    return cut_answers(tokenizer, out, len(prompt))[0]
