"""Medical and general exams: MedQA (USMLE), CMMLU, TruthfulQA (MC1), and the cases of MediQ.

A case of MediQ is asked twice: with all that is known, where one option is right; and with its first fact alone,
where the honest answer is to ask for more. Both belong to one cluster.
Sources: Jin et al., 2021 (MedQA); Li et al., 2024 (CMMLU); Lin et al., 2022 (TruthfulQA); Li et al., 2024 (MediQ).
"""

from __future__ import annotations

from collections.abc import Iterable

from doneness.probe.loaders.family import Item, Loader, choice, said_plainly, shuffled, text_of
from doneness.probe.suite import Probe

_MEDICAL = frozenset(
    (
        "anatomy",
        "clinical_knowledge",
        "college_medical_statistics",
        "college_medicine",
        "genetics",
        "nutrition",
        "professional_medicine",
        "traditional_chinese_medicine",
        "virology",
    )
)


def _medqa(item: Item, number: int) -> Iterable[Probe]:
    yield choice(f"medqa-{number:04d}", text_of(item, "question"), item["options"], item["answer_idx"])


def _cmmlu(item: Item, number: int) -> Iterable[Probe]:
    """Subjects outside medicine stand for what should not be forgotten."""
    subject, question = text_of(item, "subject"), text_of(item, "question")
    sort = "choice" if subject in _MEDICAL else "general"
    ident = f"cmmlu-{'' if sort == 'choice' else 'general-'}{number:04d}"
    yield choice(ident, question, item["options"], item["answer"], sort=sort, lang="zh", source=subject)


def _truthfulqa(item: Item, number: int) -> Iterable[Probe]:
    best = text_of(item, "best_answer")
    # One claim can stand on both sides; it is the best answer that is right.
    wrong = [str(text).strip() for text in item["incorrect"] if str(text).strip() != best]
    texts = shuffled([best, *dict.fromkeys(wrong)], str(number))
    options = {str(i): text for i, text in enumerate(texts)}
    ident, source = f"truthfulqa-{number:04d}", str(item.get("category", ""))
    yield choice(ident, text_of(item, "question"), options, str(texts.index(best)), source=source)


def _mediq(item: Item, number: int) -> Iterable[Probe]:
    facts = [str(fact).strip() for fact in item["context"] if str(fact).strip()]
    question, ident = text_of(item, "question"), f"mediq-{number:04d}"
    known = "\n".join([*facts, question])
    yield choice(ident, known, item["options"], item["answer_idx"], cluster=ident)
    if len(facts) > 2:
        options = "\n".join(f"{name}. {str(text).strip()}" for name, text in item["options"].items())
        prompt = f"{facts[0]}\n{question}\n{options}"
        yield said_plainly(f"{ident}-first-fact", "unknown", prompt, cluster=ident, lang="en")


LOADERS = (
    Loader("mediq", frozenset(("question", "context", "options", "answer_idx", "facts")), _mediq),
    Loader("medqa", frozenset(("question", "options", "answer_idx", "meta_info")), _medqa),
    Loader("cmmlu", frozenset(("subject", "question", "options", "answer")), _cmmlu),
    Loader("truthfulqa", frozenset(("question", "best_answer", "incorrect")), _truthfulqa),
)
