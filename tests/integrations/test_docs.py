from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path
from typing import Any

import pytest

from doneness.integrations import DonenessCallback, Monitor, lightning_callback

PAGES = Path(__file__).parents[2] / "docs" / "howto"
CALLS: dict[str, Any] = {
    "DonenessCallback": DonenessCallback,
    "Monitor": Monitor,
    "lightning_callback": lightning_callback,
}
METHODS = {"log_train", "log_eval", "log_checkpoint"}


def blocks(page: str, kind: str = "python") -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", (PAGES / page).read_text(encoding="utf-8"), re.S)


def test_both_languages_show_the_same_code() -> None:
    assert blocks("other-trainers.md") == blocks("other-trainers.zh.md") and len(blocks("other-trainers.md")) == 6
    assert blocks("other-trainers.md", "yaml") == blocks("other-trainers.zh.md", "yaml")


@pytest.mark.parametrize("block", blocks("other-trainers.md"))
def test_what_is_shown_fits_what_there_is(block: str) -> None:
    seen = 0
    for call in (node for node in ast.walk(ast.parse(block)) if isinstance(node, ast.Call)):
        name = call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")
        target = CALLS.get(name) or (getattr(Monitor, name) if name in METHODS else None)
        if target is not None:
            keywords = {k.arg: None for k in call.keywords if k.arg}
            first = [None] if name in METHODS else []
            inspect.signature(target).bind(*first, *call.args, **keywords)
            seen += 1
    assert seen


def test_every_argument_is_in_the_table() -> None:
    for page in ("other-trainers.md", "other-trainers.zh.md"):
        told = re.findall(r"^\| `(\w+)` \|", (PAGES / page).read_text(encoding="utf-8"), re.M)
        assert told == list(inspect.signature(DonenessCallback).parameters)


def test_links_lead_somewhere() -> None:
    for page in PAGES.glob("*.md"):
        targets = [t for t in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")) if "://" not in t]
        assert targets and all((PAGES / t).exists() for t in targets)
