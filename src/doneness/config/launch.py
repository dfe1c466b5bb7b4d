"""The files for `accelerate launch --config_file` that are shipped: DDP, FSDP2, DeepSpeed."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from doneness.core import DonenessError, tr

_NAMES = ("ddp", "fsdp2", "fsdp2-offload", "zero1", "zero2", "zero2-offload", "zero3", "zero3-offload")


def launch_names() -> tuple[str, ...]:
    """Their names, in the order in which weights take less and less of a card."""
    return _NAMES


def launch_file(name: str) -> Path:
    """Where a file lies.

    Raises:
        DonenessError: there is none of that name.
    """
    if name not in _NAMES:
        raise DonenessError(tr("config.no_launch", name=name, known=", ".join(_NAMES)))
    return Path(str(resources.files("doneness.config") / "recipes" / "launch" / f"{name}.yaml"))
