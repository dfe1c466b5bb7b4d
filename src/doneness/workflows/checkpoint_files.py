"""What lies in a checkpoint folder, and which checkpoints others reach through links."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable
from pathlib import Path

from doneness.runs.readers.checkpoints import step_of

_MOST_HOPS = 40  # as the kernel allows
WEIGHTS = re.compile(
    r"(?:adapter_)?model(?:[-.].*)?\.(?:safetensors|bin)|pytorch_model.*|.+\.distcp|global_step\d+|consolidated.*\.pth"
)
# What transformers, PEFT, accelerate, DeepSpeed, FSDP and ms-swift write; all else is somebody's own.
_OTHERS = re.compile(
    r"(?:adapter_)?model[-.].*index\.json|.+\.index\.json|tf_model\.h5|flax_model\.msgpack|value_head\..+"
    r"|(?:optimizer|scheduler|scaler|sampler)[\w.-]*\.(?:pt|bin)|rng_state\w*\.pth|random_states_\d+\.pkl"
    r"|.+_states\.pt|latest|zero_to_fp32\.py|\.metadata|training_args\.bin|trainer_state\.json|trainer_log\.jsonl"
    r"|(?:adapter_|generation_|additional_|quantize_|quantization_)?config\.json|configuration\.json|args\.json"
    r"|(?:pre|video_pre)?processor_config\.json|preprocessor_config\.json|special_tokens_map\.json|added_tokens\.json"
    r"|tokenizer[\w.-]*|vocab[\w.-]*|merges\.txt|spiece\.model|sentencepiece[\w.-]*|[\w-]+\.tiktoken"
    r"|chat_template\.\w+|(?:modeling|configuration|tokenization|processing|image_processing)_\w+\.py|README\.md"
    r"|\.gitattributes|\.DS_Store"
)
# Folders by name: a merged model or a folder of notes has others.
_FOLDERS = re.compile(
    r"global_step\d+|(?:pytorch_model|optimizer)(?:_fsdp)?_\d+|reference|ref|default|train|additional_chat_templates"
)


def holds_weights(folder: Path) -> bool:
    """Whether there are weights that can be loaded; a link counts where it leads to a file."""
    return any(WEIGHTS.fullmatch(inside.name) and inside.exists() for inside in folder.iterdir())


def stranger(folder: Path) -> str | None:
    """The first thing in a checkpoint folder that no trainer writes there, by its path inside; None without one."""
    for home, below, names in os.walk(folder):
        here = Path(home)
        for name in sorted(below):
            if not _FOLDERS.fullmatch(name):
                return str((here / name).relative_to(folder)) + "/"
        for name in sorted(names):
            if not (_OTHERS.fullmatch(name) or WEIGHTS.fullmatch(name)):
                return str((here / name).relative_to(folder))
    return None


def reached(root: Path, going: Iterable[Path]) -> dict[Path, str]:
    """Those of the folders `going` that something else reaches through a link, and by which link.

    Every link below `root` counts, except one that lies in a folder that goes itself. What is
    reached stays, so the links in it count as well, and so on.

    Args:
        root: the run, resolved.
        going: folders directly below it that would be deleted.

    Returns:
        The folder that is reached → the link, by its path below `root`.
    """
    doomed, links = set(going), _links(root)
    found: dict[Path, str] = {}
    while True:
        more = {
            home: str(link.relative_to(root))
            for link in links
            if _home(link, doomed) is None
            for place in _passed(link)
            if (home := _home(place, doomed)) is not None
        }
        if not more:
            return found
        found |= more
        doomed -= more.keys()


def _home(place: Path, folders: Collection[Path]) -> Path | None:
    return next((each for each in (place, *place.parents) if each in folders), None)


def _links(root: Path) -> list[Path]:
    return [
        Path(home) / name
        for home, below, files in os.walk(root)
        for name in sorted((*below, *files))
        if (Path(home) / name).is_symlink()
    ]


def _passed(link: Path) -> list[Path]:
    """Every place that following a link passes: the links on the way, and what it comes to."""
    places: list[Path] = []
    here, parts, hops = link.parent, [link.name], 0
    while parts and hops <= _MOST_HOPS:
        part = parts.pop(0)
        if part == "..":
            here = here.parent
            continue
        place = here / part
        if not place.is_symlink():
            here = place
            continue
        hops += 1
        places.append(place)
        target = place.readlink()
        parts[:0] = target.parts[1:] if target.is_absolute() else target.parts
        if target.is_absolute():
            here = Path(target.anchor)
    return [*places, here]


def named_step(text: str) -> int:
    """The step in a checkpoint's path, of whatever system; -1 where there is none."""
    return step_of(Path(re.split(r"[/\\]", text.rstrip("/\\"))[-1]))
