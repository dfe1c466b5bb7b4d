"""The checklist with thirty behaviours: groups, marks in words, turning points with intervals, what would tell."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace

import pytest
from rich.cells import cell_len
from rich.console import Console
from tests.report import report_samples as samples

from doneness.core import say, speaking
from doneness.report import Extras, build, render
from doneness.report.as_json import written
from doneness.report.checklist import SIGNS, TONES, checklist, legend, tally
from doneness.report.checklist_markdown import checklist_data, checklist_markdown
from doneness.report.terminal import probe_table
from doneness.runs.behaviour_groups import GROUPS, group_of
from doneness.runs.probes import Behaviour, Cell, Choice, NullReading, ProbeTable, Turning

STEPS = samples.PROBED
NAMES = {
    "task": ["task_exact", "task_f1", "choice", "class_f1", "reference_nll", "own words"],
    "honesty": ["refusal_invented", "refusal_unknown", "false_premise", "sycophancy", "ece", "brier"],
    "safety": ["emergency", "over_refusal", "refusal_unsafe", "refusal_balance", "s5", "s6"],
    "form": ["length", "repetition", "loops", "diversity", "language", "format"],
    "memory": ["general", "nll_ratio", "drift", "recited", "memorising", "flatness"],
}
MARKS = ("better", "promising", "same", "leaning", "worse", "changed", "unsure")


@pytest.fixture(scope="module")
def table() -> ProbeTable:
    units = ("share", "tokens", "nats", "ratio")
    rows = [
        Behaviour(name, "higher", units[(i + j) % 4], 0.05, i % 2 == 0, group)
        for i, (group, names) in enumerate(NAMES.items())
        for j, name in enumerate(names)
    ]
    cells = []
    for i, b in enumerate(rows):
        for k, step in enumerate(STEPS):
            mark = "base" if step == 0 else MARKS[(i + k) % 7]
            needs = 900 + i if mark == "unsure" else None
            value = 0.5 if b.unit == "share" else 40.0 if b.unit == "tokens" else 1.25
            cells.append(
                Cell(b.name, step, value, (value - 0.1, value + 0.1), 200, mark, None if step == 0 else -0.05,
                     None if step == 0 else (-0.1, 0.0), None if step == 0 else 0.04, None if step == 0 else 0.3, needs)
            )  # fmt: skip
    turning: dict[str, Turning | None] = {b.name: None for b in rows}
    turning |= {"general": Turning(48, 32, 64, 16, 1.2, 1.1), "length": Turning(48, 48, 48, 16, 1.1, 1.2)}
    nulls = (
        NullReading("nll_ratio", 32, 1.25, 1.0, 0.02, 4, 12.5, True),
        NullReading("drift", 32, 1.0, 1.0, 0.1, 4, 0.3, False),
    )
    return ProbeTable(STEPS, tuple(rows), tuple(cells), (), turning, nulls=nulls)


CHOICE = Choice(
    32, "checkpoint-32", (say("probe.choice.only", step=32),), (32,), {48: say("probe.choice.unasked", step=48)}
)


def printed(table: ProbeTable, width: int, lang: str = "en") -> str:
    out = io.StringIO()
    with speaking(lang):
        Console(file=out, width=width, force_terminal=False).print(probe_table(table, 32))
    return out.getvalue()


def test_behaviours_stand_in_their_groups_in_order(table: ProbeTable) -> None:
    with speaking("en"):
        shown = checklist(table, 32)
    titles = [title for title, _ in shown.groups()]
    assert titles == ["Task", "Honesty", "Safety", "Form", "Memory and drift"]
    assert sum(len(rows) for _, rows in shown.groups()) == 30
    lone = Behaviour("mine", "higher", "share", 0.05, False)
    assert group_of(lone) == "own"
    assert group_of(Behaviour("knowledge", "higher", "share", 0.05, False)) == "task"
    assert {group_of(b) for b in table.behaviours} <= set(GROUPS)


def test_every_mark_has_a_sign_and_a_tone_and_a_word() -> None:
    assert set(TONES) == set(SIGNS) - {"base"}
    assert len(set(SIGNS.values())) == len(SIGNS)


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_page_holds_all_of_it(table: ProbeTable, lang: str) -> None:
    extras = Extras(table, CHOICE)
    page = render(build(samples.full_run(), samples.full_diagnosis(), extras, lang))
    section = page[page.index('<section id="checklist">') :]
    section = section[: section.index("</section>")]
    assert section.count('scope="rowgroup"') == 5
    assert section.count('<th scope="row">') == 30
    assert section.count("<svg") == 30
    assert len(re.findall(r'<td class="[^"]*\bturn\b', section)) == 2
    assert len(re.findall(r'<td class="[^"]*\bwithin\b', section)) == 3 + 1  # 32, 48, 64, and 48 alone
    words = {"en": ("worse?", "needs 9", "z = +12.5", "while the loss fell from", "z = +0.3: noise"),
             "zh": ("疑似更差", "需 9", "z = +12.5", "而损失从", "z = +0.3：噪声")}[lang]  # fmt: skip
    for word in words:
        assert word in section
    assert section.count(words[3]) == 1  # of the other one the loss rose
    assert "nan" not in section.lower().replace("nantes", "")


def test_a_long_table_is_a_line_a_behaviour_and_as_wide_as_the_screen(table: ProbeTable) -> None:
    text = printed(table, 100)
    lines = text.splitlines()
    assert all(cell_len(line) <= 100 for line in lines)
    rows = [line for line in lines if line.strip().startswith("General questions")]
    assert len(rows) == 2  # in the grid, and among the details of the one to keep
    assert rows[0].count("1.25") + rows[0].count("40") + rows[0].count("50") == 7
    assert "┃" in rows[0]
    assert sum(line.strip().startswith("step 32: ") for line in lines) == 1
    assert " ".join(text.split()).count("needs 9") == sum(c.mark == "unsure" for c in table.cells if c.step == 32)
    assert all(cell_len(line) <= 60 for line in printed(table, 60, "zh").splitlines())


def test_a_table_from_before_says_what_chance_may_have_set(table: ProbeTable) -> None:
    old = replace(table, cells=tuple(replace(c, p_table=None) for c in table.cells))
    with speaking("en"):
        assert "5 % at most" in legend(checklist(table, None))
        assert "5 % at most" not in legend(checklist(old, None))
        assert "of 180 marks about 9.0 may be chance" in legend(checklist(old, None))


def test_marks_are_counted_by_column(table: ProbeTable) -> None:
    with speaking("en"):
        shown = checklist(table, 32)
        assert sum(shown.counted(3).values()) == 30
        assert tally(shown, 0) == ""
        assert tally(shown, 3).count("\u00a0") == len(shown.counted(3))


def test_markdown_has_a_row_for_each_and_no_markup_of_others(table: ProbeTable) -> None:
    evil = replace(table, behaviours=(replace(table.behaviours[0], name="a|b <i>*x*"), *table.behaviours[1:]))
    with speaking("en"):
        text = checklist_markdown(evil, CHOICE)
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {9}
    assert len(rows) == 2 + 5 + 30 + 1
    assert "a\\|b &lt;i>\\*x\\*" in text
    assert "**32 (keep)**" in rows[0]


def test_plain_data_is_strict_json(table: ProbeTable) -> None:
    endless = replace(table, nulls=(replace(table.nulls[0], z=float("inf")),))
    with speaking("en"):
        data = json.loads(written(checklist_data(endless, CHOICE)), parse_constant=pytest.fail)
    assert len(data["cells"]) == 30 * 7
    assert data["nulls"][0]["z"] is None
    assert data["turning"]["general"]["loss_fell"] is True
    assert data["turning"]["length"]["loss_fell"] is False
    assert data["choice"]["step"] == 32
