"""AU18: rows that cannot be read, and files whose form changes on the way."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from doneness.audit.check import DataCheck
from doneness.audit.entry import named
from doneness.audit.findings import finding, grade
from doneness.audit.subject import Side, Subject
from doneness.audit.tally import top
from doneness.core import Finding, Status

_FAIL = 0.01
_BLOCK = 0.05  # of the rows: so many with other keys in one stretch are another form, not a few optional keys


def form(subject: Subject) -> Finding:
    """Find rows of a form that is not known, and the row at which a file changes its form.

    *What it finds*: lines that are no JSON, rows of an unknown shape or with unknown roles (WARN from the first,
    FAIL above 1 %); the row from which on the keys are others; and lines with a character at which
    `str.splitlines` would cut them (U+2028, U+2029, U+0085), which is told and is no fault of the file.

    *How*: every row is read by itself, so that one fault never hides the others; keys are compared row by row.

    *Source*: training refuses such a file at its first bad row (`read_rows`). A tool that reads with
    `splitlines` makes two broken rows of one: PubMedQA's 1,000 rows come out as 1,001.
    """
    sides = [subject.train, *([subject.eval] if subject.eval is not None else [])]
    bad = sum(sum(side.missed.values()) - side.blank for side in sides)
    total = sum(side.count + sum(side.missed.values()) for side in sides)
    share = bad / total
    changes = [change for side in sides for change in _changes(side)]
    status = grade(share, 0.0, _FAIL)
    if status is Status.PASS and changes:
        status = Status.WARN
    separated = sum(side.separated for side in sides)
    first = changes[0]["line"] if changes else 0
    key = "pass" if status is Status.PASS else "changed" if changes else "found"
    if status is Status.PASS and separated:
        key = "separators"
    return finding(
        "AU18",
        status,
        {"count": bad, "n": total, "share": share, "changes": len(changes), "row": first, "separators": separated},
        value=share,
        n=total,
        threshold=0.0,
        key=key,
        rows=[line for line, _, blank, _ in subject.train.missed_at if not blank] or [c["line"] for c in changes],
        examples=[
            *changes[:2],
            *({"file": side.path.name, "row": at, "reason": reason} for side in sides
              for _, reason, blank, at in side.missed_at if not blank),
        ],
        reasons=dict(top(((r, c) for side in sides for r, c in side.missed.items()), 10)),
        separators=[at for side in sides for at in side.separators],
    )  # fmt: skip


def _changes(side: Side) -> list[dict[str, Any]]:
    """Where long stretches of rows with the same keys follow one another within a source."""
    total = side.count + sum(side.missed.values())
    long = [shape for shape in side.shapes if shape[4] >= max(10, _BLOCK * total)]
    found = []
    for before, after in pairwise(long):
        if before[0] == after[0] and set(before[1].split(", ")) != set(after[1].split(", ")):
            found.append(
                {
                    "file": side.path.name,
                    "row": named(side.file(after[0]), after[2]),
                    "line": after[2],
                    "before": before[1],
                    "after": after[1],
                }
            )
    # A form that comes and goes is a set of mixed rows.
    return found if len(found) <= 3 else []


CHECK = DataCheck("AU18", form)
