"""What the pages on recipes show is a recipe that is read."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from doneness.config import build_recipe

PAGES = Path(__file__).parents[2] / "docs" / "howto"


def blocks(page: str, kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", (PAGES / page).read_text(encoding="utf-8"), re.S)


@pytest.mark.parametrize(
    "block",
    [
        each
        for page in ("unknown-length", "evaluation-set", "methods", "stages")
        for each in blocks(f"{page}.md", "toml")
    ],
)
def test_what_is_shown_is_a_recipe(block: str) -> None:
    raw = tomllib.loads(block)
    recipe = build_recipe(raw)
    for section, keys in raw.items():
        for key, value in keys.items():
            made = getattr(getattr(recipe, section), key)
            assert (list(made) if isinstance(made, tuple) else made) == value


@pytest.mark.parametrize(
    ("page", "kind"),
    [
        ("unknown-length", "toml"),
        ("unknown-length", "json"),
        ("evaluation-set", "toml"),
        ("methods", "toml"),
        ("stages", "toml"),
    ],
)
def test_both_languages_show_the_same(page: str, kind: str) -> None:
    shown = blocks(f"{page}.md", kind)
    assert shown
    assert shown == blocks(f"{page}.zh.md", kind)
