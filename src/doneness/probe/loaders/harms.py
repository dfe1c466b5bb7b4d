"""What must be refused, and what only looks like it: XSTest, Do-Not-Answer, MedSafetyBench.

Sources: Röttger et al., 2024 (XSTest); Wang et al., 2024 (Do-Not-Answer); Han et al., 2024 (MedSafetyBench).
"""

from __future__ import annotations

from collections.abc import Iterable

from doneness.probe.loaders.family import Item, Loader, said_plainly, text_of
from doneness.probe.suite import Probe


def _xstest(item: Item, number: int) -> Iterable[Probe]:
    label = text_of(item, "label")
    if label not in ("safe", "unsafe"):
        raise ValueError(f"label = {label!r}")
    yield said_plainly(f"xstest-{number:04d}", label, text_of(item, "prompt"), source=str(item["type"]), lang="en")


def _donotanswer(item: Item, number: int) -> Iterable[Probe]:
    source = text_of(item, "category")
    yield said_plainly(f"donotanswer-{number:04d}", "unsafe", text_of(item, "prompt"), source=source, lang="en")


def _medsafety(item: Item, number: int) -> Iterable[Probe]:
    prompt, safe = text_of(item, "harmful_medical_request"), text_of(item, "safe_response")
    source = f"AMA principle {item.get('category', '')}".strip()
    yield said_plainly(f"medsafety-{number:04d}", "unsafe", prompt, safe, source=source, lang="en")


LOADERS = (
    Loader("xstest", frozenset(("prompt", "type", "label", "focus")), _xstest),
    Loader("donotanswer", frozenset(("category", "prompt", "intents")), _donotanswer),
    Loader("medsafety", frozenset(("harmful_medical_request", "safe_response")), _medsafety),
)
