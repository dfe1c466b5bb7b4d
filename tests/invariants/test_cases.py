"""The pages of docs/cases: whole, and true of the code."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from doneness.audit.suite import CHECKS as AUDIT
from doneness.cli.main import build_parser
from doneness.diagnose import CHECKS

CASES = Path(__file__).parents[2] / "docs" / "cases"
PAGES = sorted(CASES.glob("*.md"))
CODES = sorted({check.code for check in CHECKS} | {check.code for check in AUDIT})


PARTS = {
    "": ("**Looks like it.**", "**How to tell.**", "**Rate.**"),
    ".zh": ("**像在何处。**", "**怎样分辨。**", "**比例。**"),
}


def sections(lang: str = "") -> dict[str, str]:
    text = (CASES / f"false-positives{lang}.md").read_text(encoding="utf-8")
    parts = re.split(r"^## (\w+)$", text, flags=re.M)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_every_check_has_its_false_positives_and_no_other_has() -> None:
    assert len(CODES) >= 25
    assert sorted(sections()) == CODES
    assert list(sections(".zh")) == list(sections())


@pytest.mark.parametrize("lang", PARTS)
@pytest.mark.parametrize("code", CODES)
def test_a_section_says_what_how_and_how_often(code: str, lang: str) -> None:
    said = sections(lang)[code]
    for part in PARTS[lang]:
        assert said.count(part) == 1, f"{code}: {part}"


def figures(text: str) -> list[str]:
    """The measured numbers of a section's last part, codes and names apart."""
    return sorted(re.findall(r"(?<![\w.])\d[\d,]*(?:\.\d+)?(?![\w])", re.sub(r"[A-Z]{2}\d\d|patience \d", "", text)))


@pytest.mark.parametrize("code", CODES)
def test_both_languages_give_the_same_rates(code: str) -> None:
    en, zh = (sections(lang)[code].split(parts[2])[1] for lang, parts in PARTS.items())
    words = {"Seventeen": "17"}
    for word, number in words.items():
        en = en.replace(word, number)
    assert set(figures(en)) == set(figures(zh))


def test_measured_rates_are_those_of_the_log() -> None:
    log = (CASES.parent / "design" / "log.md").read_text(encoding="utf-8")
    quoted = {"CV02": ("0 and 3.5 %", "1.4 to 6.4"), "CV03": ("false stops 6.6 %",), "AU10": ("9 of 16,407",)}
    for code, phrases in quoted.items():
        for phrase in phrases:
            assert phrase in log, f"{code} quotes what the log no longer says: {phrase}"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_pages_lead_somewhere_and_their_commands_parse(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    targets = [t for t in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in t]
    assert [t for t in targets if not (page.parent / t).exists()] == []
    for line in re.findall(r"^doneness (.+)$", text, re.M):
        build_parser().parse_args(line.split())


def test_both_languages_tell_the_same_numbers() -> None:
    en, zh = ((CASES / f"one-run-three-ways{s}.md").read_text(encoding="utf-8") for s in ("", ".zh"))
    for number in ("1.482", "1.062", "1.153", "8.6", "3.8", "0.09", "0.98", "470", "812", "2,400"):
        assert number in en and number in zh


def test_the_run_is_what_its_script_makes_and_its_images_are_drawings() -> None:
    spec = importlib.util.spec_from_file_location("one_run", CASES / "one_run.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    written = json.loads(module.FILE.read_text(encoding="utf-8"))
    made = module.log()
    assert len(written["log_history"]) == len(made["log_history"]) == 220
    for old, new in zip(written["log_history"], made["log_history"], strict=True):
        # Sums come out a rounding apart on other machines, and training carries that on.
        assert old == pytest.approx(new, abs=2e-4)
    for image in (CASES.parent / "images").glob("*.svg"):
        assert ElementTree.parse(image).getroot().tag.endswith("svg") and image.stat().st_size < 100_000
