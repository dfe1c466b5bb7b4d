"""AU12: broken encoding, control characters, left-over HTML."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from doneness.audit.check import DataCheck
from doneness.audit.entry import Entry
from doneness.audit.findings import finding
from doneness.audit.illustrate import excerpt
from doneness.audit.subject import Subject
from doneness.audit.tally import Flags, Tally, note
from doneness.core import Finding, Status

_FAIL = 0.05
# HTML may be what a row is about; a file that was scraped has it everywhere.
_HTML_SHARE = 0.005

PATTERNS = {
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
# Quoted code: what looks like markup there is what the text is about.
CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`", re.DOTALL)


# Damage among ASCII characters is controls alone.
_ASCII_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


class Damage(Tally):
    """Rows with damaged text, by kind."""

    def begin(self) -> None:
        """No row so far."""
        self.kinds: Counter[str] = Counter()
        self.html = Flags()
        self.examples: dict[str, list[Any]] = {kind: [] for kind in PATTERNS}

    def see(self, entry: Entry) -> None:
        """Judge one row."""
        self.n += 1
        found = hits(entry)
        if not found:
            return
        self.kinds.update(found.keys())
        if found.keys() - {"html"}:
            self.flags.add(entry)
        else:
            self.html.add(entry)
        for kind, text in found.items():
            note(self.examples[kind], {"file": entry.side, "row": entry.at, "kind": kind, "text": text})


def damage(subject: Subject) -> Finding:
    """Find damaged text.

    *What it finds*: U+FFFD, text decoded with the wrong table ("Ã©", "â€™", "锟斤拷"), control
    characters, and HTML tags or entities outside code, in training and evaluation rows.

    *How*: patterns over all turns. Damage warns from the first row and fails above 5 %; HTML
    warns above 0.5 %.

    *Source*: each damaged character costs several byte tokens of its own and is learned like any
    other; what the model then writes, readers see.
    """
    seen = subject[Damage]
    broken, n = len(seen.flags), seen.n
    share, html = broken / n, seen.kinds["html"] / n
    status = Status.FAIL if share > _FAIL else Status.WARN if broken or html > _HTML_SHARE else Status.PASS
    subject.flag("AU12", [*seen.flags.train, *seen.html.train])
    examples = [example for kind in PATTERNS for example in seen.examples[kind]]
    return finding(
        "AU12",
        status,
        {"n": n, "broken": broken, "share": share, **{kind: seen.kinds[kind] for kind in PATTERNS}},
        value=share,
        n=n,
        threshold=0.0,
        rows=subject.train.lines((*seen.flags.train[:1000], *(seen.html.train[:200] if not broken else ()))),
        examples=sorted(examples, key=lambda each: (each["kind"] == "html", each["file"] != "train", each["row"])),
        kinds={kind: seen.kinds[kind] for kind in PATTERNS},
    )


def hits(entry: Entry) -> dict[str, str]:
    """Kind of damage → the text around its first place in the row."""
    found: dict[str, str] = {}
    for text in entry.texts:
        plain, printable = text.isascii(), text.isprintable()
        for kind, pattern in PATTERNS.items():
            if kind in found or (plain and kind in ("replacement", "mojibake")):
                continue
            if kind == "html" and "<" not in text and "&" not in text and "amp;" not in text:
                continue
            if kind == "control" and printable:
                continue
            if kind == "control" and plain:
                pattern = _ASCII_CONTROL
            hit = pattern.search(CODE.sub(" ", text) if kind == "html" else text)
            if hit:
                found[kind] = excerpt(hit.string[max(0, hit.start() - 40) : hit.end() + 40])
    return found


CHECK = DataCheck("AU12", damage, tally=Damage, both=True)
