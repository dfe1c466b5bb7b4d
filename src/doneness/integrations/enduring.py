"""A recorder that outlives a full disk: what cannot be written is kept in memory, and the run is judged from there."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from doneness.core import DonenessError, tr
from doneness.runs import Claim, ExampleLosses, Recorder, Run, save_examples

logger = logging.getLogger("doneness")


class Enduring(Recorder):
    """As a Recorder; after the first write that fails, which is said once, nothing is written any more.

    The journal then ends where it is whole, and a run resumed from a checkpoint goes on from there.

    Attributes:
        lost: whether a write has failed.
    """

    def __init__(self, folder: Path) -> None:
        self._claim = Claim(folder)
        try:
            super().__init__(folder)
        except BaseException:
            self._claim.release()
            raise
        self.lost = False
        self._rows: dict[int, ExampleLosses] = {}

    def write(self, kind: str, step: int, **data: Any) -> None:
        """Append one record, in memory alone where the disk refuses."""
        if not self._done(lambda: super(Enduring, self).write(kind, step, **data)):
            self.records.append({"kind": kind, "step": step, **data})

    def keep(self, rows: ExampleLosses) -> str | None:
        """Write one evaluation row by row; where it lies, seen from the folder, None where it is in memory."""
        found: list[Path] = []
        if not self._done(lambda: found.append(save_examples(self.folder, rows))):
            self._rows[rows.step] = rows
            return None
        return str(found[0].relative_to(self.folder))

    def resume(self, step: int, **data: Any) -> None:
        """Declare the records after `step` superseded."""
        self._done(lambda: super(Enduring, self).resume(step, **data))
        if self.lost:
            stay = ("start", "resume", "error")
            kept = [r for r in self.records if r["step"] <= step or r["kind"] in stay]
            self.records = [*kept, {"kind": "resume", "step": step, **data}]
            self._rows = {at: rows for at, rows in self._rows.items() if at <= step}

    def sync(self) -> None:
        """Force everything onto the disk."""
        self._done(super().sync)

    def close(self) -> None:
        """Sync and close the journal."""
        try:
            super().close()
        except (DonenessError, OSError) as error:
            self._say(error)
        finally:
            self._claim.release()

    def run(self) -> Run:
        """The run so far, with what is in memory."""
        run = super().run()
        if not self._rows:
            return run
        held, source = dict(self._rows), run.example_source

        def losses(step: int) -> ExampleLosses:
            assert source is not None
            return held[step] if step in held else source(step)

        return replace(run, example_steps=tuple(sorted({*run.example_steps, *held})), example_source=losses)

    def _done(self, write: Callable[[], Any]) -> bool:
        if self.lost:
            return False
        try:
            write()
        except (DonenessError, OSError) as error:
            self._say(error)
            return False
        return True

    def _say(self, error: Exception) -> None:
        if not self.lost:
            logger.warning(tr("integrations.memory", reason=str(error)))
        self.lost = True
