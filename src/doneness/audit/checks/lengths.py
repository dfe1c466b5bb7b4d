"""AU09: rows that are cut, and rows far longer than the others."""

from __future__ import annotations

import numpy as np

from doneness.audit.check import DataCheck
from doneness.audit.findings import EXAMPLES, finding, grade, too_few
from doneness.audit.illustrate import Ask
from doneness.audit.subject import Subject
from doneness.core import Finding, Status

_WARN, _FAIL = 0.01, 0.1
_FAR, _BEYOND = 4.0, 50.0  # times the median: an outlier has the one at least; the other is one whatever the spread


def lengths(subject: Subject) -> Finding:
    """Find rows over the length budget, or, without a budget, outliers in length.

    *What it finds*: the share of training rows longer than `max_tokens` or `max_chars`; where
    neither is set, rows more than 3 interquartile ranges above the upper quartile of log length and
    at least four times the median, and rows of fifty times the median however uneven the others are.

    *How*: tokens where the run's tokenizer counted them, else characters of all turns.

    *Source*: a cut row loses the end of its answer, and with it the end-of-turn token: the model
    learns not to stop. Outliers set the peak of memory. Tukey, "Exploratory data analysis", 1977.
    """
    params, n = subject.params, subject.train.count
    tokens = subject.lengths is not None
    sizes = np.asarray(subject.lengths if tokens else subject.train.columns.get("chars"), np.float64)
    budget = params.max_tokens if tokens and params.max_tokens is not None else None
    if not tokens:
        budget = params.max_chars
    if budget is None and n < params.min_rows:
        return too_few("AU09", n, params.min_rows)
    limit = float(budget) if budget is not None else _fence(sizes)
    over = np.flatnonzero(sizes > limit)
    subject.flag("AU09", over)
    share = len(over) / n
    unit = "tokens" if tokens else "chars"
    status = grade(share, _WARN, _FAIL) if budget is not None else (Status.WARN if len(over) else Status.PASS)
    key = ("budget" if budget is not None else "outliers") + ("_pass" if status is Status.PASS else "")
    numbers = {
        "count": len(over),
        "n": n,
        "share": share,
        "limit": int(limit),
        "median": int(np.median(sizes)),
        "longest": int(sizes.max()),
        "times": float(sizes.max() / max(1.0, float(np.median(sizes)))),
    }
    order = over[np.lexsort((over, -sizes[over]))]
    return finding(
        "AU09",
        status,
        numbers,
        value=share,
        n=n,
        threshold=_WARN if budget is not None else 0.0,
        rows=subject.train.lines(order[:1000]),
        key=f"{key}_{unit}",
        examples=(
            {
                "train_row": subject.train.named([place])[0],
                unit: int(sizes[place]),
                "question": Ask("train", int(place)),
            }
            for place in order[:EXAMPLES]
        ),
        quantiles={str(q): float(np.quantile(sizes, q)) for q in (0.05, 0.5, 0.95, 0.99, 1.0)},
    )


def _fence(sizes: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
    logs = np.log(np.maximum(sizes, 1.0))
    low, high = np.quantile(logs, [0.25, 0.75])
    median = np.median(sizes)
    return float(min(max(np.exp(high + 3 * (high - low)), _FAR * median), _BEYOND * median))


CHECK = DataCheck("AU09", lengths)
