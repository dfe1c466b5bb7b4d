"""One process at a time trains into a run folder."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from doneness.core import StorageError
from doneness.integrations import Monitor
from doneness.runs import Claim
from doneness.runs.claim import FILE, lives

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no record locks")

_HOLD = """
import sys, time
from pathlib import Path
from doneness.runs import Claim
from doneness.runs.claim import FILE, lives
claim = Claim(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(60)
"""


@contextmanager
def _holder(folder: Path, script: str = _HOLD) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", script, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as other:
        assert other.stdout is not None and other.stdout.readline() == "held\n"
        try:
            yield other
        finally:
            os.killpg(other.pid, signal.SIGKILL)


def test_a_second_process_is_refused_by_name_and_a_killed_one_holds_nothing(tmp_path: Path) -> None:
    with _holder(tmp_path / "run") as other, pytest.raises(StorageError, match=str(other.pid)):
        Claim(tmp_path / "run")
    Claim(tmp_path / "run").release()


def test_a_monitor_is_refused_where_another_process_writes(tmp_path: Path) -> None:
    with _holder(tmp_path), pytest.raises(StorageError):
        Monitor(tmp_path)
    Monitor(tmp_path).close()


def test_what_is_released_can_be_had(tmp_path: Path) -> None:
    claim = Claim(tmp_path)
    claim.release()
    claim.release()
    with _holder(tmp_path):
        pass


def test_a_worker_forked_by_the_holder_does_not_hold_it(tmp_path: Path) -> None:
    # A killed trainer's data workers live on for a while; the run must be resumable at once.
    with _holder(
        tmp_path, _HOLD.replace("time.sleep", "import os\nif os.fork():\n    os._exit(0)\ntime.sleep")
    ) as other:
        other.wait()
        Claim(tmp_path).release()


def test_reading_and_copying_the_folder_loses_nothing(tmp_path: Path) -> None:
    claim = Claim(tmp_path / "run")
    shutil.copytree(tmp_path / "run", tmp_path / "copy")
    with pytest.raises(subprocess.CalledProcessError):
        subprocess.run([sys.executable, "-c", _HOLD, str(tmp_path / "run")], check=True, capture_output=True)
    claim.release()


def test_who_opens_it_again_here_shares_it(tmp_path: Path) -> None:
    first, second = Claim(tmp_path), Claim(tmp_path)
    first.release()
    with pytest.raises(subprocess.CalledProcessError):
        subprocess.run([sys.executable, "-c", _HOLD, str(tmp_path)], check=True, capture_output=True)
    second.release()
    with _holder(tmp_path):
        pass


def test_a_folder_made_anew_is_another_one(tmp_path: Path) -> None:
    claim = Claim(tmp_path / "run")
    shutil.rmtree(tmp_path / "run")
    again = Claim(tmp_path / "run")
    with pytest.raises(subprocess.CalledProcessError):
        subprocess.run([sys.executable, "-c", _HOLD, str(tmp_path / "run")], check=True, capture_output=True)
    again.release()
    claim.release()


def test_a_number_of_another_machine_tells_nothing_here(tmp_path: Path) -> None:
    Claim(tmp_path).release()
    told = (tmp_path / FILE).read_text().strip()
    assert told == f"{os.getpid()} {socket.gethostname()}" and lives(told) is True
    assert lives(f"{os.getpid()}") is True, "as earlier versions wrote it"
    assert lives(f"{os.getpid()} another-machine") is None
    assert lives("4194305") is False
    assert lives("") is None and lives("nonsense") is None
