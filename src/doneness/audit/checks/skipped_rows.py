"""AU07: rows without a question or an answer."""

from __future__ import annotations

from doneness.audit.check import DataCheck
from doneness.audit.findings import finding, grade
from doneness.audit.subject import Subject
from doneness.core import Finding

_FAIL = 0.1


def skipped_rows(subject: Subject) -> Finding:
    """Count rows without a question or an answer.

    *What it finds*: rows that training skips under data.on_empty = "skip", in either file.

    *How*: the reader's own reasons. Rows of a form that is not known are AU18.

    *Source*: rows without target tokens add nothing to the gradient, and a batch of them alone
    gives a loss of NaN, or of 0.0 that reads as good; MedQuAD's own release holds thousands.
    """
    sides = [subject.train, *([subject.eval] if subject.eval is not None else [])]
    skipped = sum(side.blank for side in sides)
    total = sum(side.count for side in sides) + skipped
    share = skipped / total
    return finding(
        "AU07",
        grade(share, 0.0, _FAIL),
        {"count": skipped, "n": total, "share": share},
        value=share,
        n=total,
        threshold=0.0,
        rows=(line for line, _, blank, _ in subject.train.missed_at if blank),
        examples=(
            {"file": side.path.name, "row": at, "reason": reason}
            for side in sides
            for _, reason, blank, at in side.missed_at
            if blank
        ),
    )


CHECK = DataCheck("AU07", skipped_rows)
