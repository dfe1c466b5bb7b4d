"""What is measured of a pipeline before it trains: gradients, targets, tokens, and losses that need no training."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import numpy as np

from doneness.config import Recipe
from doneness.models import Encoded, LoadedModel, example_losses, render, stop_ids
from doneness.sanity import Gradient, Levels, Measured, Setting, Targets, Tokens, floor_of
from doneness.sanity.bits import bits_to_learn, unigram
from doneness.train.method import trainable
from doneness.train.short import Short, restored, train_steps

_LOOKED_AT = 64  # rows for losses without training
_PREDICTED = 16  # rows whose predictions are looked at whole
_BEFORE, _REACH = 256, 64  # tokens of each, before its answer and of it
_RATE = 1e-3  # of the step between two looks at the gradients
_NAMED = 5
# What templates write as one token: <|im_start|>, <start_of_turn>, <｜User｜>, </s>. [INST] is text in some of them.
_MARK = re.compile(r"<\|[^|<>\s]{1,40}\|>|<(?:start|end)_of_turn>|<｜[^｜<>]{1,40}｜>|</?s>")


def measure(recipe: Recipe, loaded: LoadedModel, rows: Sequence[Encoded], answers: int) -> Measured:
    """Everything that can be told without a run; the model is left as it was.

    Args:
        recipe: of the pipeline.
        loaded: with its method applied.
        rows: training rows.
        answers: tokens of the answers as texts; 0 where rows are no answers.
    """
    model, tokenizer = loaded.model, loaded.tokenizer
    setting = Setting(recipe.run.stage, recipe.method.kind, recipe.method.rank, recipe.optimizer.learning_rate)
    floor = floor_of([(row.ids, row.labels) for row in rows])
    highest = max(max(row.ids) for row in rows)
    size = int(model.get_input_embeddings().weight.shape[0])
    if highest >= size:
        # Nothing can be computed of such rows.
        tokens = _tokens(recipe, tokenizer, rows, size, highest, (math.nan, math.nan))
        none = Gradient(*trainable(model), tensors=0, moving=0, known=False)
        return Measured(setting, none, _targets(rows, answers, math.inf), tokens, Levels(math.nan, None, floor))
    short = Short(recipe.optimizer, recipe.run.seed, tokenizer.pad_token_id)
    looked = list(rows[:_LOOKED_AT])
    base = example_losses(model, looked, 0, recipe.evaluation.batch_size).mean
    mixed = _mixed(looked) if recipe.run.stage == "sft" else []
    shuffled = example_losses(model, mixed, 0, recipe.evaluation.batch_size).mean if mixed else None
    return Measured(
        setting=setting,
        gradient=gradients(short, model, looked),
        targets=_targets(rows, answers, base),
        tokens=_tokens(recipe, tokenizer, rows, size, highest, _predictions(model, rows)),
        levels=Levels(base, shuffled, floor),
    )


def gradients(short: Short, model: Any, rows: Sequence[Encoded]) -> Gradient:
    """Which trained tensors get a gradient in one of two steps; the model is left as it was."""
    moved: set[str] = set()

    def seen(model: Any) -> None:
        for name, p in model.named_parameters():
            if p.requires_grad and p.grad is not None and bool(p.grad.abs().max() > 0):
                moved.add(name)

    names = [name for name, p in model.named_parameters() if p.requires_grad]
    # Whole models are not copied: of them one step at a rate of zero tells all.
    low_rank = any(".lora_" in name for name in names)
    plain = replace(short.optimizer, name="sgd", learning_rate=_RATE if low_rank else 0.0, weight_decay=0.0)
    with restored(model) if low_rank else nullcontext():
        train_steps(replace(short, optimizer=plain), model, rows, 2 if low_rank else 1, seen=seen)
    model.zero_grad(set_to_none=True)
    idle = [name for name in names if name not in moved]
    return Gradient(*trainable(model), len(names), len(moved), tuple(idle[:_NAMED]))


def _targets(rows: Sequence[Encoded], answers: int, base: float) -> Targets:
    said = [label for row in rows for label in row.labels if label >= 0]
    tokens, lost = sum(len(row.ids) for row in rows), sum(row.lost for row in rows)
    return Targets(len(rows), tokens, len(said), answers, lost, bits_to_learn(said, base))


def _mixed(rows: Sequence[Encoded]) -> list[Encoded]:
    """Every answer after another row's question; rows of one answer alone."""
    single = [row for row in rows if len(row.answers) == 1]
    found = []
    for row, other in zip(single, [*single[1:], *single[:1]], strict=True):
        if row is not other:
            ids = other.ids[: other.start] + row.ids[row.start :]
            found.append(Encoded(row.id, ids, other.start))
    return found


def _tokens(
    recipe: Recipe, tokenizer: Any, rows: Sequence[Encoded], size: int, highest: int, predicted: tuple[float, float]
) -> Tokens:
    begin, unknown = tokenizer.bos_token_id, tokenizer.unk_token_id
    if unknown in (begin, tokenizer.eos_token_id, tokenizer.pad_token_id):
        unknown = None
    written = list(tokenizer("x")["input_ids"])
    expects = begin is not None and written[:1] == [begin] and len(written) > 1
    sft = recipe.run.stage == "sft"
    ends = set(stop_ids(tokenizer)) if sft else set()
    closed = [row for row in rows if row.answers[-1].ended and not row.lost]
    unclosed = sum(row.ids[row.answers[-1].end - 1] not in ends for row in closed) if sft else 0
    total = sum(len(row.ids) for row in rows)
    return Tokens(
        vocabulary=size,
        highest=highest,
        unknown=sum(row.ids.count(unknown) for row in rows) / total if unknown is not None else 0.0,
        no_begin=sum(row.ids[0] != begin for row in rows) if expects else 0,
        two_begins=sum(row.ids[:2] == (begin, begin) for row in rows) if begin is not None else 0,
        no_end=unclosed,
        split=_split(tokenizer) if sft else (),
        entropy=predicted[0],
        surprise=predicted[1],
        unigram=unigram([label for row in rows for label in row.labels if label >= 0]),
    )


def _split(tokenizer: Any) -> tuple[str, ...]:
    """Marks of the chat template that the tokenizer writes as several tokens."""
    if not tokenizer.chat_template:
        return ()
    turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    marks = dict.fromkeys(_MARK.findall(render(tokenizer, turns)))
    return tuple(mark for mark in marks if len(tokenizer(mark, add_special_tokens=False)["input_ids"]) > 1)


def _predictions(model: Any, rows: Sequence[Encoded]) -> tuple[float, float]:
    """Mean entropy of the predictions at some target tokens, and mean loss there; nats."""
    import torch

    device, mode = next(model.parameters()).device, model.training
    entropy: list[float] = []
    loss: list[float] = []
    model.eval()
    with torch.inference_mode():
        for row in rows[:: max(1, len(rows) // _PREDICTED)][:_PREDICTED]:
            # A stretch around the answer's beginning: logits of all of a long row would be much to hold.
            part = slice(max(0, row.start - _BEFORE), row.start + _REACH)
            ids, labels = row.ids[part], row.labels[part]
            places = [i for i, label in enumerate(labels) if i and label >= 0]
            logits = model(input_ids=torch.tensor([ids], device=device), use_cache=False).logits
            said = logits[0, [i - 1 for i in places]].float().log_softmax(-1)
            entropy += (-(said.exp() * said).sum(-1)).tolist()
            loss += (-said[range(len(places)), [ids[i] for i in places]]).tolist()
    model.train(mode)
    return float(np.mean(entropy)), float(np.mean(loss))
