"""What a reader asks next: why not the best step, what was not checked, what is left to gain."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest
import report_samples as samples
from rich.cells import cell_len
from rich.console import Console

from doneness.core import Diagnosis, Forecast, SweetSpot, Verdict, speaking, tr
from doneness.diagnose import diagnose
from doneness.report import build, render, to_markdown
from doneness.report.many import gain_left
from doneness.report.sentence import breaks
from doneness.report.terminal import diagnosis_panel
from doneness.report.why import skipped, why_not_best
from doneness.runs import Run
from doneness.testing.synthetic import converged_run, flat_run, learning_run, overfitting_run, temporary_rise_run


def later_best() -> Diagnosis:
    return replace(samples.full_diagnosis(), sweet_spot=SweetSpot(32, 64, (32, 48, 64), 48))


@pytest.mark.parametrize(("lang", "words"), [("en", "noise of evaluations (sweet spot 32 to 64)"),
                                             ("zh", "第 32 步与最好的第 48 步一样好（最佳")])  # fmt: skip
def test_a_kept_step_that_is_not_the_best_says_why(lang: str, words: str) -> None:
    with speaking(lang):
        out = io.StringIO()
        Console(file=out, width=120).print(diagnosis_panel(samples.full_run(), later_best()))
        assert words in out.getvalue()
        assert words in to_markdown(later_best())
        assert any(words in r for r in build(samples.full_run(), later_best(), None, lang).reasons)
        assert why_not_best(samples.full_diagnosis()) is None


def test_checks_skipped_for_one_reason_are_one_line() -> None:
    found = diagnose(Run("empty"))
    groups = skipped(found.findings)
    assert len(groups) < len([c for codes, _ in groups for c in codes])
    assert len({text for _, text in groups}) == len(groups)
    lines = to_markdown(found).splitlines()
    assert len([line for line in lines if line.startswith("- ")]) == len(groups)


@pytest.mark.parametrize(("interval", "text"), [((-0.13, 0.313), "\u221213 to 31 %"), ((0.0, 0.313), "≤ 31.3 %"),
    ((0.1, 0.3), "10.0–30.0 %"), ((-0.2, 2.5), "\u221220 to 100 %"), ((0.0, 7.0), "≤ 100.0 %"),
    ((-0.03, 0.02), "\u22123.0 to 2.0 %"), ((-0.0001, 0.0002), "< 0.1 %")])  # fmt: skip
def test_the_gain_left_hides_no_rise_and_promises_no_more_than_all(interval: tuple[float, float], text: str) -> None:
    cast = Forecast(128, sum(interval) / 2, interval, 1.0)
    shown = gain_left(replace(samples.full_diagnosis(), verdict=Verdict.LEARNING, forecast=cast))
    assert shown.replace("\u00a0", " ") == text


@pytest.mark.parametrize("make", [learning_run, converged_run, overfitting_run, temporary_rise_run, flat_run])
def test_no_finding_has_a_value_outside_its_interval(make: Callable[..., Run]) -> None:
    for seed in range(2):
        found = diagnose(make(seed=seed))
        for each in found.findings:
            if each.value is not None and each.interval is not None:
                assert each.interval[0] <= each.value <= each.interval[1], each


@pytest.mark.parametrize("width", range(8, 60))
def test_no_line_begins_with_a_closing_mark(width: int) -> None:
    text = "自约第 1,200 步起损失上升（允许回升的曲线），比只许下降的曲线拟合得明显更好；共 12 次验证，偶然只到 2.6。"
    ends = [0, *breaks(text, width), len(text)]
    lines = [text[a:b].rstrip() for a, b in pairwise(ends)]
    assert "".join(text[a:b] for a, b in pairwise(ends)) == text
    assert all(cell_len(line) <= width for line in lines)
    assert not [line for line in lines if line[0] in "，。；）" or line[-1] == "（"]


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_what_was_not_checked_is_grouped_by_its_reason(lang: str) -> None:
    """One line a reason, codes before it; four kinds of reason, each under a heading of its own."""
    run = replace(Run("empty"), notes=("note one", "note two"))
    found = diagnose(run)
    with speaking(lang):
        view = build(run, found, None, lang)
        page = render(view)
        section = page[page.index(tr("report.lead.missing")) : page.index("</section>", page.index('id="evidence"'))]
        groups = [m.group for m in view.missing]
        assert groups == sorted(groups, key=["judged", "log", "given", "reader"].index) and len(set(groups)) == 4
        heads = [tr(f"report.missing.group.{name}") for name in dict.fromkeys(groups)]
        assert [section.count(f"<h4>{head}</h4>") for head in heads] == [1] * 4
        assert sorted(heads, key=section.index) == heads
        codes = [codes for codes, _ in skipped(found.findings)]
        assert max(map(len, codes)) > 1
        for group in codes:
            assert f"<dt>{tr('report.list_comma').join(group)}</dt>" in section
        reasons = [m.why for m in view.missing]
        assert len(set(reasons)) == len(reasons)
        assert not [m for m in view.missing if m.group == "judged" and any(code in m.why for code in m.what.split())]
        assert section.endswith("<ul><li>note one</li><li>note two</li></ul>")
