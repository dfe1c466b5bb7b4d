"""Whom to ask: the base model and the checkpoints of a run, ours or anybody's."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from doneness.config import Recipe
from doneness.core import DonenessError, StorageError, UnreadableError, tr
from doneness.probe.weights import ADAPTER, base_weights, checkpoint_weights, tokenizer_hash
from doneness.runs import Run, read
from doneness.runs.probes import BASE
from doneness.runs.readers.checkpoints import folders, root_of, step_of
from doneness.workflows.base import load_base
from doneness.workflows.train import recipe_of

if TYPE_CHECKING:
    from doneness.models import LoadedModel


@dataclass(frozen=True)
class Subject:
    """A run with everything that asking it takes.

    Attributes:
        folder: of the run.
        out: the folder that `probes/` is written into.
        recipe: what it was trained with; None for anybody else's run.
        run: as it is read; None where its folder holds no log.
        checkpoints: folders by step.
        base: loads the base model with the tokenizer that the run was trained with.
        base_path: of the base model.
        tokenizer_path: of its tokenizer, or of that which was saved with the checkpoints.
        base_hash: of its weights and of what else changes its answers.
        system: system turn before every question.
        seed: of the choice of questions.
    """

    folder: Path
    out: Path
    recipe: Recipe | None
    run: Run | None
    checkpoints: Mapping[int, Path]
    base: Callable[[], LoadedModel]
    base_path: str
    tokenizer_path: str
    base_hash: str
    system: str = ""
    seed: int = 17

    def weights(self, steps: tuple[int, ...]) -> dict[int, str]:
        """The hash of the base model and of each of `steps`.

        Raises:
            UnreadableError: a checkpoint without safetensors.
        """
        found = {s: checkpoint_weights(self.checkpoints[s], self.base_hash) for s in steps if s != BASE}
        return {BASE: self.base_hash} | found


def subject_of(folder: Path, base: str = "", out: Path | None = None) -> Subject:
    """The subject in a run folder.

    Args:
        folder: a run of ours, or any folder with checkpoints in Hugging Face format; of one checkpoint, its run.
        base: the base model, for anybody else's run; by default what its adapters name.
        out: where to write; by default the run folder.

    Raises:
        DonenessError: no checkpoint on disk, or no base model known.
    """
    folder = run_of(folder)
    recipe = recipe_of(folder)
    found = _own(folder, recipe) if recipe is not None else _foreign(folder, base)
    if recipe is not None and base:
        raise DonenessError(tr("probing.own_base", path=str(folder)))
    return replace(found, out=out or found.out)


def run_of(folder: Path) -> Path:
    """The run that a folder is, or that the checkpoint lies in which it is."""
    return folder if folders(folder) else root_of(folder)


def parse_steps(text: str, subject: Subject) -> tuple[int, ...]:
    """Steps from "base,400,1200"; base is 0.

    Raises:
        DonenessError: a word that is no step, or a step without a checkpoint on disk.
    """
    found = []
    known = ", ".join(["base", *map(str, sorted(subject.checkpoints))])
    for part in (each.strip() for each in text.split(",") if each.strip()):
        number = part.removeprefix("checkpoint-")
        step = BASE if part == "base" else int(number) if number.isascii() and number.isdecimal() else -1
        if step != BASE and step not in subject.checkpoints:
            raise DonenessError(tr("probing.no_step", text=part, known=known))
        found.append(step)
    if not found:
        raise DonenessError(tr("probing.no_step", text=text, known=known))
    return tuple(dict.fromkeys(found))


def _own(folder: Path, recipe: Recipe) -> Subject:
    run = read(folder)[0]
    on_disk = {c.step: c.path for c in run.checkpoints if c.exists and c.path is not None}
    if not on_disk:
        raise DonenessError(tr("workflows.no_checkpoints", path=str(folder)))
    return Subject(
        folder=folder,
        out=folder,
        recipe=recipe,
        run=run,
        checkpoints=on_disk,
        base=lambda: load_base(recipe),
        base_path=recipe.model.path,
        tokenizer_path=recipe.model.path,
        base_hash=_own_hash(recipe),
        system=recipe.data.system,
        seed=recipe.run.seed,
    )


def _own_hash(recipe: Recipe) -> str:
    from doneness.models import pick_device, pick_dtype

    model, method = recipe.model, recipe.method
    what: dict[str, Any] = {
        "dtype": pick_dtype(model.dtype, pick_device(model.device)),
        "template": model.template,
        "bits": (method.kind, method.bits, method.quant_type, method.double_quant) if method.bits else method.kind,
    }
    if method.kind != "qlora" and not method.bits:
        del what["bits"]
    if recipe.scratch.enabled:
        what["scratch"] = asdict(recipe.scratch) | {"seed": recipe.run.seed}
    return base_weights(model.path, json.dumps(what, sort_keys=True))


def _foreign(folder: Path, base: str) -> Subject:
    found = {step_of(place): place for place in folders(folder) if any(place.glob("*.safetensors")) and step_of(place)}
    if not found:
        raise DonenessError(tr("probing.no_folder", path=str(folder)))
    model = base or _named_base(found)
    # The conversation is written as it was in training: other tools save the tokenizer with the checkpoint.
    beside = next((p for _, p in sorted(found.items(), reverse=True) if (p / "tokenizer_config.json").is_file()), None)
    return Subject(
        folder=folder,
        out=folder,
        recipe=None,
        run=_run_of(folder),
        checkpoints=found,
        base=lambda: _load_foreign(model, beside),
        base_path=model,
        tokenizer_path=str(beside or model),
        base_hash=_foreign_hash(model, beside),
    )


def _foreign_hash(model: str, beside: Path | None) -> str:
    """Of the base model, the dtype it is loaded in here, and the tokenizer and template that lie beside checkpoints."""
    from doneness.models import pick_device, pick_dtype

    dtype = pick_dtype("auto", pick_device("auto"))
    return base_weights(model, f"{dtype} {'' if beside is None else tokenizer_hash(beside)}")


def _run_of(root: Path) -> Run | None:
    """What the folder's log says, where it has one that can be read."""
    try:
        runs = read(root)
    except UnreadableError:
        return None
    return max(runs, key=lambda run: run.last_step, default=None)


def _named_base(checkpoints: Mapping[int, Path]) -> str:
    names: dict[str, Path] = {}
    for place in checkpoints.values():
        file = place / ADAPTER
        if not file.is_file():
            raise DonenessError(tr("probing.whole_models", path=str(place)))
        try:
            name = json.loads(file.read_text(encoding="utf-8")).get("base_model_name_or_path")
        except (OSError, ValueError, AttributeError) as error:
            raise UnreadableError(tr("probing.adapter_damaged", path=str(file), reason=str(error))) from error
        if not isinstance(name, str) or not name:
            raise DonenessError(tr("probing.no_base", path=str(file)))
        names.setdefault(name, place)
    if len(names) > 1:
        raise DonenessError(
            tr("probing.bases", path=str(next(iter(checkpoints.values())).parent), names=", ".join(names))
        )
    return next(iter(names))


def _load_foreign(model: str, beside: Path | None) -> LoadedModel:
    from doneness.models import load_model, load_tokenizer, require

    require("peft")
    loaded = load_model(model)
    if beside is None:
        return loaded
    tokenizer = load_tokenizer(str(beside))
    # Tokens that were added in training have no row in the base model.
    return replace(loaded, tokenizer=tokenizer) if len(tokenizer) == len(loaded.tokenizer) else loaded


def refuse_closed(out: Path) -> None:
    """Make the folder to write into, where it is missing.

    Raises:
        StorageError: it cannot be written into.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(tr("probing.not_writable", path=str(out), reason=str(error.strerror))) from error
    if not os.access(out, os.W_OK):
        raise StorageError(tr("probing.not_writable", path=str(out), reason="read-only"))
