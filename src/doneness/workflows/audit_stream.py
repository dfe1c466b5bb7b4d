"""Files through an audit, row by row: interrupted at any row, and taken up there by the next call."""

from __future__ import annotations

import gc
import hashlib
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from doneness import __version__
from doneness.audit import CHECKS, Auditor, AuditParams, Question
from doneness.audit.subject import Fitter
from doneness.core import DataError, tr
from doneness.data import Reading, Row
from doneness.data.files import ending
from doneness.data.sources import sources_of
from doneness.data.stream import source_names, stream
from doneness.workflows.audit_ahead import Work, batches

Told = Callable[[str, int, int], None]

_EVERY = 20.0  # seconds between two states on disk, and so many times as long as writing one took
_WORTH = 100.0
_LOOK = 256  # rows that are looked at together, and between two looks at the clock
_STATE = "state.msgpack"
_FORM = 2  # of the state; one of another form is not taken up


@dataclass(frozen=True)
class Files:
    """What is audited.

    Attributes:
        train, held_out: names of data; see `data.sources`.
        params: the measures.
        probes: what checkpoints are asked.
        reading: how files are read.
        key: what else the result hangs on, such as the model whose tokenizer counts.
    """

    train: str
    held_out: str | None
    params: AuditParams
    probes: tuple[Question, ...] = ()
    reading: Reading = field(default_factory=lambda: Reading("skip"))
    key: str = ""

    @property
    def sides(self) -> dict[str, str]:
        """Names of data by side."""
        return {"train": self.train} | ({"eval": self.held_out} if self.held_out is not None else {})


def streamed(files: Files, folder: Path, fitter: Fitter | None, told: Told) -> Auditor:
    """An auditor that has seen every row; what it remembers lies in `folder`, which `cleared` removes.

    Raises:
        DataError: a file cannot be read, or none of its rows can be used.
        KeyboardInterrupt: Ctrl-C; the state lies in the folder, and the next call goes on from it.
    """
    held = None if files.held_out is None else Path(files.held_out)
    auditor = Auditor(files.params, CHECKS, Path(files.train), held, files.probes, folder)
    auditor.fitter = fitter
    auditor.subject.near.folder = folder
    state = _state(folder)
    if state is not None:
        auditor.restore(state["auditor"])
    done = tuple(state["done"]) if state is not None else ()
    with _patient() as asked, _without_collections():
        for side in files.sides:
            if side in done:
                continue
            _side(auditor, files, side, folder, (done, asked, told))
            done = (*done, side)
        # What follows takes minutes where rows are many; it begins here when it is cut off.
        _save(folder, auditor, done)
    return auditor


def _side(
    auditor: Auditor, files: Files, name: str, folder: Path, how: tuple[tuple[str, ...], threading.Event, Told]
) -> None:
    done, asked, told = how
    path, side = files.sides[name], auditor.side(name)
    side.sources = list(source_names(path, files.params.stage, files.reading))
    total = rows_of(path, files.reading)
    count, since, least = side.count + sum(side.missed.values()), time.monotonic(), _EVERY
    at, params = (side.at[0], side.at[1]), files.params
    work = Work(name, path, params.stage, files.reading, at, _LOOK, params.joined)
    with closing(batches(auditor.maker, work, max(1, total - count) if total else 0)) as found:
        for batch in found:
            auditor.take(name, batch)
            count += len(batch.rows)
            told(name, count, total)
            if asked.is_set() or time.monotonic() - since > least:
                begun = time.monotonic()
                _save(folder, auditor, done)
                since = time.monotonic()
                least = max(_EVERY, _WORTH * (since - begun))
            if asked.is_set():
                raise KeyboardInterrupt
    if not side.count:
        raise DataError(_nothing(side, path))
    told(name, count, count)


def _nothing(side: Any, path: str) -> str:
    if not side.missed:
        return tr("data.no_rows", path=path)
    reason, rows = side.missed.most_common(1)[0]
    if rows == 1 and len(side.missed) == 1 and not side.blank and ending(Path(path)) == ".json" and side.shapes:
        return tr("workflows.audit.wrapped", path=path, keys=side.shapes[0][1])
    if side.blank == sum(side.missed.values()):
        return tr("workflows.audit.all_blank", path=path, rows=rows, reason=reason)
    if not any(shape[1] for shape in side.shapes):  # not one object: no other names of columns would help
        return tr("workflows.audit.none_json", path=path, rows=sum(side.missed.values()), reason=reason)
    return tr("workflows.audit.none_readable", path=path, rows=sum(side.missed.values()), reason=reason)


def fetcher(auditor: Auditor, files: Files) -> Callable[[str, set[int]], Mapping[int, Row]]:
    """What gives rows by their places: the files are gone through once more, and only those lines are read."""

    def fetch(side: str, places: set[int]) -> Mapping[int, Row]:
        columns = auditor.side(side).columns
        lines, sources = columns.get("line"), columns.get("source")
        home = {(int(sources[place]), int(lines[place])): place for place in places}
        wanted: dict[int, set[int]] = {}
        for source, line in home:
            wanted.setdefault(source, set()).add(line)
        if not wanted:
            return {}
        rows = stream(files.sides[side], files.params.stage, files.reading, only=wanted)
        return {home[row.source, row.line]: row.row for row in rows if row.row is not None}

    return fetch


def work_folder(files: Files, wanted: str | Path | None = None) -> Path:
    """The folder of this audit: the one asked for, else one in the user's cache; other data is another folder."""
    told: list[Any] = [__version__, _FORM, asdict(files.params), files.reading.columns, files.key]
    for name in files.sides.values():
        for source in sources_of(name, files.reading, files.params.stage == "pretrain"):
            told.append(_mark(Path(source.path)))
    told.append([(p.id, p.prompt, p.reference) for p in files.probes])
    name = hashlib.blake2b(msgspec.json.encode(told), digest_size=10).hexdigest()
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    folder = (Path(wanted) if wanted else Path(cache) / "doneness" / "audit") / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def cleared(folder: Path) -> None:
    """Remove the folder of an audit that is done."""
    shutil.rmtree(folder, ignore_errors=True)


def rows_of(path: str, reading: Reading) -> int:
    """How many lines the JSON-lines files of a name of data have; 0 where that is not to be had at once."""
    total = 0
    for source in sources_of(path, reading):
        file = Path(source.path)
        if ending(file) not in (".jsonl", ".ndjson") or file.suffix == ".gz" or not file.is_file():
            return 0
        with file.open("rb") as handle:
            while block := handle.read(1 << 22):
                total += block.count(b"\n")
    return total


def _mark(path: Path) -> list[Any]:
    try:
        told = path.stat()
    except OSError:
        return [str(path)]
    return [str(path.resolve()), told.st_size, told.st_mtime_ns]


def _save(folder: Path, auditor: Auditor, done: tuple[str, ...]) -> None:
    half = folder / f"{_STATE}.half"
    half.write_bytes(msgspec.msgpack.encode({"done": list(done), "auditor": auditor.state()}))
    half.replace(folder / _STATE)


def _state(folder: Path) -> Any:
    file = folder / _STATE
    if not file.is_file():
        # Columns without a state are those of a call that was cut off before its first.
        for left in folder.iterdir():
            left.unlink()
        return None
    return msgspec.msgpack.decode(file.read_bytes(), strict=False)


@contextmanager
def _without_collections() -> Iterator[None]:
    """Rows are made and dropped by the million and hold no cycles: looking for some takes a tenth of the time."""
    were = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if were:
            gc.enable()


@contextmanager
def _patient() -> Iterator[threading.Event]:
    """Ctrl-C is noted and obeyed between two rows; a second one ends at once."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return

    def note(number: int, frame: Any) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    before = signal.signal(signal.SIGINT, note)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, before)
