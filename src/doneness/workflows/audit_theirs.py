"""What dropoutt finds in the same rows, where it is installed: its checks of structure, licences and benchmarks."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from doneness.audit.illustrate import excerpt
from doneness.core import Finding, MissingExtraError, Status, Where, say
from doneness.workflows.audit_stream import Files

_STATUS = {"blocking": Status.FAIL, "error": Status.FAIL, "warning": Status.WARN}
_SECONDS = 3600
_MOST = 5


def asked_dropoutt(files: Files) -> tuple[Finding, ...]:
    """Run `dropoutt scan` without network over the training rows, and give its findings as ours.

    Raises:
        MissingExtraError: it is not installed.
    """
    refuse_missing()
    profile = {"pretrain": "corpus", "dpo": "preference", "orpo": "preference", "reward": "preference"}
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable,
            "-m",
            "dropoutt",
            "scan",
            files.train,
            "--offline",
            "--no-html",
            "--no-open",
            "--quiet",
        ]
        command += ["--out", folder, "--profile", profile.get(files.params.stage, "sft")]
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
        told = Path(folder) / "findings.jsonl"
        if not told.is_file():
            lines = (done.stderr or done.stdout).strip().split("\n")
            return (Finding("DROPOUTT", Status.ERROR, say("audit.theirs.failed", reason=excerpt(lines[-1]))),)
        return tuple(_finding(json.loads(line)) for line in told.read_text(encoding="utf-8").split("\n") if line)


def refuse_missing() -> None:
    """Refuse to go on without dropoutt.

    Raises:
        MissingExtraError: it is not installed.
    """
    if find_spec("dropoutt") is None:
        raise MissingExtraError("dropoutt", "audit")


def _finding(told: dict[str, Any]) -> Finding:
    count, total = int(told.get("count") or 0), int(told.get("total_considered") or 0)
    numbers = {"title": told.get("title", ""), "count": count, "n": total, "detail": told.get("detail", "")}
    rows = [each["source_index"] + 1 for each in told.get("evidence", ()) if isinstance(each.get("source_index"), int)]
    return Finding(
        code=str(told.get("check_id", "")),
        status=_STATUS.get(str(told.get("severity", "")).lower(), Status.PASS),
        message=say("audit.theirs.found", **numbers),
        value=told.get("rate"),
        n=total,
        where=Where(rows=tuple(sorted(set(rows))[:200])) if rows else None,
        advice=say("audit.reason", reason=str(told["fix"])) if told.get("fix") else None,
        evidence={
            "by": "dropoutt",
            "severity": told.get("severity"),
            "examples": [{"text": excerpt(str(e.get("excerpt") or ""))} for e in told.get("evidence", ())[:_MOST]],
        },
    )
