"""Rows made in a second process, ahead of the one that counts them, where they are many.

Reading a row and making its forms takes as long as all checks together and hangs on nothing but the row. A child does
it and sends batches through a pipe, in order; a pipe holds few of them, so the child waits where it is the faster one.
What comes out is the same either way: where the child ends early, whatever ended it, the parent goes on alone from the
last row that it has seen, and meets the same fault itself.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from doneness.audit.batch import Batch, Maker
from doneness.audit.wire import packed, unpacked
from doneness.core import language, speaking
from doneness.data import Reading
from doneness.data.sources import sources_of
from doneness.data.stream import Streamed, stream

_MANY = 20_000  # rows from which on a second process is worth its start,
_LARGE = 16 << 20  # or bytes, where rows are not counted before they are read
_CHARACTERS = 1 << 20  # of a batch: rows may be long
_PIPE = 1 << 20
_HEAD = 8  # bytes that tell the length of a batch; a length of 0 is the end
# The path is set before anything of ours is looked for; -P keeps the working directory out of it until then.
_CHILD = "import pickle, sys; sys.path[:] = pickle.load(sys.stdin.buffer); import {0}; {0}.child()"


@dataclass(frozen=True)
class Work:
    """Which rows are made.

    Attributes:
        side: TRAIN or EVAL.
        path, stage, reading: as `stream` takes them.
        at: source and line of the last row that is not wanted any more.
        most: rows of a batch.
        joined: whether near-duplicates are looked for.
    """

    side: str
    path: str
    stage: str
    reading: Reading
    at: tuple[int, int]
    most: int
    joined: bool


def batches(maker: Maker, work: Work, left: int) -> Generator[Batch, None, None]:
    """The rows of a side in order; to be closed, so that no child is left.

    Args:
        maker: makes the batches that this process makes itself.
        work: which rows.
        left: how many of them there are, about; 0 where that is not known.

    Raises:
        DataError: a file cannot be read.
    """
    if _worth(work, left):
        with _started(work) as pipe:
            while pipe is not None and (raw := _message(pipe)) is not None:
                if not raw:
                    return
                batch = unpacked(work.side, raw)
                work = replace(work, at=(batch.rows[-1].source, batch.rows[-1].line))
                yield batch
    yield from _made(maker, work)


def child() -> None:
    """What the second process does: it is told its work, and sends batches until the rows or the pipe end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    work, lang = pickle.load(sys.stdin.buffer)
    # Whatever else is written to the standard output would stand between batches.
    with os.fdopen(os.dup(1), "wb", buffering=0) as pipe, speaking(lang):
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        try:
            for batch in _made(Maker(work.joined), work):
                _send(pipe, packed(batch))
            _send(pipe, b"")
        except BrokenPipeError:
            return


def _made(maker: Maker, work: Work) -> Iterator[Batch]:
    for rows in _portions(stream(work.path, work.stage, work.reading, work.at), work.most):
        yield maker.made(work.side, rows)


def _portions(rows: Iterable[Streamed], most: int) -> Iterator[list[Streamed]]:
    found: list[Streamed] = []
    characters = 0
    for row in rows:
        found.append(row)
        if row.row is not None:
            characters += sum([len(turn.content) for turn in row.row.turns])
        if len(found) >= most or characters >= _CHARACTERS:
            yield found
            found, characters = [], 0
    if found:
        yield found


def _worth(work: Work, left: int) -> bool:
    """Whether a second process would help, and may be started."""
    if not sys.executable or getattr(sys, "frozen", False) or _processors() < 2:
        return False
    # A pool's worker is as busy as it should be, and none may have children. Most programs have no pool.
    pool = sys.modules.get("multiprocessing.process")
    if pool is not None and pool.current_process().daemon:
        return False
    files = [Path(source.path) for source in sources_of(work.path, work.reading, work.stage == "pretrain")]
    if not all(file.is_file() for file in files):
        return False  # what is fetched is fetched once, where the user sees it
    return left >= _MANY or (not left and sum(file.stat().st_size for file in files) >= _LARGE)


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def _started(work: Work) -> Iterator[IO[bytes] | None]:
    """A child at work, and the pipe that it writes to; None where none can be started."""
    apart = 0 if os.name == "posix" else None  # a group of its own: a terminal's Ctrl-C is for the parent alone
    try:
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", _CHILD.format(__name__)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, pipesize=_PIPE, process_group=apart,
        )  # fmt: skip
    except OSError:
        yield None
        return
    assert process.stdin is not None and process.stdout is not None
    try:
        try:
            with process.stdin as told:
                told.write(pickle.dumps(sys.path) + pickle.dumps((work, language())))
        except OSError:
            pass  # it is gone, which its pipe will say
        yield process.stdout
    finally:
        # It keeps nothing that is worth waiting for.
        process.stdout.close()
        process.kill()
        process.wait()


def _send(pipe: IO[bytes], raw: bytes) -> None:
    left = memoryview(len(raw).to_bytes(_HEAD, "little") + raw)
    while left:
        left = left[pipe.write(left) :]


def _message(pipe: IO[bytes]) -> bytes | None:
    """The next batch; empty at the end of the rows, None where the child ended before it."""
    head = pipe.read(_HEAD)
    if len(head) < _HEAD:
        return None
    length = int.from_bytes(head, "little")
    raw = pipe.read(length)
    return raw if len(raw) == length else None
