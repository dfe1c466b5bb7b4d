"""What an exported folder says of itself: README.md for people, doneness.json for programs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from doneness import __version__
from doneness.config import Recipe, bits_of
from doneness.core import tr
from doneness.workflows.check import Judged
from doneness.workflows.gather import EXPORTED

CARD, FACTS = "README.md", EXPORTED


@dataclass(frozen=True)
class Origin:
    """Where an export comes from.

    Attributes:
        folder: of the run.
        recipe: that it was trained with.
        judged: the run, and the verdict on it.
        step: of the checkpoint.
        form: "adapter", "merged", "whole" or "gguf".
    """

    folder: Path
    recipe: Recipe
    judged: Judged
    step: int
    form: str

    @property
    def exploratory(self) -> bool:
        """Whether it is not for use."""
        return self.recipe.run.mode == "explore"

    def facts(self) -> dict[str, Any]:
        """What is known of it, as JSON has it."""
        found = self.judged.diagnosis
        return {
            "run": self.folder.resolve().name,
            "step": self.step,
            "verdict": found.verdict.value,
            "recommended_step": self.judged.kept,
            "base": self.recipe.model.path,
            "method": self.recipe.method.kind,
            "bits": bits_of(self.recipe.method) or None,
            "form": self.form,
            "exploratory": self.exploratory,
            "versions": {**(self.judged.run.meta.get("versions") or {}), "doneness": __version__},
        }


def write_card(place: Path, origin: Origin) -> None:
    """Write README.md and doneness.json into `place`."""
    facts = json.dumps(origin.facts(), ensure_ascii=False, indent=2) + "\n"
    (place / FACTS).write_text(facts, encoding="utf-8")
    (place / CARD).write_text(_card(origin), encoding="utf-8")


def _card(origin: Origin) -> str:
    recipe, kept = origin.recipe, origin.judged.kept
    key = "chosen" if kept == origin.step else "other" if kept is not None else "none"
    lines = [
        tr(f"workflows.card.{origin.form}", base=recipe.model.path),
        tr("workflows.card.step", step=origin.step, run=origin.folder.resolve().name, kind=recipe.method.kind),
        tr("workflows.card.verdict", headline=origin.judged.diagnosis.headline.text()),
        tr(f"workflows.card.{key}", step=kept or 0),
    ]
    if origin.form in ("merged", "gguf") and bits_of(recipe.method):
        lines.append(tr("workflows.card.unpacked", bits=bits_of(recipe.method)))
    if origin.exploratory:
        lines.insert(0, f"**{tr('train.explore')}**")
    head = f"# {origin.folder.resolve().name}, {origin.step}"
    return f"{_metadata(origin)}{head}\n\n" + "\n\n".join(lines) + "\n"


def _metadata(origin: Origin) -> str:
    """The block that the hub reads; a base model on this machine alone has no name there."""
    base, tags = origin.recipe.model.path, ["doneness", *(["exploratory"] if origin.exploratory else [])]
    library = {"adapter": "peft", "gguf": "gguf"}.get(origin.form, "transformers")
    block = [f"library_name: {library}", "pipeline_tag: text-generation", f"tags: [{', '.join(tags)}]"]
    if not Path(base).exists() and base.count("/") == 1:
        block.insert(0, f"base_model: {base}")
    return "---\n" + "\n".join(block) + "\n---\n\n"
