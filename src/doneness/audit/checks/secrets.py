"""AU25: personal data and keys."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

from doneness.audit.check import DataCheck
from doneness.audit.entry import Entry
from doneness.audit.findings import finding
from doneness.audit.illustrate import excerpt
from doneness.audit.masking import SECRETS
from doneness.audit.subject import Subject
from doneness.audit.tally import Tally, note
from doneness.core import Finding, Status, say


class Secrets(Tally):
    """Rows with something private, by kind."""

    def begin(self) -> None:
        """No row so far."""
        self.kinds: Counter[str] = Counter()
        self.keys = 0
        self.examples: dict[str, list[Any]] = {}

    def see(self, entry: Entry) -> None:
        """Judge one row."""
        self.n += 1
        places = entry.private
        if not places:
            return
        text = entry.whole
        kinds = {kind for kind, _, _ in places}
        self.kinds.update(kinds)
        self.keys += not kinds.isdisjoint(SECRETS)
        self.flags.add(entry)
        for kind, begin, end in places:
            shown = excerpt(text[max(0, begin - 40) : end + 20])
            example = {"file": entry.side, "row": entry.at, "kind": kind, "text": shown}
            note(self.examples.setdefault(kind, []), example, 1)


def secrets(subject: Subject) -> Finding:
    """Find personal data and keys; the output masks them everywhere.

    *What it finds*: private keys, AWS keys, tokens of GitHub, GitLab, Hugging Face, Slack and others, API keys,
    JSON web tokens and passwords (FAIL); e-mail addresses, phone numbers, identity and card numbers, messenger names
    and IP addresses (WARN). Toll-free numbers and example.com are left out.

    *How*: patterns; card numbers by their check digit. Every excerpt of every check is masked.

    *Source*: models give back what they were trained on, all the more what stands there often (Carlini et al.,
    "Extracting training data from large language models", USENIX Security 2021; dropoutt's T1-PII-001).
    """
    seen = subject[Secrets]
    count, n = len(seen.flags), seen.n
    subject.flag("AU25", seen.flags.train)
    order = sorted(seen.examples, key=lambda kind: (kind not in SECRETS, kind))
    found = finding(
        "AU25",
        Status.FAIL if seen.keys else Status.WARN if count else Status.PASS,
        {"count": count, "keys": seen.keys, "n": n, "share": count / n},
        value=count / n,
        n=n,
        threshold=0.0,
        rows=subject.train.lines(seen.flags.train[:1000]),
        examples=(example for kind in order for example in seen.examples[kind]),
        kinds=dict(sorted(seen.kinds.items())),
    )
    # Where no key was found there is none to revoke.
    return found if seen.keys or found.advice is None else replace(found, advice=say("audit.au25.advice_personal"))


CHECK = DataCheck("AU25", secrets, tally=Secrets, both=True)
