"""Flatness: the rise of the loss under noise, question by question, among checkpoints that were trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tests.probe.engines import Planted

from doneness.core import DonenessError
from doneness.probe.asking import Asking
from doneness.probe.panel import Alone, Panel
from doneness.probe.store import Store
from doneness.probe.suite import Probe
from doneness.probe.table import build_table
from doneness.probe.vetoes import Guards
from doneness.runs.probes import Answer
from doneness.workflows.asking import Questions, with_flatness

PROBES = tuple(
    [Probe(f"t{i:02d}", "task", f"Question {i}?", "a reference of seven little words", ()) for i in range(40)]
    + [Probe(f"k{i}", "knowledge", f"Which is {i}?", "", (("x",),)) for i in range(3)]
)
ASKED = Questions(PROBES, Asking(), (), Guards())


class Shaken(Planted):
    """Noise costs later steps four times what it costs the first; nothing of the base model was trained."""

    def perturbed(self, step: int, rows: Sequence[Any], radius: float, draws: int, seed: int) -> Any:
        still = np.array([loss for loss, _ in self.losses(step, rows)])
        rise = {0: np.nan, 4: 0.1, 8: 0.4, 12: 0.5}[step]
        wobble = 1 + 0.1 * np.random.default_rng(seed).random((draws, len(rows)))
        return still + rise * wobble * np.array([len(target) for _, target in rows])


def test_the_rise_of_the_loss_is_told_of_what_was_trained_and_turns_where_it_grows() -> None:
    probes = with_flatness(ASKED).probes
    engine = Shaken((4, 8, 12), lambda step, prompt: "x")
    panel = Panel(
        Alone(lambda: engine), probes, Asking(), Store(None), {0: "base", 4: "four", 8: "eight", 12: "twelve"}
    )
    panel.ask((0, 4, 8, 12))
    table = build_table(probes, panel.answers())
    four, eight = (table.cell("flatness", step) for step in (4, 8))
    assert four is not None and eight is not None
    assert (four.value, eight.value) == (pytest.approx(0.105, abs=0.005), pytest.approx(0.42, abs=0.02))
    assert four.n == 32 and four.diff is None and four.mark == "unsure"
    base = table.cell("flatness", 0)
    assert base is None or base.n == 0
    turned = table.turning["flatness"]
    assert turned is not None and turned.step == 8


def test_some_questions_with_references_are_shaken_and_a_suite_without_is_refused() -> None:
    chosen = with_flatness(ASKED).probes
    assert sum("shaken" in p.asks for p in chosen) == 32
    assert all({"answer", "nll"} <= set(p.asks) for p in chosen if "shaken" in p.asks)
    assert [p.id for p in chosen] == [p.id for p in PROBES]
    with pytest.raises(DonenessError, match="flatness"):
        with_flatness(replace(ASKED, probes=PROBES[40:]))


def test_no_other_behaviour_is_of_other_questions_by_it() -> None:
    """Rows to be recited were trained on: a fall of their loss is no gain, and they are not shaken either."""
    more = (*PROBES, *(Probe(f"r{i}", sort, f"Row {i}?", "a reference of seven little words", ())
                       for i, sort in enumerate(("recite", "recite_held_out") * 20)))  # fmt: skip
    asked = tuple(replace(p, asks=("answer", "nll")) if p.id < "t05" and p.sort == "task" else p for p in more)
    for probes, shaken in ((asked, 5), (more, 32)):
        chosen = with_flatness(replace(ASKED, probes=probes)).probes
        assert sum("shaken" in p.asks for p in chosen) == shaken
        assert all(p.sort == "task" for p in chosen if "shaken" in p.asks)
    known = [replace(p, asks=("nll",)) for p in (*more[:4], *more[43:46])]
    answers = {s: [Answer(p.id, s, "", 0, 0.0, False, nll=9.0, nll_tokens=3) for p in known] for s in (0, 4)}
    cell = build_table(known, answers).cell("reference_nll", 4)
    assert cell is not None and cell.n == 4
