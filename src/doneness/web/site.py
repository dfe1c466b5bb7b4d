"""What is served, and what the server is handed from above: it knows no workflow by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol


@dataclass(frozen=True)
class Settings:
    """How a folder is served.

    Attributes:
        root: the folder, absolute and without links; nothing outside of it is shown.
        host, port: where to listen; port 0 takes a free one.
        token: what a reader has to show; "" where only this machine can reach the server.
        readonly: whether every change is refused.
        cache: folder for what is known of runs already, never inside `root`; None keeps it in memory.
        names: further names that the server goes by, in the Host header.
        every: seconds between two looks at the folder, at least.
    """

    root: Path
    host: str = "127.0.0.1"
    port: int = 8631
    token: str = ""
    readonly: bool = False
    cache: Path | None = None
    names: tuple[str, ...] = ()
    every: float = 2.0


class Site(Protocol):
    """What the server asks of the workflows.

    The functions on votes take the run's folder; they wait for disks and locks, so the server calls them in threads.
    """

    def worker(self) -> Sequence[str]:
        """The command line of a process that reads and judges, see `doneness.web.pool`."""

    def next_pair(self, folder: Path, reviewer: str, lang: str) -> Mapping[str, Any]:
        """Two answers to choose between, or that there are none left."""

    def record_vote(self, folder: Path, vote: Vote, lang: str) -> Mapping[str, Any]:
        """Enter a vote that no kill takes away, and give the next pair."""

    def undo_vote(self, folder: Path, reviewer: str, lang: str) -> Mapping[str, Any]:
        """Take the newest vote of a reviewer back, and show its pair again."""

    def standing(self, folder: Path, lang: str) -> Mapping[str, Any]:
        """Where the votes stand."""

    def votes(self, folder: Path, form: str) -> str:
        """Every vote ever cast, as "csv" or "jsonl"."""


@dataclass(frozen=True)
class Vote:
    """One vote: "1", "2", "tie" or "bad" on what the token stands for; `tags` are those of either side."""

    token: str
    verdict: str
    reviewer: str
    tags: Mapping[int, Sequence[str]] = field(default_factory=dict)
    rewrite: str = ""
