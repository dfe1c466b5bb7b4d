"""Cards: the word that is meant, the memory that is sold, what of it a process gets, and the arithmetic."""

from __future__ import annotations

import difflib
import re

from doneness.core import DataError, tr
from doneness.plan.scaling import PEAKS

# A card sold as 80 GB has 80 · 2^30 bytes.
_GB = float(2**30)
CARDS = {
    "t4": 16, "v100": 32, "p100": 16, "a10": 24, "a10g": 24, "l4": 24, "l40": 48, "l40s": 48, "a40": 48, "a6000": 48,
    "a100": 80, "a800": 80, "h100": 80, "h800": 80, "h20": 96, "h200": 141, "b200": 180, "3060": 12, "3080": 10,
    "3090": 24, "4060": 8, "4070": 12, "4080": 16, "4090": 24, "5080": 16, "5090": 32, "mi210": 64, "mi250": 128,
    "mi300x": 192, "910b": 64,
}  # fmt: skip
_MOST = 512.0  # no card has as much: a larger number is a name that was mistyped
# What a process is given, in 2^30 bytes: the "total capacity" in torch's out-of-memory messages, as public bug reports
# quote it, the least of them where they differ. Error correction and the driver keep the rest. An MI250 is two devices.
# Of all others a fiftieth is kept: A100 and H100 of 80 tell 79.11 to 79.35, a 3060 of 12 tells 11.76.
_GIVEN = {
    "t4": 14.56, "l4": 22.0, "a10": 22.0, "a10g": 22.0, "a40": 44.3, "l40": 44.3, "l40s": 44.3, "h200": 139.7,
    "b200": 178.3, "4060": 7.6, "4070": 11.6, "5080": 15.4, "mi250": 63.9, "910b": 60.9,
}  # fmt: skip
_KEPT = 0.02
_MAKERS = re.compile(r"^(?:nvidia|geforce|tesla|amd|instinct|ascend)[ _-]*")
_SIZE = r"(\d+(?:\.\d+)?)\s*(?:gib|gb|g)"


def card_name(text: str) -> str:
    """The card that is meant ("RTX 4090" is "4090", "A100-40GB" is "a100"); "" where a size alone is told.

    Raises:
        DataError: neither a known name nor a size.
    """
    return _read(text)[0]


def card_bytes(text: str) -> float:
    """The memory that a card is sold with, by its size ("80GB", "24") or its name ("h100", "RTX 4090"), bytes.

    Raises:
        DataError: it is neither.
    """
    return _read(text)[1]


def usable_bytes(text: str) -> float:
    """What of it one process gets, bytes; the driver's context comes off that in the estimate.

    Raises:
        DataError: neither a known name nor a size.
    """
    name, size = _read(text)
    given = _GIVEN.get(name, 0.0) if size == CARDS.get(name, 0) * _GB else 0.0
    return given * _GB if given else size * (1 - _KEPT)


def cards_of(text: str) -> tuple[str, ...]:
    """The cards whose arithmetic is known that may be meant: the one named, or all of that size, slowest first.

    Raises:
        DataError: neither a known name nor a size.
    """
    name, size = _read(text)
    found = [name] if name else [each for each, held in CARDS.items() if held * _GB == size]
    return tuple(sorted((each for each in found if each in PEAKS), key=PEAKS.__getitem__))


def _read(text: str) -> tuple[str, float]:
    """Name and bytes."""
    word = text.strip().lower()
    while (shorter := _MAKERS.sub("", word)) != word:
        word = shorter
    word = re.sub(r"[ _-]*\b(?:sxm\d?|pcie|hbm\de?|nvl)\b", "", word)
    word = re.sub(r"^(?:rtx|gtx)[ _-]*(?=[a-z]?\d)", "rtx", word)
    name, _, rest = word.removeprefix("rtx").partition(" " if " " in word else "-")
    if name in CARDS and not rest:
        return name, CARDS[name] * _GB
    sized = re.fullmatch(_SIZE, rest) if name in CARDS else re.fullmatch(_SIZE + "?", word)
    size = float(sized[1]) if sized else 0.0
    if not 0 < size <= _MOST:
        near = difflib.get_close_matches(word.removeprefix("rtx"), CARDS, n=4, cutoff=0.4) or ["24GB", "4090"]
        raise DataError(tr("plan.unknown_card", card=text, near=", ".join(near), known=", ".join(CARDS)))
    return (name if name in CARDS else ""), size * _GB
