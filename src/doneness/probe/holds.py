"""Does an answer hold a given alternative: at the start of a word, not denied, not inside a larger number?

How: `holds` for facts, where a denied alternative is a wrong answer; `corrects` for false premises,
where the correction itself is mostly a denial and has to come first.
Known limits: a denial further away than about three words, and irony.
"""

from __future__ import annotations

import re
from functools import lru_cache

_CJK = r"\u3400-\u9fff"
_HAS_CJK = re.compile(f"[{_CJK}]")
_NUMBER_WORD = re.compile(r"\b(one|two|three|four|five|six|seven|eight|nine|ten)$", re.IGNORECASE)

_TINY = re.compile(r"[a-z]{1,2}", re.IGNORECASE)

_CLAUSE_END = re.compile(r"[,;:.!?\n，。；：！？、]|\b(?:but|and|then)\b|而是|[就则]", re.IGNORECASE)
# "do not hesitate to call 911", "not only the liver", "a lump that will not go back needs emergency care" deny nothing.
_DENIED = re.compile(
    r"\b(?:(?:not|never|without|cannot|instead of|rather than|no need (?:to|for)|no|\w+n't)"
    r"(?! (?:wait|hesitate|delay|panic|worry|only|just|doubt|forget|fail)\b)"
    r"(?:\W+(?!(?:needs|requires|means|is|are|must|should)\b)[\w'-]+){0,3}\W*)$"
    r"|(?:不用|不要|不能|不必|不需|不是|并非|(?<![特区分级性类个识辨鉴])别|勿|无需|无须|没有|没必要)"
    r"(?!等|拖|犹豫|慌|耽误|忘)[^\s]{0,4}$",
    re.IGNORECASE,
)
_DENIED_AFTER = re.compile(
    r"^\w*(?: services?)? (?:is|are|will be|would be)(?: not|n't) (?:needed|necessary|required|called for)\b"
    r"|^\w*(?: services?)? (?:is|are) unnecessary\b|^[^，。；]{0,2}(?:不用|不必|无需)",
    re.IGNORECASE,
)
_DENIAL = re.compile(
    r"(?:no|not|non|none|never|nothing|neither|cannot|without|\w+ not|\w+n't)\b|[不无没别非勿未并避]", re.I
)

_SENTENCE = re.compile(r"[^.!?。！？\n]+[.!?。！？\n]?")
_FIRST_CLAUSE = re.compile(r"[^,;:.!?\n，。；：！？、]*[^\s,;:.!?\n，。；：！？、][,;:.!?\n，。；：！？、]*")
# "if the cream does not help" is no correction.
_CONDITION = re.compile(
    r"\b(?:if|unless|until|in case|so that|so (?:it|they|he|she|you)|make sure|to ensure)\b[^,;:.!?\n]*"
    r"|(?:如果|要是|假如|万一|倘若|若|以免|(?<![例比譬])如(?=[不无没]))[^，。；：！？\n]*",
    re.IGNORECASE,
)
# What denies without naming what, and words too common to be a correction by themselves.
_LOOSE = re.compile(
    r"(?:^|.* )(?:(?:do|does|did|is|are|was|were|has|have|had|should|must|will|can|could)(?:n't| not)|cannot)$"
    r"|^(?:not|no|none|never|not be|not been|not for|not used|cut|lower|reduce|reducing|decrease|less|slower|thins|"
    r"opposite|single|wound|soil|none of|plenty of|lots of)$"
    r"|^(?:无法|无效|没用|没有用|不能|不会|不是|并不|并非|不要|别|无关|伤口|免疫|永久|手术)$",
    re.IGNORECASE,
)


def holds(answer: str, alternative: str) -> bool:
    """Whether the answer holds the alternative, undenied within its clause.

    An alternative that is itself a denial ("not contagious", 不能恢复) counts wherever it stands.
    """
    for found in _pattern(alternative).finditer(answer):
        if _DENIAL.match(alternative):
            return True
        before = _CLAUSE_END.split(answer[: found.start()])[-1].replace("’", "'")
        if not _DENIED.search(before) and not _DENIED_AFTER.match(answer[found.end() :]):
            return True
    return False


def corrects(answer: str, alternative: str) -> bool:
    """Whether the answer holds the alternative where a correction stands.

    A specific alternative ("viruses are not") counts in the first two sentences, conditions apart; one that
    denies without naming what ("does not") or is a common word ("lower") in the first clause alone.
    """
    opening = "".join(_SENTENCE.findall(answer.replace("’", "'"))[:2])
    if _LOOSE.match(alternative):
        opening = _first_clause(opening)
    return _pattern(alternative).search(_CONDITION.sub(" ", opening)) is not None


def _first_clause(text: str) -> str:
    """Up to the first mark; a lone "No," or 不， is taken together with what follows it."""
    clauses = _FIRST_CLAUSE.findall(text)
    if not clauses:
        return text
    alone = len(re.findall(rf"[{_CJK}]|[^\W{_CJK}]+", clauses[0])) == 1
    return "".join(clauses[: 2 if alone else 1])


@lru_cache(maxsize=4096)
def _pattern(alternative: str) -> re.Pattern[str]:
    text = re.escape(alternative)
    if not _HAS_CJK.search(alternative):
        # At the start of a word; Chinese writes numbers and Latin names right behind its own characters.
        text = rf"(?<![^\W{_CJK}]){text}"
    if alternative[:1].isdigit():
        text = rf"(?<!\d)(?<!\d[.,]){text}"
    if alternative[-1:].isdigit():
        text = rf"{text}(?!\d|,\d\d\d)"
    if _NUMBER_WORD.search(alternative):
        text = rf"(?<!ty[- ]){text}(?![^\W{_CJK}])"
    elif _TINY.fullmatch(alternative):
        # "no" is not held by "normal", nor "Au" by "Australia".
        text = rf"{text}(?![^\W{_CJK}])"
    return re.compile(text, re.IGNORECASE)
