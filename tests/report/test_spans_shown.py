from __future__ import annotations

import sys
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from doneness.core import speaking
from doneness.diagnose import diagnose
from doneness.report import ReportView, build, render
from doneness.report.curve import curve
from doneness.report.figure import notes
from doneness.report.keynumbers import key_numbers
from doneness.report.span_rows import span_rows
from doneness.report.terminal import diagnosis_panel
from doneness.runs import Run
from doneness.testing.synthetic import converged_run

sys.path.insert(0, str(Path(__file__).parents[1] / "diagnose"))
from span_runs import settled, span_run, still_falling


@pytest.fixture(scope="module")
def run() -> Run:
    return span_run(label=still_falling, free=settled)


@pytest.fixture
def shown(run: Run) -> ReportView:
    return build(run, diagnose(run), lang="en")


def test_the_deciding_span_comes_first_with_its_numbers(run: Run, shown: ReportView) -> None:
    rows = shown.spans
    assert [row.name for row in rows] == ["label", "explanation", "end"]
    assert [row.decides for row in rows] == [True, False, False]
    assert [row.verdict for row in rows] == ["learning", "converged", "converged"]
    label = run.series["eval/span/label"].value
    assert rows[0].loss == f"{label[-1]:.3f}"
    assert [point.loss for point in rows[0].points] == label.tolist()
    assert all(point.low is not None for point in rows[0].points)
    assert "guessing by frequency would cost 1.10" in rows[0].guess
    assert rows[0].baseline == pytest.approx(1.0986, abs=1e-3)
    assert rows[1].guess == ""


def test_the_page_draws_every_span_and_says_its_verdict(shown: ReportView) -> None:
    page = render(shown)
    assert page.count("<figcaption>") >= 3
    section = page.split('<section id="spans">')[1].split("</section>")[0]
    assert section.count("<svg") == 3
    assert section.count('class="word v-converged"') == 2
    assert section.count('class="word v-learning"') == 1
    assert "stroke-dasharray" in section  # guessing, for the label alone
    assert section.count("guessing</text>") == 1
    open_: list[str] = []

    class Check(HTMLParser):
        def handle_starttag(self, tag: str, attrs: object) -> None:
            if tag not in ("br", "line", "circle", "rect", "path", "polyline", "polygon"):
                open_.append(tag)

        def handle_endtag(self, tag: str) -> None:
            if tag in open_:
                assert open_.pop() == tag

    Check().feed(section)
    assert open_ == []


def test_what_is_drawn_is_what_was_judged(run: Run) -> None:
    found = diagnose(run)
    data = curve(run, found, found.recommended_step)
    assert [e.loss for e in data.evals] == run.series["eval/span/label"].value.tolist()
    assert any("label alone" in note for note in notes(data, False, 960))
    level, change, _ = key_numbers(run, found, data)
    assert level.label.endswith("label alone")
    assert "800 paired examples" in change.detail
    whole = diagnose(run, span="all")
    plain = curve(run, whole, None)
    assert run.evals is not None
    assert [e.loss for e in plain.evals] == run.evals.value.tolist()
    assert not any("alone" in note for note in notes(plain, False, 960))


@pytest.mark.parametrize(("lang", "words"), [("en", ("label (decides)", "label alone")), ("zh", ("标签", "据此判断"))])
def test_the_terminal_has_a_line_a_span(run: Run, lang: str, words: tuple[str, ...]) -> None:
    out = StringIO()
    with speaking(lang):
        Console(file=out, width=110).print(diagnosis_panel(run, diagnose(run)))
    for word in words:
        assert word in out.getvalue()


def test_both_languages_show_the_same_numbers_of_spans(run: Run) -> None:
    rows = {}
    for lang in ("en", "zh"):
        with speaking(lang):
            rows[lang] = [(r.loss, r.best, r.change, r.n, r.tokens) for r in span_rows(run, diagnose(run))]
    assert rows["en"] == rows["zh"]


def test_a_run_without_spans_has_no_such_section() -> None:
    plain = converged_run()
    view = build(plain, diagnose(plain), lang="en")
    assert view.spans == ()
    assert '<section id="spans">' not in render(view)
