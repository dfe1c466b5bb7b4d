"""What training records by span, and what is refused before it begins."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from doneness.config import Recipe
from doneness.core import DataError
from doneness.report import check_json
from doneness.runs import read_records
from doneness.runs.journal import FILE
from doneness.workflows.check import judge
from doneness.workflows.train import train_run
from tests.train.conftest import WORDS, Quiet

pytestmark = pytest.mark.model
Make = Callable[..., Recipe]


def explained(path: Path, words: list[str]) -> Path:
    rows = [
        {
            "messages": [
                {"role": "user", "content": f"Is {word} {other} fine?"},
                {"role": "assistant", "content": f"It is {word}.\nDecision: {'yes' if i % 2 else 'no'}"},
            ],
            "label": "yes" if i % 2 else "no",
            "source": "a" if i % 3 else "b",
            "conversation_id": i // 2,
        }
        for i, (word, other) in enumerate((w, o) for w in words for o in WORDS[:3])
    ]
    path.write_text("\n".join(json.dumps(row) for row in rows) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def labelled(make_recipe: Make, tmp_path: Path) -> Make:
    train, held_out = explained(tmp_path / "t.jsonl", WORDS[:5]), explained(tmp_path / "e.jsonl", WORDS[5:])

    def make(*overrides: str) -> Recipe:
        return make_recipe("run", f"data.train={train}", f"data.eval={held_out}", "schedule.max_steps=4", *overrides)

    return make


def test_every_evaluation_is_recorded_by_span(labelled: Make) -> None:
    recipe = labelled("evaluation.spans=label,explanation,dose=/is (\\w+)/")
    run = train_run(recipe, Quiet()).run
    records: list[dict[str, Any]] = read_records(Path(recipe.run.folder) / FILE)[0]
    evals = [r for r in records if r["kind"] == "eval"]
    assert all(set(r["spans"]) == {"label", "explanation", "dose", "first", "rest", "end"} for r in evals)
    last = run.examples[-1]
    for name, span in last.spans.items():
        assert evals[-1]["spans"][name] == {"loss": pytest.approx(span.mean), "tokens": int(span.tokens.sum())}
        assert run.series[f"eval/span/{name}"].value[-1] == pytest.approx(span.mean)
    parts = [last.spans[name] for name in ("first", "rest", "end")]
    np.testing.assert_allclose(sum(p.nll for p in parts), last.nll, atol=1e-9)
    assert last.cluster is not None
    assert len(set(last.cluster.tolist())) == 8
    assert set(last.groups) == {"source", "label"}
    assert run.meta["baseline"] == {"nats": pytest.approx(np.log(2), abs=0.01), "labels": 2, "rows": 15}
    found = judge(run)
    assert found.diagnosis.span == "label"
    assert {each.name for each in found.diagnosis.spans} == set(last.spans)
    assert json.loads(check_json([(found.run, found.diagnosis)], [], "1"))["runs"][0]["span"] == "label"
    decided = [r for r in records if r["kind"] == "decision"]
    assert len(decided) == len(evals)
    assert train_run(recipe, Quiet()).already


def test_without_definitions_the_automatic_spans_are_there_and_the_whole_decides(make_recipe: Make) -> None:
    run = train_run(make_recipe("run", "schedule.max_steps=2"), Quiet()).run
    assert set(run.examples[-1].spans) == {"first", "rest", "end"}
    assert run.meta["baseline"] is None
    assert judge(run).diagnosis.span == ""


@pytest.mark.parametrize(
    ("override", "part"),
    [
        ("evaluation.spans=labels", "no span that is known"),
        ("evaluation.spans=dose=/(/", "does not compile"),
        ("evaluation.spans=dose=/mg/", "dose stands in none of the 15 evaluation rows"),
        ("evaluation.spans=reasoning", "reasoning stands in none"),
        ("stopping.span=label", "label is not defined"),
    ],
)
def test_what_cannot_be_found_is_refused_before_anything_is_written(labelled: Make, override: str, part: str) -> None:
    recipe = labelled(override)
    with pytest.raises(DataError, match=part) as caught:
        train_run(recipe, Quiet())
    assert "\n" not in str(caught.value)
    assert not Path(recipe.run.folder).exists()


def test_a_label_that_is_cut_off_is_refused(labelled: Make) -> None:
    with pytest.raises(DataError, match=r"no token of it is left"):
        train_run(labelled("evaluation.spans=label", "data.max_length=55"), Quiet())
