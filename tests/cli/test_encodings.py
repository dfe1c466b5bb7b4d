"""Terminals and pipes that are not UTF-8: question marks, never a traceback, and JSON that is whole."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

LINE = "-- and the next --"
CHECKS = f"""
import sys
from doneness.cli.main import main
for more in ([], ["--json"], ["--md"]):
    assert main(["--lang", "zh", "check", sys.argv[1], *more]) == 0
    print("{LINE}", flush=True)
"""


@pytest.mark.parametrize("encoding", ["gbk", "cp1252", "ascii"])
def test_output_that_cannot_be_encoded_is_no_crash(encoding: str, tmp_path: Path) -> None:
    log = tmp_path / "训练.jsonl"
    rows = [{"step": 10 * i, "loss": 2.0 - 0.1 * i, "eval_loss": 2.0 - 0.1 * i} for i in range(1, 9)]
    log.write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = subprocess.run(
        [sys.executable, "-c", CHECKS, str(log)],
        capture_output=True, env=os.environ | {"PYTHONIOENCODING": encoding}, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0 and done.stderr == b"", done.stderr[-300:]
    text, found, marked = done.stdout.split(LINE.encode())[:3]
    assert found.isascii()
    assert json.loads(found)["runs"][0]["path"] == str(log)
    if encoding != "gbk":
        assert b"?" in text and b"?" in marked
