"""AU09: rows that are cut, and rows far longer than the others."""

from __future__ import annotations

import numpy as np

from doneness.audit.findings import excerpt, finding, grade, too_few
from doneness.audit.subject import DataSets
from doneness.core import Check, Finding, Status

_WARN, _FAIL = 0.01, 0.1
_FAR = 4.0


def lengths(subject: DataSets) -> Finding:
    """Find rows over the length budget, or, without a budget, outliers in length.

    *What it finds*: the share of training rows longer than `max_tokens` or `max_chars`; where
    neither is set, rows more than 3 interquartile ranges above the upper quartile of log length and
    at least four times the median.

    *How*: tokens where the run's tokenizer counted them, else characters of all turns.

    *Source*: a cut row loses the end of its answer, and with it the end-of-turn token: the model
    learns not to stop. Outliers set the peak of memory. Tukey, "Exploratory data analysis", 1977.
    """
    rows, params = subject.train.rows, subject.params
    tokens = subject.lengths is not None
    sizes = np.array(subject.lengths if tokens else [sum(len(t.content) for t in row.turns) for row in rows], float)
    budget = params.max_tokens if tokens and params.max_tokens is not None else None
    if not tokens:
        budget = params.max_chars
    if budget is None and len(rows) < params.min_rows:
        return too_few("AU09", len(rows), params.min_rows)
    limit = float(budget) if budget is not None else _fence(sizes)
    over = np.flatnonzero(sizes > limit)
    share = len(over) / len(rows)
    unit = "tokens" if tokens else "chars"
    status = grade(share, _WARN, _FAIL) if budget is not None else (Status.WARN if len(over) else Status.PASS)
    key = ("budget" if budget is not None else "outliers") + ("_pass" if status is Status.PASS else "")
    numbers = {
        "count": len(over),
        "n": len(rows),
        "share": share,
        "limit": int(limit),
        "median": int(np.median(sizes)),
        "longest": int(sizes.max()),
    }
    order = sorted(over.tolist(), key=lambda place: (-sizes[place], place))
    return finding(
        "AU09",
        status,
        numbers,
        value=share,
        n=len(rows),
        threshold=_WARN if budget is not None else 0.0,
        rows=(rows[place].line for place in order),
        key=f"{key}_{unit}",
        examples=(
            {"train_row": rows[place].line, unit: int(sizes[place]), "question": excerpt(rows[place].prompt)}
            for place in order
        ),
        quantiles={str(q): float(np.quantile(sizes, q)) for q in (0.05, 0.5, 0.95, 0.99, 1.0)},
    )


def _fence(sizes: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
    logs = np.log(np.maximum(sizes, 1.0))
    low, high = np.quantile(logs, [0.25, 0.75])
    return float(max(np.exp(high + 3 * (high - low)), _FAR * np.median(sizes)))


CHECK = Check("AU09", lengths)
