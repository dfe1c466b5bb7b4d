"""What several processes have to tell one another; with one process, nothing."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

import numpy as np

from doneness.core import tr
from doneness.integrations.scored import Row
from doneness.models import together
from doneness.models.together import gathered, share, summed
from doneness.runs import ExampleLosses, SpanLosses

__all__ = ["agreed", "from_first", "gathered", "merged", "share", "summed"]
logger = logging.getLogger("doneness")


def agreed(reason: str | None, first: bool) -> bool:
    """Whether all processes can record; where one cannot, none does, for they would wait for one another.

    Args:
        reason: why this process cannot, or None.
        first: whether this process is the one that says so.
    """
    reasons = [each for each in gathered(reason) if each]
    if reasons and first:
        logger.warning(tr("integrations.off", reason=reasons[0]))
    return not reasons


def from_first(mine: Any) -> Any:
    """What the first process holds; all must call it."""
    return together.from_first(mine)


def merged(step: int, parts: Iterable[list[Row]], known: int | None) -> tuple[ExampleLosses | None, int | None]:
    """The rows of all processes as one evaluation, sorted by identity, each once.

    Args:
        step: optimizer steps done.
        parts: the rows of each process. Samplers repeat rows to fill the last batch.
        known: rows in the data set, where each gave one.

    Returns:
        The losses, or None without a row; and how many rows of the data stand there more than once,
        None where repeats by the sampler cannot be told from them.
    """
    processes = [list(part) for part in parts]
    total = sum(map(len, processes))
    found = {row.name: row for part in reversed(processes) for row in reversed(part)}
    if not found:
        return None, None
    names = sorted(found)
    rows = [found[name] for name in names]
    losses = ExampleLosses(
        step,
        np.array(names, dtype=np.str_),
        np.array([row.nll for row in rows]),
        np.array([row.tokens for row in rows], dtype=np.int64),
        {name: _of_span(rows, name) for name in dict.fromkeys(name for row in rows for name in row.spans)},
    )
    truly = total if len(processes) == 1 else known
    # Rows without targets and packed rows: the data set's own length says nothing then.
    return losses, None if truly is None or truly > total or truly < len(names) else truly - len(names)


def _of_span(rows: list[Row], name: str) -> SpanLosses:
    told = [row.spans.get(name, (0.0, 0)) for row in rows]
    return SpanLosses(np.array([nll for nll, _ in told]), np.array([tokens for _, tokens in told], dtype=np.int64))
