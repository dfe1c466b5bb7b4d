from __future__ import annotations

import itertools
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import report_samples as samples

from doneness.diagnose import diagnose
from doneness.report import figure
from doneness.report.curve import curve
from doneness.report.figure import alternative, draw
from doneness.report.frame import NARROW, frame, wrapped, y_limits, zero_said
from doneness.report.layers import apart
from doneness.report.numbers import axis_end
from doneness.report.palette import COLOURS
from doneness.report.svg import number, text_width
from doneness.report.ticks import Scale, label, labelled, linear_ticks, log_ticks
from doneness.runs import Checkpoint, ExampleLosses, Run, Series

SVG = "{http://www.w3.org/2000/svg}"


def broken_run() -> Run:
    value = 2.0 - 0.01 * np.arange(60)
    value[[5, 20]] = np.nan, np.inf
    return Run("nan", series={"train/loss": Series.of(np.arange(60), value), "eval/loss": Series.of([9], [np.nan])})


RUNS: dict[str, Callable[[], Run]] = {
    "full": samples.full_run,
    "foreign": samples.foreign_run,
    "empty": lambda: Run("empty"),
    "one point": lambda: Run("one", series={"train/loss": Series.of([1], [2.5])}),
    "one evaluation": lambda: Run("one", series={"eval/loss": Series.of([0], [2.5])}),
    "nan": broken_run,
    "all nan": lambda: Run("nan", series={"train/loss": Series.of([1, 2], [np.nan, np.nan])}),
    "constant": lambda: Run("flat", series={"train/loss": Series.of(range(50), [1.0] * 50)}),
    "zero": lambda: Run("zero", series={"train/loss": Series.of(range(50), [0.0] * 50)}),
    "huge": lambda: Run("huge", series={"train/loss": Series.of(range(50), np.geomspace(1e-9, 1e12, 50))}),
    "checkpoints alone": lambda: Run("c", checkpoints=(Checkpoint(5, None, True), Checkpoint(9, None, False))),
}


def parsed(text: str) -> ET.Element:
    root = ET.fromstring(text)
    for node in root.iter():
        for name, value in node.attrib.items():
            if name in ("d", "x", "y", "x1", "y1", "cx", "cy", "r", "width", "height", "viewBox"):
                assert not re.search(r"nan|inf", value, re.IGNORECASE), (name, value)
    return root


def texts(root: ET.Element) -> str:
    return " | ".join(t.text or "" for t in root.iter(f"{SVG}text"))


@pytest.mark.parametrize("name", RUNS)
@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("width", [380, 960])
def test_every_run_draws_as_well_formed_svg(name: str, log: bool, width: int) -> None:
    diagnosis = samples.full_diagnosis() if name == "full" else samples.plain_diagnosis()
    text = figure(RUNS[name](), diagnosis, log=log, width=width)
    root = parsed(text)
    assert root.attrib["viewBox"].split()[2] == str(width)
    assert set(re.findall(r"https?://[^\s\"'<)]+", text)) == {"http://www.w3.org/2000/svg"}


@pytest.mark.parametrize("axis", ["step", "tokens", "targets", "epoch", "time"])
def test_every_axis_of_a_full_log_is_offered(axis: str) -> None:
    parsed(figure(samples.full_run(), samples.full_diagnosis(), axis))


def test_an_axis_without_data_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"no 'tokens' axis.*it has: step, epoch"):
        figure(samples.foreign_run(), samples.plain_diagnosis(), "tokens")


def test_the_figure_says_what_it_shows() -> None:
    said = texts(parsed(figure(samples.full_run(), samples.full_diagnosis())))
    for part in ("train", "eval", "forecast", "learning rate", "sweet spot 32–48 · keep 32", "epoch 2"):
        assert part in said
    assert "64: stop, overfitting" in said
    assert "trend: local line over 21 steps (21 log rows)" in said
    assert "not from zero" in said
    assert "outside the range (arrows): 1" in said  # the spike at step 20


def test_the_zero_of_the_axis_is_stated() -> None:
    run = Run("low", series={"train/loss": Series.of(range(40), np.linspace(1, 0, 40))})
    assert "axis from zero" in texts(parsed(figure(run, samples.plain_diagnosis())))


def test_thinned_points_and_lost_numbers_are_stated() -> None:
    text = figure(samples.full_run(20_000), samples.full_diagnosis())
    stated = re.search(r"([\d,]+) of 20,000 training points drawn", texts(parsed(text)))
    assert stated is not None
    drawn = int(stated[1].replace(",", ""))
    # Points out of range are arrows; all others are dots of zero length.
    arrows = re.search(r"outside the range \(arrows\): (\d+)", texts(parsed(text)))
    assert arrows is not None and int(arrows[1]) >= 1
    assert drawn <= 2002 and text.count("h0") == drawn - int(arrows[1])
    assert "not numbers (×): 3" in texts(parsed(figure(broken_run(), samples.plain_diagnosis())))


def test_kept_existing_and_deleted_checkpoints_look_different() -> None:
    root = parsed(figure(samples.full_run(), samples.full_diagnosis()))
    ticks = [r for r in root.iter(f"{SVG}rect") if r.attrib.get("height") == "10"]
    hollow = [r for r in ticks if r.attrib.get("fill-opacity") == "0"]
    assert (len(ticks), len(hollow)) == (6, 3)
    assert [c.attrib["r"] for c in root.iter(f"{SVG}circle") if c.attrib.get("class") == "f-chosen"] == ["5.5", "6"]


def test_colours_follow_the_system_and_fall_back() -> None:
    text = figure(samples.full_run(), samples.full_diagnosis())
    assert "prefers-color-scheme:dark" in text
    for node in parsed(text).iter():
        role = node.attrib.get("class", "")
        if role.startswith("f-"):
            assert node.attrib["fill"] == COLOURS[role[2:]][0]


def contrast(one: str, other: str) -> float:
    def light(colour: str) -> float:
        parts = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
        r, g, b = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
        return 0.2126 * r + 0.7152 * g + 0.0722 * b

    a, b = sorted((light(one), light(other)))
    return (b + 0.05) / (a + 0.05)


@pytest.mark.parametrize("role", [r for r in COLOURS if r.endswith("ink") or r == "muted"])
@pytest.mark.parametrize("ground", ["paper", "card", "chosen-wash"])
def test_text_colours_reach_aa_contrast(role: str, ground: str) -> None:
    for scheme in (0, 1):
        assert contrast(COLOURS[role][scheme], COLOURS[ground][scheme]) >= 4.5


def test_flags_never_overlap() -> None:
    run = samples.full_run()
    events = tuple(replace(e, step=62 + 2 * i) for i, e in enumerate(run.events[-3:]))
    go_on = run.events[0]
    mixed = (events[0], replace(go_on, step=63), events[1], replace(go_on, step=65), events[2])
    data = curve(replace(run, events=mixed), samples.full_diagnosis(), 32)
    assert len(data.flags) == 3
    placed = frame(data, "step", False, 960, []).flags
    assert len(placed) == 3 and all(f.flag.text for f in placed)
    wide = [text_width(f.flag.text, 13) for f in placed]
    spans = [(f.row, f.x - w, f.x) if f.left else (f.row, f.x, f.x + w) for f, w in zip(placed, wide, strict=True)]
    for i, (row, start, stop) in enumerate(spans):
        assert all(r != row or b < start or a > stop for r, a, b in spans[:i])


@pytest.mark.parametrize("note", ["lowest and highest of each stretch are kept " * 3, "各小段保留最低与最高点" * 6])
def test_long_notes_are_broken_into_the_width(note: str) -> None:
    lines = wrapped(["short", note], 12, 300)
    assert len(lines) > 2 and all(text_width(line, 12) <= 300 for line in lines)
    assert "".join(lines).replace(" ", "") == ("short" + note).replace(" ", "")


@pytest.mark.parametrize("wanted", [[10.0, 10.0, 10.0], [0.0, 5.0, 99.0], [97.0, 98.0, 99.0]])
def test_labels_are_moved_apart_and_stay_inside(wanted: list[float]) -> None:
    placed = apart(wanted, 12, 0, 100)
    assert all(b - a >= 12 for a, b in itertools.pairwise(placed))
    assert placed[0] >= 0 and placed[-1] <= 100


def test_limits_hold_trend_and_evaluations_but_not_far_outliers() -> None:
    data = curve(samples.full_run(), samples.full_diagnosis(), 32)
    low, high = y_limits(data, log=False)
    assert all(e.low is not None and e.high is not None and low <= e.low and e.high <= high for e in data.evals)
    assert high < data.raw.value.max()


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0, 100, [0, 20, 40, 60, 80, 100]), (0.82, 2.41, [1.0, 1.5, 2.0]), (-0.3, 0.31, [-0.2, 0.0, 0.2])],
)
def test_linear_ticks_are_round(low: float, high: float, expected: list[float]) -> None:
    assert linear_ticks(low, high) == expected


def test_log_ticks_thin_out_over_many_decades() -> None:
    assert log_ticks(0.5, 90) == [0.5, 1, 2, 5, 10, 20, 50]
    assert log_ticks(1e-9, 1e12)[0] == 1e-9
    assert all(t > 0 for t in log_ticks(0.9, 2.4))


def test_tick_labels_have_the_decimals_that_tell_them_apart() -> None:
    assert [label(t, [0.25, 0.5]) for t in (0.25, 0.5)] == ["0.25", "0.50"]
    assert label(-2.0, [-2.0, 0.0]) == "\u22122"
    assert Scale(1, 100, 0, 10, log=True)(10) == pytest.approx(5)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_coordinate_that_is_no_number_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        number(value)


def test_a_band_below_zero_does_not_move_the_axis() -> None:
    value = np.full(60, 0.3)
    value[28:31] = 15.0, 20.0, 12.0
    run = Run("spike", series={"train/loss": Series.of(np.arange(60), value), "eval/loss": Series.of([10], [0.3])})
    low, high = y_limits(curve(run, samples.plain_diagnosis(), None), log=False)
    assert 0 <= low < high


@pytest.mark.parametrize(("low", "said"), [(0.0, "from_zero"), (0.2, "not_from_zero"), (-1.0, "through_zero")])
def test_what_is_said_of_zero_is_true(low: float, said: str) -> None:
    assert zero_said(low) == said


def test_a_narrow_figure_keeps_the_learning_rate_inside() -> None:
    data = curve(samples.full_run(), samples.full_diagnosis(), 32)
    assert data.rate is not None
    data = replace(data, rate=replace(data.rate, value=data.rate.value * 9))  # a peak of 1.8e−3
    text = draw(data, width=NARROW)
    label = re.search(r"<text[^>]*>[0-9]\.[0-9]e\u2212\d+</text>", text)
    assert label is not None and 'x="1"' in label[0] and 'text-anchor="start"' in label[0]


TINY = {
    "log": (np.geomspace(3.0, 2e-8, 60), True),
    "linear": (np.linspace(3e-6, -1e-6, 60), False),
    "below zero": (np.linspace(0.05, -0.013, 60), False),
    "near": (2.0 + np.linspace(4e-5, 0, 60), False),
}


@pytest.mark.parametrize("name", TINY)
@pytest.mark.parametrize("width", [320, NARROW, 960])
def test_no_number_of_the_loss_axis_is_cut(name: str, width: int) -> None:
    value, log = TINY[name]
    run = Run(name, series={"train/loss": Series.of(np.arange(60), value)})
    data = curve(run, samples.plain_diagnosis(), None)
    layout = frame(data, "step", log, width, [])
    numbers = [text for _, text in labelled(layout.y.low, layout.y.high, log)]
    assert len(set(numbers)) == len(numbers) > 1
    assert max(text_width(text, layout.size) for text in numbers) + 7 <= layout.left < width / 4
    drawn = draw(data, log=log, width=width)
    assert all(f">{text}</text>" in drawn for text in numbers)


def test_numbers_of_a_logarithmic_axis_have_their_own_digits() -> None:
    assert [t for _, t in labelled(2e-5, 3.0, True)] == ["1e\u22124", "0.001", "0.01", "0.1", "1"]
    assert [t for _, t in labelled(0.5, 90.0, True)] == ["0.5", "1", "2", "5", "10", "20", "50"]
    assert [t for _, t in labelled(-1.3e-6, 2.4e-6, False)] == ["\u22121e\u22126", "0", "1e\u22126", "2e\u22126"]
    assert [t for _, t in labelled(0.0, 5e-324, False)] == ["0"]


def test_an_axis_that_begins_above_zero_does_not_say_zero() -> None:
    run = Run("tiny", series={"train/loss": Series.of(np.arange(60), np.geomspace(3.0, 2e-8, 60))})
    drawn = draw(curve(run, samples.plain_diagnosis(), None), log=True, width=NARROW)
    assert "not from zero" in drawn and re.search(r"axis [\d.]+e\u2212\d+ to [\d.]+", drawn)
    assert (axis_end(-0.0004), axis_end(0.0), axis_end(1.23456)) == ("\u22120.0004", "0", "1.235")


def test_only_losses_of_tokens_are_called_nats_per_target_token() -> None:
    def of_pairs(run: Run) -> Run:
        def source(step: int) -> ExampleLosses:
            assert run.example_source is not None
            losses = run.example_source(step)
            return replace(losses, tokens=np.ones_like(losses.tokens))

        return replace(run, example_source=source)

    run = samples.full_run()
    said = [texts(parsed(draw(curve(each, samples.plain_diagnosis(), None)))) for each in (run, of_pairs(run))]
    assert ["target token" in text for text in said] == [True, False]


def test_a_curve_too_short_for_a_trend_is_still_told() -> None:
    few = Run("few", series={"train/loss": Series.of([1, 2, 3], [2.5, 2.25, 2.125])})
    data = curve(few, diagnose(few), None)
    assert data.trend is None
    told = alternative(data)
    assert "2.5" in told and "2.1" in told and "no loss" not in told
    assert "no loss" in alternative(curve(Run("empty"), diagnose(Run("empty")), None))
    lost = RUNS["all nan"]()
    assert "nan" not in alternative(curve(lost, diagnose(lost), None))
