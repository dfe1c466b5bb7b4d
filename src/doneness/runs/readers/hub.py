"""Reads the logs of a Hugging Face Hub repository: hf://owner/name, hf://owner/name@revision/sub/folder.

Only logs and the small files beside them are downloaded, into the cache of huggingface_hub; never weights, never
pickles. HF_ENDPOINT, HF_TOKEN and HF_HUB_OFFLINE mean here what they mean there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import unquote

from doneness.core import UnreadableError, say
from doneness.core.extras import optional
from doneness.runs.readers.hub_files import Listed, select, with_weights
from doneness.runs.run import Checkpoint, Run

# Path() makes hf:/owner/name of hf://owner/name.
_SCHEME = re.compile(r"^hf:[/\\]{1,2}(.*)$", re.DOTALL)
_NAME = re.compile(r"[\w.-]{1,96}")
_KINDS = {"models": "model", "datasets": "dataset", "spaces": "space"}
_AT_ONCE = 4


@dataclass(frozen=True)
class Address:
    """A place on the Hub; `kind` is "model", "dataset" or "space"."""

    repository: str
    revision: str | None = None
    under: str = ""
    kind: str = "model"

    def __str__(self) -> str:
        kind = next(f"{k}/" if k != "models" else "" for k, v in _KINDS.items() if v == self.kind)
        revision = f"@{self.revision}" if self.revision else ""
        return f"hf://{kind}{self.repository}{revision}{f'/{self.under}' if self.under else ''}"


def is_address(path: str | Path) -> bool:
    """Whether `path` means a repository on the Hub, also after Path() took a slash from it."""
    return _SCHEME.match(str(path)) is not None


def parse(path: str | Path) -> Address:
    """The address that `path` means.

    Raises:
        UnreadableError: it names no owner and repository.
    """
    match = _SCHEME.match(str(path))
    parts = [p for p in re.split(r"[/\\]", match[1] if match else "") if p]
    kind = _KINDS[parts.pop(0)] if parts and parts[0] in _KINDS else "model"
    if len(parts) < 2:
        raise _refuse("address", str(path))
    name, _, revision = parts[1].partition("@")
    if not _NAME.fullmatch(parts[0]) or not _NAME.fullmatch(name) or ".." in parts:
        raise _refuse("address", str(path))
    return Address(f"{parts[0]}/{name}", unquote(revision) or None, "/".join(parts[2:]), kind)


def read(path: str | Path, read_local: Callable[[Path], list[Run]], endpoint: str | None = None) -> list[Run]:
    """The runs that the logs of a repository tell; their checkpoints are those that hold weights there.

    Args:
        path: the address.
        read_local: reads a folder or file on this machine.
        endpoint: the Hub to ask; by default the one that huggingface_hub asks.

    Raises:
        UnreadableError: no such repository, no access, no network, or no log in it.
        MissingExtraError: huggingface_hub is not installed.
    """
    address = parse(path)
    hub = optional("huggingface_hub", "hub")
    with _faults(hub, address):
        api = hub.HfApi(endpoint=endpoint)
        commit = str(api.repo_info(address.repository, revision=address.revision, repo_type=address.kind).sha)
        files = list(_files(api, address, commit))
    selection = select(files, address.under)
    if not selection.chosen:
        raise _refuse("no_log", address)
    with _faults(hub, address), _silent(hub):
        snapshot = _download(hub, address, commit, selection.chosen, endpoint)
    try:
        runs = read_local(snapshot / address.under)
    except UnreadableError as error:
        raise UnreadableError(str(error).replace(str(snapshot), f"hf://{address.repository}")) from error
    notes = []
    if selection.too_large:
        first = selection.too_large[0]
        size = first.size / 1e6
        notes.append(str(say("runs.note.too_large", count=len(selection.too_large), first=first.path, size=size)))
    weights = with_weights(files)
    return [_named(run, address, snapshot, weights, notes if run is runs[0] else []) for run in runs]


def _files(api: Any, address: Address, commit: str) -> Iterator[Listed]:
    tree = api.list_repo_tree(address.repository, recursive=True, revision=commit, repo_type=address.kind)
    for entry in tree:
        size = getattr(entry, "size", None)  # folders have none
        if isinstance(size, int):
            yield Listed(str(entry.path), size)


def _download(hub: ModuleType, address: Address, commit: str, files: list[Listed], endpoint: str | None) -> Path:
    """The folder that stands for the root of the repository, with the files in it."""

    def one(file: Listed) -> Path:
        place = hub.hf_hub_download(
            address.repository, file.path, revision=commit, repo_type=address.kind, endpoint=endpoint
        )
        return Path(place)

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        places = list(pool.map(one, files))
    return places[0].parents[files[0].path.count("/")]


def _named(run: Run, address: Address, snapshot: Path, weights: set[str], notes: list[str]) -> Run:
    """The run as one of the Hub: the cache names a folder by its commit, and holds no weights."""
    kept = []
    for checkpoint in run.checkpoints:
        inside = checkpoint.path is not None and checkpoint.path.is_relative_to(snapshot)
        place = checkpoint.path.relative_to(snapshot).as_posix() if inside and checkpoint.path else ""
        kept.append(Checkpoint(checkpoint.step, None, place in weights))
    return replace(
        run,
        name=run.name.replace(snapshot.name, address.repository),
        meta=dict(run.meta) | {"hub": str(address)},
        checkpoints=tuple(kept),
        notes=(*run.notes, *notes),
    )


@contextmanager
def _faults(hub: ModuleType, address: Address) -> Iterator[None]:
    """Say in one line what went wrong between here and the Hub."""
    errors = optional("huggingface_hub.errors", "hub")
    try:
        yield
    except errors.OfflineModeIsEnabled as error:
        raise _refuse("offline", address) from error
    except errors.GatedRepoError as error:
        raise _refuse("gated", address) from error
    except errors.RepositoryNotFoundError as error:
        raise _refuse("missing", address) from error
    except errors.RevisionNotFoundError as error:
        raise _refuse("revision", address) from error
    except errors.EntryNotFoundError as error:
        raise _refuse("network", address, reason=_short(error)) from error
    except (errors.HfHubHTTPError, OSError, ValueError) as error:
        raise _refuse("network", address, reason=_short(error)) from error
    except Exception as error:
        # huggingface_hub speaks through requests, httpx or httpx2, by its version; none of them is ours to import.
        if not type(error).__module__.startswith(("httpx", "httpcore", "requests", "urllib3")):
            raise
        raise _refuse("network", address, reason=_short(error)) from error


def _short(error: BaseException) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:200]


@contextmanager
def _silent(hub: ModuleType) -> Iterator[None]:
    """No progress bar for files that take a moment."""
    quiet = hub.utils.are_progress_bars_disabled()
    hub.utils.disable_progress_bars()
    try:
        yield
    finally:
        if not quiet:
            hub.utils.enable_progress_bars()


def _refuse(key: str, address: Address | str, **values: object) -> UnreadableError:
    return UnreadableError(str(say(f"runs.hub.{key}", address=str(address), **values)))
