"""dropoutt and finelint on the same files, each in the environment it is installed in."""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

# Kind → what of their checks would name it. Of finelint any finding that names the row counts.
DROPOUTT: dict[str, tuple[str, ...]] = {
    "exact duplicate": ("T0-DUP-001",),
    "framed duplicate": ("T1-NDUP-001",),
    "conflicting answer": ("T1-DUP-002",),
    "leak into evaluation": ("T1-OVERLAP-001",),
    "framed leak": ("T1-OVERLAP-001",),
    "empty answer": ("T0-DEGEN-001", "T0-ROLE-001", "T0-SCHEMA-003"),
    "answer cut off": ("T0-TRUNC-002",),
    "wrong decoding": ("T0-ENC-001",),
    "HTML remains": ("T0-QUAL-001", "T0-GEN-001"),
    "chat markup": ("T0-TMPL-001", "T0-GEN-001"),
    "unknown role": ("T0-ROLE-002", "T0-ROLE-001", "T0-SCHEMA-002"),
    "personal data": ("T1-PII-001",),
    "key or token": ("T1-PII-001",),
    "other model's identity": ("T1-IDENT-001",),
    "looping answer": ("T0-DEGEN-001", "T0-QUAL-003"),
    "other language": ("T1-LANG-001", "T1-LANG-002", "T1-LANG-003"),
    "broken JSON": ("T0-SCHEMA-003", "T0-SCHEMA-001"),
    "far too long": ("T0-TRUNC-001",),
}
_SECONDS = 900
_PERSONAL = re.compile(r"(?:e-?mail|phone|address|number)[^()]*\((\d+)\)", re.IGNORECASE)
_SECRET = re.compile(r"(?:key|token|secret|password)[^()]*\((\d+)\)", re.IGNORECASE)


def dropoutt(python: str, train: Path, held: Path) -> dict[str, Any]:
    """Its findings on a folder that holds both files: check → count; and its version."""
    with tempfile.TemporaryDirectory() as place:
        home, out = Path(place) / "data", Path(place) / "out"
        # Data sets are folders to it.
        for name, file in (("train", train), ("eval", held)):
            (home / name).mkdir(parents=True)
            (home / name / file.name).write_bytes(file.read_bytes())
        begun = time.monotonic()
        command = [python, "-m", "dropoutt", "scan", str(home), "--offline", "--no-html", "--no-open", "--quiet"]
        done = subprocess.run([*command, "--out", str(out)], capture_output=True, text=True, timeout=_SECONDS)
        told = out / "findings.jsonl"
        if not told.is_file():
            return {"failed": (done.stderr or done.stdout).strip()[-300:]}
        found = [json.loads(line) for line in told.read_text(encoding="utf-8").split("\n") if line]
    return {
        "version": _version(python, "dropoutt"),
        "seconds": round(time.monotonic() - begun, 1),
        "found": {f["check_id"]: f["count"] for f in found if f["severity"] != "info"},
        "told": {f["check_id"]: f"{f['severity']}: {f['detail']}" for f in found},
    }


def by_kind(told: dict[str, Any], each: int) -> dict[str, int]:
    """How many of each kind dropoutt counts, at most as many as were planted. One check counts both personal data and
    keys, and says in words how many of which."""
    found = {
        kind: min(each, sum(told.get("found", {}).get(check, 0) for check in checks))
        for kind, checks in DROPOUTT.items()
    }
    detail = told.get("told", {}).get("T1-PII-001", "")
    for kind, pattern in (("personal data", _PERSONAL), ("key or token", _SECRET)):
        hits = [hit for part in detail.split(",") if (hit := pattern.search(part)) is not None]
        found[kind] = min(each, sum(int(hit[1]) for hit in hits))
    return found


def finelint(python: str, train: Path, held: Path) -> dict[str, Any]:
    """Which lines of the training file its two reports name, and with what codes. It refuses files with broken lines,
    so those are taken out before; lines keep their numbers."""
    with tempfile.TemporaryDirectory() as place:
        begun, home = time.monotonic(), Path(place)
        readable, numbers, broken = home / "train.jsonl", [], []
        with readable.open("w", encoding="utf-8") as handle:
            for number, line in enumerate(train.read_text(encoding="utf-8").split("\n"), start=1):
                if not line:
                    continue
                try:
                    json.loads(line)
                except ValueError:
                    broken.append(number)
                    continue
                numbers.append(number)
                handle.write(line + "\n")
        base = [python, "-m", "finelint"]
        asked = {
            "inspect": [*base, "inspect", str(readable)],
            "compare": [*base, "compare", "--split", f"train={readable}", "--split", f"eval={held}"],
        }
        lines: dict[str, set[int]] = {}
        failed = {}
        for name, command in asked.items():
            out = home / f"{name}.json"
            more = ["--report", str(out), "--affected-records", str(home / f"{name}-rows.json")]
            done = subprocess.run([*command, *more], capture_output=True, text=True, timeout=_SECONDS)
            if not out.is_file():
                failed[name] = (done.stderr or done.stdout).strip()[-300:]
                continue
            for finding in json.loads(out.read_text(encoding="utf-8"))["findings"]:
                for each in finding["records"]:
                    if str(each.get("split", "train")) == "train" and "row" in each:
                        lines.setdefault(finding["code"], set()).add(numbers[each["row"] - 1])
    return {
        "version": _version(python, "finelint"),
        "seconds": round(time.monotonic() - begun, 1),
        "lines": {code: sorted(found) for code, found in lines.items()},
        "refused": broken,
        "failed": failed,
    }


def _version(python: str, name: str) -> str:
    code = f"from importlib.metadata import version; print(version('{name}'))"
    return subprocess.run([python, "-c", code], capture_output=True, text=True).stdout.strip()
