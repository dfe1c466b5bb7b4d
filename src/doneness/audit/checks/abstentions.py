"""AU10: rows whose right answer is not to answer."""

from __future__ import annotations

import re

from doneness.audit.check import ANSWERED, DataCheck
from doneness.audit.entry import Entry
from doneness.audit.findings import EXAMPLES, finding, wilson
from doneness.audit.illustrate import Ask
from doneness.audit.subject import Subject
from doneness.audit.tally import Tally
from doneness.core import Finding, Status
from doneness.data import Row

# Zero of so many rows still allows 3 % of the source they come from (the rule of three: 3 / n).
_ENOUGH = 100
_MOST = 0.5

KINDS = frozenset(
    (
        "abstain",
        "emergency",
        "false_premise",
        "idk",
        "invented",
        "nonexistent",
        "refusal",
        "unanswerable",
        "unknowable",
        "unknown",
        "unsafe",
    )
)

_ENGLISH = re.compile(
    r"\bi (?:do not|don['’]t|cannot|can['’]t|am not able to|am unable to)(?: really)? "
    r"(?:know|say|tell|help|answer|find|assist|provide|diagnose|confirm|verify|determine|recogni[sz]e|judge|predict|be)"
    r"|\bi(?:['’]m| am) (?:not sure|not aware|sorry|unable to)|\bi know of no\b|\bto my knowledge,? no\b"
    r"|\bi have (?:never|not) (?:heard|come across)|\b(?:medicine|drug|illness|disease|name|one) i know\b"
    r"|\b(?:does not|doesn['’]t|do not|don['’]t) (?:appear to )?exist\b|\bno such\b"
    r"|\bthere is,? (?:to my knowledge,? )?no (?:drug|medicine|disease|condition|illness|vaccine|known|way to)\b"
    r"|\b(?:nobody|no one) can (?:say|know|tell|predict)\b|\bcannot be (?:known|foretold|predicted|told|certain)\b"
    r"|\b(?:not enough|insufficient) (?:information|evidence)\b"
    r"|\bambulance\b|\bcall (?:911|999|112)\b|\bemergency (?:services|department|room|number)\b"
)
_CHINESE = re.compile(
    r"我也?(?:不知道|不清楚|不确定|不能|没听说|不了解)|(?:无法|没法|难以)(?:判断|确定|确认|回答|提供|诊断|得知|预知|预测|知道)"
    r"|(?:判断|确定|确认|说|猜)不(?:了|出|上来|准)|查不到|没有(?:这种|这个|这项|叫|名为)|(?:疾病|药物?|检查|它)并?不存在"
    r"|(?:未曾?|没)(?:听说|见过)|据我所知(?:并?没有|并?无)|尚无定论|(?:拨打?|呼叫|打)\s*(?:120|急救)|急救电话"
    r"|立[即刻]就医|马上(?:去|送)医|抱歉"
)
# Every phrase holds one of these, so that most answers need no further look.
_ENGLISH_KEYS = re.compile(
    r"\bi(?: |['’]m )|knowledge|exist|no such|is,? no |, no (?:drug|med|dis|con|ill|vac|known|way)|nobody|no one"
    r"|not be |enough"
    r"|insufficient|ambulance|911|999|112|emergency"
)
_CHINESE_KEYS = ("不知道", "不清楚", "不确定", "我不能", "听说", "不了解", "无法", "没法", "难以", "判断不",
                 "确定不", "确认不", "说不", "猜不", "查不到", "没有", "不存在", "见过", "据我所知",
                 "尚无", "120", "急救", "就医", "马上", "抱歉")  # fmt: skip
_QUICK = (" i ", " i'm", " i’m", "knowledge", "exist", "no such", " no ", "nobody", "no one", "not be ",
          "enough", "insufficient", "ambulance", "911", "999", "112", "emergency")  # fmt: skip


class Abstentions(Tally):
    """Rows that do not answer, and whether rows say of what kind they are."""

    def begin(self) -> None:
        """No row so far."""
        self.by_kind = False

    def see(self, entry: Entry) -> None:
        """Judge one row."""
        self.n += 1
        self.by_kind = self.by_kind or entry.row.kind is not None
        if abstains(entry.row):
            self.flags.add(entry)


def abstentions(subject: Subject) -> Finding:
    """Count rows that answer "I do not know", "there is no such thing" or "call an ambulance".

    *What it finds*: whether the training rows show at all that some questions are not to be answered.

    *How*: the row's kind where it has one (see `KINDS`), else a lexicon of English and Chinese
    phrases over the start of the answer. The interval is Wilson's.

    *Source*: a model tuned on answers alone answers everything, invented drugs included (Zhang et
    al., "R-Tuning", NAACL 2024; Gekhman et al., arXiv 2405.05904); too many refusals, and it
    refuses what it knows (arXiv 2410.06913).
    """
    seen, train = subject[Abstentions], subject.train
    found = seen.flags.train
    subject.flag("AU10", found)
    count, n = len(found), train.count
    share = count / n
    numbers = {"count": count, "n": n, "share": share, "upper": min(1.0, 3 / n), "enough": _ENOUGH}
    if count == 0:
        status, key = (Status.WARN, "found") if n >= _ENOUGH else (Status.UNSURE, "unsure")
    else:
        status, key = (Status.WARN, "many") if share > _MOST else (Status.PASS, "pass")
    return finding(
        "AU10",
        status,
        numbers,
        value=share,
        n=n,
        threshold=0.0,
        interval=(0.0, min(1.0, 3 / n)) if count == 0 else wilson(count, n),
        rows=train.lines(found[:1000]),
        key=key,
        examples=(
            {"train_row": train.named([p])[0], "question": Ask("train", p), "answer": Ask("train", p, "answer")}
            for p in found[:EXAMPLES]
        ),
        by_kind=seen.by_kind,
    )


def abstains(row: Row) -> bool:
    """Whether the right answer of a row is not to answer, by its kind, else by its words."""
    if row.kind is not None:
        return row.kind.lower() in KINDS
    head = f" {row.answer[:300].lower()}"
    if any(map(head.__contains__, _QUICK)) and _ENGLISH_KEYS.search(head) and _ENGLISH.search(head):
        return True
    if head.isascii():
        return False
    return any(map(head.__contains__, _CHINESE_KEYS)) and _CHINESE.search(head) is not None


CHECK = DataCheck("AU10", abstentions, tally=Abstentions, stages=ANSWERED)
