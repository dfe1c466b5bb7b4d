"""The demo: our own small data, a real small model, one real run past the point where it is done."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from importlib import resources
from pathlib import Path

from doneness.config import Recipe, build_recipe, dump_recipe
from doneness.runs.atomic import write_bytes, write_text

DATA_LANGUAGES = ("en", "zh")
_FILES = ("train.jsonl", "eval.jsonl", "probes.jsonl")


def prepare(folder: Path, data: str = "en", full: bool = False) -> Recipe:
    """Lay out the demo folder: data, data card, recipe; what is there already stays.

    Args:
        folder: the demo's folder; the run goes into `run` (or `run-full`, `run-zh`) inside it.
        data: language of the rows, "en" or "zh".
        full: all rows and all questions instead of a quick share of them.

    Raises:
        DonenessError: the demo model's wheel is missing, or the folder cannot be written.
    """
    from doneness.models import demo_model

    source = resources.files("doneness.data") / "demo"
    place = folder / "data" / data
    for name in _FILES:
        write_bytes(place / name, (source / data / name).read_bytes())
    write_bytes(folder / "data" / "CARD.md", (source / "CARD.md").read_bytes())
    recipe = build_recipe(tomllib.loads((resources.files("doneness.config") / "recipes" / "demo.toml").read_text()))
    name = "run" + ("-zh" if data == "zh" else "") + ("-full" if full else "")
    recipe = replace(
        recipe,
        run=replace(recipe.run, folder=str(folder / name)),
        model=replace(recipe.model, path=str(demo_model())),
        data=replace(
            recipe.data,
            train=str(place / "train.jsonl"),
            eval=str(place / "eval.jsonl"),
            system=_SYSTEM[data],
            train_rows=0 if full else recipe.data.train_rows,
            eval_rows=0 if full else recipe.data.eval_rows,
        ),
        probes=replace(
            recipe.probes,
            suite=str(place / "probes.jsonl"),
            share=0.0,  # asked once it is trained
            questions=0 if full else recipe.probes.questions,
            max_new_tokens=40 if full else recipe.probes.max_new_tokens,
        ),
        report=replace(recipe.report, data_card=str(folder / "data" / "CARD.md")),
    )
    # Beside the run, whose own folder gets the resolved recipe once training begins.
    write_text(folder / f"{name}.toml", dump_recipe(recipe))
    return recipe


_SYSTEM = {"en": "You are a careful medical assistant.", "zh": "你是一名谨慎的医疗助手。"}
