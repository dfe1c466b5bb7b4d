from __future__ import annotations

import io
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import report_samples as samples
from rich.console import Console

from doneness.report import Extras, build, render, to_markdown
from doneness.report.health import health, heat_map, spikes_line
from doneness.report.heatmap import heat
from doneness.report.noise_scale import noise_range, noise_sentence
from doneness.report.terminal import diagnosis_panel
from doneness.runs import Event, Run, Series

LANGS = ("en", "zh")


def with_health(run: Run, layers: int = 12, points: int = 20, **more: Any) -> Run:
    """A run with everything that is measured, and two spikes."""
    rng = np.random.default_rng(5)
    step = np.array([1, *range(5, 5 * points, 5)])
    series = dict(run.series)
    for i, kind in enumerate(("all", "q", "k", "v", "o", "mlp")):
        series[f"health/grad/{kind}"] = Series.of(step, np.exp(rng.normal(-0.5 * i, 0.3, points)))
        series[f"health/update/{kind}"] = Series.of(step, 2e-3 * np.exp(rng.normal(-0.2 * i, 0.2, points)))
    for layer in range(layers):
        series[f"health/lora/{layer}"] = Series.of(step, 0.002 * (1 + layer) * np.sqrt(step))
    for name, value in (("tokens_per_second", 5120.0), ("targets_per_second", 1900.0), ("steps_per_second", 0.31)):
        series[f"health/{name}"] = Series.of(step, np.full(points, value))
    series["health/peak_memory_bytes/cuda"] = Series.of(step, np.full(points, 7.25e9))
    series |= noise(rng.normal(4.0, 0.5, points), rng.normal(200.0, 20.0, points))
    spikes = (
        Event("spike", 20, {"loss": 2.91, "expected": 1.12, "deviations": 21.4, "first": 20, "count": 16,
                            "rows": [str(r) for r in range(3, 19)]}),
        Event("spike", 60, {"loss": "NaN", "expected": 1.02, "first": 51}),
    )  # fmt: skip
    return replace(run, series=series | more, events=(*run.events, *spikes))


def noise(signal: Any, spread: Any, batch: int = 16) -> dict[str, Series]:
    step = np.arange(1, len(signal) + 1) * 5
    return {
        "health/noise/signal": Series.of(step, signal),
        "health/noise/spread": Series.of(step, spread),
        "health/noise/rows": Series.of(step, np.full(len(signal), float(batch))),
    }


@pytest.mark.parametrize("lang", LANGS)
def test_the_section_shows_everything_in_both_languages(extras: Extras, lang: str) -> None:
    run = with_health(samples.full_run())
    page = render(build(run, samples.full_diagnosis(), extras, lang))
    section = page.split('<section id="health">')[1].split("</section>")[0].replace("\u00a0", " ")
    assert section.count('class="small"') == 12
    assert section.count('class="figure heat"') == 2
    texts = {
        "en": ("Loss spikes", "LoRA's real size", "Update to weight", "layer 11, step 95: 23.4 %", "7.25 GB"),
        "zh": ("损失尖峰", "LoRA 的实际大小", "更新与权重之比", "第 11 层，第 95 步：23.4%", "7.25 GB"),
    }
    for text in texts[lang]:
        assert text.replace("'", "&#x27;") in section, text
    # The first eight rows are shown, the others lie behind a fold; a spike over ten steps says which.
    assert "<code>10</code></td>" not in section and "<code>18</code>" in section and "51–60" in section
    assert {"en": "8 more", "zh": "另有 8 行"}[lang] in section
    assert "report." not in section.replace("report.css", "")


def test_a_log_without_health_has_no_section(extras: Extras) -> None:
    view = build(samples.full_run(), samples.full_diagnosis(), extras, "en")
    assert view.health is None and '<section id="health">' not in render(view)
    assert spikes_line(samples.full_run()) == ""


def test_terminal_and_markdown_have_one_line_on_spikes() -> None:
    run, diagnosis = with_health(samples.full_run()), samples.full_diagnosis()
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(diagnosis_panel(run, diagnosis))
    assert "Loss spikes: 2; the last at step 51–60" in console.export_text()
    console.print(diagnosis_panel(samples.full_run(), diagnosis))
    assert "spike" not in console.export_text().lower()
    assert "损失尖峰：2 处" in to_markdown(diagnosis, "zh", run)
    assert "spike" not in to_markdown(diagnosis, "en").lower()


def test_a_map_of_many_layers_and_steps_stays_small(extras: Extras) -> None:
    run = with_health(samples.full_run(), layers=80, points=900)
    data = heat_map(run)
    assert data is not None and data.measured == 900
    assert len(data.steps) * len(data.layers) <= 1600
    assert (data.steps[0], data.steps[-1]) == (1, 4495)
    assert list(data.layers[:3]) == ["0", "1", "2"]
    assert len(heat(data, 960)) < 300_000
    assert len(render(build(run, samples.full_diagnosis(), extras, "en")).encode()) < 2_000_000


def test_cells_grow_darker_with_the_value_and_a_gap_is_no_zero() -> None:
    run = Run(
        "r", series={"health/lora/0": Series.of([1, 10, 20], [0.0, 0.1, 0.2]), "health/lora/1": Series.of([1], [0.05])}
    )
    data = heat_map(run)
    assert data is not None
    assert data.values == ((0.0, 0.1, 0.2), (0.05, None, None))
    svg = heat(data, 960)
    depth = [part.split('"')[0] for part in svg.split("<g>") for part in part.split('fill-opacity="')[1:2]][1:]
    assert depth == ["0.06", "0.53", "1.00", "0.29"]
    assert "layer 0, step 20: 20.0 %" in svg.replace("\u00a0", " ")


def test_the_noise_scale_has_a_fair_interval() -> None:
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(400):
        signal, spread = rng.normal(4.0, 2.0, 60), rng.normal(200.0, 30.0, 60)
        found = noise_range(Run("r", series=noise(signal, spread)))
        assert found is not None
        held += found.low <= 50.0 <= found.high
    assert 0.92 <= held / 400 <= 0.98


@pytest.mark.parametrize(
    ("signal", "batch", "begin"),
    [
        (4.0, 8, "Batches above about 50"),
        (4.0, 500, "Batches above about 50"),
        (0.0, 8, "Batches of at least"),
        (0.0, 100_000, "Gradient noise scale: cannot tell"),
    ],
)
def test_the_sentence_says_what_the_batch_may_be(signal: float, batch: int, begin: str) -> None:
    off = np.tile([0.5, -0.5], 20)
    run = Run("r", series=noise(signal + off, 200.0 + 20 * off, batch))
    assert noise_sentence(run).startswith(begin)
    where = {8: "is below", 500: "is above"}.get(batch, "") if signal else ""
    assert where in noise_sentence(run)


def test_without_enough_measurements_nothing_is_said_of_the_batch() -> None:
    assert noise_range(Run("r")) is None
    assert "not measurable" in noise_sentence(Run("r"))
    assert "cannot tell from 3" in noise_sentence(Run("r", series=noise([4.0, 5.0, 4.0], [9.0, 9.0, 8.0])))


def test_damaged_records_are_shown_as_far_as_they_go(extras: Extras) -> None:
    hostile = samples.HOSTILE
    events = (
        Event("spike", 5, {"loss": None, "rows": [hostile, None, {"a": 1}], "count": "many", "first": "x"}),
        Event("spike", 6, {"rows": 7, "deviations": [], "first": True}),
    )
    series = {
        "health/grad/all": Series.of([1, 2], [math.nan, -1.0]),
        f"health/grad/{hostile}": Series.of([1, 2], [0.0, 1e40]),
        "health/lora/99999999999999": Series.of([1], [math.inf]),
        f"health/lora/{hostile}": Series.of([1, 2], [0.1, math.nan]),
        **noise([1e300, math.nan, 1.0], [1.0, 1.0, 1e300]),
    }
    run = replace(samples.full_run(), series={**samples.full_run().series, **series}, events=events)
    page = render(build(run, samples.full_diagnosis(), extras, "en"))
    assert '<section id="health">' in page and "<script>alert" not in page
    assert health(run) is not None and spikes_line(run)
