"""Which of LLaMA-Factory's example files are understood, and why the others are refused."""

from __future__ import annotations

import contextlib
import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

# Not what `llamafactory-cli train` takes: launchers' settings, chat and export, another trainer's format, tokens.
_OTHER = ("accelerate/", "inference/", "merge_lora/", "/v1/", "multi_tokens/")
_LANGUAGES = ("en", "zh")


def examples(repository: Path) -> dict[str, Any]:
    """Every example file of training, with what becomes of it and of the demo rows that it names."""
    found, others = [], []
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        _data(repository, Path("data"))
        for file in files(repository):
            if any(part in f"/{file}" for part in _OTHER):
                others.append(file)
                continue
            Path(Path(file).name).write_text(content(repository, file), encoding="utf-8")
            found.append({"file": file, **_outcome(Path(file).name)})
    taken = [each for each in found if "stage" in each]
    return {
        "accepted": len(taken), "of": len(found), "files": found, "others": others,
        "rows_refused": sum("rows_refused" in each for each in taken),
    }  # fmt: skip


def _outcome(name: str) -> dict[str, Any]:
    """What becomes of the example file `name` of the current folder."""
    from doneness.config.foreign import translate
    from doneness.core import DonenessError, RecipeError, speaking
    from doneness.workflows.train import _read

    refused: dict[str, Any] = {}
    for language in _LANGUAGES:
        with speaking(language):
            try:
                recipe = translate([name], lambda: True).recipe
            except RecipeError as error:
                refused[language] = error.faults
    if refused:
        return {"refused": refused}
    made = {"stage": recipe.run.stage, "method": recipe.method.kind}
    registry = json.loads(Path("data/dataset_info.json").read_text(encoding="utf-8"))
    if any("file_name" not in registry.get(data.strip(), {}) for data in recipe.data.train.split("#")[1].split(",")):
        return made | {"rows": None}
    try:
        return made | {"rows": len(_read(recipe).train.rows)}
    except DonenessError as error:
        return made | {"rows_refused": str(error)}


def _data(repository: Path, folder: Path) -> None:
    """Its demo data: the registry, and the files that it names and that are there."""
    folder.mkdir()
    registry = content(repository, "data/dataset_info.json")
    names = [entry["file_name"] for entry in json.loads(registry).values() if "file_name" in entry]
    (folder / "dataset_info.json").write_text(registry, encoding="utf-8")
    for name in names:
        with contextlib.suppress(subprocess.CalledProcessError):
            (folder / name).write_text(content(repository, f"data/{name}"), encoding="utf-8")


def files(repository: Path) -> list[str]:
    """The example files of a checkout, or of the newest commit of a bare clone."""
    if (repository / "examples").is_dir():
        return sorted(str(p.relative_to(repository)) for p in (repository / "examples").rglob("*.yaml"))
    listed = ["git", "-C", str(repository), "ls-tree", "-r", "--name-only", "HEAD", "examples"]
    names = subprocess.run(listed, capture_output=True, text=True, check=True).stdout.split("\n")
    return sorted(name for name in names if name.endswith(".yaml"))


def content(repository: Path, path: str) -> str:
    """The text of a file of a checkout, or of the newest commit of a bare clone."""
    if (repository / path).is_file():
        return (repository / path).read_text(encoding="utf-8")
    shown = ["git", "-C", str(repository), "show", f"HEAD:{path}"]
    return subprocess.run(shown, capture_output=True, text=True, encoding="utf-8", check=True).stdout
