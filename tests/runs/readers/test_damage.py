"""Damaged logs: one clear line or a run, never a traceback, and the good rows stay."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

import numpy as np
import pytest
import reader_logs as logs
from hypothesis import given, settings
from hypothesis import strategies as st
from test_text import BARS

from doneness.core import UnreadableError
from doneness.runs import Run, read

_TAGS = ("train/loss", "eval/loss", "train/learning_rate")
SAMPLES: dict[str, bytes] = {
    "trainer_state.json": logs.state([*logs.rows(30), {"step": 30, "eval_loss": 2.0, "eval_a_loss": 1.0}]).encode(),
    "trainer_log.jsonl": logs.lines(logs.factory_row(s, lr=1e-4) for s in range(1, 30)).encode(),
    "rows.jsonl": logs.lines({"step": s, "loss": 2.0, "val_loss": None if s % 5 else 1.5} for s in range(30)).encode(),
    "array.json": ("[" + ",".join(f'{{"step": {s}, "loss": 2.5}}' for s in range(30)) + "]").encode(),
    "history.json": b'{"loss": [3, 2.5, 2, 1.75], "val_loss": [3, 2.5, 2.25, 2], "lr": [1e-4, 1e-4, 1e-4, 1e-5]}',
    "log.csv": b"step,epoch,loss,val_loss,lr\n" + b"".join(b"%d,0.1,2.5,,1e-4\n" % s for s in range(30)),
    "wide.csv": b'"Step","a - train/loss","b - train/loss"\n' + b"".join(b'"%d","2.5",""\n' % s for s in range(20)),
    "events.out.tfevents.1": logs.records(
        logs.event(s, *(logs.scalar(t, 2.5) for t in _TAGS), logs.tensor("eval/f1", 0.5), wall=s) for s in range(1, 30)
    ),
    "printed.log": (BARS * 3).encode(),
    "lines.log": "".join(f"step {s}/30: train loss 2.5, val loss 2.75 | lr 1e-4\n" for s in range(30)).encode(),
}


def check(path: Path, content: bytes) -> list[Run] | None:
    path.write_bytes(content)
    try:
        runs = read(path)
    except UnreadableError as error:
        assert str(error)
        assert "\n" not in str(error)
        return None
    assert runs
    for run in runs:
        assert run.series
        for series in run.series.values():
            assert len(series)
            assert (np.diff(series.step) > 0).all()
            assert series.step[0] >= 0
    return runs


def mutated(data: bytes, chance: random.Random) -> bytes:
    out = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 5))):
        place = chance.randrange(len(out)) if out else 0
        kind = chance.randrange(6)
        if kind == 0 and out:
            out[place] ^= 1 << chance.randrange(8)
        elif kind == 1 and out:
            out[place] = chance.choice(b'\x00\xff"{}[],:\n\r0-e. ')
        elif kind == 2:
            del out[place : place + chance.randrange(1, 60)]
        elif kind == 3:
            out[place:place] = out[place : place + chance.randrange(1, 200)]
        elif kind == 4:
            del out[place:]
        else:
            out[place:place] = chance.choice((b"9" * 400, b"NaN", b"1e999", b"-1", b"[" * 50, b"\x1b[", b"null", b"'"))
    return bytes(out)


@pytest.mark.parametrize("name", SAMPLES)
def test_the_samples_are_read_whole(tmp_path: Path, name: str) -> None:
    runs = check(tmp_path / name, SAMPLES[name])
    assert runs is not None
    assert runs[0].train is not None
    assert len(runs[0].train) >= 2


@pytest.mark.parametrize("name", SAMPLES)
def test_no_mutation_ends_in_a_traceback(tmp_path: Path, name: str) -> None:
    chance = random.Random(name)
    readable = sum(check(tmp_path / name, mutated(SAMPLES[name], chance)) is not None for _ in range(200))
    assert readable > 40  # most of a log survives most mutations


@given(st.sampled_from(sorted(SAMPLES)), st.binary(max_size=300))
@settings(max_examples=200, deadline=None)
def test_no_content_under_any_name_ends_in_a_traceback(name: str, content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        check(Path(folder) / name, content)


@given(st.sampled_from(sorted(SAMPLES)), st.integers(0, 10_000), st.binary(max_size=40))
@settings(max_examples=200, deadline=None)
def test_junk_in_the_middle_ends_in_no_traceback(name: str, place: int, junk: bytes) -> None:
    data = SAMPLES[name]
    with tempfile.TemporaryDirectory() as folder:
        check(Path(folder) / name, data[: place % len(data)] + junk + data[place % len(data) :])


@pytest.mark.parametrize(
    "name", ["trainer_state.json", "trainer_log.jsonl", "rows.jsonl", "array.json", "log.csv", "lines.log"]
)
def test_a_cut_anywhere_keeps_the_rows_before_it(tmp_path: Path, name: str) -> None:
    data = SAMPLES[name]
    whole = check(tmp_path / name, data)
    assert whole is not None
    assert whole[0].train is not None
    full = whole[0].train
    for cut in range(len(data) // 2, len(data), 37):
        runs = check(tmp_path / name, data[:cut])
        assert runs is not None
        assert runs[0].train is not None
        kept = len(runs[0].train)
        assert kept >= len(full) * (cut / len(data)) - 4
        assert runs[0].train.step[: kept - 1].tolist() == full.step[: kept - 1].tolist()
