"""One check = code, function, explanation, cases, and a page of the reference."""

from __future__ import annotations

import importlib.util
import re
import shlex
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


GENERATE = script("generate")
CHECKS = [
    pytest.param(module, folder, id=module.CHECK.code)
    for package, folder in ((f"doneness.{folder}.checks", folder) for folder in ("diagnose", "audit", "sanity"))
    for module in GENERATE.modules(package)
]


def test_there_are_checks() -> None:
    assert len(CHECKS) >= 19
    assert len({p.id for p in CHECKS}) == len(CHECKS)


@pytest.mark.parametrize(("module", "folder"), CHECKS)
def test_a_check_has_all_its_parts(module: ModuleType, folder: str) -> None:
    code = module.CHECK.code
    assert re.fullmatch(r"[A-Z]{2}\d\d", code)
    _, body = GENERATE.explained(module)
    for part in ("What it finds", "How", "Source"):
        assert part in body, f"{code} does not say: {part}"
    page = (ROOT / "docs" / "reference" / "checks.md").read_text(encoding="utf-8")
    assert f"### {code}: " in page
    cases = "".join(f.read_text(encoding="utf-8") for f in (ROOT / "tests" / folder).glob("*.py"))
    name = module.__name__.rpartition(".")[2]
    assert code in cases or name in cases, f"no test names {code}"


def test_the_reference_is_fresh() -> None:
    for file, text in GENERATE.pages().items():
        written = (ROOT / "docs" / "reference" / file).read_text(encoding="utf-8")
        assert written == text.rstrip() + "\n", f"docs/reference/{file} is stale; run `make docs`"


@pytest.mark.parametrize("page", ["README.md", "README.zh.md", "docs/design/house.md"])
def test_links_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    targets = [t for t in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in t]
    lost = [t for t in targets if not ((ROOT / page).parent / t).exists()]
    assert lost == []


def test_the_commands_of_the_readme_are_commands() -> None:
    from doneness.cli.main import build_parser

    for page in ("README.md", "README.zh.md"):
        text = (ROOT / page).read_text(encoding="utf-8")
        lines = re.findall(r"^doneness (.+?)(?:\s+#.*)?$", text, re.M)
        assert len(lines) >= 8
        for line in lines:
            build_parser().parse_args(shlex.split(line))


def test_the_false_alarm_tables_are_those_measured() -> None:
    for path, text in script("rates").pages().items():
        assert path.read_text(encoding="utf-8") == text, "run: make docs"
