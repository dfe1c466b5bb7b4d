"""How questions are put, what tells one asking from another, and how an engine answers a batch of them."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from doneness.probe.conversation import turns_of
from doneness.probe.engine import Engine
from doneness.probe.store import Part
from doneness.probe.suite import Probe

# What takes one forward pass, and what takes one for every token of an answer; turns need the answer before them.
CHEAP = ("options", "nll", "kl", "shaken")
WRITTEN = ("answer", "samples", "turns")
_RADIUS, _DRAWS = 0.1, 3  # noise on a trained weight, as a share of its length, and how often it is drawn


@dataclass(frozen=True)
class Asking:
    """How the questions are put; the same for every checkpoint.

    Attributes:
        system: system turn before every question; empty leaves it to the chat template.
        max_new_tokens: longest answer, where a probe says nothing else.
        batch_size: questions answered at once.
        temperature, seed: of sampled answers.
    """

    system: str = ""
    max_new_tokens: int = 64
    batch_size: int = 16
    temperature: float = 1.0
    seed: int = 17

    def limit(self, probe: Probe) -> int:
        """New tokens that an answer to `probe` may have."""
        return probe.max_new_tokens or self.max_new_tokens


@dataclass(frozen=True)
class Job:
    """A batch of one kind for one checkpoint: what an engine, here or elsewhere, gets to do.

    Attributes:
        step: which checkpoint; 0 is the base model.
        ask: one of the kinds in `store.PARTS`.
        probes: what to ask.
        keys: under which each is stored.
        asking: how.
        drafts: another checkpoint's tokens for each probe: of its answer, or of each of its later turns.
        first: the checkpoint's own first answers, which turns go on from.
    """

    step: int
    ask: str
    probes: tuple[Probe, ...]
    keys: tuple[str, ...]
    asking: Asking
    drafts: tuple[Any, ...] = ()
    first: tuple[str, ...] = ()

    @property
    def limit(self) -> int:
        """New tokens per answer; one job has one limit."""
        return self.asking.limit(self.probes[0])


def asks_of(probe: Probe) -> tuple[str, ...]:
    """What can be asked of a probe: of what it asks for, that which it has something for."""
    there = {
        "answer": bool(probe.prompt),
        "turns": bool(probe.prompt and probe.then),
        "samples": bool(probe.prompt) and probe.samples > 0,
        "options": bool(probe.prompt and probe.options),
        "nll": bool(probe.text or (probe.prompt and probe.reference)),
        "kl": bool(probe.text or (probe.prompt and probe.reference)),
        "shaken": bool(probe.text or (probe.prompt and probe.reference)),
    }
    wanted = {*probe.asks, *(("answer",) if "turns" in probe.asks else ())}
    return tuple(ask for ask in (*CHEAP, *WRITTEN) if ask in wanted and there[ask])


def key_of(weights: str, ask: str, probe: Probe, asking: Asking, base: str = "") -> str:
    """The content hash of one question to one checkpoint; of two keys that are equal the answers are too.

    Args:
        weights: hash of the checkpoint's weights.
        ask: kind of question.
        probe: the question.
        asking: how it is put.
        base: hash of the base model's weights, which "kl" is held against.
    """
    limit, scored = asking.limit(probe), probe.text or probe.reference
    about: dict[str, list[Any]] = {
        "answer": [limit],
        "turns": [limit, probe.then],
        "samples": [limit, probe.samples, asking.temperature, asking.seed],
        "options": [probe.options],
        "nll": [scored],
        "kl": [scored, base],
        "shaken": [scored, _RADIUS, _DRAWS, asking.seed],
    }
    asked = [] if ask in ("nll", "kl", "shaken") and probe.text else [asking.system, probe.prompt]
    whole = json.dumps([ask, weights, asked, about[ask]], ensure_ascii=False)
    return hashlib.sha256(whole.encode(errors="surrogatepass")).hexdigest()[:24]


def worded(probe: Probe, scored: bool) -> str:
    """A digest of a question as it is put to a model: another wording is another question, under whatever id.

    Args:
        probe: the question.
        scored: whether its reference was put to the model as well. Where it was not, another reference is another way
            to score the same answer.
    """
    parts = [probe.prompt, probe.then, probe.options, probe.text, probe.reference if scored else ""]
    return hashlib.sha256(json.dumps(parts, ensure_ascii=False).encode(errors="surrogatepass")).hexdigest()[:16]


def execute(engine: Engine, job: Job, progress: Callable[[int], None] | None = None) -> list[Part]:
    """Let an engine do a job; one part for every probe, in order."""
    values = _WAYS[job.ask](engine, job, progress)
    return [
        Part(key, job.step, probe.id, job.ask, value)
        for key, probe, value in zip(job.keys, job.probes, values, strict=True)
    ]


def _heads(engine: Engine, job: Job) -> list[list[int]]:
    from doneness.models import prompt_ids

    return [prompt_ids(engine.tokenizer, turns_of(job.asking.system, (probe.prompt,))) for probe in job.probes]


def _answers(engine: Engine, job: Job, progress: Callable[[int], None] | None) -> list[dict[str, Any]]:
    drafts = [tuple(each or ()) for each in job.drafts] if any(job.drafts) else None
    found = engine.greedy(job.step, _heads(engine, job), job.limit, drafts, progress)
    return [
        {"text": a.text, "tokens": a.tokens, "confidence": a.confidence, "capped": a.capped, "ids": a.ids}
        for a in found
    ]


def _turns(engine: Engine, job: Job, progress: Callable[[int], None] | None) -> list[dict[str, Any]]:
    """Turn after turn, each for all probes that go so far."""
    from doneness.models import prompt_ids

    said = [[text] for text in job.first]
    ids: list[list[tuple[int, ...]]] = [[] for _ in job.probes]
    for turn in range(max(len(probe.then) for probe in job.probes)):
        going = [i for i, probe in enumerate(job.probes) if turn < len(probe.then)]
        heads = []
        for i in going:
            probe = job.probes[i]
            asked = (probe.prompt, *probe.then[: turn + 1])
            heads.append(prompt_ids(engine.tokenizer, turns_of(job.asking.system, asked, said[i])))
        before = [job.drafts[i] if i < len(job.drafts) else () for i in going]
        drafts = [tuple(each[turn]) if each and turn < len(each) else () for each in before]
        found = engine.greedy(job.step, heads, job.limit, drafts if any(drafts) else None)
        for i, answer in zip(going, found, strict=True):
            said[i].append(answer.text)
            ids[i].append(answer.ids)
    return [{"turns": each[1:], "turn_ids": tokens} for each, tokens in zip(said, ids, strict=True)]


def _samples(engine: Engine, job: Job, progress: Callable[[int], None] | None) -> list[dict[str, Any]]:
    asking, count = job.asking, job.probes[0].samples
    found = engine.sampled(job.step, _heads(engine, job), job.limit, count, asking.temperature, asking.seed)
    return [{"samples": [answer.text for answer in answers]} for answers in found]


def _options(engine: Engine, job: Job, progress: Callable[[int], None] | None) -> list[dict[str, Any]]:
    from doneness.models.render import head_text
    from doneness.probe.joined import encoder, joined_options

    encode, pairs = encoder(engine.tokenizer), []
    for probe in job.probes:
        before = head_text(engine.tokenizer, turns_of(job.asking.system, (probe.prompt,)))
        pairs.append(joined_options(encode, before, probe.options))
    options = [each for _, each in pairs]
    found = engine.options(job.step, [head for head, _ in pairs], options)
    return [
        {"options": [float(v) for v in sums], "option_tokens": [len(ids) for ids in each]}
        for sums, each in zip(found, options, strict=True)
    ]


def _nll(engine: Engine, job: Job, progress: Callable[[int], None] | None) -> list[dict[str, Any]]:
    return [{"nll": float(nll), "nll_tokens": int(n)} for nll, n in engine.losses(job.step, _rows(engine, job))]


def _kl(engine: Engine, job: Job, progress: Callable[[int], None] | None) -> list[dict[str, Any]]:
    return [{"kl": float(kl)} for kl in engine.divergence(job.step, _rows(engine, job))]


def _shaken(engine: Engine, job: Job, progress: Callable[[int], None] | None) -> list[dict[str, Any]]:
    """Draws in which nothing was trained that noise could be put on are no draws."""
    found = engine.perturbed(job.step, _rows(engine, job), _RADIUS, _DRAWS, job.asking.seed)
    return [{"shaken": [float(v) for v in row if math.isfinite(v)]} for row in found.T]


def _rows(engine: Engine, job: Job) -> list[tuple[Sequence[int], Sequence[int]]]:
    """(context, target) of every probe: the reference after the question, or the text alone."""
    from doneness.models.render import text_ids

    heads = _heads(engine, job) if any(probe.prompt for probe in job.probes) else []
    rows: list[tuple[Sequence[int], Sequence[int]]] = []
    for i, probe in enumerate(job.probes):
        if probe.text:
            rows.append(((), _text_ids(engine.tokenizer, probe.text)))
        else:
            rows.append((heads[i], text_ids(engine.tokenizer, probe.reference)))
    return rows


def _text_ids(tokenizer: Any, text: str) -> list[int]:
    """A text as the tokenizer begins one, without the token that would end it."""
    ids = list(tokenizer(text)["input_ids"])
    return ids[:-1] if len(ids) > 1 and ids[-1] == tokenizer.eos_token_id else ids


_WAYS: dict[str, Callable[[Engine, Job, Callable[[int], None] | None], list[dict[str, Any]]]] = {
    "answer": _answers,
    "turns": _turns,
    "samples": _samples,
    "options": _options,
    "nll": _nll,
    "kl": _kl,
    "shaken": _shaken,
}
