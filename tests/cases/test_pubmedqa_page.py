"""The case of PubMedQA: which rows it takes, and that its pages say what was measured."""

from __future__ import annotations

import importlib
import json
import random
import re
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
from tests.conftest import REPOSITORY, SHARED

CASES = REPOSITORY / "docs" / "cases"


@pytest.fixture(scope="module")
def beside() -> Iterator[None]:
    """The script's modules lie beside it, as they do where it is run."""
    sys.path.insert(0, str(CASES))
    yield
    sys.path.remove(str(CASES))


@pytest.fixture
def rows(beside: None) -> ModuleType:
    return importlib.import_module("pubmedqa_rows")


@pytest.fixture
def made(beside: None) -> ModuleType:
    return importlib.import_module("pubmedqa_pages")


@pytest.fixture(scope="module")
def results() -> dict[str, Any]:
    file = CASES / "pubmedqa" / "results.json"
    if not file.is_file():
        pytest.skip("the case was not measured yet: python docs/cases/pubmedqa.py --data FOLDER")
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found


def invented(rows: ModuleType, count: int = 900) -> list[Any]:
    """Questions of nobody: two halves, three labels, every tenth explanation too long."""
    words = [" ".join(["word"] * (60 if i % 10 == 0 else 20)) for i in range(count)]
    return [
        rows.Item(str(i), "test" if i % 2 else "train", f"Is {i}?", "a " * 200, words[i], rows.LABELS[i % 3])
        for i in range(count)
    ]


def ids(items: Any) -> list[str]:
    return [item.id for item in items]


def test_parts_share_no_row_and_keep_to_their_halves(rows: ModuleType) -> None:
    picked = rows.select(invented(rows))
    parts = [set(ids(part)) for part in (picked.train, picked.held_out, picked.test)]
    assert [len(part) for part in parts] == [160, 100, 150]
    assert len(set.union(*parts)) == 410
    assert {item.half for item in (*picked.train, *picked.held_out)} == {"train"}
    assert {item.half for item in picked.test} == {"test"}
    assert all(len(item.explanation.split()) <= 45 for item in (*picked.train, *picked.held_out, *picked.test))


def test_the_order_of_the_file_does_not_matter(rows: ModuleType) -> None:
    items = invented(rows)
    again = random.Random(3).sample(items, len(items))
    assert rows.select(items) == rows.select(again)


def test_too_few_rows_are_refused(rows: ModuleType) -> None:
    with pytest.raises(ValueError, match="too few rows"):
        rows.select(invented(rows, 300))


def test_variants_differ_in_the_explanation_alone(rows: ModuleType) -> None:
    item = rows.Item("7", "train", "Is it?", " ".join(map(str, range(100))), "Because.", "maybe")
    short, long = (rows.as_row(item, variant)["messages"] for variant in rows.VARIANTS)
    assert short[1]["content"] == "Decision: maybe"
    assert long[1]["content"] == "Because.\nDecision: maybe"
    abstracts = [turns[0]["content"].partition("\n\nQuestion")[0] for turns in (short, long)]
    assert abstracts[0] == abstracts[1] and abstracts[0].endswith(" 97 98 99")
    assert len(abstracts[0].split()) == 30 + 2  # and "Abstract: …"


def test_the_rows_are_those_that_were_measured(rows: ModuleType, results: dict[str, Any]) -> None:
    folder = SHARED / "data" / "medical_sft"
    if not folder.is_dir():
        pytest.skip("the rows of PubMedQA are not on this machine")
    picked = rows.select(rows.read_items(folder))
    assert {part: ids(getattr(picked, part)) for part in results["ids"]} == results["ids"]


def test_recorded_ids_do_not_overlap(results: dict[str, Any]) -> None:
    told = [each for part in results["ids"].values() for each in part]
    assert [len(part) for part in results["ids"].values()] == [160, 100, 150]
    assert len(set(told)) == len(told)


def test_pages_and_figures_are_made_of_the_results(made: ModuleType, results: dict[str, Any]) -> None:
    found = made.pages(results) | made.images(results)
    assert len(found) == 6
    for path, text in found.items():
        assert path.read_text(encoding="utf-8") == text, (
            f"python docs/cases/pubmedqa.py --pages writes another {path.name}"
        )


def test_a_page_follows_its_numbers(made: ModuleType, results: dict[str, Any]) -> None:
    before = made.page(results, "en")
    changed = json.loads(json.dumps(results))
    changed["variants"]["label-only"]["test"]["chosen"]["accuracy"] = 0.1234
    assert made.page(changed, "en").count("12.3%") > before.count("12.3%")
    with pytest.raises(KeyError):
        made.looked_up(results, "variants.label-only.evals.@3.loss")


def test_both_languages_take_the_same_numbers(made: ModuleType) -> None:
    asked = [
        sorted(re.findall(r"\[\[([^\[\]]+)\]\]", (made.HOME / f"page.{lang}.in").read_text(encoding="utf-8")))
        for lang in ("en", "zh")
    ]
    verbatim = [[each for each in one if not each.endswith((".en", ".zh"))] for one in asked]
    assert len(verbatim[0]) >= 10 and verbatim[0] == verbatim[1]
    assert len(asked[0]) == len(asked[1])


def test_label_losses_of_both_passes_agree(results: dict[str, Any]) -> None:
    for told in results["variants"].values():
        assert told["label_losses_differ_by"] < 1e-3
        assert told["chosen"] == told["verdict"]["recommended"], "the pages say that doneness chose it"
        by_step = {each["step"]: each["spans"]["label"]["loss"] for each in told["evals"]}
        for each in told["label"]:
            assert each["loss"] == pytest.approx(by_step[each["step"]], abs=2e-4)
            assert each["accuracy_interval"][0] <= each["accuracy"] <= each["accuracy_interval"][1]
            assert sum(each["said"].values()) == each["n"] == 100


def test_f1_is_the_mean_over_labels(beside: None) -> None:
    import numpy as np

    macro_f1 = importlib.import_module("pubmedqa_results").macro_f1
    true = np.array([0, 0, 0, 1, 2])
    assert macro_f1(true, true) == 1.0
    # yes: 2·3/(3+5), the others 0.
    assert macro_f1(true, np.zeros(5, dtype=int)) == pytest.approx((2 * 3 / 8) / 3)
    assert macro_f1(np.array([0, 1]), np.array([0, 1])) == 1.0  # no maybe, no F1 of it
