"""Where rows come from: a file, all data files of a folder, data sets of a registry, or one on the hub."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from doneness.config.places import place_of
from doneness.core import DataError, tr
from doneness.core.extras import optional
from doneness.data.columns import parse_columns, renamed
from doneness.data.files import Item, ending, is_data, items_of
from doneness.data.registry import NAME, Entry, converted, read_registry
from doneness.data.tool_formats import TEMPLATE, in_text

Convert = Callable[[Mapping[str, Any]], Mapping[str, Any]]


@dataclass(frozen=True)
class Reading:
    """How data is read.

    Attributes:
        on_empty: what to do with a row that lacks its question or an answer: refuse the file, or skip the row.
        columns: our names of columns and theirs, "ours=theirs".
        first: of each source the first so many rows; 0 all.
        seed: of the draw where a registry asks for a part of a data set.
        tools: how tools are written, see `tool_formats`; "template" leaves them to the chat template.
    """

    on_empty: str = "refuse"
    columns: tuple[str, ...] = ()
    first: int = 0
    seed: int = 0
    tools: str = TEMPLATE


@dataclass(frozen=True)
class Source:
    """Rows of one file or data set.

    Attributes:
        name: what its rows are counted under where there are several sources; the data set's name, or the file's.
        path: for messages.
        items: its rows, as they stand there.
        convert: a row under our names.
    """

    name: str
    path: str
    items: Callable[[], Iterator[Item]]
    convert: Convert


def sources_of(path: str | Path, reading: Reading, plain: bool = False) -> tuple[Source, ...]:
    """What a name of data stands for.

    Args:
        path: a file, a folder (all data files in it, by name, those of folders in it among them), or
            `…/dataset_info.json#name,name2`.
        reading: how to read it.
        plain: `.txt` files are plain text whatever they look like.

    Raises:
        DataError: nothing is there, or a registry cannot be used.
    """
    columns = parse_columns(reading.columns)
    place, names = place_of(str(path))
    if names or Path(place).name == NAME:
        return tuple(_registered(entry, reading, plain) for entry in read_registry(Path(place), names))

    def convert(item: Mapping[str, Any]) -> Mapping[str, Any]:
        return in_text(renamed(item, columns), reading.tools)

    files = _files(Path(place))
    return tuple(_of_file(file, _label(file, Path(place)), convert, reading, plain) for file in files)


def _of_file(file: Path, name: str, convert: Convert, reading: Reading, plain: bool) -> Source:
    def items() -> Iterator[Item]:
        return islice(items_of(file, plain), reading.first or None)

    return Source(name, str(file), items, convert)


def _files(place: Path) -> list[Path]:
    if not place.is_dir():
        return [place]
    found = (Path(folder) / name for folder, _, names in os.walk(place) for name in names)
    files = sorted(file for file in found if file.name != NAME and is_data(file) and not _hidden(file, place))
    if not files:
        raise DataError(tr("data.no_files", path=str(place)))
    return files


def _hidden(file: Path, place: Path) -> bool:
    return any(part.startswith(".") for part in file.relative_to(place).parts)


def _label(file: Path, place: Path) -> str:
    if file == place:
        return file.name.removesuffix(".gz").removesuffix(ending(file))
    return file.relative_to(place).as_posix().removesuffix(".gz").removesuffix(ending(file))


def _registered(entry: Entry, reading: Reading, plain: bool) -> Source:
    def convert(item: Mapping[str, Any]) -> Mapping[str, Any]:
        return in_text(converted(item, entry), reading.tools)

    def items() -> Iterator[Item]:
        if entry.file is not None and not entry.file.exists():
            raise DataError(tr("data.registry.gone", path=str(entry.file), name=entry.name))
        found = _on_hub(entry) if entry.file is None else _in_files(entry.file, plain)
        if entry.samples:
            found = iter(_drawn(list(found), entry.samples, reading.seed))
        return islice(found, reading.first or None)

    return Source(entry.name, str(entry.file or entry.hub), items, convert)


def _in_files(place: Path, plain: bool) -> Iterator[Item]:
    for file in _files(place):
        yield from items_of(file, plain)


def _drawn(items: list[Item], count: int, seed: int) -> list[Item]:
    """`count` of the rows in an order that the seed draws; where there are fewer, all of them and some again."""
    chance = random.Random(seed)
    order = chance.sample(items, min(count, len(items)))
    return order + chance.choices(items, k=count - len(order))


def _on_hub(entry: Entry) -> Iterator[Item]:
    datasets = optional("datasets", "train")
    try:
        found = datasets.load_dataset(entry.hub, name=entry.subset, data_dir=entry.folder, split=entry.split)
    except Exception as error:
        # Whatever of network, name, split or format it is: the library has a class of its own for each.
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise DataError(tr("data.hub", name=entry.name, hub=entry.hub, reason=reason)) from None
    yield from enumerate(found, start=1)
