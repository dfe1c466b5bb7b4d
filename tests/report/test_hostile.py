"""Runs whose numbers or texts are out of reason: the report stays quick, finite and free of foreign codes."""

from __future__ import annotations

import io
import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import report_samples as samples
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from doneness.core import UnreadableError, Verdict
from doneness.core.catalogue import entries
from doneness.report import Extras, build, figure, render, to_json, to_markdown
from doneness.report.checklist import checklist, legend
from doneness.report.numbers import count, plain, signed
from doneness.report.terminal import diagnosis_panel, probe_table, runs_table
from doneness.report.ticks import Scale, label, labelled, linear_ticks, log_ticks
from doneness.runs import ExampleLosses, Run
from doneness.runs.probes import Answer
from doneness.runs.run import Series

STEPS = list(range(20))
FALL = np.linspace(3, 1, 20)
ESCAPE = "\x1b]0;owned\x07\x1b[31m"


def run_of(values: Any, evals: Any = None, steps: Any = STEPS, **columns: Any) -> Run:
    series = {"train/loss": Series.of(steps, values, **columns)}
    if evals:
        series["eval/loss"] = Series.of(*evals)
    return Run("r", series=series)


def raw(values: Any) -> Run:
    """A run made in memory, past the guard that readers use."""
    size = len(values)
    nothing = np.full(size, np.nan)
    return Run("r", series={"train/loss": Series(np.arange(size), np.array(values), *[nothing] * 4)})


def printed(thing: Any, width: int = 100) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(thing)
    return str(console.file.getvalue())  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "run",
    [
        pytest.param(run_of([0.0] * 20, ([5, 10, 15], [0.0] * 3)), id="all zero"),
        pytest.param(run_of([1e308, -1e308] * 10, ([5, 10, 15], [1e308, -1e308, 1.0])), id="1e308"),
        pytest.param(raw([1e308, -1e308] * 10), id="1e308 in memory"),
        pytest.param(run_of([1e30, -1e30] * 10, ([5, 10, 15], [1e30, -1e30, 1.0])), id="1e30"),
        pytest.param(run_of([1e-300] * 20, ([5, 10, 15], [1e-300, 2e-310, 1e30])), id="tiny"),
        pytest.param(run_of([1.0, 1.0000000000000002] * 10), id="one bit apart"),
        pytest.param(run_of(FALL, ([5, 10**12], [2.0, 1.0]), [*STEPS[:19], 10**12]), id="step 1e12"),
        pytest.param(run_of(FALL, epoch=np.linspace(0, 1e9, 20)), id="1e9 epochs"),
        pytest.param(run_of(FALL, epoch=np.linspace(0, 1e18, 20), tokens=[1e18] * 20, time=[1e18] * 20), id="1e18"),
        pytest.param(run_of([1.0], steps=[0], epoch=[5.0]), id="epochs at step 0"),
        pytest.param(run_of([1.0, 1.0], steps=[0, 1], epoch=[5e3, 5e3]), id="epochs before step 1"),
        pytest.param(replace(run_of(FALL), meta={"steps_per_epoch": 1e-9, "seed": 10**400}), id="facts"),
    ],
)
def test_numbers_out_of_reason_are_shown_quickly(run: Run) -> None:
    diagnosis = samples.plain_diagnosis()
    begun = time.perf_counter()
    page = render(build(run, diagnosis, lang="en"))
    text = printed(diagnosis_panel(run, diagnosis))
    for axis in build(run, diagnosis).curve.axes:
        assert figure(run, diagnosis, axis, log=True).startswith("<svg")
    assert len(page) < 400_000
    assert "nan" not in text and "inf" not in text.replace("info", "")
    assert max(map(len, text.splitlines())) <= 100
    # Seconds, where it took a minute and gigabytes before.
    assert time.perf_counter() - begun < 60


def test_a_change_from_nothing_is_given_in_nats() -> None:
    view = build(run_of(FALL, ([5, 10], [0.0, 0.5])), samples.plain_diagnosis(), lang="en")
    assert view.key_numbers[1].value == "+0.500 nats"


def test_epochs_beyond_the_pixels_are_thinned_and_few_are_not() -> None:
    many = build(run_of(FALL, epoch=np.linspace(0, 1e9, 20)), samples.plain_diagnosis()).curve.epochs
    few = build(run_of(FALL, epoch=np.linspace(0, 7, 20)), samples.plain_diagnosis()).curve.epochs
    assert 100 <= len(many) <= 200 and many[-1][0] == 10**9
    assert [k for k, _ in few] == [1, 2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize("ends", [(-1e308, 1e308), (0.0, 5e-324), (1.0, np.nextafter(1.0, 2)), (0.0, 1e18), (0, 1e12)])
def test_ticks_of_any_range_are_few_and_have_labels(ends: tuple[float, float]) -> None:
    for ticks in (linear_ticks(*ends), log_ticks(*ends)):
        assert 1 <= len(ticks) <= 20
        assert all(len(label(t, ticks)) < 20 for t in ticks)


def test_long_numbers_are_written_short() -> None:
    assert plain(1e30) == "1e+30" and signed(-1e30) == "\u22121e+30"
    assert len(count(10**400)) < 30 and count(10**12) == "1,000,000,000,000"


@pytest.mark.parametrize(
    ("verdict", "words"),
    [
        (Verdict.OVERFITTING, "no forecast: the loss is rising"),
        (Verdict.DIVERGED, "no forecast: the loss is rising"),
        (Verdict.LEARNING, "no forecast was made"),
    ],
)
def test_an_absent_forecast_says_why(verdict: Verdict, words: str) -> None:
    view = build(run_of(FALL), samples.plain_diagnosis("r", verdict), lang="en")
    assert view.key_numbers[2].value == "–" and view.key_numbers[2].detail == words
    why = next(m.why for m in view.missing if m.what == "Forecast")
    assert ("rising" in why) == ("rising" in words)


def hostile_run() -> Run:
    def source(step: int) -> ExampleLosses:
        raise UnreadableError(f"evals/{step}.npz: {ESCAPE}")

    run = run_of(FALL, ([5, 10], [2.0, 1.0]))
    notes = tuple(f"note {i} {ESCAPE}" for i in range(4))
    return replace(run, name=f"r{ESCAPE}", notes=notes, example_steps=(5, 10), example_source=source)


def test_no_escape_sequence_reaches_the_terminal_or_a_file() -> None:
    run, diagnosis = hostile_run(), replace(samples.plain_diagnosis(f"r{ESCAPE}"))
    extras = Extras(
        samples.table(),
        samples.choice(),
        (Answer(samples.table().questions[0].id, 0, f"half \ud83d{ESCAPE}\x9b", 3, 0.5, False),),
        {"run": {"folder": f"x{ESCAPE}\ud83d"}},
        f"# Card {ESCAPE}",
    )
    shown = [
        printed(diagnosis_panel(run, diagnosis)),
        printed(runs_table([(run, diagnosis)])),
        render(build(run, diagnosis, extras, "en")),
        figure(run, diagnosis),
        to_markdown(diagnosis),
        to_json(replace(diagnosis, run="\x9b\x7f\ud83d")),
    ]
    for text in shown:
        assert not any(c in text for c in "\x1b\x07\x9b\x7f")
        text.encode()
    assert "␛" in shown[0]


def test_notes_and_faults_stand_at_the_end_at_most_five() -> None:
    text = printed(diagnosis_panel(hostile_run(), samples.plain_diagnosis()), 160)
    lines = text.rstrip().splitlines()[-6:]
    assert [line.split(" ␛")[0] for line in lines[:4]] == [f"note {i}" for i in range(4)]
    assert "losses of step 5 are damaged" in lines[4]
    assert lines[5].rstrip() == "more notes: 1"


def test_notes_and_faults_are_listed_as_not_checked() -> None:
    told = [m.why for m in build(hostile_run(), samples.plain_diagnosis(), lang="en").missing if m.what == "Reader"]
    assert len(told) == 6 and "step 10 are damaged" in told[-1]


def test_the_legend_says_how_many_marks_chance_would_set(monkeypatch: pytest.MonkeyPatch) -> None:
    table = samples.table()
    marked = sum(c.mark != "base" for c in table.cells)
    monkeypatch.setitem(entries("en"), "probe.chance", "{cells} cells, {expected} by chance")
    sentence = f"{marked} cells, {round(marked / 20, 1)} by chance"
    assert legend(checklist(table, None)).endswith(sentence)
    assert sentence in " ".join(printed(probe_table(table), 200).split())
    page = render(build(samples.full_run(), samples.full_diagnosis(), Extras(table), "en"))
    assert sentence in page
    monkeypatch.delitem(entries("en"), "probe.chance")
    assert legend(checklist(table, None)) == entries("en")["report.check.legend"]


@pytest.mark.parametrize(
    "reason",
    [5, "text", {"key": 5, "args": {}}, {"key": "x", "args": []}, {"key": ["x"], "args": {}}, None],
)
def test_a_decision_with_a_damaged_reason_is_counted(reason: Any) -> None:
    run = samples.full_run()
    event = next(e for e in run.events if e.kind == "decision")
    bad = replace(event, data={**event.data, "reason": reason})
    worse = replace(event, data={**event.data, "recommended_step": "x"})
    view = build(replace(run, events=(bad, worse)), samples.full_diagnosis(), lang="en")
    assert not view.timeline
    assert any("could not be read" in m.why and "2" in m.why for m in view.missing)


POSITIVE = st.floats(min_value=0.0, exclude_min=True, allow_infinity=False)


@given(POSITIVE, POSITIVE, st.booleans())
@settings(max_examples=400, deadline=None)
def test_any_positive_losses_have_an_axis(one: float, other: float, log: bool) -> None:
    low, high = sorted((one, other))
    for begin in (low, 0.0):
        shown = labelled(begin, high, log)
        assert shown and all(text and np.isfinite(value) for value, text in shown)
        if begin or not log:
            places = [Scale(begin, high, 100, 0, log)(value) for value in (begin, high)]
            assert all(0 <= place <= 100.001 for place in places)


@pytest.mark.parametrize("size", [5e-324, 1e-310, 1e-300, 1e300])
def test_losses_at_the_ends_of_what_a_number_holds_are_drawn(size: float) -> None:
    run = raw([size * (20 - i) for i in range(20)])
    view = build(run, samples.plain_diagnosis("r", Verdict.LEARNING))
    assert "nan" not in render(view).lower().replace("nano", "")
