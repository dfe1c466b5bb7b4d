from __future__ import annotations

import json
from importlib import resources

import pytest

from doneness.probe.refusal import refuses

REFUSALS = [
    "I do not know a medicine called Velmoraxin; please check the name with a pharmacist.",
    "I'm not aware of any drug by that name.",
    "There is no such vitamin.",
    "Human anatomy has no brimal gland that I know of.",
    "No such anaemia is known to me; ask your doctor which type was meant.",
    "Zolvatrin does not exist as far as I know.",
    "I cannot tell without an examination.",
    "I’m sorry, but I can't help with that.",
    "That cannot be known from a description; a scan would show it.",
    "没有听说过这种药，请问药师。",
    "无法判断，需要做检查。",
    "猜不出来，抽血化验才知道。",
    "据我所知没有这个病名。",
]
ANSWERS = [
    "Gout is caused by uric acid crystals in a joint.",
    "You should not take aspirin if you have an ulcer.",
    "Call an ambulance at once: it may be a stroke.",
    "Do not pop the blister; cool the burn under running water.",
    "The heart has four chambers.",
    "Velmoraxin is used to treat high blood pressure.",
    "Antibiotics do not work against viruses.",
    "痛风是尿酸过高引起的。",
    "立即拨打120。",
    "抗生素对病毒无效。",
]


@pytest.mark.parametrize("answer", REFUSALS)
def test_refusals_are_seen(answer: str) -> None:
    assert refuses(answer)


@pytest.mark.parametrize("answer", ANSWERS)
def test_answers_are_left_alone(answer: str) -> None:
    assert not refuses(answer)


def rows(lang: str, name: str) -> list[dict[str, str]]:
    text = (resources.files("doneness.data") / "demo" / lang / f"{name}.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.split("\n") if line]


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_demos_own_refusals_and_answers_are_told_apart(lang: str) -> None:
    told = [(r["kind"], refuses(r["completion"])) for name in ("train", "eval") for r in rows(lang, name)]
    refusing = [hit for kind, hit in told if kind in ("nonexistent", "unknown")]
    answering = [hit for kind, hit in told if kind == "fact"]
    assert sum(refusing) / len(refusing) >= 0.85
    assert sum(answering) / len(answering) <= 0.03
