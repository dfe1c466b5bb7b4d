"""Zero bytes in logs, as a power cut leaves them: good rows are read, and the cut is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from doneness.runs import read
from doneness.runs.readers.files import is_binary

CSV = "step,loss,eval_loss\n" + "".join(f"{10 * i},{2 - i / 100},{2.1 - i / 100}\n" for i in range(1, 41))
TEXT = "".join(f"step {10 * i}: train loss {2 - i / 100:.4f}, val loss {2.1 - i / 100:.4f}\n" for i in range(1, 41))


@pytest.mark.parametrize(("name", "log"), [("a.csv", CSV), ("a.log", TEXT)])
@pytest.mark.parametrize("half", ["", "410,1."])
def test_zeros_at_the_end_are_a_cut_tail(name: str, log: str, half: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes((log + half).encode() + bytes(5000))
    (run,) = read(tmp_path / name)
    assert run.evals is not None and len(run.evals) == 40 and run.last_step == 400
    assert run.damage.cut and any("cut" in note for note in run.notes)


@pytest.mark.parametrize(("name", "log"), [("a.csv", CSV), ("a.log", TEXT)])
@pytest.mark.parametrize("zeros", [1, 4000])
def test_zeros_in_the_middle_cost_their_line(name: str, log: str, zeros: int, tmp_path: Path) -> None:
    at = log.index("1.8") + 2  # inside a number
    (tmp_path / name).write_bytes(log[:at].encode() + bytes(zeros) + log[at:].encode())
    (run,) = read(tmp_path / name)
    assert run.evals is not None and 38 <= len(run.evals) <= 40
    assert run.damage.lost >= 1 and not run.damage.cut


def test_what_is_binary_stays_binary() -> None:
    head = b'{"__metadata__":{"loss":"1"}}' + b" " * 900
    assert is_binary(len(head).to_bytes(8, "little") + head)
    assert is_binary(b"SQLite format 3\0" + b"x" * 900) and is_binary(bytes(100))
    assert is_binary(b"a" * 100 + b"b\0c" * 300)
