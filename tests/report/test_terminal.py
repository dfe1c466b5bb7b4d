from __future__ import annotations

import io
from dataclasses import replace

import pytest
import report_samples as samples
from rich.cells import cell_len
from rich.console import Console, RenderableType

from doneness.core import speaking
from doneness.report import build
from doneness.report.braille import Canvas
from doneness.report.tables import checkpoints
from doneness.report.terminal import checkpoint_table, diagnosis_panel, probe_table, runs_table
from doneness.runs import Run, Series


def printed(what: RenderableType, width: int = 100, terminal: bool = False) -> str:
    out = io.StringIO()
    Console(file=out, width=width, force_terminal=terminal, color_system="standard" if terminal else None).print(what)
    return out.getvalue()


def everything() -> list[RenderableType]:
    run, diagnosis = samples.full_run(), samples.full_diagnosis()
    poor = (Run("empty"), samples.plain_diagnosis("empty"))
    return [
        diagnosis_panel(run, diagnosis),
        diagnosis_panel(*poor),
        diagnosis_panel(Run("one", series={"train/loss": Series.of([3], [1.0])}), samples.plain_diagnosis()),
        runs_table([(run, diagnosis), poor, (replace(run, name="long-name-" * 9), diagnosis)]),
        checkpoint_table(build(run, diagnosis)),
        probe_table(samples.table(), 32),
    ]


@pytest.mark.parametrize("width", [40, 60, 80, 120, 200])
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_no_line_is_wider_than_the_console_and_no_escape_where_piped(width: int, lang: str) -> None:
    with speaking(lang):
        for what in everything():
            text = printed(what, width)
            assert text.strip() and "\x1b" not in text
            assert all(cell_len(line) <= width for line in text.splitlines())


def test_colour_comes_second_and_only_on_a_terminal() -> None:
    panel = diagnosis_panel(samples.full_run(), samples.full_diagnosis())
    assert "\x1b[" in printed(panel, terminal=True)
    assert printed(panel).startswith("Overfitting  med-lora\nDone at step 64.")


def test_the_panel_holds_plot_range_numbers_findings_and_advice() -> None:
    text = printed(diagnosis_panel(samples.full_run(), samples.full_diagnosis()))
    assert any(0x2800 < ord(c) < 0x2900 for c in text)
    assert "not from zero; steps 0 to 96" in text and "▲ keep 32" in text
    assert "95\u00a0% interval 0.994–1.124, 120 examples" in text
    for code in ("CV01", "CV03", "CV07", "CV09", "CV12"):
        assert code in text
    assert "Next: Probe step 32 on your own questions" in text


def test_a_run_without_losses_says_so() -> None:
    assert "there is no curve" in printed(diagnosis_panel(Run("empty"), samples.plain_diagnosis()))


def test_runs_take_one_line_each() -> None:
    pairs = [(samples.full_run(), samples.full_diagnosis())] * 3
    assert printed(runs_table(pairs)).count("med-lora") == 3
    assert len(printed(runs_table(pairs)).strip().splitlines()) == 5


def test_the_checkpoint_table_has_numbers_with_half_intervals() -> None:
    text = printed(checkpoint_table(build(samples.full_run(), samples.full_diagnosis())))
    line = next(row for row in text.splitlines() if row.strip().startswith("64"))
    assert "1.099 ± 0.064" in line and "+0.041 ± 0.007" in line and "yes" in line


def test_losses_are_headed_nats_only_where_they_are_known_to_be() -> None:
    view = build(samples.full_run(), samples.full_diagnosis())
    assert view.curve.per_token
    logged = replace(view, curve=replace(view.curve, per_token=False))
    for shown, said in ((view, True), (logged, False)):
        assert ("Loss, nats" in printed(checkpoint_table(shown))) == said
        assert ("From best, nats" in checkpoints(shown)) == said


@pytest.mark.parametrize("width", [60, 100])
def test_no_cell_of_the_probe_table_is_lost_on_a_narrow_console(width: int) -> None:
    text = printed(probe_table(samples.table(), 32), width)
    assert text.count("▼") == 6 + 1, "six cells that are worse, one in the legend"
    assert "…" not in text and "100–112" in text


def test_braille_dots_land_where_they_should() -> None:
    canvas = Canvas(2, 1)
    canvas.dot(0, 0)
    canvas.dot(3, 3, layer=2)
    canvas.dot(9, 9)
    assert canvas.rows_of_text() == [[("\u2801", 0), ("\u2880", 2)]]
    canvas = Canvas(2, 1)
    canvas.line((0, 0), (3, 0))
    assert "".join(t for t, _ in canvas.rows_of_text()[0]) == "\u2809\u2809"
