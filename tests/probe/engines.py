"""An engine without a model: it answers from a table, counts what it is asked, and can be made to fail."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from doneness.core import DonenessError
from doneness.models import Generated

Ids = Sequence[int]


class Letters:
    """A tokenizer whose tokens are the letters; conversations are written plainly."""

    chat_template = None
    eos_token_id = None
    all_special_ids: tuple[int, ...] = ()

    def __call__(self, text: str, add_special_tokens: bool = True) -> dict[str, list[int]]:
        return {"input_ids": [ord(c) for c in text]}

    def decode(self, ids: Ids, skip_special_tokens: bool = False) -> str:
        return "".join(map(chr, ids))


class Planted:
    """Answers `says(step, question)`; options and losses are what the text's length makes of them."""

    def __init__(self, steps: Sequence[int], says: Callable[[int, str], str], log: Path | None = None) -> None:
        self.tokenizer: Any = Letters()
        self._steps, self._says, self._log = tuple(steps), says, log
        self.asked: list[tuple[int, str, str]] = []
        self.drafts: list[tuple[int, int]] = []
        self.before: Callable[[int, str], None] = lambda step, kind: None

    def steps(self) -> tuple[int, ...]:
        return self._steps

    def _note(self, step: int, kind: str, texts: Sequence[str]) -> None:
        self.before(step, kind)
        self.asked += [(step, kind, text) for text in texts]
        if self._log is not None:
            with self._log.open("a") as handle:
                handle.writelines(f"{step}\t{kind}\t{text!r}\n" for text in texts)

    def _question(self, prompt: Ids) -> str:
        text: str = self.tokenizer.decode(list(prompt), skip_special_tokens=True)
        return text.rpartition("User: ")[2].removesuffix("Assistant: ").strip()

    def _generated(self, text: str) -> Generated:
        ids = tuple(self.tokenizer(text, add_special_tokens=False)["input_ids"])
        return Generated(text, len(ids), 0.75, False, ids)

    def greedy(
        self,
        step: int,
        prompts: Sequence[Ids],
        max_new_tokens: int,
        drafts: Sequence[Ids] | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> list[Generated]:
        asked = [self._question(each) for each in prompts]
        self._note(step, "answer", asked)
        self.drafts.append((step, sum(bool(each) for each in drafts or ())))
        if progress:
            progress(len(prompts))
        return [self._generated(self._says(step, each)) for each in asked]

    def sampled(
        self, step: int, prompts: Sequence[Ids], max_new_tokens: int, count: int, temperature: float, seed: int
    ) -> list[list[Generated]]:
        asked = [self._question(each) for each in prompts]
        self._note(step, "samples", asked)
        return [[self._generated(f"{self._says(step, each)} {k}") for k in range(count)] for each in asked]

    def options(self, step: int, prompts: Sequence[Ids], options: Sequence[Sequence[Ids]]) -> list[list[float]]:
        self._note(step, "options", [self._question(each) for each in prompts])
        return [[-0.5 * len(o) - 0.125 * step for o in each] for each in options]

    def losses(self, step: int, rows: Sequence[tuple[Ids, Ids]]) -> list[tuple[float, int]]:
        self._note(step, "nll", [self.tokenizer.decode(list(target)) for _, target in rows])
        return [(len(target) / (1.0 + step), len(target)) for _, target in rows]

    def divergence(self, step: int, rows: Sequence[tuple[Ids, Ids]]) -> list[float]:
        self._note(step, "kl", [self.tokenizer.decode(list(target)) for _, target in rows])
        return [0.01 * step for _ in rows]

    def perturbed(self, step: int, rows: Sequence[Any], radius: float, draws: int, seed: int) -> Any:
        return np.zeros((draws, len(rows)))


class Slow(Planted):
    """Leaves a trace of each batch, with the process that had it, and takes its time."""

    def __init__(self, steps: Sequence[int], says: Callable[[int, str], str], traces: Path) -> None:
        super().__init__(steps, says)

        def before(step: int, kind: str) -> None:
            (traces / f"{os.getpid()}-{time.monotonic_ns()}").write_text(f"{step} {kind}")
            time.sleep(0.2)

        self.before = before


class Fatal(Planted):
    """Kills the process that asks it."""

    def __init__(self, steps: Sequence[int], says: Callable[[int, str], str]) -> None:
        super().__init__(steps, says)
        self.before = lambda step, kind: os.kill(os.getpid(), signal.SIGKILL)


class Refusing(Planted):
    """Says what is wrong with a checkpoint."""

    def __init__(self, steps: Sequence[int], says: Callable[[int, str], str]) -> None:
        super().__init__(steps, says)

        def before(step: int, kind: str) -> None:
            raise DonenessError("checkpoint-4: damaged")

        self.before = before
