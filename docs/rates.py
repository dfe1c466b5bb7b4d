"""The table of false-alarm rates at the end of docs/cases/false-positives*.md, from bench/results/alarms.json."""

from __future__ import annotations

import json
from pathlib import Path

ROOT = Path(__file__).parent.parent
MEASURED = ROOT / "bench" / "results" / "alarms.json"
PAGES = {"en": ROOT / "docs/cases/false-positives.md", "zh": ROOT / "docs/cases/false-positives.zh.md"}
_MARK = "<!-- made by `make docs` from bench/results/alarms.json -->"
_HEAD = {
    "en": ("Check", "What was shown to it", "What would be false", "False", "95 % interval", "n"),
    "zh": ("检查", "给它看的", "什么算误报", "误报", "95 % 区间", "n"),
}
_FALSE = {
    "en": {"fail": "a failure", "warn fail": "a warning or a failure", "pass": "the claim", "pass converged": "done"},
    "zh": {"fail": "判为失败", "warn fail": "警告或失败", "pass": "该断言", "pass converged": "已完成"},
}


def pages() -> dict[Path, str]:
    """Both pages with their tables as measured last."""
    rows = json.loads(MEASURED.read_text(encoding="utf-8"))["rows"]
    return {path: _page(path.read_text(encoding="utf-8"), lang, rows) for lang, path in PAGES.items()}


def _page(text: str, lang: str, rows: list[dict[str, object]]) -> str:
    before, mark, _ = text.partition(_MARK)
    if not mark:
        raise ValueError(f"the mark is missing: {_MARK}")
    lines = ["| " + " | ".join(_HEAD[lang]) + " |", "|---|---|---|---|---|---|"]
    lines += [_row(row, lang) for row in rows]
    return f"{before}{_MARK}\n\n" + "\n".join(lines) + "\n"


def _row(row: dict[str, object], lang: str) -> str:
    share, low, high = row["share"]  # type: ignore[misc]
    false = _FALSE[lang][" ".join(row["false"])]  # type: ignore[arg-type]
    shown = row["shown"][lang]  # type: ignore[index]
    return f"| {row['code']} | {shown} | {false} | {share:.1%} | {low:.1%} – {high:.1%} | {row['n']} |"
