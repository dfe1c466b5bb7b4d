"""Lines that say "train 2.25" and leave the word loss to the validation loss behind it."""

from __future__ import annotations

from pathlib import Path

import pytest
import reader_logs as logs

from doneness.runs import read


def test_the_bare_word_beside_a_validation_loss(tmp_path: Path) -> None:
    lines = (f"Epoch {e}/8 | train {3 - 0.1 * e:.3f} | valid loss = {3.2 - 0.1 * e:.3f} | 3m12s\n" for e in range(1, 9))
    (run,) = read(logs.put(tmp_path / "out.txt", "".join(lines)))
    assert run.train is not None and run.evals is not None
    assert run.train.value.tolist() == pytest.approx([3 - 0.1 * e for e in range(1, 9)])
    assert run.evals.value.tolist() == pytest.approx([3.2 - 0.1 * e for e in range(1, 9)])


@pytest.mark.parametrize(
    "bare", ["train 640", "train 12/500", "train 97.5%", "train 3.2s", "train 1.5 it/s", "pretrain 2.5"]
)
def test_other_numbers_behind_the_word_are_no_losses(tmp_path: Path, bare: str) -> None:
    lines = (f"Epoch {e} | {bare} | val loss = {3 - 0.1 * e:.3f}\n" for e in range(1, 9))
    (run,) = read(logs.put(tmp_path / "out.txt", "".join(lines)))
    assert run.train is None
    assert len(run.evals or ()) == 8
