"""Questions with a short right answer: ARC-DA (science), GSM8K (sums), UnknownBench (known and unknown).

Sources: Bhakthavatsalam et al., 2021 (ARC-DA); Cobbe et al., 2021 (GSM8K); Liu et al., 2024 (UnknownBench).
"""

from __future__ import annotations

from collections.abc import Iterable

from doneness.probe.loaders.family import Item, Loader, said_plainly, text_of
from doneness.probe.suite import Probe

_SUM_TOKENS = 256  # a sum is worked out before its result is said


def _arc_da(item: Item, number: int) -> Iterable[Probe]:
    answers = tuple(str(a).strip() for a in item["answers"] if str(a).strip())
    if not answers:
        raise ValueError("answers")
    question = text_of(item, "question")
    yield said_plainly(f"arc-da-{number:04d}", "general", question, answers[0], contains=(answers,), lang="en")


def _gsm8k(item: Item, number: int) -> Iterable[Probe]:
    _, _, result = text_of(item, "answer").rpartition("####")
    result = result.strip()
    if not result:
        raise ValueError("answer")
    plain = result.replace(",", "")
    groups = (tuple(dict.fromkeys((plain, result))),)
    more = {"contains": groups, "lang": "en", "max_new_tokens": _SUM_TOKENS}
    yield said_plainly(f"gsm8k-{number:04d}", "general", text_of(item, "question"), plain, **more)


def _unknownbench(item: Item, number: int) -> Iterable[Probe]:
    """Names that do not exist are NEC; RefuNQ puts them into questions that people asked."""
    ident, prompt, label = f"unknownbench-{number:04d}", text_of(item, "prompt"), item["label"]
    source = f"{item['source']} {item.get('category') or ''}".strip()
    if not item["answerable"]:
        yield said_plainly(ident, "invented", prompt, source=source, lang="en")
    elif isinstance(label, list) and label:
        answers = tuple(str(a) for a in label)
        yield said_plainly(ident, "general", prompt, answers[0], contains=(answers,), source=source, lang="en")
    else:
        yield said_plainly(ident, "safe", prompt, source=source, lang="en")


LOADERS = (
    Loader("unknownbench", frozenset(("source", "answerable", "prompt", "label")), _unknownbench),
    Loader("arc-da", frozenset(("split", "question", "answers")), _arc_da, lambda item: "false_premise" not in item),
    Loader("gsm8k", frozenset(("question", "answer")), _gsm8k, lambda item: "####" in str(item["answer"])),
)
