"""Models and adapters that are broken, each in one way; see `broken`."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests.workflows.broken import (
    GOOD,
    Broken,
    chat,
    good,
    lines,
    wordless,
)


def stranger(folder: Path) -> Sequence[str]:
    (folder / "run").mkdir()
    (folder / "run" / "thesis.docx").write_bytes(b"mine")
    return good()(folder)


def tiny(change: Callable[[Path], Any], *overrides: str) -> Callable[[Path], Sequence[str]]:
    """The tiny model's copy in `m`, with a change."""

    def make(folder: Path) -> Sequence[str]:
        change(folder / "m")
        return good(*overrides)(folder)

    return make


def alien(place: Path) -> None:
    """An adapter of a model whose layers have other names."""
    from safetensors.numpy import save_file

    home = place.parent / "adapter"
    home.mkdir()
    config = {"peft_type": "LORA", "task_type": "CAUSAL_LM", "r": 4, "lora_alpha": 8, "target_modules": ["c_attn"]}
    (home / "adapter_config.json").write_text(json.dumps(config), encoding="utf-8")
    import numpy as np

    save_file(
        {"base_model.model.h.0.c_attn.lora_A.weight": np.zeros((4, 8), np.float32)}, home / "adapter_model.safetensors"
    )


def cut(place: Path) -> None:
    file = place / "model.safetensors"
    file.write_bytes(file.read_bytes()[:5000])


def untemplated(place: Path) -> None:
    (place / "chat_template.jinja").write_text("{{ raise_exception('no system turn') }}", encoding="utf-8")


def strict(place: Path) -> None:
    """A template that wants turns to alternate, and rows of which the fourth does not."""
    told = "{% for m in messages %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    told += "{{ raise_exception('roles must alternate') }}{% endif %}{{ m['role'] + ': ' + m['content'] }}{% endfor %}"
    (place / "chat_template.jinja").write_text(told, encoding="utf-8")
    wrong = chat(("user", "a"), ("user", "b"), ("assistant", "c"))
    (place.parent / "turns.jsonl").write_bytes(lines(*GOOD[:3], wrong))


MODELS = [
    Broken("folder with somebody's files", stranger, ("run: not empty", "thesis.docx", "run.folder")),
    Broken("no model named", good("model.path=''"), ("no model named", "model.path")),
    Broken(
        "model folder that is not there",
        good("model.path=./nowhere/model"),
        ("nowhere/model", "no such model folder", "config.json"),
    ),
    Broken(
        "model folder without weights",
        tiny(lambda m: (m / "model.safetensors").unlink()),
        ("m: the model cannot be loaded", "model.safetensors"),
        model=True,
        theirs=True,
    ),
    Broken(
        "model folder without tokenizer",
        tiny(wordless),
        ("m: the model cannot be loaded", "tokenizer", "download"),
        model=True,
        theirs=True,
    ),
    Broken("weights cut off", tiny(cut), ("m:", "cannot be loaded", "download"), model=True, theirs=True),
    Broken(
        "config.json cut off",
        tiny(lambda m: (m / "config.json").write_text("{")),
        ("m:", "cannot be loaded", "config.json"),
        model=True,
        theirs=True,
    ),
    Broken(
        "template that refuses the rows",
        tiny(untemplated),
        ("row 1 (line 1)", "refuses a conversation", "no system turn", "data.system"),
        model=True,
    ),
    Broken(
        "roles that a template refuses",
        tiny(strict, "data.train=turns.jsonl"),
        ("row 4 (line 4)", "user, user, assistant", "mend rows"),
        model=True,
    ),
    Broken(
        "template of an unknown name",
        tiny(lambda m: None, "model.template=lama3"),
        ("model.template = lama3", "known: llama3"),
        model=True,
    ),
    Broken(
        "template whose tokens the model lacks",
        tiny(lambda m: None, "model.template=llama3"),
        ("<|eot_id|>", "name another"),
        model=True,
    ),
    Broken(
        "adapter that is none",
        tiny(lambda m: None, "method.adapter=adapter"),
        ("method.adapter: adapter", "adapter_config.json"),
        model=True,
    ),
    Broken(
        "adapter of another model",
        tiny(alien, "method.adapter=adapter"),
        ("method.adapter: adapter", "cannot be laid over this model"),
        model=True,
        theirs=True,
    ),
    Broken(
        "targets that the model lacks",
        tiny(lambda m: None, "method.targets=c_attn"),
        ("method.targets", "c_attn", "known:", "q_proj"),
        model=True,
    ),
]
