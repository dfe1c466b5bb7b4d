"""Other tools' command lines and files on ours: told from our own options, read, and explained."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.util import find_spec

from doneness.config import Recipe, load_recipe
from doneness.config.foreign import is_foreign, translate
from doneness.core import Message

_EVERYWHERE = {"--lang": 1, "--help": 0, "-h": 0}
# Commands that take another tool's recipe, or overrides, with the options that are ours and how many words follow each.
OWN = {
    "train": {"--dry-run": 0, "--preflight": 0, **_EVERYWHERE},
    "plan": {
        **dict.fromkeys(("--measure", "--simulate", "--why", "--json"), 0),
        **dict.fromkeys(("--model", "--method", "--rank", "--seq", "--rows", "--tokens", "--batch", "--micro"), 1),
        **dict.fromkeys(("--eval-rows", "--goal"), 1),
        **dict.fromkeys(("--epochs", "--gpu", "--gpus", "--parallel", "--offload", "--link", "--price", "--write"), 1),
        **_EVERYWHERE,
    },
    "sanity": {
        **dict.fromkeys(("--rows", "--epochs", "--ladder", "--seeds", "--by"), 1),
        **dict.fromkeys(("--parameters", "--tokens", "--loss", "--bytes-per-token"), 1),
        **dict.fromkeys(("--law", "--annealed", "--json"), 0),
        **_EVERYWHERE,
    },
    "preview": {"--model": 1, "--rows": 1, **_EVERYWHERE},
    "align": {"--dry-run": 0, "--pairs": 1, "--out": 1, "--step": 1, **_EVERYWHERE},
}


def set_apart(arguments: Sequence[str]) -> list[str]:
    """Our command line with another tool's arguments behind `--`, where argparse leaves them alone.

    `train --stage sft --dry-run --do_train True` becomes `train --dry-run -- --stage sft --do_train True`.
    """
    command = _command(arguments)
    if command is None or arguments[command] not in OWN:
        return list(arguments)
    own = OWN[arguments[command]]
    ours, theirs, follow, late = list(arguments[: command + 1]), [], 0, False
    for word in arguments[command + 1 :]:
        name, equals, _ = word.partition("=")
        if follow or name in own:
            ours.append(word)
            follow = follow - 1 if follow else (0 if equals else own[name])
        else:
            theirs.append(word)
            # argparse takes all that is no option in one go, or not at all.
            late = late or len(ours) > command + 1
    if any(word.startswith("--") for word in theirs):
        return [*ours, "--", *theirs]
    return [*ours, *theirs] if late else list(arguments)


def _command(arguments: Sequence[str]) -> int | None:
    """Where the command stands; only --lang, of what may stand before it, takes a word."""
    before = ""
    for at, word in enumerate(arguments):
        if before != "--lang" and not word.startswith("-"):
            return at
        before = word
    return None


def show(lines: Sequence[Message]) -> None:
    """What is to be known, on standard error, where the output is for programs or for keeping."""
    for line in lines:
        print(line.text(), file=sys.stderr)


def read_recipe(words: Sequence[str]) -> tuple[Recipe, tuple[Message, ...]]:
    """The recipe that `words` mean, ours or another tool's, and what is to be known of it.

    Raises:
        RecipeError: every fault at once.
    """
    if is_foreign(words):
        found = translate(words, _gpu)
        return found.recipe, found.lines
    return load_recipe(words[0], words[1:]), ()


def _gpu() -> bool:
    """Whether there is a GPU that torch can use; without torch nothing is trained here anyway."""
    if find_spec("torch") is None:
        return False
    from doneness.models import require

    return bool(require("torch").cuda.is_available())
