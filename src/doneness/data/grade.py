r"""Whether an answer is the right one: where it says its result, and when two results are the same.

A result is what stands, in this order, in the last <answer>…</answer>, in the last \boxed{…}, after the last "####"
on its line (GSM8K), else the whole text; reasoning in <think>…</think> is never part of it. Two results are the same
as numbers (42, 42.0 and $1,000 = 1000; 1/2 = 0.5), or as texts without regard to case, width, spaces, and quotes or
full stops around them.

Nothing here takes longer than the text is long, whatever the text.
"""

from __future__ import annotations

import re
import unicodedata
from fractions import Fraction

_NUMBER = re.compile(r"[-+]?(?:\d{1,3}(?:,\d{3})+|\d+)?(?:\.\d+)?(?:/\d+)?%?")
_DIGITS = 40  # longer ones are compared as texts
_AROUND = " \t\n\r.。,，;；:：!！\"'“”‘’`*_"


def result_of(text: str) -> str:
    """What an answer says its result is; "" where it marks an empty one.

    Args:
        text: the whole answer.
    """
    said = _after_thought(text)
    for found in (_tagged(said), _boxed(said)):
        if found is not None:
            inner = _boxed(found)
            return (found if inner is None else inner).strip()
    _, mark, rest = said.rpartition("####")
    return (rest.strip().partition("\n")[0] if mark else said).strip()


def same_result(one: str, other: str) -> bool:
    """Whether two results are the same; two empty ones are not."""
    first, second = _plain(one), _plain(other)
    if not first or not second:
        return False
    if first == second:
        return True
    numbers = _number(first), _number(second)
    return numbers[0] is not None and numbers[0] == numbers[1]


def _after_thought(text: str) -> str:
    """What follows the last </think>; nothing where one was begun and never ended."""
    low = text.lower()
    end = low.rfind("</think>")
    if end >= 0:
        return text[end + len("</think>") :]
    begun = low.find("<think>")
    return text[:begun] if begun >= 0 else text


def _tagged(text: str) -> str | None:
    low = text.lower()
    end = low.rfind("</answer>")
    begin = low.rfind("<answer>", 0, end) if end >= 0 else -1
    return text[begin + len("<answer>") : end] if begin >= 0 else None


def _boxed(text: str) -> str | None:
    r"""What stands in the last \boxed{…} whose braces are matched."""
    mark = "\\boxed{"
    begin = text.rfind(mark)
    if begin < 0:
        return None
    depth, start = 1, begin + len(mark)
    for at in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[at], 0)
        if depth == 0:
            return text[start:at]
    return None


def _plain(text: str) -> str:
    said = unicodedata.normalize("NFKC", text).casefold()
    said = re.sub(r"\\(?:text|mathrm|textbf)\{([^{}]*)\}", r"\1", said)
    said = said.replace("\\$", "$").replace("\\%", "%").replace("\\,", " ").replace("\\!", "")
    said = " ".join(said.split()).strip(_AROUND).strip("$").strip(_AROUND)
    return said


def _number(text: str) -> Fraction | None:
    """A number, exactly; a percentage as its number, as people write one for the other."""
    bare = text.replace("$", "").replace(" ", "")
    if not bare or len(bare) > _DIGITS or not _NUMBER.fullmatch(bare) or not any(c.isdecimal() for c in bare):
        return None
    try:
        top, _, bottom = bare.replace(",", "").removesuffix("%").partition("/")
        return Fraction(top) / Fraction(bottom or "1")
    except (ValueError, ZeroDivisionError):
        return None
