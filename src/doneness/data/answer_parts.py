r"""Where an answer reasons, explains, and says its label: the ranges behind the presets of `spans`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from doneness.data.text import is_cjk, normalise, tokens

Range = tuple[int, int]

_THOUGHT = re.compile(r"<(think|reasoning)>(.*?)</\1>", re.DOTALL | re.IGNORECASE)
_TAGGED = re.compile(r"<answer>\s*(.*?)\s*</answer>", re.DOTALL | re.IGNORECASE)
_BOXED = re.compile(r"\\boxed\s*\{")
_INTRODUCED = re.compile(
    r"(?:(?<![^\W\d_])(?:final\s+answer|answer|decision|conclusion|diagnosis)|答案|结论|诊断)"
    r"[*_]*[ \t]*[:：][*_ \t]*(?P<label>[^\n]*?)[*_ \t.。]*$",
    re.IGNORECASE | re.MULTILINE,
)
_IS = re.compile(
    r"\bthe\s+(?:final\s+|correct\s+|right\s+)?answer\s+is[ \t]*:?[ \t]*(?P<label>\S[^\n.。;；]*)", re.IGNORECASE
)
_WORDS, _CHARACTERS = 3, 6  # a whole answer no longer is a label; Chinese writes about two characters a word
_WORD = re.compile(r"\w")


def reasoning(answer: str) -> tuple[Range, ...]:
    """What stands between <think> and </think>, or <reasoning> and </reasoning>."""
    return _kept(match.span(2) for match in _THOUGHT.finditer(answer))


def label(answer: str, told: str | None = None) -> Range | None:
    r"""Where the answer says its label; None where it says none.

    In this order: the row's own label (its last occurrence; one that is marked as the answer before any
    other), <answer>…</answer>, \boxed{…}, what follows "Decision:" and its like on the line, "the answer
    is …", a whole answer of at most three words.

    Args:
        answer: the text.
        told: the label as the row itself names it.
    """
    return _label(answer, told)[0]


def explanation(answer: str, told: str | None = None) -> tuple[Range, ...]:
    """Everything that is neither label nor reasoning nor the words that introduce the label."""
    found, frame = _label(answer, told)
    taken = [match.span() for match in _THOUGHT.finditer(answer)]
    taken += [place for place in (found, frame) if place is not None]
    left, at = [], 0
    for begin, end in sorted(taken):
        left.append((at, begin))
        at = max(at, end)
    return _kept([*left, (at, len(answer))], answer)


def _label(answer: str, told: str | None) -> tuple[Range | None, Range | None]:
    """The label, and the words that introduce it (the label among them) where some do."""
    thoughts = [match.span() for match in _THOUGHT.finditer(answer)]
    marked = [(place, frame) for place, frame in _marked(answer) if not _within(frame, thoughts)]
    if told is not None and told.strip():
        seen = [place for place in _occurrences(answer, told.strip()) if not _within(place, thoughts)]
        for place, frame in marked:
            own = [each for each in seen if _within(each, [place])]
            if own:
                return own[-1], frame
        if seen:
            return seen[-1], None
    if marked:
        return marked[0]
    whole = _trimmed(answer, (max((end for _, end in thoughts), default=0), len(answer)))
    return (whole, None) if _short(answer[whole[0] : whole[1]]) else (None, None)


def _marked(answer: str) -> Iterator[tuple[Range, Range]]:
    """(label, frame) by the marks that answers put on it; the surest kind first, of a kind the last."""
    kinds: tuple[Iterable[tuple[Range, Range]], ...] = (
        ((m.span(1), m.span()) for m in _TAGGED.finditer(answer)),
        _boxed(answer),
        ((m.span("label"), m.span()) for m in _INTRODUCED.finditer(answer)),
        ((m.span("label"), m.span()) for m in _IS.finditer(answer)),
    )
    for kind in kinds:
        yield from reversed([(place, frame) for place, frame in kind if _WORD.search(answer, *place)])


def _boxed(answer: str) -> Iterator[tuple[Range, Range]]:
    for match in _BOXED.finditer(answer):
        depth, at = 1, match.end()
        while at < len(answer) and depth:
            depth += {"{": 1, "}": -1}.get(answer[at], 0)
            at += 1
        if not depth:
            yield _trimmed(answer, (match.end(), at - 1)), (match.start(), at)


def _occurrences(answer: str, told: str) -> list[Range]:
    """Where the label stands as words of its own; "no" is not in "known". Another case only where no other is."""
    before, after = (
        (r"(?<![A-Za-z0-9_])" if told[0].isascii() else ""),
        (r"(?![A-Za-z0-9_])" if told[-1].isascii() else ""),
    )
    pattern = f"{before}{re.escape(told)}{after}"
    for flags in (re.NOFLAG, re.IGNORECASE):
        found = [match.span() for match in re.finditer(pattern, answer, flags)]
        if found:
            return found
    return []


def _short(text: str) -> bool:
    words = tokens(normalise(text))
    characters = sum(is_cjk(word) for word in words)
    return bool(words) and (len(words) <= _WORDS or (characters == len(words) <= _CHARACTERS))


def _within(place: Range, ranges: Sequence[Range]) -> bool:
    return any(begin <= place[0] and place[1] <= end for begin, end in ranges)


def _kept(ranges: Iterable[Range], text: str | None = None) -> tuple[Range, ...]:
    """Ranges that hold something: with `text`, a word; blanks at their ends go."""
    if text is None:
        return tuple((begin, end) for begin, end in ranges if end > begin)
    trimmed = (_trimmed(text, place) for place in ranges)
    return tuple((begin, end) for begin, end in trimmed if begin < end and _WORD.search(text, begin, end))


def _trimmed(text: str, place: Range) -> Range:
    begin, end = place
    while begin < end and text[begin].isspace():
        begin += 1
    while begin < end and text[end - 1].isspace():
        end -= 1
    return begin, end
