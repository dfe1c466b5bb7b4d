"""Questions asked again in other words, and such as only look alike: what the word-based checks see of them.

bench/paraphrases.tsv has them, written by hand: 45 pairs in English and 45 in Chinese that share next to no content
word, and 30 pairs that differ in one word and ask for something else. They stand among real rows: one question in the
training file, the other one in the evaluation file (AU02), or both in the training file (AU05).
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench import audit_rivals
from bench.audit_sets import FOLDER

_PAIRS = Path(__file__).with_name("paraphrases.tsv")
# Rows among which they stand, by language: file, question, answer.
_AMONG = {
    "en": ("medical_sft/pubmedqa_labelled_1000.jsonl", "question", "long_answer"),
    "zh": ("medical_sft/huatuo_llama_med_zh.jsonl", "instruction", "output"),
}
_ANSWER = {"en": "This was answered at length elsewhere.", "zh": "这个问题在别处已有详细的回答。"}
_ROWS = 1000

Pair = tuple[str, str]


def pairs(language: str, kind: str) -> list[Pair]:
    """Pairs of questions of one language: `kind` is "same", or "other" for those that only look alike."""
    lines = [line.split("\t") for line in _PAIRS.read_text(encoding="utf-8").split("\n") if line and line[0] != "#"]
    return [(one, two) for spoken, sort, one, two in lines if (spoken, sort) == (language, kind)]


def paraphrases(others: str = "") -> dict[str, Any]:
    """By language and kind: pairs, how many each check names, and how an embedding sees them.

    Args:
        others: a Python with dropoutt and finelint; "" leaves them out.
    """
    found: dict[str, Any] = {}
    for language, (name, question, answer) in _AMONG.items():
        if not (FOLDER / name).is_file():
            continue
        items = [json.loads(line) for line in (FOLDER / name).read_text(encoding="utf-8").split("\n") if line]
        among = [(item[question], item[answer]) for item in items[:_ROWS]]
        told: dict[str, Any] = {"among": len(among)}
        for kind in ("same", "other"):
            told[kind] = _counted(among, pairs(language, kind), language, others)
        told["embedding"] = _embedded(pairs(language, "same"), pairs(language, "other"))
        found[language] = told
        print(language, told, flush=True)
    return found


def _counted(among: list[Pair], asked: list[Pair], language: str, others: str) -> dict[str, Any]:
    """How many of the pairs each check names, and what it names beside them."""
    ones, twos = [(one, _ANSWER[language]) for one, _ in asked], [(two, _ANSWER[language]) for _, two in asked]
    half = len(among) // 2
    with tempfile.TemporaryDirectory() as place:
        train, held = Path(place) / "train.jsonl", Path(place) / "eval.jsonl"
        first = half + 1
        _write(train, [*among[:half], *ones])
        _write(held, [*among[half:], *twos])
        leaks = {int(row) for row in _findings(train, held)["AU02"]} & set(range(first, first + len(asked)))
        both = Path(place) / "both.jsonl"
        _write(both, [*among[:half], *ones, *twos])
        again = {int(row) for row in _findings(both, None)["AU05"]} & set(range(first, first + 2 * len(asked)))
        counts = {"pairs": len(asked), "leaks": len(leaks), "repeats": len(again)}
        if others:
            theirs = audit_rivals.dropoutt(others, both, held)
            bare = Path(place) / "bare.jsonl"
            _write(bare, [*among[:half], *ones])
            without = audit_rivals.dropoutt(others, bare, held)
            check = "T1-NDUP-001"
            counts["dropoutt"] = theirs.get("found", {}).get(check, 0) - without.get("found", {}).get(check, 0)
            lint = audit_rivals.finelint(others, train, held)
            wanted = set(range(first, first + len(asked)))
            counts["finelint"] = len(wanted & {row for rows in lint["lines"].values() for row in rows})
    return counts


def _findings(train: Path, held: Path | None) -> dict[str, Sequence[Any]]:
    """Lines of the training file by the two checks."""
    from doneness.audit import AuditParams
    from doneness.workflows.audit import More, audit_files

    found = audit_files(train, held, params=AuditParams(), more=More(builtin=False))
    # Every row is read, so a place is a line less one.
    return {code: [place + 1 for place in found.flagged.get(code, np.array([])).tolist()] for code in ("AU02", "AU05")}


def _embedded(same: list[Pair], other: list[Pair]) -> dict[str, Any] | None:
    """Cosines by the bundled sentence embedding; None where it is not installed."""
    from doneness.core import DonenessError
    from doneness.workflows.audit_model import embedding

    try:
        embed = embedding()
    except DonenessError:
        return None

    def cosines(of: list[Pair]) -> Any:
        return embed([one for one, _ in of]) @ embed([two for _, two in of]).T

    apart, alike = cosines(same), np.diag(cosines(other))
    own = np.diag(apart)
    strange = apart[~np.eye(len(same), dtype=bool)]
    return {
        "same": _range(own), "other": _range(alike), "strange_most": round(float(strange.max()), 3),
        "first": int((apart.argmax(axis=1) == np.arange(len(same))).sum()),
        "above_other": int((own > float(np.median(alike))).sum()),
    }  # fmt: skip


def _range(values: Any) -> list[float]:
    return [round(float(each), 3) for each in np.quantile(values, (0.0, 0.5, 1.0))]


def _write(path: Path, rows: list[Pair]) -> None:
    lines = []
    for question, answer in rows:
        turns = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
        lines.append(json.dumps({"messages": turns}, ensure_ascii=False))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
