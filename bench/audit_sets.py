"""Public sets: what is known to be wrong with them, and what the audit counts."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from doneness.audit import CHECKS, AuditParams, DataSets, audit
from doneness.core import DataError, Finding
from doneness.data import Reading, Row, Rows, Turn, near_pairs, normalise
from doneness.data.stream import stream

FOLDER = Path(__file__).parents[2] / "shared" / "data"
# file: (exact duplicate rows, rows with a question seen before, rows whose question another has, too, or nearly),
# counted with shingles by the list that came with the sets; None where our file is a part of the one that was counted.
COUNTED: dict[str, tuple[int, int, int] | None] = {
    "medical_sft/medquad_full.jsonl.gz": (48, 2114, 4645),
    "medical_sft/pubmedqa_label_only.jsonl": (0, 0, 0),
    "medical_sft/toyhom_internal_medicine_zh.jsonl": None,
    "medical_sft/huatuo_llama_med_zh.jsonl": (0, 7, 30),
    "medical_sft/huatuo_liver_cancer_zh.jsonl": (0, 0, 4),
    "medical_sft/cmtmedqa_test_multiturn_zh.jsonl": (0, 0, 0),
    "medical_sft/huatuo26m_test_zh.jsonl": (0, 4, 7),
    "medical_sft/medicalgpt_medical_sft_1k_zh.jsonl": (0, 0, 0),
    "formats/llamafactory_alpaca_en_demo.json": (14, 14, 27),
    "formats/llamafactory_alpaca_zh_demo.json": (8, 8, 18),
    "formats/medicalgpt_sharegpt_zh_1k.jsonl": None,
}
WHY = {
    "medical_sft/medquad_full.jsonl.gz": "again: the list drops spaces with the punctuation, so that type1 is type 1 "
    "(counted that way ours are 2,114, too). alike: runs of five characters pair the same question about type 1 and "
    "type 2; ours keeps numbers and exchanged subjects apart.",
    "medical_sft/toyhom_internal_medicine_zh.jsonl": "the list counted 7,644 rows (378, 378, 810); "
    "this file has the first 5,000.",
    "medical_sft/huatuo_llama_med_zh.jsonl": "alike: ours also pairs the same words in another order.",
    "formats/medicalgpt_sharegpt_zh_1k.jsonl": "the list counted 1,000 rows (0, 5, 7); this file has fewer.",
}
_SPLITS = 5


def sets() -> dict[str, Any]:
    """Every set that is at hand: counts, and what was found."""
    found: dict[str, Any] = {}
    for name, counted in COUNTED.items():
        path = FOLDER / name
        if not path.is_file():
            continue
        rows = _rows(path)
        findings = {f.code: f for f in audit(DataSets(Rows(path, tuple(rows))), _checks())}
        exact = round(len(rows) * (1 - 1 / (findings["AU04"].value or 1)))
        pairs = near_pairs([row.context for row in rows])
        found[name] = {
            "rows": len(rows),
            "exact": exact,
            "questions_again": _again(rows),
            "alike": len({place for i, j, _ in pairs for place in (i, j)}),
            "near": round(len(rows) * (findings["AU05"].value or 0)),
            "counted": list(counted) if counted else None,
            "why": WHY.get(name, ""),
            "statuses": {code: f.status.value for code, f in findings.items()},
        }
        print(name, {k: v for k, v in found[name].items() if k not in ("statuses", "why")}, flush=True)
    return found


def leakage() -> dict[str, Any]:
    """MedQuAD split at random by rows, several times: how many evaluation questions are trained on."""
    path = FOLDER / "medical_sft/medquad_full.jsonl.gz"
    if not path.is_file():
        return {}
    rows = _rows(path)
    shares: dict[str, list[float]] = {"AU01": [], "AU02": []}
    for seed in range(_SPLITS):
        order = list(range(len(rows)))
        random.Random(seed).shuffle(order)
        held = set(order[: len(rows) // 10])
        train = Rows(Path("train"), tuple(r for i, r in enumerate(rows) if i not in held))
        judged = Rows(Path("eval"), tuple(r for i, r in enumerate(rows) if i in held))
        checks = [check for check in CHECKS if check.code in shares]
        for finding in audit(DataSets(train, judged), checks):
            shares[finding.code].append(finding.value or 0.0)
    told = {code: [round(float(np.mean(v)), 4), round(min(v), 4), round(max(v), 4)] for code, v in shares.items()}
    print("leakage", told, flush=True)
    return {"splits": _SPLITS, "exact": told["AU01"], "reworded": told["AU02"], "counted": [360 / 1642, 454 / 1642]}


def form() -> dict[str, Any]:
    """The file whose form changes on the way, and the one with a U+2029."""
    mixed, separated = (
        FOLDER / "bad_fixtures/CMtMedQA_test_mixed_schema.json",
        FOLDER / "medical_sft/pubmedqa_explain.jsonl",
    )
    found: dict[str, Any] = {}
    if mixed.is_file():
        finding = _of_file(mixed)
        change = finding.evidence["examples"][0]
        found["mixed"] = {"summary": finding.summary, "row": change["row"], "before": change["before"],
                          "after": change["after"]}  # fmt: skip
    if separated.is_file():
        finding = _of_file(separated)
        found["separated"] = {
            "summary": finding.summary,
            "lines": finding.evidence["separators"],
            "rows": finding.n,
            "rows_by_splitlines": len(separated.read_text(encoding="utf-8").splitlines()),
        }
    print(found, flush=True)
    return found


def _of_file(path: Path) -> Finding:
    from doneness.workflows.audit import More, audit_files

    found = audit_files(path, params=AuditParams(joined=False), more=More(builtin=False))
    return next(f for f in found.findings if f.code == "AU18")


def _checks() -> list[Any]:
    return [check for check in CHECKS if check.code != "AU11"]


def _again(rows: list[Row]) -> int:
    return len(rows) - len({normalise(row.context) for row in rows})


def _rows(path: Path) -> list[Row]:
    """Rows of a set; those of forms that only these sets have are read here."""
    try:
        rows = [each.row for each in stream(path, "sft", Reading("skip")) if each.row is not None]
    except DataError:
        rows = []
    return rows or list(_other(path))


def _other(path: Path) -> Iterator[Row]:
    with path.open(encoding="utf-8") as handle:
        for line, text in enumerate(handle, start=1):
            item = json.loads(text)
            question = item.get("question") or item.get("ask") or item.get("questions")
            answer = item.get("answer") or item.get("answers")
            question, answer = (_text(each) for each in (question, answer))
            if question.strip() and answer.strip():
                yield Row(str(line), (Turn("user", question), Turn("assistant", answer)), line)


def _text(value: Any) -> str:
    while isinstance(value, list):
        value = value[0] if value else ""
    return str(value or "")
