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
    changed["variants"]["label-only"]["test"]["asked"]["accuracy"] = 0.1234
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
        assert told["recommended"] == told["verdict"]["recommended"]
        assert told["asked"] > 0, "the base model stands beside it already"
        if not told["recommended"]:
            assert told["asked"] == told["evals"][-1]["step"], "the pages say that the last was asked"
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


@pytest.fixture
def sentences(beside: None) -> ModuleType:
    return importlib.import_module("pubmedqa_said")


def told(
    asked: int, recommended: int | None, losses: dict[str, float], mean: float, start: float = 3.0
) -> dict[str, Any]:
    """One variant of nobody's: three evaluations, the last with these losses."""

    def at(step: int, each: dict[str, float], loss: float) -> dict[str, Any]:
        return {"step": step, "loss": loss, "spans": {name: {"loss": value} for name, value in each.items()}}

    begun = dict.fromkeys(losses, start)
    return {
        "asked": asked,
        "recommended": recommended,
        "run": {"steps_per_epoch": 10, "seconds": 5400.0},
        "evals": [at(0, begun, start), at(10, losses, mean), at(20, losses, mean)],
    }


def of(label: dict[str, Any], explained: dict[str, Any]) -> dict[str, Any]:
    return {"smoothing": 0.9, "variants": {"label-only": label, "explained": explained}}


SHORT = {"fixed": 0.002, "end": 0.01}
LONG = {"fixed": 0.002, "end": 0.01, "explanation": 3.1}


@pytest.mark.parametrize(
    ("recommended", "en", "zh"),
    [
        (20, "step 20, which doneness recommends", "第 20 步，即 doneness 推荐的检查点"),
        (0, "step 20, the last; doneness recommends the base model", "doneness 推荐的是基座模型"),
        (None, "step 20, the last; doneness recommends no checkpoint", "doneness 没有推荐任何检查点"),
        (10, "doneness recommends step 10, of which no checkpoint is left", "doneness 推荐第 10 步，但那里没有检查点"),
    ],
)
def test_only_what_is_recommended_is_called_so(
    sentences: ModuleType, made: ModuleType, recommended: int | None, en: str, zh: str
) -> None:
    results = of(told(20, recommended, SHORT, 0.2), told(20, 20, LONG, 2.9))
    assert en in sentences.said(results, "en", "which", "label-only")
    assert zh in sentences.said(results, "zh", "which", "label-only")
    words = {"en": ("20 (recommended)", "20 (asked)"), "zh": ("20（推荐）", "20（询问）")}
    for lang, (yes, no) in words.items():
        said = made._asked(results["variants"]["label-only"], made.HEADS[lang])
        assert said == (yes if recommended == 20 else no)


def test_sentences_follow_the_numbers(sentences: ModuleType) -> None:
    def en(results: dict[str, Any], *name: str) -> str:
        return str(sentences.said(results, "en", *name))

    usual = of(told(20, 20, SHORT, 0.2), told(20, 20, LONG, 2.9))
    other = of(told(20, 20, {"fixed": 0.4, "end": 0.01}, 3.5), told(20, 20, LONG | {"explanation": 3.2}, 3.4, 3.0))
    assert en(usual, "levels").startswith("Judged by its level, as such a plot invites one to, the label alone is")
    assert "0.200" in en(usual, "levels") and "2.900" in en(usual, "levels")
    assert "the explanation with the label is the better run: its mean ends at 3.400" in en(other, "levels")
    assert "neither is the better" in en(of(told(20, 20, SHORT, 2.9), told(20, 20, LONG, 2.9)), "levels")
    assert en(usual, "fixed").startswith("from step 10 on neither costs more than 0.05")
    assert en(other, "fixed") == "even so one of the two still costs 0.400 nats a token at the end"
    assert "3.100 nats a token and holds the mean, 2.900, up" in en(usual, "free", "explained")
    assert "3.200 nats a token and does not hold the mean, 3.400, up" in en(other, "free", "explained")
    assert en(usual, "carried") == "what it was 10 steps before still counts 35%"
    assert en(other, "explaining", "explained") == "rose from 3.000 to 3.200"
    down = of(told(20, 20, SHORT, 0.2), told(20, 20, LONG, 2.9, 4.0))
    assert en(down, "explaining", "explained") == "fell from 4.000 to 3.100"
    assert en(usual, "hours").startswith("3.0 hours")
    # Once low and then high again is not learnt.
    relapsed = of(told(20, 20, SHORT, 0.2), told(20, 20, LONG, 2.9))
    relapsed["variants"]["label-only"]["evals"][-1]["spans"]["end"]["loss"] = 0.3
    assert "still costs 0.300" in en(relapsed, "fixed")


def test_every_sentence_is_in_both_languages_and_on_both_pages(sentences: ModuleType, made: ModuleType) -> None:
    assert sentences._TEXTS["en"].keys() == sentences._TEXTS["zh"].keys()
    for key, text in sentences._TEXTS["en"].items():
        numbers = [sorted(re.findall(r"{[^}]+}", each)) for each in (text, sentences._TEXTS["zh"][key])]
        assert numbers[0] == numbers[1], key
    for lang in ("en", "zh"):
        prose = (made.HOME / f"page.{lang}.in").read_text(encoding="utf-8")
        asked = {each.split()[0] for each in re.findall(r"\[\[said ([^\[\]]+)\]\]", prose)}
        assert asked == sentences.SAID.keys()
