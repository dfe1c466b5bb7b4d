"""Steps beyond 10^12: a clock in the place of steps, or single damaged rows."""

from __future__ import annotations

from pathlib import Path

import pytest
import reader_logs as logs

from doneness.runs import read

CLOCK = [1_779_546_331_236 + 60_000 * i for i in range(20)]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("ms.csv", "step,loss\n" + "".join(f"{t},{2 - 0.01 * i}\n" for i, t in enumerate(CLOCK))),
        ("ms.jsonl", logs.lines({"step": t, "loss": 2 - 0.01 * i} for i, t in enumerate(CLOCK))),
        ("ms.txt", "".join(f"step {t}: loss {2 - 0.01 * i:.3f}\n" for i, t in enumerate(CLOCK))),
        ("x.tfevents", logs.records(logs.event(t, logs.scalar("loss", 2 - 0.01 * i)) for i, t in enumerate(CLOCK))),
    ],
)
def test_a_clock_for_steps_counts_the_rows(tmp_path: Path, name: str, content: str | bytes) -> None:
    (run,) = read(logs.put(tmp_path / name, content))
    assert run.train is not None
    assert run.train.step.tolist() == list(range(1, 21))
    assert any("beyond 10^12" in note for note in run.notes)
    assert any("rows are counted" in note for note in run.notes)
    assert run.damage.lost == 0


def test_another_column_of_steps_goes_before_a_clock(tmp_path: Path) -> None:
    rows = ({"step": t, "iter": 10 * i, "loss": 2 - 0.01 * i} for i, t in enumerate(CLOCK, start=1))
    (run,) = read(logs.put(tmp_path / "two.jsonl", logs.lines(rows)))
    assert run.train is not None
    assert run.train.step.tolist() == list(range(10, 201, 10))
    assert run.notes == ()


@pytest.mark.parametrize("form", ["csv", "state"])
def test_a_single_step_out_of_this_world_is_a_lost_row(tmp_path: Path, form: str) -> None:
    rows = [{"step": s if s != 7 else 10**13, "loss": 3 - 0.01 * s} for s in range(1, 21)]
    table = "step,loss\n" + "".join(f"{r['step']},{r['loss']}\n" for r in rows)
    content = table if form == "csv" else logs.state(rows)
    (run,) = read(logs.put(tmp_path / ("log.csv" if form == "csv" else "trainer_state.json"), content))
    assert run.train is not None
    assert run.train.step.tolist() == [s for s in range(1, 21) if s != 7]
    assert (run.damage.lost, run.damage.seen) == (1, 20)
