from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from doneness.runs import Run, read
from tests.integrations.spread import main

pytestmark = pytest.mark.model
ROOT = Path(__file__).parents[2]


def trained_by_two(model: Path, out: Path) -> Run:
    """Train with two processes over gloo; a batch of four rows in all."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "tests.integrations.spread", str(model), str(out), "2"]
    going = []
    for rank in ("0", "1"):
        environment = os.environ | shared | {"RANK": rank, "LOCAL_RANK": rank, "CUDA_VISIBLE_DEVICES": ""}
        going.append(subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True))
    said = [each.communicate(timeout=900)[1] for each in going]
    assert [each.returncode for each in going] == [0, 0], said
    assert ["Training stops here" in each for each in said] == [True, False], "one process speaks"
    return read(out / "doneness")[0]


def test_two_processes_record_what_one_does(tiny_model: Path, tmp_path: Path) -> None:
    main(str(tiny_model), str(tmp_path / "by1"), 4)
    one, two = read(tmp_path / "by1" / "doneness")[0], trained_by_two(tiny_model, tmp_path / "by2")
    # 13 rows by two do not come out even: the sampler repeats one, which counts once.
    assert [e.step for e in one.examples] == [e.step for e in two.examples] == [0, 2, 4]
    for alone, shared in zip(one.examples, two.examples, strict=True):
        assert len(alone.ids) == 13
        np.testing.assert_array_equal(alone.ids, shared.ids)
        np.testing.assert_array_equal(alone.tokens, shared.tokens)
        np.testing.assert_allclose(alone.nll, shared.nll, rtol=1e-5)
    assert not np.allclose(two.examples[0].nll, two.examples[-1].nll, rtol=1e-3), "it learnt"
    assert (one.meta["processes"], two.meta["processes"]) == (1, 2)
    # The first process decided, and both stopped there.
    for rank in (0, 1):
        assert (tmp_path / f"by2.{rank}.txt").read_text() == f"{rank} 2 4 True stop"
    assert [(c.step, c.exists) for c in two.checkpoints] == [(4, True)]
    assert [e.kind for e in two.events] == ["start", *["decision"] * 3, "end"]
