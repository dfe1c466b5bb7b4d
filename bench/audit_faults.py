"""Faults planted in real rows: 18 kinds, 20 of each, every one at a known line."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

EACH = 20
# What of our checks names the kind; several where either is right.
KINDS: dict[str, tuple[str, ...]] = {
    "exact duplicate": ("AU04",),
    "framed duplicate": ("AU05",),
    "conflicting answer": ("AU06",),
    "leak into evaluation": ("AU01",),
    "framed leak": ("AU02",),
    "empty answer": ("AU07",),
    "answer cut off": ("AU15",),
    "wrong decoding": ("AU12",),
    "HTML remains": ("AU12",),
    "chat markup": ("AU14",),
    "unknown role": ("AU18",),
    "personal data": ("AU25",),
    "key or token": ("AU25",),
    "other model's identity": ("AU24",),
    "looping answer": ("AU29",),
    "other language": ("AU26",),
    "broken JSON": ("AU18",),
    "far too long": ("AU09",),
}
# Checks whose rows are examples of what is said of the set: many questions of one template, rows that do not answer (a
# pass may name them), rows held out, one answer under many questions. None of them calls a row faulty.
WHOLE = ("AU08", "AU10", "AU11", "AU30")
_GERMAN = (
    "Die Behandlung wird mit dem Arzt abgesprochen und richtet sich nach der Ursache. In der Regel ist eine Besserung "
    "nach einigen Tagen zu erwarten, und die Beschwerden sind nicht auf eine andere Erkrankung zu beziehen."
)
_CHINESE = "治疗方案应由医生根据病因决定，一般几天之后症状会有所好转，若无好转应及时复诊，不要自行加大药量。"
_MARKUP = ("<|im_start|>assistant\n", "[INST] ", "### Response:\n", "<|eot_id|>", "</s><s>[INST]")
_IDENTITY = (
    "As an AI language model, I do not have personal experience, but ",
    "I am ChatGPT, a model trained by OpenAI. ",
    "As an AI assistant developed by Anthropic, I would say that ",
)


@dataclass
class Planted:
    """Rows with faults.

    Attributes:
        train, held: the files.
        lines: kind → lines of the training file that bear the fault (of leaks: either side would do).
        rows: lines of the training file in all.
    """

    train: Path
    held: Path
    lines: dict[str, list[int]] = field(default_factory=dict)
    rows: int = 0


def plant(source: list[tuple[str, str]], folder: Path, seed: int, faults: bool = True) -> Planted:
    """Write `train.jsonl` and `eval.jsonl`; a fifth of the rows is held out.

    Args:
        source: questions and answers without faults.
        folder: where.
        seed: of which rows bear which fault.
        faults: False writes the same rows without any.
    """
    chance = random.Random(seed)
    rows = list(source)
    chance.shuffle(rows)
    held, train = rows[: len(rows) // 5], rows[len(rows) // 5 :]
    lines: list[tuple[str, str]] = [(_written(q, a), "") for q, a in train]
    held_lines = [_written(q, a) for q, a in held]
    if faults:
        free = chance.sample(range(len(train)), len(KINDS) * EACH)
        for kind in KINDS:
            mine, free = free[:EACH], free[EACH:]
            for number, place in enumerate(mine):
                _spoil(kind, number, (train, held), place, lines, held_lines, chance)
        # Added rows stand anywhere, but after what they repeat.
        added = [each for each in lines if each[1].startswith("+")]
        lines = [each for each in lines if not each[1].startswith("+")]
        lines += [(text, kind[1:]) for text, kind in added]
    planted = Planted(folder / "train.jsonl", folder / "eval.jsonl", rows=len(lines))
    folder.mkdir(parents=True, exist_ok=True)
    planted.train.write_text("\n".join(text for text, _ in lines) + "\n", encoding="utf-8")
    planted.held.write_text("\n".join(held_lines) + "\n", encoding="utf-8")
    for number, (_, kind) in enumerate(lines, start=1):
        if kind:
            planted.lines.setdefault(kind, []).append(number)
    return planted


Rows = list[tuple[str, str]]


def _spoil(
    kind: str, number: int, rows: tuple[Rows, Rows], place: int, lines: Rows, held: list[str], chance: random.Random
) -> None:
    train, _ = rows
    question, answer = train[place]
    if kind == "exact duplicate":
        lines.append((_written(question, answer), f"+{kind}"))
    elif kind == "framed duplicate":
        lines.append((_written(framed(question), answer.split(". ")[0] + "."), f"+{kind}"))
    elif kind == "conflicting answer":
        other = train[(place + 7) % len(train)][1]
        lines.append((_written(question, other), f"+{kind}"))
    elif kind in ("leak into evaluation", "framed leak"):
        asked = question.upper() if kind.startswith("leak") else framed(question)
        held.append(_written(asked, answer.split(". ")[0] + "."))
        lines[place] = (lines[place][0], kind)
    elif kind == "unknown role":
        turns = [{"role": "patient", "content": question}, {"role": "doctor", "content": answer}]
        lines[place] = (json.dumps({"messages": turns}, ensure_ascii=False), kind)
    elif kind == "broken JSON":
        lines[place] = (_written(question, answer)[: chance.randrange(40, 90)], kind)
    else:
        lines[place] = (_written(*_SPOILT[kind](question, answer, number, chance)), kind)


def framed(question: str) -> str:
    """The same question with other small words around it; for other words see `audit_paraphrases`."""
    body = question.strip().rstrip("?").strip()
    return f"Please tell me exactly: {body[0].lower()}{body[1:]}, doctor?"


def _cut(question: str, answer: str, number: int, chance: random.Random) -> tuple[str, str]:
    words = answer.split()
    return question, " ".join(words[: max(9, int(len(words) * chance.uniform(0.4, 0.8)))]).rstrip(".!?;:,")


def _decoded(question: str, answer: str, number: int, chance: random.Random) -> tuple[str, str]:
    wrong = "the patient’s café – naïve".encode().decode("cp1252")
    return question, f"{answer} This is {wrong}."


def _html(question: str, answer: str, number: int, chance: random.Random) -> tuple[str, str]:
    return question, f"<p>{answer}</p><br/>" if number % 2 else answer.replace(" ", "&nbsp;", 3)


def _personal(question: str, answer: str, number: int, chance: random.Random) -> tuple[str, str]:
    told = f"john.miller{number}@clinic-mail.org" if number % 2 else f"(415) 555-{2000 + number}"
    return question, f"{answer} Write or call {told} for more."


def _key(question: str, answer: str, number: int, chance: random.Random) -> tuple[str, str]:
    letters = "".join(chance.choices("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", k=16))
    token = "".join(chance.choices("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", k=36))
    return question, f"{answer} Use AKIA{letters}." if number % 2 else f"{answer} The token is ghp_{token}."


def _loop(question: str, answer: str, number: int, chance: random.Random) -> tuple[str, str]:
    sentence = " ".join(answer.split()[:9])
    return question, (sentence + ". ") * 12


def _long(question: str, answer: str, number: int, chance: random.Random) -> tuple[str, str]:
    words = answer.split()
    return question, " ".join(" ".join(chance.sample(words, len(words))) for _ in range(9000 // len(words))) + "."


_Spoil = Callable[[str, str, int, random.Random], tuple[str, str]]
_SPOILT: dict[str, _Spoil] = {
    "empty answer": lambda q, a, n, c: (q, ""),
    "answer cut off": _cut,
    "wrong decoding": _decoded,
    "HTML remains": _html,
    "chat markup": lambda q, a, n, c: (q, _MARKUP[n % len(_MARKUP)] + a),
    "personal data": _personal,
    "key or token": _key,
    "other model's identity": lambda q, a, n, c: (q, _IDENTITY[n % len(_IDENTITY)] + a[0].lower() + a[1:]),
    "looping answer": _loop,
    "other language": lambda q, a, n, c: (q, f"{_GERMAN} ({n})" if n % 2 else f"{_CHINESE}（{n}）"),
    "far too long": _long,
}


def _written(question: str, answer: str) -> str:
    turns = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    item: dict[str, Any] = {"messages": turns}
    return json.dumps(item, ensure_ascii=False)
