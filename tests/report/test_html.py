from __future__ import annotations

import itertools
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
import report_samples as samples

from doneness.report import Extras, ReportView, build, render
from doneness.report.html import LIMIT
from doneness.report.markdown import to_html
from doneness.runs import Run
from doneness.runs.probes import Answer

VOID = {"meta", "img", "input", "br", "hr", "link"}


class Page(HTMLParser):
    """Collects elements and checks that they are closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes nothing"

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.tags if name == tag]


@pytest.fixture
def page(view: ReportView) -> Page:
    return Page(render(view))


def test_the_page_is_well_formed_and_in_order(view: ReportView, page: Page) -> None:
    assert page.open == []
    assert page.all("html") == [{"lang": "en"}]
    ids = [a["id"] for a in page.all("section")]
    assert ids == ["curve", "checkpoints", "checklist", "answers", "timeline", "evidence", "recipe"]


def test_headings_step_down_one_level_at_a_time(page: Page) -> None:
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


def test_nothing_is_loaded(view: ReportView) -> None:
    text = render(view)
    page = Page(text)
    assert not [t for t, _ in page.tags if t in ("link", "img", "iframe", "object", "embed", "base")]
    assert all("src" not in a and not str(a.get("href", "#")).startswith("http") for _, a in page.tags)
    assert not re.search(r"@import|url\(", text)
    outside = {u for u in re.findall(r"https?://[^\s\"'<)&]+", text) if u != "http://www.w3.org/2000/svg"}
    assert outside == {"http://evil.example/a.png"}, "only as text inside the hostile answer"


def test_hostile_answers_stay_text(page: Page) -> None:
    assert len(page.all("script")) == 1 and page.all("img") == []
    assert not [a for _, a in page.tags if any(name.startswith("on") for name in a)]
    assert 'alert("x")' in "".join(page.text)


def test_every_text_from_data_is_escaped(extras: Extras) -> None:
    bad = '"><b onclick=x>&'
    run = replace(samples.full_run(), name=bad, meta={bad: bad, "versions": {bad: bad}, "seed": bad}, notes=(bad,))
    view = build(run, samples.full_diagnosis(), replace(extras, recipe={bad: {bad: bad}}, card=bad, command=bad), "en")
    page = Page(render(view))
    assert page.open == [] and page.all("b") and not [a for a in page.all("b") if a]


def test_headers_have_scopes_and_figures_have_words(page: Page) -> None:
    assert page.all("th") and all(a.get("scope") in ("col", "row", "rowgroup") for a in page.all("th"))
    svgs = page.all("svg")
    assert all(a.get("role") == "img" and a.get("aria-label") for a in svgs)
    curves = [a for a in svgs if a.get("class") == "figure"]
    assert len(curves) == 20, "five axes, two scales, two widths"
    assert all("lowest 1.059 at step 32" in str(a["aria-label"]) for a in curves)
    small = [a for a in svgs if a.get("class") == "small"]
    assert len(small) == 8 and "48: 31\u00a0%" in str(small[1]["aria-label"])


def test_switches_are_radios_for_the_axes_that_have_data(page: Page) -> None:
    ids = [a["id"] for a in page.all("input")]
    assert ids == ["x-step", "x-tokens", "x-targets", "x-epoch", "x-time", "y-linear", "y-log"]
    assert [a["id"] for a in page.all("input") if "checked" in a] == ["x-step", "y-linear"]
    foreign = Page(render(build(samples.foreign_run(), samples.plain_diagnosis(), lang="en")))
    assert [a["id"] for a in foreign.all("input")] == ["x-step", "x-epoch", "y-linear", "y-log"]


def test_the_chosen_column_and_the_turning_points_are_marked(page: Page) -> None:
    cells = [str(a.get("class", "")) for a in page.all("td")]
    assert sum("turn" in c.split() for c in cells) == 2
    assert sum("chosen" in c.split() for c in cells) == 8 + 4, "a cell a behaviour, and one a group"
    assert [str(a.get("class")) for a in page.all("li")].count("changed chosen") >= 1


def test_both_languages_show_the_same_numbers(extras: Extras) -> None:
    run, diagnosis = samples.full_run(), samples.full_diagnosis()
    pages = {lang: Page(render(build(run, diagnosis, extras, lang))) for lang in ("en", "zh")}
    assert pages["zh"].all("html") == [{"lang": "zh-CN"}]
    assert len(pages["en"].tags) == pytest.approx(len(pages["zh"].tags), abs=80)
    words = "".join(pages["zh"].text)
    assert "行为清单" in words and "The checklist" not in words
    for number in ("1.059", "+8.6%", "41–59"):
        assert number in words


def test_answers_give_way_to_the_size_limit_and_the_page_says_so(extras: Extras) -> None:
    long = tuple(
        Answer(f"q{i:02d}", step, f"{i} {step} " + "长" * 2900, 900, 0.5, True)
        for i in range(48)
        for step in range(0, 96, 6)
    )
    view = build(samples.full_run(20_000), samples.full_diagnosis(), replace(extras, answers=long), "en")
    text = render(view)
    assert len(text.encode()) <= LIMIT
    page = Page(text)
    shown = len([a for a in page.all("details") if a.get("class") == "question"]) + 1
    assert 1 < shown < 48
    assert f"under 2 MB: {48 - shown}." in "".join(page.text)


def test_an_overlong_answer_is_cut_and_the_cut_is_stated(extras: Extras) -> None:
    answers = (Answer("q00", 0, "x" * 5000, 1000, 0.5, True),)
    text = render(build(samples.full_run(), samples.full_diagnosis(), replace(extras, answers=answers), "en"))
    assert "(2,000 more characters not shown)" in text and "x" * 3001 not in text


@pytest.mark.parametrize("run", [Run("empty"), samples.foreign_run()])
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_poor_runs_still_make_a_page(run: Run, lang: str) -> None:
    page = Page(render(build(run, samples.plain_diagnosis(), lang=lang)))
    assert page.open == [] and len(page.all("h1")) == 1


def test_the_data_card_is_markdown_without_markup_of_its_own() -> None:
    made = to_html(samples.CARD)
    assert made.startswith("<h4>Demo questions</h4>")
    assert "<strong>CC BY 4.0</strong>" in made and "<code>make demo</code>" in made
    assert "&lt;b&gt;not markup&lt;/b&gt;" in made
    assert made.count("<tr>") == 3 and made.count("<li>") == 2
    assert to_html("```\n# not a heading\n```") == "<pre># not a heading</pre>"
    assert to_html("[x](javascript:alert(1)) ![y](http://a.b/c.png)").count("<") == 2


def test_captions_claim_nothing_the_figure_lacks(page: Page) -> None:
    foreign = "".join(Page(render(build(samples.foreign_run(), samples.plain_diagnosis(), lang="en"))).text)
    full = "".join(page.text)
    for claim in (
        "points with 95\u00a0% intervals",
        "as good as the best",
        "dashed fan",
        "paired on the same examples",
    ):
        assert claim in full and claim not in foreign
