"""Public question sets in their own formats, known by their keys."""

from collections.abc import Mapping
from typing import Any

from doneness.probe.loaders import exams, facts, harms, open_ended, premises
from doneness.probe.loaders.family import Loader

__all__ = ["LOADERS", "Loader", "recognise"]

LOADERS: tuple[Loader, ...] = (
    *exams.LOADERS,
    *premises.LOADERS,
    *facts.LOADERS,
    *harms.LOADERS,
    *open_ended.LOADERS,
)


def recognise(item: Mapping[str, Any]) -> Loader | None:
    """The set that a row belongs to, or None where no set has such rows."""
    return next((loader for loader in LOADERS if loader.knows(item)), None)
