"""Damaged logs of experiment trackers: one clear line or a run, never a traceback."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

import pytest
import tracker_logs as trackers
from hypothesis import given, settings
from hypothesis import strategies as st
from test_damage import check, mutated
from test_mlflow import curve, database

from doneness.core import UnreadableError
from doneness.runs import read
from doneness.runs.readers.protobuf import fields


def sample(name: str, folder: Path) -> bytes:
    if name == "run-abc.wandb":
        return trackers.wandb_run(trackers.hf_rows(60), max_steps=60)
    path = folder / "sample"
    return (trackers.trackio(path, {"a": trackers.hf_rows(60)}) if name == "p.db" else database(path)).read_bytes()


@pytest.mark.parametrize("name", ["run-abc.wandb", "p.db", "mlflow.db"])
def test_no_mutation_ends_in_a_traceback(tmp_path: Path, name: str) -> None:
    content = sample(name, tmp_path)
    assert check(tmp_path / name, content) is not None
    chance = random.Random(name)
    readable = sum(check(tmp_path / name, mutated(content, chance)) is not None for _ in range(60))
    assert readable > 5  # a byte more or less moves every page of a database behind it


@given(st.binary(max_size=300))
@settings(max_examples=60, deadline=None)
def test_any_bytes_after_the_magic_are_one_line(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for magic in (b":W&B\xe1\xbe\x00", b"SQLite format 3\0"):
            check(Path(folder) / "x", magic + content)


@given(st.binary(max_size=80))
def test_any_bytes_are_fields_or_no_message(content: bytes) -> None:
    try:
        places = [(a, b) for _, _, a, b in fields(content, 0, len(content))]
    except ValueError:
        return
    assert all(0 <= a <= b <= len(content) for a, b in places)
    assert sum(b - a for a, b in places) <= len(content)


def test_a_damaged_store_of_mlflow_is_one_line_or_a_run(tmp_path: Path) -> None:
    chance = random.Random(7)
    folder = trackers.mlflow_run(tmp_path / "run", {"loss": curve(40), "eval/loss": curve(4)})
    files = [folder / "metrics" / "loss", folder / "metrics" / "eval" / "loss", folder / "meta.yaml"]
    whole = {file: file.read_bytes() for file in files}
    readable = 0
    for _ in range(60):
        for file in files:
            file.write_bytes(mutated(whole[file], chance))
        try:
            readable += bool(read(folder))
        except UnreadableError as error:
            assert "\n" not in str(error)
    assert readable > 20
