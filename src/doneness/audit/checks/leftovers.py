"""AU24: what other models said of themselves, and their stock refusals."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from doneness.audit.check import ANSWERED, DataCheck
from doneness.audit.entry import Entry
from doneness.audit.findings import finding
from doneness.audit.illustrate import excerpt
from doneness.audit.subject import Subject
from doneness.audit.tally import Tally, note
from doneness.core import Finding, Status

_FAIL, _REFUSALS = 0.02, 0.01
_MAKERS = (
    "chatgpt|gpt-?[345]|openai|claude|anthropic|bard|gemini|copilot|llama|mistral|deepseek|qwen|chatglm|ernie|vicuna"
)
_IDENTITY = re.compile(
    r"\bas an? (?:ai|artificial intelligence|large language|language)\b(?: language)?(?: model| assistant)?"
    r"|\bi(?: am|['’]m) (?:just |only )?(?:an? )?(?:ai\b|artificial intelligence|(?:large )?language model|chatbot"
    rf"|virtual assistant|(?:{_MAKERS})\b)"
    rf"|\b(?:developed|created|trained|made|built) by (?:{_MAKERS}|google|meta|microsoft|alibaba|baidu)\b"
    r"|\bmy (?:knowledge cut-?off|training data)\b|\bknowledge cut-?off (?:date|is)\b|\bchatdoctor\b"
    r"|作为(?:一个|一名|一款)?(?:ai|人工智能|语言模型|大模型)|我(?:只)?是(?:一个|一款|一名|由)?.{0,12}(?:ai助手|人工智能|语言模型|大模型"
    r"|chatgpt|文心一言|通义千问|讯飞星火|chatglm|豆包|kimi)|(?:openai|百度|阿里(?:巴巴|云)|科大讯飞|智谱)(?:公司)?(?:开发|训练|研发|推出)",
    re.IGNORECASE,
)
_REFUSAL = re.compile(
    r"\bi(?:['’]m| am) (?:really |very )?sorry,? (?:but )?(?:i )?(?:can(?:no|['’])t|am unable|am not able|won['’]t)"
    r"|\bi (?:cannot|can['’]t|am unable to|won['’]t) (?:fulfil?l|assist with|comply"
    r"|provide assistance|engage in|help with that)"
    r"|\b(?:it|this) (?:is not|isn['’]t) (?:appropriate|ethical) (?:for me )?to\b"
    r"|(?:很?抱歉|对不起)[，,]?\s*(?:但)?我(?:无法|不能)(?:提供|回答|协助|帮助|满足)|我(?:无法|不能)(?:协助|满足|完成)(?:您|你|这)",
    re.IGNORECASE,
)
_WORDS = ("as a", "i am", "i'm", "i’m", "ed by", "made by", "built by", "cutoff", "cut-off", "my training",
          "chatdoctor",
          "sorry", "cannot", "can't", "can’t", "unable", "won't", "appropriate", "ethical")  # fmt: skip
# Every Chinese phrase holds one of these.
_CJK_KEYS = (
    "作为",
    "我是",
    "我只是",
    "openai",
    "百度",
    "阿里",
    "科大讯飞",
    "智谱",
    "抱歉",
    "对不起",
    "我无法",
    "我不能",
)
_HEAD = 400


class Leftovers(Tally):
    """Answers that speak of the model that gave them."""

    def begin(self) -> None:
        """No answer so far."""
        self.kinds: Counter[str] = Counter()
        self.examples: dict[str, list[Any]] = {"identity": [], "refusal": []}

    def see(self, entry: Entry) -> None:
        """Judge one answer."""
        self.n += 1
        low = entry.low
        if not any(map(low.__contains__, _WORDS)) and (low.isascii() or not any(map(low.__contains__, _CJK_KEYS))):
            return
        hit, kind = _IDENTITY.search(entry.answer), "identity"
        if hit is None:
            hit, kind = _REFUSAL.search(entry.answer, 0, _HEAD), "refusal"
        if hit is None:
            return
        self.kinds[kind] += 1
        self.flags.add(entry)
        text = excerpt(entry.answer[max(0, hit.start() - 40) : hit.end() + 60])
        note(self.examples[kind], {"train_row": entry.at, "kind": kind, "text": text}, 3)


def leftovers(subject: Subject) -> Finding:
    """Find rows left over from other models.

    *What it finds*: answers that name themselves an AI, a language model, or a product ("As an AI language model",
    "developed by OpenAI", "作为人工智能"), WARN from the first and FAIL above 2 %; and stock refusals ("I'm sorry,
    but I can't assist"), WARN above 1 %.

    *How*: patterns, English and Chinese. What a good row says of limits ("I do not know this drug") is
    AU10 and no fault.

    *Source*: a model repeats what it was told to be, and refuses in the words that it was shown (dropoutt's
    T1-IDENT-001; over-refusal after refusal tuning: arXiv 2410.06913).
    """
    seen = subject[Leftovers]
    identity, refusals, n = seen.kinds["identity"], seen.kinds["refusal"], seen.n
    subject.flag("AU24", seen.flags.train)
    status = Status.PASS
    if identity or refusals / n > _REFUSALS:
        status = Status.FAIL if identity / n > _FAIL else Status.WARN
    return finding(
        "AU24",
        status,
        {"identity": identity, "refusals": refusals, "n": n, "share": identity / n},
        value=(identity + refusals) / n,
        n=n,
        threshold=0.0,
        rows=subject.train.lines(seen.flags.train[:1000]),
        examples=(*seen.examples["identity"], *seen.examples["refusal"]),
        kinds=dict(seen.kinds),
    )


CHECK = DataCheck("AU24", leftovers, tally=Leftovers, stages=ANSWERED)
