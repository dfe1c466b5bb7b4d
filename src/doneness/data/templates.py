"""The template behind a question: what is left when the words that vary become slots.

A set in which many questions are one sentence with the subject exchanged teaches the sentence, and
an evaluation set made with the same sentence cannot tell.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from doneness.data.text import is_cjk, normalise, tokens
from doneness.data.words import FUNCTION_WORDS

SLOT = "_"
OPEN = "…"

# A fixed word, or a fixed pair of CJK characters, occurs in this share of the questions at least;
# a template that fills 5 % of a set cannot have a rarer one.
SHARE = 0.05
# A longer gap is no slot for a name: the questions share an opening and then go their own ways.
_SLOT_WORDS = 5.0
_CJK_WORD = 2 / 3
_MIN_FIXED = 2.0
_MIN_FIXED_OPEN = 4.0
_OPENING = 6
# What comes later in a long prompt is not a template's business.
_MOST_TOKENS = 60
_MOST_CHARS = 1000


class Template(NamedTuple):
    """The largest template of a set: its skeleton, how many distinct questions follow it, their share."""

    skeleton: str
    followers: int
    share: float


def skeletons(prompts: Sequence[str], share: float = SHARE) -> list[str]:
    """One skeleton a prompt: words rarer than `share` of the prompts become "_", a long gap "…".

    "What is asthma?" and "What is gout?" both give "what is _". Function words always stay. CJK
    characters stay where they belong to a frequent pair of characters.
    """
    split = [_cut(tokens(normalise(prompt[:_MOST_CHARS]))) for prompt in prompts]
    least = max(2.0, share * len(split))
    words = Counter(word for parts in split for word in set(parts) if not is_cjk(word))
    pairs = Counter(pair for parts in split for pair in set(_pairs(parts)))
    return [_skeleton(parts, words, pairs, least) for parts in split]


def _cut(parts: list[str]) -> list[str]:
    return parts if len(parts) <= _MOST_TOKENS else [*parts[:_MOST_TOKENS], OPEN]


def _pairs(parts: Sequence[str]) -> list[str]:
    return [a + b for a, b in pairwise(parts) if is_cjk(a) and is_cjk(b)]


def _skeleton(parts: Sequence[str], words: Counter[str], pairs: Counter[str], least: float) -> str:
    fixed = [not is_cjk(part) and part != OPEN and (part in FUNCTION_WORDS or words[part] >= least) for part in parts]
    for place in range(len(parts) - 1):
        if is_cjk(parts[place]) and is_cjk(parts[place + 1]) and pairs[parts[place] + parts[place + 1]] >= least:
            fixed[place] = fixed[place + 1] = True
    out: list[str] = []
    gap = 0.0
    for part, stays in zip(parts, fixed, strict=True):
        if stays:
            out += [SLOT if gap <= _SLOT_WORDS else OPEN] * bool(gap) + [part]
            gap = 0.0
        else:
            gap += math.inf if part == OPEN else _CJK_WORD if is_cjk(part) else 1.0
    out += [SLOT if gap <= _SLOT_WORDS else OPEN] * bool(gap)
    return _written(out)


def _written(parts: Sequence[str]) -> str:
    """The skeleton as one reads it: no spaces between CJK characters."""
    text = ""
    for part in parts:
        close = not text or (_closed(text[-1]) and _closed(part))
        text += part if close else f" {part}"
    return text


def _closed(part: str) -> bool:
    return is_cjk(part) or part in (SLOT, OPEN)


def largest_template(prompts: Sequence[str], share: float = SHARE) -> Template | None:
    """The template most questions follow, exact repeats counted once; None where no two share one.

    A template has a slot, at least two fixed words (three CJK characters) and 1.5 for each slot;
    four where a gap is long. Long prompts count as one template too when they open with the same six words (nine
    CJK characters) and go on differently, as instructions put before a text do.
    """
    distinct = list(dict.fromkeys(normal for prompt in prompts if (normal := normalise(prompt))))
    counts = Counter(skeleton for skeleton in skeletons(distinct, share) if _is_template(skeleton))
    openings = Counter(opening for normal in distinct if (opening := _opening(normal)))
    counts.update({opening: count for opening, count in openings.items() if count > 1})
    ranked = sorted(counts.items(), key=lambda item: (-item[1], -len(item[0]), item[0]))
    if not ranked or ranked[0][1] < 2:
        return None
    skeleton, count = ranked[0]
    return Template(skeleton, count, count / len(distinct))


def follows(prompts: Sequence[str], template: Template, share: float = SHARE) -> list[int]:
    """Places of the prompts that follow `template`, for naming rows."""
    normal = [normalise(prompt) for prompt in prompts]
    distinct = list(dict.fromkeys(text for text in normal if text))
    known = dict(zip(distinct, skeletons(distinct, share), strict=True))
    return [place for place, text in enumerate(normal) if text and template.skeleton in (known[text], _opening(text))]


def _is_template(skeleton: str) -> bool:
    parts = [part for part in tokens(skeleton) if part not in (SLOT, OPEN)]
    parts = [piece for part in parts for piece in part.replace(SLOT, " ").replace(OPEN, " ").split()]
    fixed = sum(_CJK_WORD if is_cjk(part) else 1.0 for part in parts)
    if OPEN in skeleton:
        return fixed >= _MIN_FIXED_OPEN
    # "_ why _" is grammar, no template: what is fixed has to outweigh what varies.
    slots = skeleton.count(SLOT)
    return slots > 0 and fixed >= max(_MIN_FIXED, 1.5 * slots) - 1e-9


def _opening(normal: str) -> str | None:
    parts = tokens(normal)
    taken, weight = 0, 0.0
    while taken < len(parts) and weight < _OPENING - 1e-9:
        weight += _CJK_WORD if is_cjk(parts[taken]) else 1.0
        taken += 1
    if weight < _OPENING - 1e-9 or taken == len(parts):
        return None
    return _written([*parts[:taken], OPEN])
