"""AU11: whether there is anything held out at all."""

from __future__ import annotations

from doneness.audit.findings import finding
from doneness.audit.subject import DataSets
from doneness.core import Check, Finding, Status
from doneness.data import Rows


def held_out(subject: DataSets) -> Finding:
    """Find out whether evaluation has rows of its own.

    *What it finds*: no evaluation set (WARN), or one that is the training set again (FAIL).

    *How*: the two paths, links resolved, and the two sets of questions: nine in ten evaluation
    questions trained on counts as the same file under another name.

    *Source*: from the second epoch on training loss measures memory; without rows held out no
    verdict beyond "memorising" can be given.
    """
    held = subject.eval
    n = len(held) if held is not None else 0
    if held is None or n == 0:
        return finding("AU11", Status.WARN, {"n": len(subject.train)}, value=0.0, n=0, key="missing")
    known = set(subject.train_questions)
    share = sum(question in known for question in subject.eval_questions) / n
    same = _same_file(subject.train, held) or share >= 0.9
    return finding(
        "AU11",
        Status.FAIL if same else Status.PASS,
        {"n": n, "share": share, "train": str(subject.train.path), "eval": str(held.path)},
        value=share,
        n=n,
        threshold=0.9,
    )


def _same_file(a: Rows, b: Rows) -> bool:
    try:
        return a.path.samefile(b.path)
    except OSError:
        # Rows made in memory, or a file moved since: the questions decide.
        return False


CHECK = Check("AU11", held_out, required=True)
