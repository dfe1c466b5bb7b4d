"""AU12: broken encoding, control characters, left-over HTML."""

from __future__ import annotations

import re
from collections import Counter

from doneness.audit.findings import excerpt, finding
from doneness.audit.subject import DataSets
from doneness.core import Check, Finding, Status
from doneness.data import Row

_FAIL = 0.05
# HTML may be what a row is about; a file that was scraped has it everywhere.
_HTML_SHARE = 0.005

_PATTERNS = {
    "replacement": re.compile("\ufffd"),
    # UTF-8 read as Latin-1 or Windows-1252; GBK read as UTF-8 and the other way round.
    "mojibake": re.compile(
        "Ã[\u0080-\u00bf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc\u2013-\u2022\u2026\u2030\u2039"
        "\u203a\u20ac\u2122]|â€[\u0080-\u00bf\u0153\u02dc\u2122\u2013-\u201d\u2022¦œ]|Â[\u00a0-\u00bf]|ï»¿"
        "|锟斤拷|烫烫烫|屯屯屯|鈥[檚渢淓滄]|銆[備傦]|锛[屾岀宂]|[\u00c0-\u00ff]{2}[\u0080-\u009f]"
    ),
    "control": re.compile("[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u0084\u0086-\u009f\ufeff\ufff9-\ufffb]"),
    "html": re.compile(
        r"</?(?:p|br|div|span|a|b|i|u|em|strong|ul|ol|li|table|tr|td|th|tbody|font|img|script|style|h[1-6])"
        r"(?:\s[^<>]{0,300})?/?>|&(?:nbsp|lt|gt|amp|quot|apos|ldquo|rdquo|mdash|ndash|hellip|#\d{2,5}|#x[0-9a-f]{2,4});"
        r"|\bamp;(?:lt|gt|amp|quot|nbsp);",
        re.IGNORECASE,
    ),
}
_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`", re.DOTALL)


def damage(subject: DataSets) -> Finding:
    """Find damaged text.

    *What it finds*: U+FFFD, text decoded with the wrong table ("Ã©", "â€™", "锟斤拷"), control
    characters, and HTML tags or entities outside code, in training and evaluation rows.

    *How*: patterns over all turns. Damage warns from the first row and fails above 5 %; HTML
    warns above 0.5 %.

    *Source*: each damaged character costs several byte tokens of its own and is learned like any
    other; what the model then writes, readers see.
    """
    kinds: Counter[str] = Counter()
    damaged: list[tuple[str, Row, str, str]] = []
    for file, rows in (("train", subject.train), ("eval", subject.eval)):
        for row in rows or ():
            hits = _hits(row)
            kinds.update(hits.keys())
            damaged += [(file, row, kind, text) for kind, text in hits.items()]
    n = len(subject.rows)
    broken = len({(file, row.line) for file, row, kind, _ in damaged if kind != "html"})
    html = kinds["html"] / n
    share = broken / n
    status = Status.FAIL if share > _FAIL else Status.WARN if broken or html > _HTML_SHARE else Status.PASS
    damaged.sort(key=lambda item: (item[2] == "html", item[0] != "train", item[1].line))
    return finding(
        "AU12",
        status,
        {
            "n": n,
            "broken": broken,
            "share": share,
            **{kind: kinds[kind] for kind in _PATTERNS},
        },
        value=share,
        n=n,
        threshold=0.0,
        rows=(row.line for file, row, _, _ in damaged if file == "train"),
        examples=({"file": file, "row": row.line, "kind": kind, "text": text} for file, row, kind, text in damaged),
        kinds={kind: kinds[kind] for kind in _PATTERNS},
    )


def _hits(row: Row) -> dict[str, str]:
    """Kind of damage → the text around its first place in the row."""
    found: dict[str, str] = {}
    for turn in row.turns:
        prose = _CODE.sub(" ", turn.content)
        for kind, pattern in _PATTERNS.items():
            hit = pattern.search(prose if kind == "html" else turn.content)
            if hit and kind not in found:
                found[kind] = excerpt(hit.string[max(0, hit.start() - 40) : hit.end() + 40])
    return found


CHECK = Check("AU12", damage)
