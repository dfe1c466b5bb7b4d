"""Many rows: how long the streaming checks take, how long near-duplicates, and how much memory."""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

NEAR = 0.01  # of the rows ask again what an earlier one asked, in other words
EXACT = 0.01
_WORDS, _CHINESE = 50_000, 0.1
_COMMON = [
    "the",
    "of",
    "and",
    "to",
    "in",
    "is",
    "that",
    "for",
    "it",
    "with",
    "as",
    "was",
    "on",
    "are",
    "be",
    "this",
    "by",
    "an",
    "or",
    "from",
    "which",
    "not",
    "have",
    "can",
    "will",
    "your",
]
_SYLLABLES = [c + v for c in "bdfgklmnprstvz" for v in "aeiou"]
_HAN = [chr(0x4E00 + k) for k in range(0, 6000, 2)]


def write(path: Path, rows: int, seed: int = 0) -> int:
    """Rows of invented words by Zipf's law, a tenth of them of Chinese characters; bytes written."""
    chance = random.Random(seed)
    words = ["".join(chance.choices(_SYLLABLES, k=chance.randint(2, 4))) for _ in range(_WORDS)]
    weights = [0.0]
    for rank in range(1, _WORDS):
        weights.append(weights[-1] + 1 / (rank + 10))
    earlier: list[tuple[str, str]] = []

    def sentence(count: int, chinese: bool) -> str:
        if chinese:
            return "".join(chance.choices(_HAN, k=2 * count))
        found = chance.choices(words, cum_weights=weights, k=count)
        found[::3] = chance.choices(_COMMON, k=len(found[::3]))
        return " ".join(found)

    with path.open("w", encoding="utf-8") as handle:
        for _ in range(rows):
            drawn, chinese = chance.random(), chance.random() < _CHINESE
            stop = "。" if chinese else ". "
            if earlier and drawn < NEAR + EXACT:
                question, answer = chance.choice(earlier)
                if drawn < NEAR:
                    question, answer = f"Please tell me: {question[0].lower()}{question[1:]}", answer + " Indeed."
            else:
                question = sentence(chance.randint(8, 16), chinese).capitalize() + "?"
                count = chance.randint(2, 8)
                answer = "".join(
                    sentence(chance.randint(8, 20), chinese).capitalize() + stop for _ in range(count)
                ).strip()
                if len(earlier) < 20_000 and not chinese:
                    earlier.append((question, answer))
            handle.write(
                json.dumps({"instruction": question, "input": "", "output": answer}, ensure_ascii=False) + "\n"
            )
    return path.stat().st_size


def measure(rows: int, keep: Path | None = None) -> dict[str, Any]:
    """Audit so many rows in a process of its own; then once more, interrupted halfway and taken up again.

    Args:
        rows: how many.
        keep: where they are written, and taken from where they lie there already; None is a folder that goes again.
    """
    with tempfile.TemporaryDirectory(dir=keep) as place:
        file = (keep or Path(place)) / f"rows-{rows}.jsonl"
        size = file.stat().st_size if file.is_file() else write(file, rows)
        begun = os.getloadavg()[0]
        told = _child(file, Path(place) / "state")
        told["load"] = [round(begun, 1), round(os.getloadavg()[0], 1)]
        told["resumed"] = _interrupted(file, Path(place) / "state2", told["streaming_seconds"])
    return {"rows": rows, "bytes": size, **told}


def _child(file: Path, state: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "bench.audit_rows", str(file), str(state)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))


def _interrupted(file: Path, state: Path, seconds: float) -> dict[str, Any]:
    """Ctrl-C in the middle of the rows, then the same command again."""
    command = [sys.executable, "-m", "doneness", "audit", str(file), "--no-near", "--json", "--state", str(state)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    time.sleep(max(2.0, seconds / 2))
    process.send_signal(signal.SIGINT)
    process.communicate()
    left = sum(each.stat().st_size for each in state.rglob("*") if each.is_file())
    begun = time.monotonic()
    again = subprocess.run(command, capture_output=True, text=True)
    counted = json.loads(again.stdout)["train"]["rows"] if again.returncode in (0, 1) else None
    return {"exit_code": process.returncode, "state_mb": round(left / 1e6, 1), "rows": counted,
            "seconds_again": round(time.monotonic() - begun, 1)}  # fmt: skip


def _cpu() -> float:
    """Seconds of this process and of those it has waited for."""
    told = os.times()
    return told.user + told.system + told.children_user + told.children_system


def _peak(who: int) -> float:
    return resource.getrusage(who).ru_maxrss / 1024


def _audit(file: Path, state: Path) -> dict[str, Any]:
    from doneness.audit import AuditParams
    from doneness.workflows.audit_stream import Files, cleared, fetcher, streamed, work_folder
    from doneness.workflows.audit_suites import questions

    begun, cpu = time.monotonic(), _cpu()
    files = Files(str(file), None, AuditParams(), questions([]))
    folder = work_folder(files, state)
    auditor = streamed(files, folder, None, lambda what, done, total: None)
    streaming, streaming_cpu = time.monotonic() - begun, _cpu() - cpu
    begun, cpu = time.monotonic(), time.process_time()
    pairs = auditor.subject.near.within
    near, near_cpu = time.monotonic() - begun, time.process_time() - cpu
    begun = time.monotonic()
    findings = auditor.judge(fetcher(auditor, files))
    judging = time.monotonic() - begun
    disk = sum(each.stat().st_size for each in folder.rglob("*") if each.is_file())
    cleared(folder)
    return {
        "streaming_seconds": round(streaming, 1),
        "streaming_cpu": round(streaming_cpu, 1),
        "near_seconds": round(near, 1),
        "near_cpu": round(near_cpu, 1),
        "judging_seconds": round(judging, 1),
        "peak_mb": round(_peak(resource.RUSAGE_SELF), 0),
        "peak_ahead_mb": round(_peak(resource.RUSAGE_CHILDREN), 0),
        "disk_mb": round(disk / 1e6, 1),
        "pairs": len(pairs.first),
        "crowded": pairs.crowded,
        "near_rows": round(auditor.subject.train.count * next(f.value or 0 for f in findings if f.code == "AU05")),
        "statuses": {f.code: f.status.value for f in findings},
        "cpus": os.cpu_count(),
    }


if __name__ == "__main__":
    print(json.dumps(_audit(Path(sys.argv[1]), Path(sys.argv[2]))))
