"""Which evaluation rows belong together: the turns of a conversation, the passages of a document.

A row is known by its tokens, so the rows of the data set are collated once, one by one, and their identities noted.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from doneness.core import DonenessError, tr
from doneness.integrations.given import clusters_of
from doneness.integrations.scored import Kind, identities
from doneness.runs import ExampleLosses

logger = logging.getLogger("doneness")
Asked = str | Sequence[Any] | Callable[[Mapping[str, Any]], Any]


class _Unknown(Exception):
    """Why the rows cannot be told apart, in one sentence."""


class Clusters:
    """Adds to losses row by row what each row belongs to."""

    def __init__(self, asked: Asked) -> None:
        """Take what the user gave.

        Args:
            asked: the name of a column, one entry for each evaluation row, or what gives a row's cluster.
        """
        self._asked = asked
        self._known: dict[str, Any] | None = None

    def add(self, losses: ExampleLosses, loader: Any, kind: Kind, whole: Any) -> ExampleLosses:
        """The same losses with clusters; unchanged, and said once, where these cannot be had.

        Args:
            losses: of one evaluation.
            loader: its data loader.
            kind: of the model.
            whole: the evaluation set with all its columns, where known; the Trainer takes away what the model does
                not take.
        """
        if self._known is None:
            self._known = {}
            try:
                self._known = self._found(loader, kind, whole)
            except (_Unknown, DonenessError) as reason:
                logger.warning(tr("integrations.no_clusters", why=str(reason)))
        if not self._known:
            return losses
        names = losses.ids.tolist()
        return replace(losses, cluster=clusters_of(names, [self._known.get(name) for name in names]))

    def _found(self, loader: Any, kind: Kind, whole: Any) -> dict[str, Any]:
        rows = getattr(loader, "dataset", None)
        if not hasattr(rows, "__len__") or not hasattr(rows, "__getitem__"):
            raise _Unknown(tr("integrations.why.no_dataset"))
        given: Any = rows
        belongs = self._given(rows, whole)
        found: dict[str, Any] = {}
        for i, cluster in enumerate(belongs):
            for name in identities(kind, dict(loader.collate_fn([given[i]]))):
                found.setdefault(name, cluster)
        return found

    def _given(self, rows: Any, whole: Any) -> list[Any]:
        """What each row of the data set belongs to, in order."""
        count, asked = len(rows), self._asked
        if not isinstance(asked, str) and not callable(asked):
            if len(asked) != count:
                raise _Unknown(tr("integrations.clusters", clusters=len(asked), rows=count))
            return list(asked)
        if hasattr(whole, "__getitem__") and hasattr(whole, "__len__") and len(whole) == count:
            rows = whole
        if callable(asked):
            return [asked(rows[i]) for i in range(count)]
        if count and asked not in dict(rows[0]):
            raise _Unknown(tr("integrations.no_column", column=asked))
        return [rows[i][asked] for i in range(count)]
