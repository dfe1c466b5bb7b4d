"""Writes SVG: escaped text, finite coordinates, nothing else."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape

Point = tuple[float, float]


def number(value: float) -> str:
    """A coordinate with one decimal.

    Raises:
        ValueError: it is NaN or infinite, which a viewer would silently drop.
    """
    if not math.isfinite(value):
        raise ValueError(f"a coordinate must be finite, got {value}")
    text = f"{value:.1f}"
    return "0" if text == "-0.0" else text.removesuffix(".0")


def clean(text: str) -> str:
    """Escaped text without the control characters that XML forbids."""
    return escape("".join(c for c in text if c in "\t\n" or (ord(c) >= 32 and not 0xD800 <= ord(c) <= 0xDFFF)))


class Svg:
    """Collects elements in drawing order."""

    def __init__(self, width: float, height: float) -> None:
        self.width = width
        self.height = height
        self._parts: list[str] = []

    def add(self, tag: str, text: str | None = None, /, **attributes: object) -> None:
        """One element; `cls` becomes class, underscores become hyphens, floats are rounded."""
        self._parts.append(element(tag, text, **attributes))

    def open(self, **attributes: object) -> None:
        """Begin a group."""
        self._parts.append(f"<g{_written(attributes)}>")

    def close(self) -> None:
        """End the innermost group."""
        self._parts.append("</g>")

    def dots(self, points: Iterable[Point], /, **attributes: object) -> None:
        """Many round dots in one path: a zero-length stroke each, a tenth of the size of circles."""
        path = "".join(f"M{number(x)} {number(y)}h0" for x, y in points)
        if path:
            self.add("path", d=path, fill="none", stroke_linecap="round", **attributes)

    def line(self, points: Sequence[Point], /, **attributes: object) -> None:
        """An open polyline; fewer than two points draw nothing."""
        if len(points) > 1:
            self.add("path", d=trace(points), fill="none", stroke_linejoin="round", **attributes)

    def area(self, upper: Sequence[Point], lower: Sequence[Point], /, **attributes: object) -> None:
        """The region between two lines."""
        if len(upper) > 1:
            self.add("path", d=trace([*upper, *reversed(lower)]) + "Z", stroke="none", **attributes)

    def done(self, head: str, **attributes: object) -> str:
        """The whole document; `head` (title, desc, style) comes first and is already markup."""
        box = f"0 0 {number(self.width)} {number(self.height)}"
        body = "".join(self._parts)
        return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{box}"{_written(attributes)}>{head}{body}</svg>'


def element(tag: str, text: str | None = None, /, **attributes: object) -> str:
    """One element as markup, its text and attributes escaped."""
    written = _written(attributes)
    return f"<{tag}{written}/>" if text is None else f"<{tag}{written}>{clean(text)}</{tag}>"


def trace(points: Sequence[Point]) -> str:
    """Path data through `points`."""
    return "M" + "L".join(f"{number(x)} {number(y)}" for x, y in points)


def text_width(text: str, size: float) -> float:
    """About how wide `text` is drawn, in pixels; Chinese characters take a full em, a minus sign nearly so."""
    return size * sum(1.0 if ord(c) > 0x2E7F else 0.85 if c == "\u2212" else 0.6 for c in text)


def fitted(text: str, size: float, room: float) -> str:
    """`text`, shortened with an ellipsis to `room` pixels; empty where not even that fits."""
    if text_width(text, size) <= room:
        return text
    while text and text_width(text + "…", size) > room:
        text = text[:-1]
    return text.rstrip() + "…" if text else ""


def _written(attributes: dict[str, object]) -> str:
    out = []
    for name, value in attributes.items():
        if value is None:
            continue
        name = "class" if name == "cls" else name.replace("_", "-")
        text = number(float(value)) if isinstance(value, (int, float)) else clean(str(value))
        out.append(f' {name}="{text}"')
    return "".join(out)
