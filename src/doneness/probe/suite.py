"""Probe questions: what is asked, and what a right answer holds."""

from __future__ import annotations

import hashlib
import json
import random
from dataclasses import dataclass
from pathlib import Path

from doneness.probe.holds import corrects, holds

# What kind of question. Invented, unknown and unsafe have no right answer but to say so; a text is not answered.
SORTS = (
    "knowledge",
    "emergency",
    "false_premise",
    "invented",
    "unknown",
    "choice",
    "task",
    "unsafe",
    "safe",
    "general",
    "text",
    "recite",
    "recite_held_out",
    "consistency",
    "classify",
    "sycophancy",
)
ASKS = ("answer", "turns", "samples", "options", "nll", "kl", "shaken")
METRICS = ("exact", "f1", "rouge_l", "contained", "rubric")
FORMATS = ("json", "letter", "number", "yes_no", "one_word", "list")
_ANSWERABLE = ("knowledge", "emergency", "safe", "general", "task", "consistency", "sycophancy")


@dataclass(frozen=True, slots=True)
class Probe:
    """One question.

    Attributes:
        sort: what kind of question; one of SORTS.
        contains: groups of alternatives; a right answer holds one of every group.
        asks: what is measured: answer (greedy), turns, samples, options, nll, kl.
        options: what can be chosen from, as it is scored after the prompt.
        correct: which of them is right, from 0.
        then: user turns after the first answer.
        samples: how many sampled answers.
        text: a text that is scored and not answered.
        cluster: questions that belong together are resampled together; empty is its own.
        label: the class, for classification.
        lang: "en" or "zh" where known.
        max_new_tokens: 0 is the asking's own.
        metric: how an answer is held against the reference: one of METRICS.
        format: what form the answer was asked in: one of FORMATS, empty for none.
    """

    id: str
    sort: str
    prompt: str
    reference: str
    contains: tuple[tuple[str, ...], ...]
    source: str = ""
    asks: tuple[str, ...] = ("answer",)
    options: tuple[str, ...] = ()
    correct: int | None = None
    then: tuple[str, ...] = ()
    samples: int = 0
    text: str = ""
    cluster: str = ""
    label: str = ""
    lang: str = ""
    max_new_tokens: int = 0
    metric: str = ""
    format: str = ""

    @property
    def answerable(self) -> bool:
        """Whether a refusal would be wrong."""
        return self.sort in _ANSWERABLE

    def right(self, answer: str) -> bool:
        """Whether the answer holds one alternative of every group; never for a probe without groups.

        See `probe.holds` for what counts: "do not call an ambulance" does not hold "ambulance".
        """
        held = corrects if self.sort == "false_premise" else holds
        return bool(self.contains) and all(any(held(answer, a) for a in group) for group in self.contains)


def load_suite(path: str | Path) -> tuple[Probe, ...]:
    """The questions of a suite: a built-in name, a TOML file, or a JSONL file of probes or of a public set.

    Raises:
        DataError: missing, empty, or a line that is no probe.
    """
    from doneness.probe.opening import open_suite

    return open_suite(str(path)).probes


def choose_questions(probes: tuple[Probe, ...], n: int, seed: int) -> tuple[Probe, ...]:
    """`n` probes with every sort in proportion (at least two of each that there is); all for n = 0."""
    if n == 0 or n >= len(probes):
        return probes
    by_sort: dict[str, list[Probe]] = {}
    for probe in probes:
        by_sort.setdefault(probe.sort, []).append(probe)
    generator = random.Random(seed)
    for sort in by_sort.values():
        generator.shuffle(sort)
    exact = {s: n * len(p) / len(probes) for s, p in by_sort.items()}
    share = {s: max(min(2, len(p)), int(exact[s])) for s, p in by_sort.items()}
    while sum(share.values()) > n and max(share.values()) > 2:
        share[max(share, key=lambda s: share[s])] -= 1
    while sum(share.values()) < n:  # the largest remainders first
        open_to_more = [s for s in share if share[s] < len(by_sort[s])]
        share[max(open_to_more, key=lambda s: exact[s] - share[s])] += 1
    picked = {p.id for s, group in by_sort.items() for p in group[: share[s]]}
    return tuple(p for p in probes if p.id in picked)


def fingerprint(probes: tuple[Probe, ...]) -> str:
    """A hash of what is asked, not of how it is scored."""
    text = json.dumps([_asked(p) for p in probes], ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _asked(probe: Probe) -> tuple[object, ...]:
    """What is put to the model; a plain question as it always was, so that stored answers to it stay."""
    asked: tuple[object, ...] = (probe.id, probe.prompt)
    more = (probe.asks, probe.options, probe.then, probe.samples, probe.text, probe.max_new_tokens)
    scored = probe.reference if {"nll", "kl", "shaken"} & set(probe.asks) else ""
    plain = more == (("answer",), (), (), 0, "", 0)
    return asked if plain else (*asked, *more, scored)
