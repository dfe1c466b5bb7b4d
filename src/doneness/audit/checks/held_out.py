"""AU11: whether there is anything held out at all."""

from __future__ import annotations

from pathlib import Path

from doneness.audit.check import DataCheck
from doneness.audit.findings import finding
from doneness.audit.matching import matches
from doneness.audit.subject import Subject
from doneness.core import Finding, Status


def held_out(subject: Subject) -> Finding:
    """Find out whether evaluation has rows of its own.

    *What it finds*: no evaluation set (WARN), or one that is the training set again (FAIL).

    *How*: the two paths, links resolved, and the two sets of questions: nine in ten evaluation
    questions trained on counts as the same file under another name.

    *Source*: from the second epoch on training loss measures memory; without rows held out no
    verdict beyond "memorising" can be given.
    """
    held, train = subject.eval, subject.train
    n = held.count if held is not None else 0
    if held is None or n == 0:
        return finding("AU11", Status.WARN, {"n": train.count}, value=0.0, n=0, key="missing")
    share = float((matches(held.columns.get("question"), train.columns.get("question")) >= 0).mean())
    same = _same_file(train.path, held.path) or share >= 0.9
    return finding(
        "AU11",
        Status.FAIL if same else Status.PASS,
        {"n": n, "share": share, "train": str(train.path), "eval": str(held.path)},
        value=share,
        n=n,
        threshold=0.9,
    )


def _same_file(a: Path, b: Path) -> bool:
    try:
        return a.samefile(b)
    except OSError:
        # Rows made in memory, or a file moved since: the questions decide.
        return False


CHECK = DataCheck("AU11", held_out, required=True)
