"""Follows a growing log: looks again when it changed, and tells when a decision has held long enough to act on.

A log that is being written is often cut in the middle for a moment. A half line at its end is not
read, a fault or a shorter history counts only when the log has stood still since the look before,
and in between the last good look stands.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from doneness.core import Action, Diagnosis, DonenessError, Verdict
from doneness.diagnose import Params
from doneness.runs import Run, read
from doneness.runs.readers import files
from doneness.stopping import EvidenceRule
from doneness.workflows.check import judge, own_params
from doneness.workflows.going import finished
from doneness.workflows.mapping import refuse_unknown_columns
from doneness.workflows.silence import Pace

# Decided by the losses at hand; the others wait for the next evaluation to be held twice.
_AT_ONCE = (Verdict.BROKEN, Verdict.DIVERGED, Verdict.MEMORISING)
_LINES = ("csv", "text", "hf_console")
_PATIENCE = 3  # looks in a row that a shorter history must last before it is taken for a new beginning
_MOST_FILES = 5_000
_WEIGHTS = frozenset([".safetensors", ".bin", ".pt", ".pth", ".gguf", ".distcp"])

Print = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True, slots=True)
class Look:
    """One look at the log.

    Attributes:
        others: how many further runs the path holds; the one written last is watched.
        changed: whether the verdict is another than at the look before; never at the first look.
        stop: whether this look is the first at which "stop" has held for two looks with news between them.
    """

    run: Run
    diagnosis: Diagnosis
    others: int
    changed: bool
    stop: bool

    @property
    def evaluation(self) -> tuple[int, float] | None:
        """Step and loss of the last evaluation."""
        evals = self.run.evals
        return (int(evals.step[-1]), float(evals.value[-1])) if evals is not None and len(evals) else None


class LogWatcher:
    """Looks at one log again and again.

    Attributes:
        fault: why there is nothing to see yet, or None.
        quiet_since: monotonic time of the last change of the log.
        there: whether there ever was a file.
        moved: whether the log changed since it was first seen.
        fired: monotonic time at which a stop was told, or None.
        pace: how long the log pauses between two changes.
    """

    def __init__(
        self,
        path: str | Path,
        params: Params | None = None,
        mapping: Mapping[str, str] | None = None,
        single: bool = False,
    ) -> None:
        """Watch `path`; `single` is for one look alone, which may be as sure of itself as `doneness check` is."""
        self.path = Path(path)
        self.params = params
        self.mapping = mapping
        self.watched = not single
        self.last: Look | None = None
        self.fault: str | None = None
        self.quiet_since = time.monotonic()
        self._seen_at = self.quiet_since
        self._read: Print = ()
        self._seen: Print = ()
        self.there = False
        self.moved = False
        self.fired: float | None = None
        self.pace = Pace()
        self._shorter = 0
        self._single: Path | None = None

    def look(self) -> Look | None:
        """A look where there is something new to see, else None; what is cut for the moment is no news."""
        seen = fingerprint(self.path)
        stood_still = seen == self._seen
        if not stood_still:
            self._note_change(seen)
        if not seen or seen == self._read:
            return None
        try:
            found = self._runs()
            run = found[0]
            diagnosis = _decided(run, self.params, self.watched)
        except DonenessError as error:
            if stood_still:
                self._read = seen
            if self.last is None:
                self.fault = str(error)
            return None
        if self.last is not None and run.last_step < self.last.run.last_step and not stood_still:
            self._shorter += 1
            if self._shorter < _PATIENCE:
                return None
        self._read, self.fault, self._shorter = seen, None, 0
        self.pace.read(self.last.run if self.last else None, run)
        self.last = self._judged(run, diagnosis, len(found) - 1)
        return self.last

    def silent_for(self) -> float:
        """Seconds since the log last changed."""
        return time.monotonic() - self.quiet_since

    def stop_without_news(self, wait: float, over: bool) -> Look | None:
        """The last look as one that says stop, where no second look can come; once.

        Args:
            wait: seconds that the log must have stood still, under our eyes.
            over: whether the run is at its end; else only a log that paused far longer than it ever did is taken
                for over. Of one that never moved since we came, that pause began with its last change.
        """
        last = self.last
        if last is None or self.fired is not None or last.diagnosis.action is not Action.STOP:
            return None
        silent = self.pace.told if self.moved else self.silent_for() >= self.pace.patience
        if self.still_for() < wait or not (over or silent):
            return None
        self.fired = time.monotonic()
        self.last = replace(last, changed=False, stop=True)
        return self.last

    @property
    def silent(self) -> bool:
        """Whether a log that moved under our eyes, short of its end, has paused far longer than it ever did."""
        there = self.moved and self.last is not None and not finished(self.last.run)
        return there and self.still_for() >= self.pace.patience

    def silence(self) -> tuple[float, float] | None:
        """Seconds of the silence that the log has fallen into, and of its longest pause before; once each time."""
        if self.pace.told or not self.silent:
            return None
        self.pace.told = True
        return self.still_for(), self.pace.longest

    def still_for(self) -> float:
        """Seconds since the log last changed, those before we came apart."""
        return time.monotonic() - max(self.quiet_since, self._seen_at)

    def _note_change(self, seen: Print) -> None:
        self._seen = seen
        if self.there:
            self.pace.moved(self.still_for())
        self.quiet_since = time.monotonic()
        self._seen_at = time.monotonic()
        self.moved = self.there
        if seen and not self.there:
            # A log that was silent before we came has been silent since its last change.
            newest = max(each[2] for each in seen) / 1e9
            self.quiet_since -= max(0.0, time.time() - newest)
        self.there = self.there or bool(seen)

    def _runs(self) -> list[Run]:
        """The runs at the path, the one written last first."""
        place = self._single or self.path
        found = _whole_lines(place, self.mapping) if place.is_file() else read(place, self.mapping)
        found = sorted(found, key=_written, reverse=True)
        if len(found) == 1 and found[0].kind in _LINES and found[0].path is not None and found[0].path.is_file():
            # From now on its half lines can be told.
            self._single = found[0].path
        return found

    def _judged(self, run: Run, diagnosis: Diagnosis, others: int) -> Look:
        before = self.last
        if before is None:
            return Look(run, diagnosis, others, changed=False, stop=False)
        was = before.diagnosis
        same = (was.action, was.verdict) == (diagnosis.action, diagnosis.verdict)
        moved = _clock(run, diagnosis) > _clock(before.run, diagnosis)
        stop = diagnosis.action is Action.STOP and same and moved and self.fired is None
        self.fired = time.monotonic() if stop else self.fired
        return Look(run, diagnosis, others, was.verdict is not diagnosis.verdict, stop)


def _decided(run: Run, params: Params | None, watched: bool) -> Diagnosis:
    """The diagnosis, with the action of the rule that is asked in training, too: false alarms are rare over all looks.

    Nobody can lower the rate of a run that is only watched, so one whose plan lowers it later is stopped.
    """
    chosen = replace(params or own_params(run) or Params(), watched=watched)
    found = judge(run, chosen)
    decision = EvidenceRule(chosen, cools=False).of(found.run, found.diagnosis)
    return replace(found.diagnosis, action=decision.action)


def fingerprint(path: Path) -> Print:
    """Name, size and time of change of every file that may hold part of the log; empty where there is none."""
    return tuple(_prints(path))


def _prints(path: Path) -> Iterator[tuple[str, int, int]]:
    try:
        if path.is_file():
            at = path.stat()
            yield path.name, at.st_size, at.st_mtime_ns
            return
        waiting, count = [str(path)], 0
        while waiting and count < _MOST_FILES:
            with os.scandir(waiting.pop()) as inside:
                for entry in sorted(inside, key=lambda e: e.name):
                    if entry.name.startswith(".") or os.path.splitext(entry.name)[1] in _WEIGHTS:  # noqa: PTH122
                        continue
                    count += 1
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    else:
                        at = entry.stat()
                        yield entry.path, at.st_size, at.st_mtime_ns
    except OSError:
        # Not there yet, or moved away at this moment; the next look will tell.
        return


def _whole_lines(path: Path, mapping: Mapping[str, str] | None) -> list[Run]:
    """`read`, without the half line at the end of a table or text: a number cut short is still a number."""
    start = files.head(path)
    if start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"{", b"[")) or files.is_binary(start):
        return read(path, mapping)
    if mapping:
        # A table's columns are all there from its first line on; those of JSON rows may come later.
        refuse_unknown_columns(str(path), [], mapping)
    data = files.content(path)
    end = max(data.rfind(b"\n"), data.rfind(b"\r")) + 1
    if end in (0, len(data)):
        return read(path, mapping)
    with tempfile.TemporaryDirectory(prefix="doneness-") as folder:
        part = Path(folder) / path.name
        part.write_bytes(data[:end])
        return [replace(run, path=path) for run in read(part, mapping)]


def _written(run: Run) -> float:
    try:
        return run.path.stat().st_mtime if run.path is not None else 0.0
    except OSError:
        return 0.0


def _clock(run: Run, diagnosis: Diagnosis) -> int:
    """What must move on between two looks for a decision to have held twice."""
    evals = run.evals
    if diagnosis.verdict in _AT_ONCE or evals is None or not len(evals):
        return run.last_step
    return int(evals.step[-1])
