"""Ask every checkpoint, and the base model, the same questions. Nothing is asked twice."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from doneness.core import UnreadableError, tr
from doneness.models import LoadedModel, answer_all, load_model, prompt_ids
from doneness.probe.suite import Probe, fingerprint
from doneness.runs.probes import BASE, Answer, load_answers, save_answers

# step, questions answered, questions in all
Progress = Callable[[int, int, int], None]


@dataclass(frozen=True)
class Asking:
    """How the questions are put; the same for every checkpoint."""

    system: str = ""
    max_new_tokens: int = 64
    batch_size: int = 16


def ask_all(
    base: Callable[[], LoadedModel],
    run: Path,
    checkpoints: Mapping[int, Path],
    probes: tuple[Probe, ...],
    asking: Asking,
    progress: Progress = lambda step, done, total: None,
) -> dict[int, list[Answer]]:
    """Answers by step, 0 for the base model; stored answers are used where weights and settings agree.

    Args:
        base: loads the base model; not called when nothing is left to ask.
        run: the run folder, where answers are stored as soon as a checkpoint is done.
        checkpoints: folders by step.
    """
    found: dict[int, list[Answer]] = {}
    model: _Switch | None = None
    for step in (BASE, *sorted(checkpoints)):
        head = _settings(step, checkpoints.get(step), probes, asking)
        stored = load_answers(run, step)
        if stored is not None and stored[0] == head:
            found[step] = stored[1]
            progress(step, len(probes), len(probes))
            continue
        model = model or _Switch(base())
        found[step] = _ask(model.to(step, checkpoints.get(step)), step, probes, asking, progress)
        save_answers(run, step, found[step], head)
    return found


def _ask(loaded: LoadedModel, step: int, probes: tuple[Probe, ...], asking: Asking, progress: Progress) -> list[Answer]:
    prompts = [prompt_ids(loaded.tokenizer, _turns(p.prompt, asking.system)) for p in probes]
    answers = answer_all(
        loaded.model,
        loaded.tokenizer,
        prompts,
        asking.max_new_tokens,
        asking.batch_size,
        lambda done: progress(step, done, len(probes)),
    )
    return [
        Answer(p.id, step, a.text, a.tokens, round(a.confidence, 6), a.capped)
        for p, a in zip(probes, answers, strict=True)
    ]


def _turns(prompt: str, system: str) -> list[dict[str, str]]:
    head = [{"role": "system", "content": system}] if system else []
    return [*head, {"role": "user", "content": prompt}]


class _Switch:
    """The base model, loaded once, with one checkpoint's adapter at a time over it."""

    def __init__(self, base: LoadedModel) -> None:
        self.base = base
        self.adapted: Any = None

    def to(self, step: int, checkpoint: Path | None) -> LoadedModel:
        """The model of a step; adapters are swapped, whole models loaded anew."""
        if checkpoint is None:
            return self.base
        if not (checkpoint / "adapter_config.json").is_file():
            device = str(next(self.base.model.parameters()).device)
            whole = load_model(str(checkpoint), device=device)
            return LoadedModel(whole.model, self.base.tokenizer, whole.path)
        from peft import PeftModel

        if self.adapted is not None:
            # unload() restores the base's own layers, so that one adapter never lies over another.
            self.base = LoadedModel(self.adapted.unload(), self.base.tokenizer, self.base.path)
        self.adapted = PeftModel.from_pretrained(self.base.model, str(checkpoint))
        return LoadedModel(self.adapted, self.base.tokenizer, str(checkpoint))


def _settings(step: int, checkpoint: Path | None, probes: tuple[Probe, ...], asking: Asking) -> dict[str, Any]:
    return {
        "questions": fingerprint(probes),
        "max_new_tokens": asking.max_new_tokens,
        "system": asking.system,
        "weights": "base" if checkpoint is None else _weights_hash(checkpoint),
    }


def _weights_hash(checkpoint: Path) -> str:
    """A hash of the checkpoint's weights; large ones by size and ends, which no two steps share."""
    files = sorted(checkpoint.glob("*.safetensors"))
    if not files:
        raise UnreadableError(tr("probe.no_weights", path=str(checkpoint)))
    digest = hashlib.sha256()
    for file in files:
        size = file.stat().st_size
        digest.update(f"{file.name}:{size}".encode())
        with file.open("rb") as handle:
            if size <= 64 << 20:
                digest.update(handle.read())
            else:
                for start in range(0, size, max(1, size // 64)):
                    handle.seek(start)
                    digest.update(handle.read(1 << 18))
    return digest.hexdigest()[:24]


def pick_checkpoints(existing: Sequence[int], wanted: int, must: Sequence[int] = ()) -> tuple[int, ...]:
    """Which checkpoints to ask: those that must be, then evenly over the rest, first and last included.

    Args:
        existing: steps with a checkpoint on disk.
        wanted: how many at most, though never fewer than `must`.
        must: steps that carry the decision (the tied ones).
    """
    steps = sorted(set(existing))
    if len(steps) <= wanted:
        return tuple(steps)
    picked = {s for s in must if s in steps} | {steps[-1]}
    while len(picked) < wanted:
        # the step farthest, in rank, from any that is picked already
        rank = {s: i for i, s in enumerate(steps)}
        rest = [s for s in steps if s not in picked]
        picked.add(max(rest, key=lambda s: (min(abs(rank[s] - rank[p]) for p in picked), s)))
    return tuple(sorted(picked))
