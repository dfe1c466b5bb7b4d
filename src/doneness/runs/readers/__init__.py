"""One file per format; `read` asks each in turn whether the content is its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from doneness.core import UnreadableError
from doneness.runs.readers import (
    claims,
    csv_table,
    files,
    history,
    hub,
    journal,
    jsonl,
    llamafactory,
    mlflow,
    no_loss,
    printed_dicts,
    swift,
    tensorboard,
    text_lines,
    trackio,
    trainer_state,
    tree,
    wandb,
)
from doneness.runs.run import Run

_Detect = Callable[[Path], Path | None]
_Read = Callable[[Path], list[Run]]

# The order decides: what is told by its structure comes before what is guessed from its words.
_READERS: tuple[tuple[_Detect, _Read], ...] = (
    (journal.detect, journal.read),
    (llamafactory.detect, llamafactory.read),
    (trainer_state.detect, trainer_state.read),
    (tensorboard.detect, tensorboard.read),
    (wandb.detect, wandb.read),
    (trackio.detect, trackio.read),
    (mlflow.detect, mlflow.read),
    (swift.detect, swift.read),
    (jsonl.detect, jsonl.read),
    (history.detect, history.read),
    (printed_dicts.detect, printed_dicts.read),
    (csv_table.detect, csv_table.read),
    (text_lines.detect, text_lines.read),
)

_OF_TRAINERS = (journal.read, llamafactory.read, trainer_state.read)
_TABLES = (".csv", ".tsv", ".jsonl")


def read(
    path: str | Path, mapping: Mapping[str, str] | None = None, unread: list[UnreadableError] | None = None
) -> list[Run]:
    """The runs at `path`: a log file, a run folder, a checkpoint folder, a tree of many, or a Hub repository.

    The format is told by the content, not by the name. Nothing pickled is ever loaded.

    Args:
        path: a file or folder, or hf://owner/name[@revision][/folder].
        mapping: for CSV and JSON whose columns are named unusually: column → series name
            ("train/loss", "eval/loss", …) or "step", "epoch", "tokens", "time".
        unread: takes the faults of logs that could not be read, where others beside them could.

    Raises:
        UnreadableError: nothing there, or nothing that can be read; says what would help.
        MissingExtraError: a Hub repository, without the library that reads it.
    """
    if hub.is_address(path):
        return hub.read(path, lambda place: read(place, mapping))
    place = Path(path)
    try:
        there, is_file = place.exists(), place.is_file()
    except (OSError, ValueError) as error:  # a name too long, a loop of links, a null in it
        raise files.refuse("closed", place, reason=str(error)) from error
    if not there:
        raise files.refuse("missing", place)
    files.refuse_special(place)
    if is_file:
        files.refuse_empty(place)
        found = _mapped(place, mapping) if mapping else _as_log(place)
    else:
        found = tree.walk(place, _owner_of, lambda file: _in_tree(file, mapping), unread)
    if not found:
        raise (no_loss.why(place, mapping) if is_file else None) or files.refuse("no_log", place)
    return found


def read_beneath(file: Path) -> list[Run]:
    """The runs of a file as `read` meets it in a tree: none where it is no log.

    Raises:
        UnreadableError: it was meant to be a log, by its name or its columns.
    """
    files.refuse_special(file)
    return _in_tree(file, None) or []


def _as_log(place: Path) -> list[Run] | None:
    for detect, read_format in _READERS:
        found = detect(place)
        if found is not None:
            return read_format(found)
    return None


def _owner_of(folder: Path) -> tree.Owner | None:
    """How to read a folder that is a run by itself; event files beside the log of a Trainer are a further one."""
    for detect, read_format in _READERS:
        found = detect(folder)
        if found is None:
            continue
        further = []
        if read_format in _OF_TRAINERS and tensorboard.event_files(folder):
            further.append(partial(tensorboard.read, folder))
        return tree.Owner(partial(read_format, found), tuple(further), claims.of(read_format, folder))
    return None


def _in_tree(file: Path, mapping: Mapping[str, str] | None) -> list[Run] | None:
    """A file met on the way: what is empty, closed or no log is passed over, as it may be anything.

    Raises:
        UnreadableError: it was meant to be a log, by its name or its columns.
    """
    try:
        files.refuse_empty(file)
        found = _as_log(file) if mapping is None else _mapped(file, mapping)
    except UnreadableError:
        if _as_named(file):
            raise
        found = None
    if found is None and file.suffix.lower() in _TABLES:
        fault = no_loss.in_tree(file, mapping)
        if fault is not None:
            raise fault
    return found


def _as_named(file: Path) -> bool:
    """Whether the name says that the file was meant to be a log."""
    return file.name in (trainer_state.FILE, llamafactory.FILE) or "tfevents" in file.name


def _mapped(place: Path, mapping: Mapping[str, str] | None) -> list[Run]:
    """The runs of a table whose columns the caller has named."""
    start = files.head(place).lstrip(b"\xef\xbb\xbf \t\r\n")
    return (jsonl.read if start.startswith((b"{", b"[")) else csv_table.read)(place, mapping)
