"""What the model of step 0 said of the held-out rows: the reference of every later reward, kept in the run folder."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doneness.core import DonenessError, tr
from doneness.models.together import share
from doneness.runs import atomic

_FILE = "evals/reference.npz"


class Reference:
    """Arrays by name, written at step 0 and read again where a run is resumed."""

    def __init__(self, home: Path) -> None:
        self._place = home / _FILE
        self._kept: dict[str, NDArray[np.float64]] = {}

    def of(self, step: int, **found: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        """The reference; at step 0 what was found there.

        Raises:
            DonenessError: the run goes on, and its reference is not there.
        """
        if not self._kept and step == 0 and share()[0]:
            self._kept = found  # the first process writes it
        elif not self._kept and step == 0:
            packed = io.BytesIO()
            np.savez(packed, **found)  # type: ignore[arg-type]
            atomic.write_bytes(self._place, packed.getvalue())
            self._kept = found
        elif not self._kept:
            self._kept = self._read()
        return self._kept

    def _read(self) -> dict[str, NDArray[np.float64]]:
        try:
            with np.load(self._place, allow_pickle=False) as file:
                return {name: file[name] for name in file.files}
        except (OSError, ValueError) as error:
            raise DonenessError(tr("train.no_reference", path=str(self._place))) from error


def drop_copy(model: Any) -> None:
    """Take away the copy that TRL makes of adapters for a reference, where they are new and change nothing yet.

    What they are added to is then the same reference, without the memory and without a second adapter on disk.
    """
    import torch

    if "ref" not in getattr(model, "peft_config", {}):
        return
    kept = [p for n, p in model.named_parameters() if ".ref." in n and ("lora_B" in n or "lora_embedding_B" in n)]
    moved = any(bool(torch.count_nonzero(p)) for p in kept)
    if kept and not moved and not model.peft_config["default"].modules_to_save:
        model.delete_adapter("ref")
