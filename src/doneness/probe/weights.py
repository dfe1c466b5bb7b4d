"""Which weights answer: a hash that is another for every checkpoint, and the same wherever the files lie."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from doneness.core import UnreadableError, tr

ADAPTER = "adapter_config.json"
_WHOLE = 64 << 20  # larger files are read at 64 places
_PLACES, _AT_EACH = 64, 1 << 18
_PARTS, _OF_EACH = 8, 1 << 14  # of every tensor of such a file
# Beside the weights: what turns words into tokens and tokens into words, and the shape.
_BESIDE = (
    "config.json", ADAPTER, "tokenizer.json", "tokenizer.model", "tokenizer_config.json", "special_tokens_map.json",
    "added_tokens.json", "vocab.json", "merges.txt", "chat_template.jinja", "chat_template.json",
)  # fmt: skip


def base_weights(path: str, settings: str = "") -> str:
    """A hash of the base model: a folder, a .gguf file, or, of a name on a hub, the name.

    Args:
        path: of the model.
        settings: what else changes its answers: dtype, quantisation, chat template.
    """
    place = Path(path)
    digest = hashlib.sha256(settings.encode())
    if place.is_dir():
        _folder(place, digest)
    elif place.is_file():
        _file(place, digest)
    else:
        digest.update(path.encode())
    return digest.hexdigest()[:24]


def checkpoint_weights(checkpoint: Path, base: str) -> str:
    """A hash of a checkpoint over the base model of that hash.

    Raises:
        UnreadableError: it holds no safetensors.
    """
    if not any(checkpoint.glob("*.safetensors")):
        raise UnreadableError(tr("probe.no_weights", path=str(checkpoint)))
    digest = hashlib.sha256(base.encode())
    _folder(checkpoint, digest)
    return digest.hexdigest()[:24]


def tokenizer_hash(place: Path) -> str:
    """A hash of what turns words into tokens and writes conversations, in a folder that may hold weights as well."""
    digest = hashlib.sha256()
    for name in _BESIDE[2:]:
        if (place / name).is_file():
            _file(place / name, digest)
    return digest.hexdigest()[:24]


def stored_before(checkpoint: Path | None) -> str:
    """The hash that files of answers had before there was a store; of the base model a word."""
    if checkpoint is None:
        return "base"
    digest = hashlib.sha256()
    for file in sorted(checkpoint.glob("*.safetensors")):
        size = file.stat().st_size
        digest.update(f"{file.name}:{size}".encode())
        _content(file, size, digest)
    return digest.hexdigest()[:24]


def _folder(place: Path, digest: hashlib._Hash) -> None:
    for file in sorted(place.glob("*.safetensors")):
        _file(file, digest)
        _tensors(file, digest)
    for name in _BESIDE:
        if (place / name).is_file():
            _file(place / name, digest)


def _file(file: Path, digest: hashlib._Hash) -> None:
    size = file.stat().st_size
    digest.update(f"{file.name}:{size}".encode())
    _content(file, size, digest)


def _tensors(file: Path, digest: hashlib._Hash) -> None:
    """Of a large file some of every tensor: two steps may differ in its smallest alone, such as norms and biases."""
    if file.stat().st_size <= _WHOLE:
        return
    with file.open("rb") as handle:
        length = int.from_bytes(handle.read(8), "little")
        try:
            head = json.loads(handle.read(min(length, _WHOLE)))
            places = [head[name]["data_offsets"] for name in sorted(head) if name != "__metadata__"]
            spans = [(8 + length + int(begin), 8 + length + int(end)) for begin, end in places]
        except (ValueError, TypeError, KeyError):
            return  # no safetensors after all: whoever loads it will say so
        for begin, end in spans:
            for start in range(begin, end, max(_OF_EACH, (end - begin) // _PARTS)):
                handle.seek(start)
                digest.update(handle.read(min(_OF_EACH, end - start)))


def _content(file: Path, size: int, digest: hashlib._Hash) -> None:
    """A file's bytes; of a large one some at 64 places, which no two steps share."""
    with file.open("rb") as handle:
        if size <= _WHOLE:
            digest.update(handle.read())
            return
        for start in range(0, size, max(1, size // _PLACES)):
            handle.seek(start)
            digest.update(handle.read(_AT_EACH))
