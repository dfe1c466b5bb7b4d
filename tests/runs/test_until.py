"""A run as it was at a step knows nothing that came later."""

from __future__ import annotations

import numpy as np

from doneness.core import Status, run_checks
from doneness.diagnose import CHECKS, Case, Params
from doneness.runs import EVAL_LOSS, LEARNING_RATE, TRAIN_LOSS, Damage, Event, Run, Series

STEP = np.arange(10, 1001, 10)
END = {"train_seconds": 9.0, "total_flos": 1e9, "final_eval_loss": 1.2, "best_step": 900}


def whole() -> Run:
    return Run(
        "whole",
        meta={"planned_steps": 2000, "train_rows": 5000, **END},
        series={
            TRAIN_LOSS: Series.of(STEP, 2.0 - STEP / 2000),
            EVAL_LOSS: Series.of(STEP[9::10], 2.0 - STEP[9::10] / 2000),
            LEARNING_RATE: Series.of(STEP, 1e-4 * (1.0 - STEP / 2000)),
        },
        events=(Event("start", 0, {}), Event("end", 0, {}), Event("decision", 500, {}), Event("end", 1000, {})),
        damage=Damage(30, 130, cut=True),
    )


def test_a_cut_takes_away_what_only_the_end_tells() -> None:
    early = whole().until(500)
    assert early.meta == {"planned_steps": 2000, "train_rows": 5000}
    assert [e.kind for e in early.events] == ["start", "decision"]
    assert early.damage == Damage()
    assert early.last_step == 500


def test_where_nothing_is_cut_off_nothing_is_lost() -> None:
    run = whole()
    assert run.until(1000) == run
    assert run.until(999).damage == Damage()


def test_a_look_back_finds_a_run_under_way() -> None:
    def status(code: str, run: Run) -> tuple[Status, str]:
        check = next(c for c in CHECKS if c.code == code)
        found = run_checks((check,), Case(run, Params()))[0]
        return found.status, found.message.key

    assert status("CV09", whole()) == (Status.WARN, "diagnose.cv09.cut")
    assert status("CV09", whole().until(500)) == (Status.PASS, "diagnose.cv09.under_way")
    assert status("RN02", whole())[0] is Status.FAIL
    assert status("RN02", whole().until(500))[0] is Status.SKIPPED
