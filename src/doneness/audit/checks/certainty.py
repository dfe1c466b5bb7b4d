"""AU22: answers that are surer than anybody can be."""

from __future__ import annotations

import re
from typing import Any

from doneness.audit.check import ANSWERED, DataCheck
from doneness.audit.entry import Entry
from doneness.audit.findings import finding, grade
from doneness.audit.illustrate import excerpt
from doneness.audit.subject import Subject
from doneness.audit.tally import Tally, note
from doneness.core import Finding

_WARN, _FAIL = 0.05, 0.3
_CLAIM = re.compile(
    r"\b(?:100 ?%|guaranteed?|without (?:any |a )?doubt|undoubtedly|definitely|absolutely|certainly (?:will|is|are|not)"
    r"|always works?|never fails?|completely safe|totally safe|no (?:side effects?|risks?) (?:at all|whatsoever)"
    r"|will (?:definitely|certainly|always|never)|cures? (?:all|every|any)|there is no question)\b"
    r"|绝对(?!值|不应期|计数)|百分之百|百分百|100%|毫无疑问|保证(?:治好|有效|痊愈|不|能)|必定|肯定(?:是|能|会|可以|不会|没有)"
    r"|一定(?:能|会)(?:治|好|痊愈|康复)|根治|没有任何(?:副作用|风险)|完全没有(?:副作用|风险)|药到病除",
    re.IGNORECASE,
)
_WORDS = frozenset(
    [
        "100",
        "guaranteed",
        "guarantee",
        "doubt",
        "undoubtedly",
        "definitely",
        "absolutely",
        "certainly",
        "always",
        "never",
        "completely",
        "totally",
        "side",
        "risks",
        "risk",
        "cures",
        "cure",
        "question",
    ]
)
# Every Chinese claim holds one of these.
_CJK_KEYS = (
    "绝对",
    "百分",
    "100",
    "毫无疑问",
    "保证",
    "必定",
    "肯定",
    "一定",
    "根治",
    "没有任何",
    "完全没有",
    "药到病除",
)
_HEDGE = re.compile(
    r"\b(?:may|might|could|usually|often|possibly|probably|likely|perhaps|sometimes|in most cases|generally|typically"
    r"|consult|see (?:a|your) doctor)\b|可能|一般|通常|也许|大概|多数|常常|往往|建议|视.{0,4}而定|不一定",
    re.IGNORECASE,
)


class Certainty(Tally):
    """Answers with absolute claims and no hedge."""

    def begin(self) -> None:
        """No answer so far."""
        self.claims = 0
        self.hedged = 0
        self.examples: list[Any] = []

    def see(self, entry: Entry) -> None:
        """Judge one answer."""
        self.n += 1
        answer = entry.answer
        if entry.vocabulary.isdisjoint(_WORDS) and (answer.isascii() or not any(map(answer.__contains__, _CJK_KEYS))):
            return
        claim = _CLAIM.search(answer)
        if claim is None:
            return
        self.claims += 1
        if _HEDGE.search(answer):
            self.hedged += 1
            return
        self.flags.add(entry)
        text = excerpt(answer[max(0, claim.start() - 60) : claim.end() + 60])
        note(self.examples, {"train_row": entry.at, "claim": claim[0], "text": text})


def certainty(subject: Subject) -> Finding:
    """Find over-certain wording.

    *What it finds*: answers with an absolute claim ("definitely", "100 %", "guaranteed", "绝对", "根治") and not one
    word of reserve ("may", "usually", "可能", "建议"). WARN above 5 % of the rows, FAIL above 30 %.

    *How*: two lexicons, English and Chinese. It reads words, not truth: "absolutely not" where that is right counts,
    too.

    *Source*: models take over how sure their training answers sound, right or wrong (Zhou, Jurafsky and Hashimoto,
    "Navigating the grey area", EMNLP 2023); tuned models are over-confident (arXiv 2505.20903).
    """
    seen = subject[Certainty]
    count, n = len(seen.flags.train), seen.n
    subject.flag("AU22", seen.flags.train)
    share = count / n
    return finding(
        "AU22",
        grade(share, _WARN, _FAIL),
        {"count": count, "claims": seen.claims, "n": n, "share": share},
        value=share,
        n=n,
        threshold=_WARN,
        rows=subject.train.lines(seen.flags.train[:1000]),
        examples=seen.examples,
        with_reserve=seen.hedged,
    )


CHECK = DataCheck("AU22", certainty, tally=Certainty, stages=ANSWERED)
