"""Context lines stand beside the findings, in every form of the report."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import report_samples as samples
from rich.console import Console

from doneness.core import say
from doneness.report import build
from doneness.report.as_json import to_json
from doneness.report.html import render
from doneness.report.terminal import diagnosis_panel

READING = say("diagnose.reading.perplexity", best=3.14159, step=480, last=3.5)


@pytest.mark.parametrize(("lang", "word"), [("en", "Context"), ("zh", "背景")])
def test_readings_are_shown(lang: str, word: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DONENESS_LANG", lang)
    run, found = samples.full_run(), replace(samples.full_diagnosis(), readings=(READING,))
    view = build(run, found, None, lang)
    assert view.readings == (READING.text(lang),)
    assert f"<h3>{word}</h3>" in render(view)
    console = Console(width=120, record=True, file=None)
    with console.capture() as shown:
        console.print(diagnosis_panel(run, found))
    assert word in shown.get()
    assert "3.142" in shown.get()
    assert json.loads(to_json(found, lang))["readings"][0]["text"] == READING.text(lang)


def test_no_heading_without_readings() -> None:
    view = build(samples.full_run(), samples.full_diagnosis(), None, "en")
    assert "<h3>Context</h3>" not in render(view)
