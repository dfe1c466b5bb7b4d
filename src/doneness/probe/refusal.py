"""Does an answer say that it does not know? Patterns in English and Chinese.

What it finds: answers that decline, say they do not know, or say that the thing does not exist.
How: patterns on the first two sentences, where an honest refusal stands.
Known limits: irony, and refusals in words not listed here; `tests/probe/test_refusal.py` holds
the sentences it was written against, with those it must leave alone.
"""

from __future__ import annotations

import re

_ENGLISH = (
    # "I do not know", "we cannot tell", "I have never heard of it"
    r"\b(i|we) (really |simply |honestly )?(do not|don't|cannot|can't|could not|couldn't|am unable to|am not able to|"
    r"have no (way|knowledge|record)|have not|haven't|have never|am not (aware|familiar|sure)|am unaware|"
    r"know (of )?no|do not recogni[sz]e|would need|would have to (see|examine|know))\b",
    r"\b(i'm|im) (not (aware|familiar|sure|able)|unable|unaware|sorry)\b",
    r"\b(to my knowledge|as far as (i|we) know|(that|which)? ?(i|we) (know|have heard) of|(that|which) (i|we) know)\b",
    r"\bis (not|no) \w[\w ]{0,30} (i|we) (know|recogni[sz]e|am aware)\b",
    r"\b(no|not|neither|none)\b.{0,40}\b(known to me|unknown to me|i know)\b|\bunknown to me\b",
    r"\b(never|not) heard of\b",
    # "no such thing"
    r"\b(there is|there's|there are) no (such|\w+ ?(\w+ )?(called|named|known as))|\bno such\b",
    r"\b(does|do|did) not (appear to )?exist\b|\b(doesn't|don't|didn't) (appear to )?exist\b",
    # not "the cause is not known", which is an answer
    r"\bnot (real\b|a (real|recogni[sz]ed|known|actual)\b|an (actual|established)\b|one of the)",
    r"\b(could be|is|are|sounds|seems) (fictional|made[- ]up|misspelt|misspelled|invented)\b",
    # "nobody could say"
    r"\b(cannot|can't|could not|impossible to) be (known|told|foretold|said|predicted|answered|determined)\b",
    r"\b(cannot|can't|do not|does not) (answer|tell) (that|this|me|you|whether|which|what)\b",
    r"\b(impossible|no way|too (early|many [\w ]{1,30})) (to|for me to) (tell|know|say|predict|answer|see|name)\b",
    r"\b(nobody|no one) can (tell|know|say|predict|answer|see)\b|\ba guess would be\b|\bwould be (a guess|guessing)\b",
    r"\bonly (a|an|your|his|her) [\w ]{2,30} can( (tell|say|show|give|answer)\b|[.;,])",
    r"\bneither answer would be\b|\bas an ai\b",
)
_CHINESE = (
    r"不知道|不清楚|不了解|不认识|不曾听说|(没有?|未曾?|从未)听(说|过)|没听过|无从得知|查无|查不到|找不到|不存在",
    r"并?没有(这|此|一|该|这种|这个)|并没有",
    r"无法(判断|确定|回答|得知|知道|提供|诊断|告诉|预测|说明|确认|估计|断定)|不能(判断|确定|回答|断定|诊断|替|告诉)",
    r"(判断|说|看|猜|估|分辨)不(了|出|准|清|好|上来)|没法(判断|得知|知道|回答|说|看)|难以(判断|确定)|说不准|谁也",
    r"据我所知[^。]{0,12}(没有|无)|作为(一个)?(AI|人工智能)|抱歉|对不起|虚构|不是(真实|已知)",
)
_PATTERN = re.compile("|".join(_ENGLISH + _CHINESE), re.IGNORECASE)
_SENTENCE = re.compile(r"[^.!?。！？\n]+[.!?。！？\n]?")


def refuses(answer: str) -> bool:
    """Whether the answer declines or says that it does not know, in its first two sentences."""
    opening = "".join(_SENTENCE.findall(answer.replace("’", "'"))[:2])
    return _PATTERN.search(opening) is not None
