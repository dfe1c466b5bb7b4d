"""Models by name: the sizes of the most used open ones, which ship with us, and size words that mean one of them."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from doneness.core import DataError, tr
from doneness.plan.shape import ModelShape

_COLUMNS = (
    "model_type", "num_hidden_layers", "hidden_size", "intermediate_size", "num_attention_heads",
    "num_key_value_heads", "head_dim", "vocab_size", "tie_word_embeddings",
)  # fmt: skip
# What a size alone means: of the newest widely used models of that size the one that most others are built like.
WORDS = {
    "0.1b": "smollm2-135m", "135m": "smollm2-135m", "360m": "smollm2-360m", "0.5b": "qwen2.5-0.5b",
    "0.6b": "qwen3-0.6b", "1b": "llama-3.2-1b", "1.1b": "tinyllama-1.1b", "1.5b": "qwen2.5-1.5b", "1.7b": "qwen3-1.7b",
    "2b": "gemma-2-2b", "3b": "llama-3.2-3b", "4b": "qwen3-4b", "6b": "yi-6b", "7b": "qwen2.5-7b", "8b": "llama-3.1-8b",
    "9b": "gemma-2-9b", "12b": "mistral-nemo-12b", "13b": "llama-2-13b", "14b": "qwen2.5-14b", "24b":
    "mistral-small-24b", "27b": "gemma-2-27b", "30b": "qwen3-30b-a3b", "32b": "qwen2.5-32b", "34b": "yi-34b", "70b":
    "llama-3.1-70b", "72b": "qwen2.5-72b", "405b": "llama-3.1-405b",
}  # fmt: skip
_ENDS = re.compile(r"-(instruct|chat|base|it|hf|pt|v1|v0\.1|2407|2410|2501|2507|1124|preview)$")


@cache
def shipped() -> Mapping[str, Mapping[str, Any]]:
    """The configurations by name, in the words of a config.json."""
    text = (resources.files("doneness.plan") / "shapes.toml").read_text(encoding="utf-8")
    found: dict[str, Mapping[str, Any]] = {}
    for series, sizes in tomllib.loads(text).items():
        for size, row in sizes.items():
            more = row[len(_COLUMNS)] if len(row) > len(_COLUMNS) else {}
            found[f"{series}-{size}"] = dict(zip(_COLUMNS, row, strict=False)) | more
    return found


def config_by_name(name: str) -> tuple[str, Mapping[str, Any]] | None:
    """The shipped model that a name or a size word means, and its configuration; None where there is none.

    Hub names are known by what stands after their owner, without "-Instruct" and the like.
    """
    word = name.strip().lower().rpartition("/")[2].replace("_", "-")
    known = shipped()
    while True:
        for candidate in (word, WORDS.get(word, ""), _spelt(word)):
            if candidate in known:
                return candidate, known[candidate]
        shorter = _ENDS.sub("", word)
        if shorter == word:
            return None
        word = shorter


def _spelt(word: str) -> str:
    """Other spellings of the same: Meta-Llama-3.1-8B, Llama-3.3-70B, gemma2, Qwen2-7B."""
    word = word.removeprefix("meta-").removeprefix("deepseek-") if word.startswith("meta-") else word
    for old, new in (
        (r"^llama-3(\.3)?-", "llama-3.1-"), (r"^llama-?2-", "llama-2-"), (r"^qwen2-", "qwen2.5-"),
        (r"^qwq-", "qwen2.5-"),
        (r"^gemma-?([23])-", r"gemma-\1-"), (r"^gemma-3-(\d+b)-text$", r"gemma-3-\1"), (r"^codellama-", "codellama-"),
        (r"^mistral-nemo.*", "mistral-nemo-12b"), (r"^mistral-small-(3-)?24b.*", "mistral-small-24b"),
        (r"^ministral-8b.*", "mistral-ministral-8b"), (r"^mistral-7b-v0\.2$", "mistral-7b"), (r"^yi-1\.5-", "yi-"),
        (r"^phi-3(\.5)?-mini.*", "phi-3-mini"), (r"^phi-3-medium.*", "phi-3-medium"), (r"^glm-4-9b.*", "glm-4-9b"),
        (r"^internlm2-", "internlm2.5-"), (r"^internlm2(_|-)5-", "internlm2.5-"),
        (r"^olmo-2-(1124|0425|0325)-", "olmo-2-"),
        (r"^tinyllama.*", "tinyllama-1.1b"), (r"^qwen2\.5-(coder|math)-", "qwen2.5-"), (r"^olmoe.*", "olmoe-1b-7b"),
    ):  # fmt: skip
        word = re.sub(old, new, word)
    return word


def named_shape(name: str) -> tuple[str, ModelShape]:
    """The shape of a shipped model.

    Raises:
        DataError: none has that name.
    """
    found = config_by_name(name)
    if found is None and name and Path(name).is_dir():
        raise DataError(tr("plan.no_config", path=name))
    if found is None:
        near = difflib.get_close_matches(name.lower(), [*shipped(), *WORDS], n=3, cutoff=0.3) or sorted(WORDS)[:3]
        raise DataError(tr("plan.unknown_model", name=name, known=", ".join(near), count=len(shipped())))
    return found[0], ModelShape.from_config(found[1])
