from __future__ import annotations

import json
import math
import string
from dataclasses import replace

import numpy as np
import pytest
import report_samples as samples

from doneness.core import Finding, Message, Status
from doneness.core.catalogue import entries
from doneness.report import numbers, to_json, to_markdown


def test_json_is_strict_and_complete() -> None:
    odd = Finding("CV99", Status.WARN, Message("samples.reason"), math.nan, evidence={"array": np.float64(2.5)})
    text = to_json(replace(samples.full_diagnosis(), findings=(odd,)), "en")
    data = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert data["verdict"] == "overfitting" and data["recommended_step"] == 32
    assert data["findings"][0]["value"] is None
    assert data["findings"][0]["evidence"] == {"array": 2.5}
    assert data["headline"].startswith("Done at step 64")


def test_json_speaks_the_chosen_language() -> None:
    assert "已到火候" in json.loads(to_json(samples.full_diagnosis(), "zh"))["headline"]


def test_markdown_has_the_verdict_a_row_a_finding_and_what_was_skipped() -> None:
    text = to_markdown(replace(samples.full_diagnosis(), run="a|b\n# c"), "en")
    assert text.startswith("## a\\|b # c\n\n**Overfitting.** Done at step 64.")
    assert text.count("\n| ") == 2 + 4
    assert "| fail | CV03 | The evaluation loss is lowest at step 32" in text
    assert text.rstrip().endswith("- CV12 was not checked: the log has no gradient norm.")


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_both_languages_have_the_same_keys_and_placeholders() -> None:
    english = {k: v for k, v in entries("en").items() if k.startswith("report.")}
    chinese = {k: v for k, v in entries("zh").items() if k.startswith("report.")}
    assert set(english) == set(chinese) and len(english) > 150
    for key, text in english.items():
        assert fields(text) == fields(chinese[key]), key


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (numbers.signed(-0.0004, 3), "0.000"),
        (numbers.signed(-0.4), "\u22120.400"),
        (numbers.signed(float("nan")), "–"),
        (numbers.plain(1234.5, 1), "1,234.5"),
        (numbers.compact(1_574_400), "1.57M"),
        (numbers.compact(950), "950"),
        (numbers.count(None), "–"),
        (numbers.between("1.0", "1.2"), "1.0–1.2"),
        (numbers.between("\u22120.1", "+0.2"), "\u22120.1 to +0.2"),
        (numbers.percent(0.004, sign=True), "+0.4\u00a0%"),
        (numbers.duration(59.6), "1 min 0 s"),
        (numbers.duration(7265), "2 h 1 min"),
        (numbers.general(0.00012345), "0.0001234"),
    ],
)
def test_numbers_are_written_with_care(written: str, expected: str) -> None:
    assert written == expected
