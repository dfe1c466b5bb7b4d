"""AU27: insults, slurs and calls to self-harm."""

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

_WARN, _FAIL = 0.0005, 0.02
_WORDS = frozenset(
    [
        "fuck",
        "fucking",
        "fucked",
        "fucker",
        "motherfucker",
        "shit",
        "shitty",
        "bullshit",
        "bitch",
        "bitches",
        "bastard",
        "cunt",
        "asshole",
        "arsehole",
        "dickhead",
        "wanker",
        "whore",
        "slut",
        "nigger",
        "niggers",
        "faggot",
        "faggots",
        "retard",
        "retarded",
        "kike",
        "spic",
        "chink",
        "tranny",
        "dumbass",
        "jackass",
        "douchebag",
        "twat",
    ]
)
_PHRASE = re.compile(
    r"\b(?:kill|hang|hurt) yourself\b|\bgo (?:and )?die\b|\byou(?: are|['’]re) (?:an? )?(?:complete |such an? |total )?"
    r"(?:idiot|moron|imbecile|stupid|worthless|pathetic|disgusting|loser|scum)\b|\bshut (?:the \w+ )?up\b"
    r"|\b(?:i|we) hate (?:all )?(?:women|men|jews|muslims|blacks|whites|gays|immigrants)\b",
    re.IGNORECASE,
)
_KEYS = ("yourself", "die", "you are", "you're", "you’re", "shut", "hate")
_CJK = re.compile(
    r"傻[逼bB]|煞笔|操你|草泥马|肏|婊子|贱人|去死吧|你去死|脑残|王八蛋|他妈的|狗日的|蠢货|滚你|你个废物|臭傻|死全家|智障(?!儿|碍|人|患|者)"
)
# Every Chinese phrase holds one of these.
_CJK_KEYS = tuple("傻煞操草肏婊贱死残蛋妈狗蠢滚废智")


class Toxicity(Tally):
    """Answers that insult."""

    def begin(self) -> None:
        """No answer so far."""
        self.asked = 0
        self.examples: list[Any] = []

    def see(self, entry: Entry) -> None:
        """Judge one answer; rude questions are counted apart."""
        self.n += 1
        if not _WORDS.isdisjoint(entry.asked):
            self.asked += 1
        text = rude(entry)
        if text:
            self.flags.add(entry)
            note(self.examples, {"train_row": entry.at, "text": excerpt(text)})


def toxicity(subject: Subject) -> Finding:
    """Find toxic answers.

    *What it finds*: answers with slurs, insults to the reader, or calls to self-harm. Rude questions are told and are
    no fault: somebody has to answer them. WARN above 0.05 % of the rows, FAIL above 2 %.

    *How*: a short lexicon of words that no sober answer needs, English and Chinese, and patterns of insults. Quotations
    count. A lexicon does not see polite cruelty: for that there is `--judge`.

    *Source*: a small share of such rows is enough to bring the behaviour back in an aligned model (Qi et al.,
    "Fine-tuning aligned language models compromises safety", ICLR 2024).
    """
    seen = subject[Toxicity]
    count, n = len(seen.flags.train), seen.n
    subject.flag("AU27", seen.flags.train)
    share = count / n
    return finding(
        "AU27",
        grade(share, _WARN, _FAIL),
        {"count": count, "asked": seen.asked, "n": n, "share": share},
        value=share,
        n=n,
        threshold=_WARN,
        rows=subject.train.lines(seen.flags.train[:1000]),
        examples=seen.examples,
    )


def rude(entry: Entry) -> str:
    """The place in the answer that insults; "" for none."""
    if not _WORDS.isdisjoint(entry.vocabulary):
        word = next(iter(sorted(_WORDS & entry.vocabulary)))
        at = entry.low.find(word)
        return entry.answer[max(0, at - 40) : at + 40]
    hit = None
    if any(map(entry.low.__contains__, _KEYS)):
        hit = _PHRASE.search(entry.answer)
    if hit is None and not entry.answer.isascii() and any(map(entry.answer.__contains__, _CJK_KEYS)):
        hit = _CJK.search(entry.answer)
    return entry.answer[max(0, hit.start() - 40) : hit.end() + 40] if hit else ""


CHECK = DataCheck("AU27", toxicity, tally=Toxicity, stages=ANSWERED)
