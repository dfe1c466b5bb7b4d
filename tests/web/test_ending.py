"""Ctrl-C and SIGTERM: open streams are ended, one line, and the exit code that a shell expects."""

from __future__ import annotations

import http.client
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.web.served import PATIENCE, write_run


@pytest.mark.parametrize(("sent", "code", "lines"), [(signal.SIGINT, 130, 1), (signal.SIGTERM, 0, 0)])
def test_the_server_ends_as_it_is_asked_to(tmp_path: Path, sent: signal.Signals, code: int, lines: int) -> None:
    write_run(tmp_path / "run")
    command = [sys.executable, "-m", "doneness", "serve", str(tmp_path), "--port", "0", "--no-cache"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "COLUMNS": "300"}
    )
    assert process.stdout is not None and process.stderr is not None
    try:
        port = int(re.findall(r":(\d+)/", process.stdout.readline())[0])
        line = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        line.request("GET", "/api/events")
        stream = line.getresponse()
        assert stream.readline() == b"retry: 3000\n"
        process.send_signal(sent)
        stream.read()  # to its end
        assert process.wait(PATIENCE) == code
        said = process.stderr.read()
        assert said.count("\n") == lines and "Traceback" not in said
        line.close()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()


def test_a_port_that_is_taken_and_a_folder_that_is_not_there_are_one_line(tmp_path: Path) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for where, named in ((str(tmp_path), port), (str(tmp_path / "gone"), "gone")):
            command = [sys.executable, "-m", "doneness", "serve", where, "--port", port, "--no-cache"]
            found = subprocess.run(command, capture_output=True, text=True)
            assert found.returncode == 2 and found.stderr.count("\n") == 1 and named in found.stderr
