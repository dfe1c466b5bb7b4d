from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from doneness.core import DonenessError, UnreadableError
from doneness.runs import (
    EVAL_LOSS,
    ExampleLosses,
    Recorder,
    Run,
    SpanLosses,
    load_examples,
    of_span,
    read,
    save_examples,
    span_names,
)

OLD: dict[str, Any] = {
    "step": 4,
    "ids": np.array(["a", "b"]),
    "nll": np.array([1.0, 2.0]),
    "tokens": np.array([3, 4]),
}
NEW: dict[str, Any] = OLD | {
    "span.label.nll": np.array([0.5, 0.0]),
    "span.label.tokens": np.array([1, 0]),
    "cluster": np.array(["talk", "talk"]),
    "group.source": np.array(["x", "y"]),
}


def losses(step: int = 4, shift: float = 0.0) -> ExampleLosses:
    spans = {
        "label": SpanLosses(np.array([0.5 + shift, 0.0]), np.array([1, 0])),
        "end": SpanLosses(np.array([0.1, 0.2]), np.array([1, 1])),
    }
    cluster, groups = np.array(["talk", "talk"]), {"source": np.array(["x", "y"])}
    return ExampleLosses(step, OLD["ids"], OLD["nll"] + shift, OLD["tokens"], spans, cluster, groups)


def test_spans_clusters_and_groups_come_back(tmp_path: Path) -> None:
    found = load_examples(save_examples(tmp_path, losses()))
    assert set(found.spans) == {"label", "end"}
    assert found.spans["label"].nll.tolist() == [0.5, 0.0]
    assert found.spans["label"].tokens.tolist() == [1, 0]
    assert found.spans["label"].mean == 0.5
    assert found.cluster is not None
    assert found.cluster.tolist() == ["talk", "talk"]
    assert found.groups["source"].tolist() == ["x", "y"]


def test_files_without_them_are_read_as_before(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", **OLD, later=np.array([1]))
    found = load_examples(tmp_path / "x.npz")
    assert (found.spans, found.cluster, found.groups) == ({}, None, {})


def test_a_span_of_no_token_has_no_mean() -> None:
    assert np.isnan(SpanLosses(np.zeros(2), np.zeros(2, dtype=np.int64)).mean)


@pytest.mark.parametrize(
    "changed",
    [
        {"span.label.nll": np.array([0.5])},
        {"span.label.nll": np.array(["x", "y"])},
        {"span.label.nll": None},
        {"span.label.tokens": None},
        {"span.label.tokens": np.array([1, -1])},
        {"span.label.tokens": np.array([1, 2**62])},
        {"span.label.tokens": np.array([1.0, 0.0])},
        {"span.label.more": np.array([1.0, 0.0])},
        {"cluster": np.array([1, 2])},
        {"cluster": np.array(["a"])},
        {"cluster": np.array([None, "b"], dtype=object)},
        {"group.source": np.array([[1, 2]])},
    ],
    ids=lambda changed: "-".join(changed),
)
def test_damaged_ones_are_one_line(tmp_path: Path, changed: dict[str, Any]) -> None:
    path = tmp_path / "x.npz"
    np.savez(path, **{k: v for k, v in (NEW | changed).items() if v is not None})
    with pytest.raises(UnreadableError, match=r"x\.npz: no per-example losses") as caught:
        load_examples(path)
    assert "\n" not in str(caught.value)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    recorder = Recorder(tmp_path / "run")
    for step, shift in ((0, 0.4), (10, 0.2), (20, 0.0)):
        each = losses(step, shift)
        path = save_examples(recorder.folder, each)
        told: dict[str, Any] = {n: {"loss": s.mean, "tokens": int(s.tokens.sum())} for n, s in each.spans.items()}
        if step == 20:
            told |= {"torn": 7, "half": {"tokens": 1}, "text": {"loss": "low"}}
        file = str(path.relative_to(recorder.folder))
        recorder.write("eval", step, name="eval", loss=each.mean, file=file, spans=told, epoch=step / 10)
    recorder.close()
    return read(tmp_path / "run")[0]


def test_the_journal_makes_a_series_of_each_span(run: Run) -> None:
    label = run.series["eval/span/label"]
    assert label.value.tolist() == pytest.approx([0.9, 0.7, 0.5])
    assert label.epoch.tolist() == [0.0, 1.0, 2.0]
    assert "eval/span/torn" not in run.series
    assert "eval/span/half" not in run.series
    assert np.isnan(run.series["eval/span/text"].value).all()
    assert span_names(run)[:1] == ("label",)
    assert span_names(run)[-1] == "end"


def test_a_run_seen_through_a_span(run: Run) -> None:
    seen = of_span(run, "label")
    assert seen.evals is not None
    assert seen.evals.value.tolist() == pytest.approx([0.9, 0.7, 0.5])
    assert [e.ids.tolist() for e in seen.examples] == [["a"]] * 3
    assert [e.mean for e in seen.examples] == pytest.approx([0.9, 0.7, 0.5])
    cluster = seen.examples[0].cluster
    assert cluster is not None
    assert cluster.tolist() == ["talk"]
    assert seen.examples[0].groups["source"].tolist() == ["x"]
    assert [e.ids.size for e in of_span(run, "end").examples] == [2, 2, 2]
    with pytest.raises(DonenessError, match="no losses of a span dose"):
        of_span(run, "dose")


def test_nothing_later_is_left_in_a_span(run: Run) -> None:
    before = run.until(10)
    assert before.series["eval/span/label"].step.tolist() == [0, 10]
    assert of_span(before, "label").example_steps == (0, 10)
    assert len(of_span(run, "label").until(10).examples) == 2


def test_examples_alone_tell_the_spans_of_a_run_in_memory() -> None:
    held = {step: losses(step) for step in (0, 5)}
    run = Run("memory", example_steps=(0, 5), example_source=held.__getitem__)
    assert span_names(run) == ("label", "end")
    assert of_span(run, "label").series[EVAL_LOSS].value.tolist() == [0.5, 0.5]
    assert span_names(Run("bare")) == ()
