"""What stands on top of a checkpoint's card where nobody is to use it."""

from __future__ import annotations

from pathlib import Path

CARD = "README.md"


def mark(checkpoint: Path, note: str) -> None:
    """Put `note` before the first words of the checkpoint's README.md; without one, write one.

    The block of metadata between two lines of dashes has to stay first, or the hub does not read it.
    """
    place = checkpoint / CARD
    text = place.read_text(encoding="utf-8") if place.is_file() else ""
    head, body = "", text
    if text.startswith("---\n"):
        block, dashes, rest = text[4:].partition("\n---\n")
        if dashes:
            head, body = f"---\n{block}{dashes}", rest
    place.write_text(f"{head}**{note}**\n\n{body.lstrip()}", encoding="utf-8")
