"""A small Markdown reader for data cards: headings, lists, tables, code, paragraphs.

Everything is escaped first, so a card can only ever produce the elements made here; links and
images stay text, since a report loads nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from html import escape

_HEADING = re.compile(r"(#{1,6})\s+(.*)")
_ITEM = re.compile(r"\s*(?:[-*+]|\d+[.)])\s+(.*)")
_RULE = re.compile(r"\|?\s*:?-{3,}.*")
_CODE = re.compile(r"`([^`]+)`")
_BOLD = re.compile(r"\*\*([^*]+)\*\*")


def to_html(text: str, level: int = 4) -> str:
    """Markup of `text`; its highest headings become h`level`."""
    lines = text.replace("\r\n", "\n").split("\n")
    out: list[str] = []
    at = 0
    while at < len(lines):
        taken, markup = _block(lines, at, level)
        out.append(markup)
        at += taken
    return "".join(out)


def _block(lines: list[str], at: int, level: int) -> tuple[int, str]:
    line = lines[at]
    if not line.strip():
        return 1, ""
    if line.startswith("```"):
        end = next((i for i in range(at + 1, len(lines)) if lines[i].startswith("```")), len(lines))
        return end - at + 1, f"<pre>{escape(chr(10).join(lines[at + 1 : end]))}</pre>"
    if heading := _HEADING.match(line):
        rank = min(level + len(heading[1]) - 1, 6)
        return 1, f"<h{rank}>{_inline(heading[2])}</h{rank}>"
    if "|" in line and at + 1 < len(lines) and _RULE.fullmatch(lines[at + 1].strip()):
        return _table(lines, at)
    if _ITEM.match(line):
        end = _run(lines, at, lambda s: bool(_ITEM.match(s)))
        items = "".join(f"<li>{_inline(m[1])}</li>" for s in lines[at:end] if (m := _ITEM.match(s)))
        return end - at, f"<ul>{items}</ul>"
    end = _run(
        lines, at, lambda s: bool(s.strip()) and not (_HEADING.match(s) or _ITEM.match(s) or s.startswith("```"))
    )
    end = max(end, at + 1)
    return end - at, f"<p>{_inline(' '.join(s.strip() for s in lines[at:end]))}</p>"


def _run(lines: list[str], at: int, belongs: Callable[[str], bool]) -> int:
    end = at
    while end < len(lines) and belongs(lines[end]):
        end += 1
    return end


def _table(lines: list[str], at: int) -> tuple[int, str]:
    end = at + 2
    while end < len(lines) and "|" in lines[end]:
        end += 1
    head = "".join(f'<th scope="col">{_inline(c)}</th>' for c in _cells(lines[at]))
    rows = "".join(
        "<tr>" + "".join(f"<td>{_inline(c)}</td>" for c in _cells(line)) + "</tr>" for line in lines[at + 2 : end]
    )
    return end - at, f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


def _cells(line: str) -> list[str]:
    return [c.strip() for c in line.strip().strip("|").split("|")]


def _inline(text: str) -> str:
    return _BOLD.sub(r"<strong>\1</strong>", _CODE.sub(r"<code>\1</code>", escape(text)))
