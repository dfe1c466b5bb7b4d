from __future__ import annotations

import string
from pathlib import Path

import pytest

from doneness.core.catalogue import entries

SOURCE = Path(__file__).parents[2] / "src" / "doneness"


def placeholders(text: str) -> set[tuple[str, str]]:
    return {(name, form or "") for _, name, form, _ in string.Formatter().parse(text) if name is not None}


@pytest.mark.parametrize("area", ["data", "audit", "plan"])
def test_both_languages_have_the_same_entries_and_placeholders(area: str) -> None:
    english = {key: placeholders(text) for key, text in entries("en").items() if key.startswith(f"{area}.")}
    chinese = {key: placeholders(text) for key, text in entries("zh").items() if key.startswith(f"{area}.")}
    assert english == chinese
    assert english


def test_every_entry_is_spoken() -> None:
    code = "".join(file.read_text(encoding="utf-8") for file in (SOURCE / "data").glob("*.py"))
    assert [key for key in entries("en") if key.startswith("data.") and key not in code] == []
