"""The data that ships: what its card promises."""

from __future__ import annotations

import json
from collections import Counter
from importlib import resources
from pathlib import Path

import pytest

from doneness.core import Status
from doneness.workflows.audit import audit_files

HOME = Path(str(resources.files("doneness.data") / "demo"))
LEAST = {"en": (320, 120, 120), "zh": (107, 40, 40)}
NOT_FACTS = {"unknown", "nonexistent", "emergency"}


def rows(lang: str, name: str) -> list[dict[str, str]]:
    return [
        json.loads(line) for line in (HOME / lang / f"{name}.jsonl").read_text(encoding="utf-8").split("\n") if line
    ]


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_audit_finds_nothing(lang: str) -> None:
    audited = audit_files(HOME / lang / "train.jsonl", HOME / lang / "eval.jsonl", HOME / lang / "probes.jsonl")
    unasked = {"AU13", "AU19", "AU31", "AU32"}  # want a model, a judge, or pairs
    assert {f.code: f.status for f in audited.findings if f.status is not Status.PASS} == dict.fromkeys(
        unasked, Status.SKIPPED
    )
    assert len(audited.findings) == 32


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_there_is_enough_and_every_row_is_whole(lang: str) -> None:
    for name, least in zip(("train", "eval", "probes"), LEAST[lang], strict=True):
        found = rows(lang, name)
        assert len(found) >= least
        assert len({r["id"] for r in found}) == len(found)
        assert all(str(r["source"]).strip() for r in found)
    for name in ("train", "eval"):
        kinds = Counter(r["kind"] for r in rows(lang, name))
        assert set(kinds) == {"fact", *NOT_FACTS}
        assert sum(kinds[k] for k in NOT_FACTS) >= 0.1 * sum(kinds.values())


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_openings_vary(lang: str) -> None:
    for name, key in (("train", "prompt"), ("train", "completion"), ("eval", "prompt"), ("eval", "completion")):
        texts = [r[key].lower() for r in rows(lang, name)]
        heads = Counter(" ".join(t.split()[:2]) if lang == "en" else t[:3] for t in texts)
        assert heads.most_common(1)[0][1] <= 0.05 * len(texts)


def test_the_card_counts_right() -> None:
    card = (HOME / "CARD.md").read_text(encoding="utf-8")
    for lang in ("en", "zh"):
        for name in ("train", "eval", "probes"):
            assert f"| {lang}/{name}.jsonl | {len(rows(lang, name))} |" in card
