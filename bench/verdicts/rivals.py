"""The other tools, each in an interpreter of its own that stays up and answers line by line."""

from __future__ import annotations

import atexit
import json
import select
import subprocess
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from bench.verdicts import memory

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".venv-rivals" / "bin" / "python"
ADAPTERS = Path(__file__).parent / "adapters"
RIVALS = {"finetune-doctor": "0.2.2", "trainspotter": "0.2.6", "losslint": "0.4.1"}
_PATIENCE = 300.0  # seconds for one log

Answer = dict[str, Any]


class Rival:
    """One tool's process; started again where it died or hung."""

    def __init__(self, name: str) -> None:
        self.script = ADAPTERS / _script(name)
        self._start()
        atexit.register(self.close)

    def _start(self) -> None:
        self.process = subprocess.Popen(
            [str(PYTHON), "-u", str(self.script)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip

    def ask(self, state: str) -> Answer:
        """What the tool says of the text of a trainer_state.json; a process that dies is silent too."""
        assert self.process.stdin is not None and self.process.stdout is not None
        ready: Sequence[object] = ()
        try:
            self.process.stdin.write(state.replace("\n", " ") + "\n")
            self.process.stdin.flush()
            ready = select.select([self.process.stdout], [], [], _PATIENCE)[0]
            line = self.process.stdout.readline() if ready else ""
        except BrokenPipeError:
            line = ""
        if line:
            answer: Answer = json.loads(line)
            return answer
        self.process.kill()
        self.process.wait()
        self._start()
        lost = "the process ended" if ready else f"no answer in {_PATIENCE:g} s"
        return {"overfitting": False, "mild": False, "plateau": False, "best_step": None, "verdict": "", "error": lost}

    def close(self) -> None:
        if self.process.poll() is None:
            if self.process.stdin is not None:
                self.process.stdin.close()
            self.process.wait(5)


def ask(name: str, state: str) -> Answer:
    """What a tool says of the text of a trainer_state.json, asked once for each text."""
    return memory.recall(_asked(name), state, lambda: _rival(name).ask(state))


@lru_cache
def _rival(name: str) -> Rival:
    """The process of this worker for a tool."""
    return Rival(name)


@lru_cache
def _asked(name: str) -> str:
    sources = [(ADAPTERS / f).read_text(encoding="utf-8") for f in ("common.py", _script(name))]
    return "\0".join((name, RIVALS[name], *sources))


def _script(name: str) -> str:
    return f"ask_{name.replace('-', '_')}.py"


def installed() -> bool:
    """Whether their environment is there."""
    return PYTHON.is_file()
