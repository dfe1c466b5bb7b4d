"""Which language a text is in: by its script, and among languages in Latin letters by their commonest words."""

from __future__ import annotations

import re
from collections.abc import Collection

# By a letter for each, capital for what is no letter of it, such as its punctuation.
_SCRIPTS = {
    "j": ("ja", range(0x3040, 0x3100)),
    "k": ("ko", range(0xAC00, 0xD7B0)),
    "z": ("zh", range(0x4E00, 0xA000)),
    "r": ("ru", range(0x0400, 0x0500)),
    "a": ("ar", range(0x0600, 0x0700)),
    "h": ("hi", range(0x0900, 0x0980)),
    "t": ("th", range(0x0E00, 0x0E80)),
    "g": ("el", range(0x0370, 0x0400)),
    "b": ("he", range(0x0590, 0x0600)),
}
_LETTERS = ("l", *_SCRIPTS)
_CODE = "(){}=;<>"
_LETTER = re.compile(r"[^\W\d_]")


class _Marks(dict[int, str]):
    """The letter of the script of a character, each looked up once; "l" is a letter of another, " " none at all."""

    def __missing__(self, code: int) -> str:
        letter = _LETTER.match(chr(code)) is not None
        mark = next((mark for mark, (_, codes) in _SCRIPTS.items() if code in codes), "")
        found = self[code] = (mark if letter else mark.upper()) or ("l" if letter else " ")
        return found


_MARKS = _Marks()
_LATIN = {
    "en": "the of and to in is that for it with as was on are be this by an or from which not have can will your",
    "de": "der die das und ist nicht ein eine mit auf für von den dem sich auch wird bei einer sind oder zu",
    "fr": "le la les des et est une un dans pour que qui sur pas avec ce sont par plus ou aux du",
    "es": "el la los las de que y en es un una por con para se del al como más no su o",
    "pt": "o a os as de que e em é um uma por com para se do da dos não mais ao como ou",
    "it": "il la le di che e in è un una per con si del della non sono come più gli o",
    "nl": "de het een en van is dat op te in voor met zijn niet aan er ook als bij om",
    "pl": "nie się na jest że do to jak co lub oraz przez przy dla od po są być może",
    "tr": "bir ve bu için ile de da çok daha olarak olan gibi kadar ancak veya ise en",
    "vi": "và của là có được cho trong các một với không người những này khi đã để từ",
    "id": "yang dan di untuk dengan pada ini adalah dari tidak dalam itu atau dapat akan oleh juga",
}
_COMMON = {name: frozenset(words.split()) for name, words in _LATIN.items()}
_ALL_COMMON = frozenset().union(*_COMMON.values())
_SPOKEN = {word: [name for name, known in _COMMON.items() if word in known] for word in _ALL_COMMON}
_LEAST_WORDS, _LEAST_HITS = 8, 3
_SAMPLE = 400  # characters by which a script is told


def language_of(text: str, words: Collection[str]) -> str:
    """The language of a text; "" where it is too short to tell.

    Args:
        text: the text.
        words: its words in small letters.
    """
    if "```" in text or 25 * sum([text.count(mark) for mark in _CODE if mark in text]) > len(text):
        return ""  # code is in no language
    if not text.isascii():
        found = _script(text[:_SAMPLE])
        if found != "latin":
            return found
    if len(words) < _LEAST_WORDS:
        return ""
    common = _ALL_COMMON.intersection(words)
    if len(common) < _LEAST_HITS:
        return ""
    if text.isascii() and len(common) >= 4 and _COMMON["en"].issuperset(common):
        return "en"
    hits: dict[str, int] = {}
    for word in common:
        for name in _SPOKEN[word]:
            hits[name] = hits.get(name, 0) + 1
    *_, second, most = 0, *sorted(hits.values())
    # What is close is not told.
    return max(hits, key=hits.__getitem__) if most >= _LEAST_HITS and most >= second + 2 else ""


def _script(text: str) -> str:
    count = text.translate(_MARKS).count
    letters = sum(map(count, _LETTERS))
    if letters < 4:
        return ""
    for mark, (name, _) in _SCRIPTS.items():
        # Japanese mixes kana with Han, and Chinese texts carry Latin names.
        if count(mark) + count(mark.upper()) >= (0.1 if name == "ja" else 0.3) * letters:
            return name
    return "latin"
