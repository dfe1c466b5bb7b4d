"""Rules of the house that no linter knows."""

from __future__ import annotations

import ast
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "doneness"
FILES = sorted(SOURCE.rglob("*.py"))


def test_there_is_a_house() -> None:
    assert len(FILES) > 80


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(SOURCE)))
def test_files_and_functions_are_short(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert text.count("\n") <= 400
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            length = (node.end_lineno or 0) - node.lineno + 1
            assert length <= 60, f"{node.name} has {length} lines"
            arguments = len(node.args.posonlyargs) + len(node.args.args) + len(node.args.kwonlyargs)
            assert arguments <= 10, f"{node.name} has {arguments} arguments"


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(SOURCE)))
def test_no_import_is_guarded(file: Path) -> None:
    """An optional library is imported where it is needed, through one helper; never tried at the top."""
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Try):
            guarded = [n for n in ast.walk(node) if isinstance(n, (ast.Import, ast.ImportFrom))]
            assert guarded == []


IMPORTS = """
import sys, time
begun = time.perf_counter()
{what}
took = time.perf_counter() - begun
names = ("torch", "transformers", "trl", "peft", "datasets", "accelerate", "scipy", "pandas")
heavy = [m for m in names if m in sys.modules]
print(took, heavy)
"""


@pytest.mark.parametrize("what", ["import doneness", "import doneness.cli.main", "import doneness.workflows.check"])
def test_importing_loads_nothing_heavy(what: str) -> None:
    out = subprocess.run(
        [sys.executable, "-c", IMPORTS.format(what=what)], capture_output=True, text=True, check=True
    ).stdout
    assert out.split(" ", 1)[1].strip() == "[]"


def test_importing_writes_nothing_and_opens_no_socket(tmp_path: Path) -> None:
    code = (
        "import socket, sys\n"
        "def refuse(*a, **k): raise SystemExit('socket')\n"
        "socket.socket.connect = refuse\n"
        "import doneness, doneness.cli.main, doneness.report, doneness.audit\n"
    )
    before = time.time()
    subprocess.run([sys.executable, "-B", "-c", code], check=True, cwd=tmp_path)
    assert list(tmp_path.iterdir()) == []
    written = [f for f in SOURCE.rglob("*") if f.is_file() and f.suffix != ".pyc" and f.stat().st_mtime > before + 1]
    assert written == []


def test_the_public_names_are_these() -> None:
    import doneness

    assert sorted(doneness.__all__) == [
        "EvidenceRule",
        "Monitor",
        "Params",
        "PatienceRule",
        "Run",
        "__version__",
        "diagnose",
        "probe_run",
        "read",
        "replay",
        "train_run",
        "write_report",
    ]
    for name in doneness.__all__:
        assert getattr(doneness, name) is not None
    with pytest.raises(AttributeError):
        _ = doneness.nothing_of_the_kind
