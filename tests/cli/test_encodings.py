"""Terminals and pipes that are not UTF-8: question marks, never a traceback, and JSON that is whole."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("encoding", ["gbk", "cp1252", "ascii"])
def test_output_that_cannot_be_encoded_is_no_crash(encoding: str, tmp_path: Path) -> None:
    log = tmp_path / "训练.jsonl"
    rows = [{"step": 10 * i, "loss": 2.0 - 0.1 * i, "eval_loss": 2.0 - 0.1 * i} for i in range(1, 9)]
    log.write_text("".join(json.dumps(row) + "\n" for row in rows))
    for more in ([], ["--json"], ["--md"]):
        done = subprocess.run(
            [sys.executable, "-m", "doneness", "--lang", "zh", "check", str(log), *more],
            capture_output=True, env=os.environ | {"PYTHONIOENCODING": encoding}, timeout=300, check=False,
        )  # fmt: skip
        assert done.returncode == 0 and done.stderr == b"", done.stderr[-300:]
        if more == ["--json"]:
            assert done.stdout.isascii()
            assert json.loads(done.stdout)["runs"][0]["path"] == str(log)
        elif encoding != "gbk":
            assert b"?" in done.stdout
