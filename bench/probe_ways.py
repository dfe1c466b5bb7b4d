"""The ways of asking that `python -m bench probe` compares: each from nothing, loading included."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Ids = list[int]


@dataclass
class Asked:
    """What one way took and said.

    Attributes:
        seconds, cpu: wall clock and processor time, loading included.
        answers: step → answers, the token that ends one included.
        by_step: step → seconds.
        turns: step → tokens said and turns it took, where guesses are checked.
        chosen, told: where it was decided on the way what to ask: what would be picked, and the rounds.
    """

    seconds: float = 0.0
    cpu: float = 0.0
    answers: dict[int, list[Ids]] = field(default_factory=dict)
    by_step: dict[int, float] = field(default_factory=dict)
    turns: dict[int, tuple[int, int]] = field(default_factory=dict)
    chosen: dict[str, Any] = field(default_factory=dict)
    told: dict[str, Any] = field(default_factory=dict)

    @property
    def tokens(self) -> int:
        return sum(len(ids) for each in self.answers.values() for ids in each)


@dataclass(frozen=True)
class Setup:
    """What is asked: the base model, the checkpoints, the prompts, tokens at most, prompts at once by each way.

    Attributes:
        items: the questions as text, with their references.
        tied: steps that loss alone cannot tell from the best.
    """

    base: Path
    checkpoints: dict[int, Path]
    prompts: list[Ids]
    limit: int
    batch: int
    rows: int
    items: tuple[tuple[str, str], ...] = ()
    tied: tuple[int, ...] = ()


def timed(way: Callable[[Setup, Asked], None], setup: Setup) -> Asked:
    """One way, alone in memory."""
    gc.collect()
    found = Asked()
    wall, cpu = time.perf_counter(), time.process_time()
    way(setup, found)
    found.seconds, found.cpu = time.perf_counter() - wall, time.process_time() - cpu
    return found


def plain(setup: Setup, found: Asked) -> None:
    """Every checkpoint loaded anew with its base, its prompts answered one by one."""
    from peft import PeftModel

    for step, folder in setup.checkpoints.items():
        begun = time.perf_counter()
        loaded = _base(setup)
        model = PeftModel.from_pretrained(loaded.model, str(folder)).eval()
        found.answers[step] = [
            _generated(model, loaded.tokenizer, [prompt], setup.limit)[0] for prompt in setup.prompts
        ]
        found.by_step[step] = time.perf_counter() - begun


def batched(setup: Setup, found: Asked) -> None:
    """The base loaded once, adapters loaded over it and swapped, prompts of like length in batches."""
    loaded = _base(setup)
    model = None
    for step, folder in setup.checkpoints.items():
        begun = time.perf_counter()
        model = _with(loaded.model, model, step, folder)
        order = sorted(range(len(setup.prompts)), key=lambda i: len(setup.prompts[i]))
        answers: list[Ids] = [[] for _ in order]
        for at in range(0, len(order), setup.batch):
            batch = order[at : at + setup.batch]
            said = _generated(model, loaded.tokenizer, [setup.prompts[i] for i in batch], setup.limit)
            for i, ids in zip(batch, said, strict=True):
                answers[i] = ids
        found.answers[step] = answers
        found.by_step[step] = time.perf_counter() - begun


def mixed(setup: Setup, found: Asked) -> None:
    """All adapters loaded over one base, rows of several checkpoints in one batch."""
    loaded = _base(setup)
    model = None
    for step, folder in setup.checkpoints.items():
        model = _with(loaded.model, model, step, folder)
    rows = sorted(
        ((step, i) for step in setup.checkpoints for i in range(len(setup.prompts))),
        key=lambda row: (len(setup.prompts[row[1]]), row[1]),
    )
    found.answers = {step: [[] for _ in setup.prompts] for step in setup.checkpoints}
    for at in range(0, len(rows), setup.batch):
        batch = rows[at : at + setup.batch]
        names = [f"step{step}" for step, _ in batch]
        prompts = [setup.prompts[i] for _, i in batch]
        said = _generated(model, loaded.tokenizer, prompts, setup.limit, adapter_names=names)
        for (step, i), ids in zip(batch, said, strict=True):
            found.answers[step][i] = ids


def ours(setup: Setup, found: Asked, drafts: bool = False) -> None:
    """The engine of `doneness probe`; with drafts each checkpoint's answers are guesses for the next."""
    from doneness.probe.torch_engine import TorchEngine

    engine = TorchEngine(lambda: _base(setup), setup.checkpoints, setup.rows)
    tally = engine.learnt.tally
    old: list[Ids] | None = None
    for step in setup.checkpoints:
        begun, before = time.perf_counter(), (tally.tokens, tally.turns)
        said = engine.greedy(step, setup.prompts, setup.limit, old)
        ends = ends_of(engine.tokenizer)
        found.answers[step] = [[*each.ids, *([] if each.capped else ends[:1])] for each in said]
        found.turns[step] = (tally.tokens - before[0], tally.turns - before[1])
        found.by_step[step] = time.perf_counter() - begun
        old = [list(each.ids) for each in said] if drafts else None


def drafted(setup: Setup, found: Asked) -> None:
    """As `ours`, with drafts."""
    ours(setup, found, drafts=True)


def unmerged(setup: Setup, found: Asked) -> None:
    """As `ours`, adapters beside the weights and not added to them."""
    from unittest.mock import patch

    with patch("doneness.models.switch.plain_factors", lambda model, folder: None):
        ours(setup, found)


def ends_of(tokenizer: Any) -> list[int]:
    """Tokens that end an answer."""
    from doneness.models import stop_ids

    return stop_ids(tokenizer)


def _base(setup: Setup) -> Any:
    from doneness.models import load_model

    return load_model(str(setup.base), "float32", "cpu")


def _with(base: Any, model: Any, step: int, folder: Path) -> Any:
    from peft import PeftModel

    name = f"step{step}"
    if model is None:
        model = PeftModel.from_pretrained(base, str(folder), adapter_name=name)
    else:
        model.load_adapter(str(folder), name)
    model.set_adapter(name)
    return model.eval()


def _generated(model: Any, tokenizer: Any, prompts: Sequence[Ids], limit: int, **more: Any) -> list[Ids]:
    """Greedy answers by transformers alone, nothing but tokens asked of it."""
    import torch

    ends = ends_of(tokenizer)
    width = max(len(prompt) for prompt in prompts)
    ids = torch.full((len(prompts), width), tokenizer.pad_token_id, dtype=torch.long)
    mask = torch.zeros((len(prompts), width), dtype=torch.long)
    for i, prompt in enumerate(prompts):
        ids[i, width - len(prompt) :] = torch.tensor(prompt)
        mask[i, width - len(prompt) :] = 1
    with torch.inference_mode():
        out = model.generate(
            input_ids=ids, attention_mask=mask, max_new_tokens=limit, do_sample=False, num_beams=1,
            temperature=None, top_p=None, top_k=None, pad_token_id=tokenizer.pad_token_id, eos_token_id=ends, **more,
        )  # fmt: skip
    found = []
    for row in out[:, width:].tolist():
        end = next((k + 1 for k, token in enumerate(row) if token in ends), len(row))
        # Two tokens may end an answer: which of them it was is no part of what was said.
        found.append([*row[: end - 1], ends[0]] if row[end - 1] in ends else row[:end])
    return found
