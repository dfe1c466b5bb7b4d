"""AU07: rows that were left out when the files were read."""

from __future__ import annotations

from doneness.audit.findings import finding, grade
from doneness.audit.subject import DataSets
from doneness.core import Check, Finding

_FAIL = 0.1


def skipped_rows(subject: DataSets) -> Finding:
    """Count rows without a question or an answer.

    *What it finds*: rows that reading skipped under data.on_empty = "skip", in either file.

    *How*: the reader's own list of lines and reasons.

    *Source*: rows without target tokens add nothing to the gradient, and a batch of them alone
    gives a loss of NaN, or of 0.0 that reads as good; MedQuAD's own release holds thousands.
    """
    files = [subject.train, *([subject.eval] if subject.eval is not None else [])]
    skipped = [(rows.path.name, line, reason) for rows in files for line, reason in sorted(rows.skipped.items())]
    total = sum(len(rows) for rows in files) + len(skipped)
    share = len(skipped) / total
    return finding(
        "AU07",
        grade(share, 0.0, _FAIL),
        {"count": len(skipped), "n": total, "share": share},
        value=share,
        n=total,
        threshold=0.0,
        rows=subject.train.skipped,
        examples=({"file": name, "row": line, "reason": reason} for name, line, reason in skipped),
    )


CHECK = Check("AU07", skipped_rows)
