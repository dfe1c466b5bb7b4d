"""What a terminal showed: text without colour codes, carriage returns as line ends, progress bars."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from doneness.runs.readers import files

_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
_BAR = re.compile(r"(\d{1,12})/(\d{1,12}) \[[^\]]*(?:it/s|s/it)")
_BREAK = re.compile(r"[\r\n]+")

NUMBER = r"[-+]?(?:\d[\d,]*\.?\d*(?:[eE][-+]?\d+)?|\.\d+(?:[eE][-+]?\d+)?|nan|inf(?:inity)?)"


def lines(path: Path) -> Iterator[str]:
    """The lines of a log as they were seen; a redrawn progress bar is a line for each time it was drawn.

    Raises:
        UnreadableError: the file cannot be opened.
    """
    text, _ = files.without_zero_tail(files.text(path))
    if "\x1b" in text:
        text = _ANSI.sub("", text)
    if "\x08" in text:
        text = text.replace("\x08", "")
    position = 0
    for gap in _BREAK.finditer(text):
        if gap.start() > position:
            yield text[position : gap.start()]
        position = gap.end()
    if position < len(text):
        yield text[position:]


def bars(line: str) -> list[tuple[int, int]]:
    """Steps done and in all of the progress bars in a line; bars that count examples or bytes are none."""
    if "/" not in line or ("it/s" not in line and "s/it" not in line):
        return []
    return [(int(a), int(b)) for a, b in _BAR.findall(line)]


def is_text(path: Path) -> bool:
    """Whether the file begins like text that may speak of a loss."""
    start = files.head(path)
    wide = start[:2] in (b"\xff\xfe", b"\xfe\xff")
    return wide or not files.is_binary(start)


def to_float(text: str) -> float:
    """A number as logs write it, thousands separated or not; NaN for what is none."""
    try:
        return float(text.replace(",", ""))
    except ValueError:
        return float("nan")
