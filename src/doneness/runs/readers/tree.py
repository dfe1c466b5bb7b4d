"""Finding the logs in a tree of folders: every run folder, and every file that is a log by its content."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from doneness.core import UnreadableError, say
from doneness.core.text import printable
from doneness.runs.readers import checkpoints, files
from doneness.runs.readers.claims import Claim
from doneness.runs.readers.same import is_same
from doneness.runs.run import Run

# Not worth opening: code, prose, weights, archives, pictures. Pickles (.bin, .pt, .pth, .pkl) are never opened.
_OTHER = frozenset(
    [
        ".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".safetensors", ".gguf", ".onnx", ".h5", ".npz", ".npy",
        ".py", ".md", ".rst", ".html", ".css", ".js", ".ts", ".ipynb", ".sh", ".yaml", ".yml", ".toml", ".cfg", ".ini",
        ".zip", ".gz", ".tar", ".bz2", ".xz", ".7z", ".png", ".jpg", ".jpeg", ".gif", ".svg", ".pdf", ".parquet",
        ".arrow", ".wav", ".mp3", ".mp4", ".model", ".lock", ".c", ".cpp", ".cu", ".h", ".rs", ".go", ".java",
    ]
)  # fmt: skip
# What lies in every output folder, is large and no log.
_NO_LOGS = frozenset(
    [
        "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.json",
        "vocab.txt", "merges.txt", "config.json", "generation_config.json", "adapter_config.json",
        "preprocessor_config.json", "model.safetensors.index.json", "pytorch_model.bin.index.json", "args.json",
        "doneness.json",  # of an export
    ]
)  # fmt: skip
_CLOSED_FOLDERS = frozenset(["node_modules", "__pycache__", "site-packages"])
# Of every training into its output folder a Trainer keeps a log there, or beneath the folder named here.
_LAUNCHES = {"tensorboard": "runs", "wandb": "wandb", "hf_console": "logs"}
_TRAINERS = ("journal", "hf_trainer", "llamafactory")

Read = Callable[[Path], list[Run] | None]


@dataclass(frozen=True)
class Owner:
    """A folder that is a run: how to read it, further logs directly in it, and what in it is its own."""

    read: Callable[[], list[Run]]
    further: tuple[Callable[[], list[Run]], ...]
    claims: Claim


@dataclass
class _Found:
    """What was found on the way: runs in the order met, and the faults.

    Attributes:
        runs: each with the place of the run whose folder it lies in, None where there is none.
        faults: one for each log that could not be read.
        said: notes for a run, by its place.
        launches: by place, logs of other trainings into the folder of that run.
        shared: places of runs in whose folder logs lie that are no launches: a collection, not an output folder.
    """

    runs: list[Run] = field(default_factory=list)
    faults: list[UnreadableError] = field(default_factory=list)
    said: dict[int, list[str]] = field(default_factory=dict)
    launches: dict[int, list[Run]] = field(default_factory=dict)
    shared: set[int] = field(default_factory=set)

    def attempt(self, read: Callable[[], list[Run] | None], above: Sequence[int]) -> list[int]:
        """Read a log that lies in the folders of the runs at `above`; the places of the runs that it added."""
        try:
            found = read() or []
        except UnreadableError as error:
            self.faults.append(error)
            return []
        return [place for run in found if (place := self._add(run, above)) is not None]

    def _add(self, run: Run, above: Sequence[int]) -> int | None:
        for place in above:
            owner = self.runs[place]
            if is_same(owner, run):
                if run.last_step > owner.last_step:
                    told = {"path": printable(str(run.path)), "step": run.last_step, "last": owner.last_step}
                    self.said.setdefault(place, []).append(str(say("runs.note.goes_on", **told)))
                return None
        launched = next((place for place in above if _is_launch(self.runs[place], run)), None)
        if launched is not None:
            self.launches.setdefault(launched, []).append(run)
            return None
        self.shared.update(above)
        self.runs.append(run)
        return len(self.runs) - 1

    def real_faults(self) -> list[UnreadableError]:
        """Faults without those of files in which nothing was logged."""
        return [fault for fault in self.faults if not isinstance(fault, files.NothingLoggedError)]

    def noted(self) -> list[Run]:
        """The runs with what is to be said about them; what could not be read is said of the first."""
        for place, launched in self.launches.items():
            others = [run for run in launched if not (place in self.shared and _lies_with(self.runs[place], run))]
            self.runs += [run for run in launched if run not in others]
            if not others:
                continue
            note = say("runs.note.launches", count=len(others), first=printable(str(others[0].path)))
            self.said.setdefault(place, []).append(str(note))
        real = self.real_faults()
        if real:
            note = say("runs.note.unread", count=len(real), first=str(real[0]))
            self.said.setdefault(0, []).append(str(note))
        return [replace(run, notes=(*run.notes, *self.said.get(i, ()))) for i, run in enumerate(self.runs)]


def walk(
    root: Path,
    owner_of: Callable[[Path], Owner | None],
    read_file: Read,
    unread: list[UnreadableError] | None = None,
) -> list[Run]:
    """The runs under `root`: those of folders that are one, and of every file that is a log.

    In the folder of a run everything else is looked into as well. A further log of the same training is not told
    again; one that a Trainer kept of another training into the same folder is named in a note, or is a run of its own
    where logs of still others show that the folder merely collects them.

    Args:
        root: a folder.
        owner_of: how to read a folder that is a run by itself, None where it is none.
        read_file: the runs of a file that is a log, None where it is none.
        unread: takes what the logs that could not be read are to be told by; a note says it too.

    Raises:
        UnreadableError: every log found was unreadable.
    """
    found = _Found()
    for place, above in _places(root, owner_of, found):
        found.attempt(partial(read_file, place), above)
    if found.faults and not found.runs:
        raise (found.real_faults() or found.faults)[0]
    if unread is not None:
        unread += found.real_faults()
    return found.noted()


def _places(
    root: Path, owner_of: Callable[[Path], Owner | None], found: _Found
) -> Iterator[tuple[Path, tuple[int, ...]]]:
    """Files that no folder's run claims, and the runs of the folders that they lie in.

    Linked folders are followed, each folder once.
    """
    waiting: list[tuple[Path, tuple[int, ...]]] = [(root, ())]
    seen: set[str] = set()
    while waiting:
        folder, above = waiting.pop()
        real = os.path.realpath(folder)
        if real in seen:
            continue
        seen.add(real)
        owner = _owner(owner_of, folder, found)
        if owner is not None:
            above = (*above, *found.attempt(owner.read, above))
            for read in owner.further:
                found.attempt(read, above)
        try:
            inside = sorted(folder.iterdir())
        except OSError:
            continue
        below = []
        for place in inside:
            if closed(place.name) or (owner and owner.claims(place)):
                continue
            if place.is_dir():
                below.append((place, above))
            elif may_be_log(place.name) and place.is_file():
                yield place, above
        waiting.extend(reversed(below))


def may_be_log(name: str) -> bool:
    """Whether a file of that name is worth opening."""
    return os.path.splitext(name)[1].lower() not in _OTHER and name not in _NO_LOGS  # noqa: PTH122


def closed(name: str) -> bool:
    """Whether a folder of that name is not looked into."""
    return name.startswith(".") or name in _CLOSED_FOLDERS


def _owner(owner_of: Callable[[Path], Owner | None], folder: Path, found: _Found) -> Owner | None:
    try:
        return owner_of(folder)
    except UnreadableError as error:
        found.faults.append(error)
        return None


def _is_launch(owner: Run, run: Run) -> bool:
    """Whether `run` is what a Trainer kept or printed of another training into the folder of `owner`."""
    if owner.kind not in _TRAINERS or owner.path is None or run.path is None:
        return False
    home, place = _home(owner.path), _folder(run.path)
    return run.kind in _LAUNCHES and (place == home or place.is_relative_to(home / _LAUNCHES[run.kind]))


def _lies_with(owner: Run, run: Run) -> bool:
    """Whether a log lies directly in the folder of `owner`, and not where a Trainer keeps its launches."""
    return owner.path is not None and run.path is not None and _folder(run.path) == _home(owner.path)


def _home(path: Path) -> Path:
    """The output folder of a Trainer whose log lies at `path`."""
    home = _folder(path)
    return home.parent if home.name == "doneness" or checkpoints.step_of(home) >= 0 else home


def _folder(path: Path) -> Path:
    return path if path.is_dir() else path.parent
