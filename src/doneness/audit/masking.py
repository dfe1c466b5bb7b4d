"""Personal data and keys: where they stand, and text in which they are masked. Used on every excerpt an audit shows."""

from __future__ import annotations

import re
from collections.abc import Iterator

_D = r"(?<![\w.])"
# What a key looks like to whoever issues it, with the words that such a key always holds, so that a text without any
# of them is not searched.
SECRETS: dict[str, tuple[tuple[str, ...], re.Pattern[str]]] = {
    "private_key": (("-----BEGIN",), re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]{0,4000}?(?:-----END|\Z)")),
    "aws_key": (("AKIA", "ASIA"), re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b")),
    "github_token": (("ghp_", "gho_", "ghs_", "ghu_", "github_pat_"),
                     re.compile(r"\b(?:gh[posu]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{60,})")),
    "api_key": (("sk-", "hf_", "xox", "AIza", "glpat-", "SG."),
                re.compile(r"\b(?:sk-(?:proj-|ant-|or-)?[A-Za-z0-9_-]{20,}|hf_[A-Za-z0-9]{30,}|xox[abprs]-[A-Za-z0-9-]{10,}"
                           r"|AIza[0-9A-Za-z_-]{35}|glpat-[\w-]{20,}|SG\.[\w-]{16,}\.[\w-]{16,})")),
    "jwt": (("eyJ",), re.compile(r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}")),
    "password": (("assw", "ecret", "PASS", "SECRET", "密码"),
                 re.compile(r"(?:\b(?:password|passwd|secret_key|client_secret|PASSWORD|PASSWD|SECRET_KEY)\s*[:=]\s*"
                            r"[\"']?|密码\s*[:：]\s*)(?P<value>(?=[!-~]*\d)[!#-&(-+.-:<-~]{6,})")),
}  # fmt: skip
PERSONAL: dict[str, tuple[tuple[str, ...], re.Pattern[str]]] = {
    "email": (("@",), re.compile(r"(?<![\w.+-])[A-Za-z0-9._%+-]{1,64}@(?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,24}\b")),
    "card": ((), re.compile(_D + r"(?:\d[ -]?){12,18}\d(?!\w|\.\d)")),
    "id_number": ((), re.compile(_D + r"(?:[1-9]\d{5}(?:19|20)\d{2}(?:0[1-9]|1[0-2])(?:[0-2]\d|3[01])\d{3}[\dXx]"
                                      r"|\d{3}-\d{2}-\d{4})(?!\w)")),
    "phone": ((), re.compile(_D + r"(?:(?:\+?86[ -]?)?1[3-9]\d(?:[ -]?\d{4}){2}"
                                  r"|\+\d{1,3}[ .-]?(?:\(?\d{1,4}\)?[ .-]?){2,5}\d"
                                  r"|\(?\d{3}\)?[ .-]\d{3}[ .-]\d{4}|1[ -]8(?:00|88|77|66)-\d{3}-\d{4}"
                                  r"|0\d{2,3}-\d{7,8})(?![\w-])")),
    "messenger": (("微信", "QQ", "qq", "WeChat", "wechat"),
                  re.compile(r"(?:微信号?|WeChat|wechat|QQ|qq)(?:号|群|ID)?\s*[:：是为]?\s*(?P<value>[A-Za-z0-9][\w-]{5,19})")),
    "ip": ((), re.compile(_D + r"(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)(?!\w|\.\d)")),
}  # fmt: skip


def _mark(word: str) -> str:
    return next((mark for mark in "-_" if mark in word), "")


def _rare(word: str) -> str:
    """A character of a word that most texts lack: one is found far sooner than several. The word, where none is."""
    return next((char for char in "JKQxzGCPIqW" if char in word), word)


# By a character that is rare in prose, where the word has one: one look for several words.
_ANNOUNCED = tuple(
    (mark, [(_rare(word), word, kind) for kind, (words, _) in SECRETS.items() for word in words if _mark(word) == mark])
    for mark in ("-", "_", "")
)

_OWN = tuple((kind, [(_rare(word), word) for word in words], pattern) for kind, (words, pattern) in PERSONAL.items())

# Digits enough for any of the patterns that no word announces.
_NUMBERS = re.compile(r"[0-9](?:[ .()+-]{0,2}[0-9]){6}")
_DIGITS = "0123456789"
_EXAMPLES = ("example.com", "example.org", "example.net", "test.com", "domain.com", "email.com")
_PUBLIC = re.compile(r"^(?:\+?1[ -]?)?\(?8(?:00|33|44|55|66|77|88)\)?[ .-]")


def private(text: str, kinds: str = "all") -> Iterator[tuple[str, int, int]]:
    """(kind, begin, end) of what should not be shown; `kinds` is all, secrets or personal."""
    if kinds != "personal":
        for mark, announced in _ANNOUNCED:
            if mark in text:
                for char, word, kind in announced:
                    if char in text and word in text:
                        yield from _found(kind, SECRETS[kind][1], text)
    if kinds != "secrets":
        numbers = any(map(text.__contains__, _DIGITS)) and _NUMBERS.search(text) is not None
        for kind, words, pattern in _OWN:
            if not words:
                if numbers:
                    yield from _found(kind, pattern, text)
                continue
            for char, word in words:
                if char in text and word in text:
                    yield from _found(kind, pattern, text)
                    break


def _found(kind: str, pattern: re.Pattern[str], text: str) -> Iterator[tuple[str, int, int]]:
    for match in pattern.finditer(text):
        value = match[0]
        if kind == "card" and not _luhn(value):
            continue
        if kind == "email" and value.lower().endswith(_EXAMPLES):
            continue
        if kind == "phone" and _PUBLIC.match(value):
            continue  # hotlines are printed to be called
        begin, end = match.span("value") if "value" in pattern.groupindex else match.span()
        yield kind, begin, end


def masked(text: str) -> str:
    """The text with every such place replaced by its kind in brackets."""
    places = sorted((begin, end, kind) for kind, begin, end in private(text))
    parts, at = [], 0
    for begin, end, kind in places:
        if end <= at:
            continue
        parts += [text[at : max(begin, at)], f"[{kind}]" if begin >= at else ""]
        at = end
    return "".join([*parts, text[at:]]) if parts else text


def _luhn(text: str) -> bool:
    """Whether the check digit of a card number fits. Source: ISO/IEC 7812-1, annex B."""
    digits = [int(char) for char in text if char.isdigit()]
    if not 13 <= len(digits) <= 19 or len(set(digits)) < 2:
        return False
    doubled = [d * 2 - 9 * (d > 4) if i % 2 else d for i, d in enumerate(reversed(digits))]
    return sum(doubled) % 10 == 0
