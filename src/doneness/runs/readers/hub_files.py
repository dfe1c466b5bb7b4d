"""Which files of a Hub repository are worth downloading: logs and the small files beside them, never weights."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

_MEGABYTE = 1_000_000
LARGEST = 64 * _MEGABYTE
LARGEST_TABLE = 8 * _MEGABYTE
LARGEST_FACTS = 1 * _MEGABYTE
MOST_BYTES = 512 * _MEGABYTE
MOST_FILES = 500

_LOGS = frozenset(["trainer_state.json", "trainer_log.jsonl", "logging.jsonl", "journal.jsonl"])
_FACTS = frozenset(
    [
        "training_args.yaml", "all_results.json", "train_results.json", "eval_results.json", "config.json",
        "adapter_config.json", "args.json", "axolotl_config.yaml", "axolotl_config.yml",
    ]
)  # fmt: skip
_TABLE = re.compile(r"\.(?:csv|tsv|jsonl|log)$|(?:log|history|loss|metrics)[^/]*\.(?:txt|json)$", re.IGNORECASE)
_TRACKER = re.compile(r"(?:^|/)run-[^/]+\.wandb$|(?:^|/)wandb/[^/]+/files/config\.yaml$|\.db$")
_EXAMPLES = re.compile(r"(?:^|/)evals/step-\d{8}\.npz$")
_WEIGHTS = re.compile(r"\.(?:safetensors|bin|gguf|pt|pth)$")
_CHECKPOINT = re.compile(r"(?:^|/)checkpoint-(\d{1,15})/")


@dataclass(frozen=True)
class Listed:
    """A file of the repository: its path and its size in bytes."""

    path: str
    size: int


@dataclass(frozen=True)
class Selection:
    """What to download, and the logs that are too large to."""

    chosen: list[Listed]
    too_large: list[Listed]


def select(files: Iterable[Listed], under: str = "") -> Selection:
    """The logs among `files`, those of the root and of late checkpoints first where not all fit.

    Args:
        files: the whole repository.
        under: a folder or file in it; only what lies there counts.
    """
    inside = [f for f in files if _safe(f.path) and (not under or f.path == under or f.path.startswith(under + "/"))]
    ours = any(f.path.rpartition("/")[2] == "journal.jsonl" for f in inside)
    chosen: list[Listed] = []
    left: list[Listed] = []
    total = 0
    for file in sorted(inside, key=_rank):
        limit = _limit(file.path, ours)
        if limit is None:
            continue
        if file.size > limit or total + file.size > MOST_BYTES or len(chosen) == MOST_FILES:
            left.append(file)
            continue
        total += file.size
        chosen.append(file)
    return Selection(chosen, left)


def with_weights(files: Iterable[Listed]) -> set[str]:
    """The folders that hold weights, by path; "" is the root."""
    return {f.path.rpartition("/")[0] for f in files if _WEIGHTS.search(f.path)}


def _limit(path: str, ours: bool) -> int | None:
    """The size up to which a file is downloaded; None for what is no log."""
    name = path.rpartition("/")[2]
    if name in _LOGS or "tfevents" in name or _TRACKER.search(path):
        return LARGEST
    if name in _FACTS:
        return LARGEST_FACTS
    if ours and _EXAMPLES.search(path):
        return LARGEST
    return LARGEST_TABLE if _TABLE.search(path) else None


def _rank(file: Listed) -> tuple[int, int, str]:
    found = _CHECKPOINT.search(file.path)
    return (0, 0, file.path) if found is None else (1, -int(found[1]), file.path)


def _safe(path: str) -> bool:
    """A name that leads nowhere but into the folder that it is downloaded to."""
    return not path.startswith("/") and "\\" not in path and ".." not in path.split("/")
