"""Damaged logs of every format: no traceback, and no verdict of health on lost rows that nobody names."""

from __future__ import annotations

import random
import tempfile
import warnings
from pathlib import Path

import pytest
from bench.fuzz import judged
from bench.mutate import MUTATORS
from bench.specimens import Specimen, damaged, generated
from hypothesis import given, settings
from hypothesis import strategies as st

SPECIMENS = generated()
BY_NAME = {specimen.name: specimen for specimen in SPECIMENS}
WAYS = {way.__name__: way for way in MUTATORS}


def outcome(specimen: Specimen, content: bytes) -> tuple[str, str]:
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of numbers that damage made absurd
        path = Path(folder) / specimen.name
        path.write_bytes(content)
        return judged(path, specimen, content)


@pytest.mark.parametrize("specimen", SPECIMENS, ids=lambda s: s.name)
def test_the_specimens_themselves_are_judged(specimen: Specimen) -> None:
    assert damaged(specimen, specimen.data)[0] == 0
    assert outcome(specimen, specimen.data) == ("judged", "")


@given(
    st.sampled_from(sorted(BY_NAME)),
    st.lists(st.sampled_from(sorted(WAYS)), min_size=1, max_size=3),
    st.integers(0, 2**32),
)
@settings(max_examples=60, deadline=None, database=None)
def test_no_damage_ends_in_a_traceback_or_an_unfounded_verdict(name: str, ways: list[str], number: int) -> None:
    specimen, chance = BY_NAME[name], random.Random(number)
    content = specimen.data
    for way in ways:
        if len(content) > 2:
            content = WAYS[way](content, chance)
    ended, fault = outcome(specimen, content)
    assert ended in ("judged", "named", "refused"), fault
    assert fault == ""


@pytest.mark.parametrize("name", ["rows.jsonl", "trainer_log.jsonl", "log.csv", "steps.log", "journal.jsonl"])
@pytest.mark.parametrize("every", [3, 25])
def test_the_count_of_lost_rows_is_that_of_a_strict_parser(tmp_path: Path, name: str, every: int) -> None:
    from doneness.runs import read

    specimen = next(s for s in SPECIMENS if s.name == name)
    chance = random.Random(every)
    lines = specimen.data.splitlines(keepends=True)
    for place in range(1 + every // 2, len(lines), every):
        size = len(lines[place])
        # A line of text may end behind its loss and lose nothing that counts.
        cut = chance.randrange(size // 4, size // 3) if name == "steps.log" else chance.randrange(size // 2, size - 4)
        lines[place] = lines[place][:cut] + b"\n"
    content = b"".join(lines)
    (tmp_path / name).write_bytes(content)
    lost = read(tmp_path / name)[0].damage.lost
    told = damaged(specimen, content)[0]
    assert told >= 5
    assert lost == pytest.approx(told, rel=0.25 if name == "steps.log" else 0.02)
