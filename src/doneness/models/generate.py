"""Answers in batches, with how sure the model was of each token."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from doneness.models.decode import Guesser, Said, Tally, Task, decode, likeliest
from doneness.models.decode_cost import Costs
from doneness.models.decode_fit import under, why_not
from doneness.models.draft import Draft, Rates
from doneness.models.imports import require
from doneness.models.render import stop_ids


@dataclass(frozen=True)
class Generated:
    """One answer.

    Attributes:
        text: special tokens apart.
        tokens: new tokens, the end-of-sequence token apart.
        confidence: mean probability of the tokens chosen, the end-of-sequence token included.
        capped: the limit came before the end of the answer.
        ids: the new tokens, the end-of-sequence token apart: what another checkpoint's answer can be drafted from.
    """

    text: str
    tokens: int
    confidence: float
    capped: bool
    ids: tuple[int, ...] = ()


@dataclass
class Learnt:
    """What is learnt while answers are made, and kept from one call to the next.

    Attributes:
        costs: of forwards on this machine.
        rates: how often guesses are right.
        tally: what the answers took.
    """

    costs: Costs = field(default_factory=Costs)
    rates: Rates = field(default_factory=Rates)
    tally: Tally = field(default_factory=Tally)


def answer_all(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[Sequence[int]],
    max_new_tokens: int,
    batch_size: int = 16,
    progress: Callable[[int], None] | None = None,
    drafts: Sequence[Sequence[int]] | None = None,
    learnt: Learnt | None = None,
) -> list[Generated]:
    """Answer every prompt greedily; the answers come in the order of the prompts.

    Args:
        model: with or without adapters.
        tokenizer: its own; says what ends an answer.
        prompts: token ids up to the point where the assistant begins to speak.
        max_new_tokens: of an answer at most.
        batch_size: prompts answered at once; prompts of like length go together.
        progress: called with the number of answers done.
        drafts: what a neighbouring checkpoint answered, prompt by prompt; never changes the answers.
        learnt: kept from earlier calls, and added to.
    """
    learnt = learnt or Learnt()
    stops = stop_ids(tokenizer)
    guessers: list[Guesser] | None = None
    if drafts is not None:
        guessers = [
            Draft([*old, *stops[:1]] if len(old) < max_new_tokens else old, prompt, learnt.rates)
            for old, prompt in zip(drafts, prompts, strict=True)
        ]

    def plainly(batch: list[int]) -> list[Generated]:
        return _answer_batch(model, tokenizer, [prompts[i] for i in batch], max_new_tokens)

    task = Task(prompts, frozenset(stops), max_new_tokens, batch_size, likeliest, guessers, progress)
    return answered(model, tokenizer, task, learnt, plainly)


def answered(
    model: Any, tokenizer: Any, task: Task, learnt: Learnt, plainly: Callable[[list[int]], list[Generated]]
) -> list[Generated]:
    """The answers of a task, by our own loop where the model fits.

    Args:
        model: with or without adapters.
        tokenizer: writes the answers.
        task: what is asked.
        learnt: added to.
        plainly: answers some prompts, by their numbers, where it does not fit.
    """
    was_training = model.training
    model.eval()
    try:
        if not why_not(model):
            said = decode(under(model), task, learnt.costs, learnt.tally)
            return [_generated(tokenizer, each) for each in said]
        order = sorted(range(len(task.prompts)), key=lambda i: len(task.prompts[i]))
        found: dict[int, Generated] = {}
        for begin in range(0, len(order), task.rows):
            batch = order[begin : begin + task.rows]
            found.update(zip(batch, plainly(batch), strict=True))
            if task.progress:
                task.progress(len(found))
        return [found[i] for i in range(len(task.prompts))]
    finally:
        model.train(was_training)


def _generated(tokenizer: Any, said: Said) -> Generated:
    ids = said.ids[:-1] if said.ended else said.ids
    text = tokenizer.decode(ids, skip_special_tokens=True).strip()
    return Generated(text, len(ids), sum(said.sure) / len(said.sure), not said.ended, tuple(ids))


def _answer_batch(model: Any, tokenizer: Any, prompts: list[Sequence[int]], limit: int) -> list[Generated]:
    """The answers by transformers' own loop, for models that do not fit ours."""
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
    return cut_answers(tokenizer, out, width)


def cut_answers(tokenizer: Any, out: Any, width: int) -> list[Generated]:
    """What `generate` returned, each answer up to the first token that ends it; what follows it is padding.

    Args:
        tokenizer: says what ends an answer.
        out: with sequences and logits.
        width: of the prompts.
    """
    torch = require("torch")
    stops, chosen = stop_ids(tokenizer), out.sequences[:, width:]
    sure = torch.stack(
        [step.float().log_softmax(-1).gather(1, chosen[:, [i]]).squeeze(1).exp() for i, step in enumerate(out.logits)],
        dim=1,
    )
    found = []
    for ids, told in zip(chosen.tolist(), sure.tolist(), strict=True):
        length = next((k + 1 for k, i in enumerate(ids) if i in stops), 0)
        end = length or len(ids)
        found.append(_generated(tokenizer, Said(ids[:end], told[:end], bool(length))))
    return found
