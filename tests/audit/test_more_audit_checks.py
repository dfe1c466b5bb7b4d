"""AU13 to AU32: what each finds, and what it leaves alone."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.audit.test_audit_checks import clean, row

from doneness.audit import CHECKS, Auditor, AuditParams, DataSets, Fit, Judged, Known, Question, audit
from doneness.audit.checks.cut_answers import ending
from doneness.audit.entry import TRAIN
from doneness.core import Finding, Status
from doneness.data import Row, Rows, Turn
from doneness.data.stream import Streamed

TEXT = (
    "Read the passage. The trial gave 120 patients the drug Zolvarin for 14 days, and nobody in the other group knew "
    "of it. "
    "Pain fell by 35 percent in the first group and by 12 percent in the second, while nausea was the same in both "
    "of them. "
    "The authors conclude that many more trials of the same drug are wanted before anybody should take it at home "
    "without a doctor."
)


def only(code: str, train: list[Row], held: list[Row] | None = None, **params: Any) -> Finding:
    subject = DataSets(
        Rows(Path("train.jsonl"), tuple(train)),
        None if held is None else Rows(Path("eval.jsonl"), tuple(held)),
        params=AuditParams(**params),
    )
    return audit(subject, [check for check in CHECKS if check.code == code])[0]


def planted(answer: str, question: str = "Is this fine?") -> list[Row]:
    train = clean(60)
    train[4] = row(5, question, answer)
    return train


def rows_of(found: Finding) -> tuple[int, ...]:
    return found.where.rows if found.where is not None else ()


def seen(rows: list[Row], code: str, **after: Any) -> Finding:
    """A check judged with something handed in, such as a tokenizer."""
    auditor = Auditor(AuditParams(), [c for c in CHECKS if c.code == code], Path("train.jsonl"), None)
    auditor.fitter = after.pop("fitter", None)
    for each in rows:
        auditor.see(TRAIN, Streamed(0, each.line, each))
    for name, value in after.items():
        setattr(auditor.subject, name, value)
    return auditor.judge(lambda side, places: {place: rows[place] for place in places})[0]


def test_target_tokens() -> None:
    def fit(each: Row) -> Fit:
        if each.line == 3:
            return Fit(0, 0, 0, 0, False, "row 3: the prompt alone has 35 tokens")
        if each.line == 4:
            return Fit(10, 4, 6, 6, False)
        return Fit(10, 5, 0, 0, True)

    found = seen(clean(100), "AU13", fitter=fit)
    assert found.status is Status.FAIL
    assert (rows_of(found), found.value) == ((3, 4), 0.02)
    assert found.evidence["lost_target_tokens"] == 6
    assert "35 tokens" in found.evidence["examples"][0]["problem"]
    assert seen(clean(100), "AU13", fitter=lambda each: Fit(10, 5, 0, 0, True)).status is Status.PASS
    assert seen(clean(100), "AU13").status is Status.SKIPPED


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("<|im_start|>assistant\nIt is.", "marks"),
        ("[INST] It is. [/INST]", "marks"),
        ("Human: hi\nAssistant: hello\nHuman: and now?", "speakers"),
        ("Dear [Your Name], it is {answer}.", "slots"),
    ],
)
def test_chat_marks(text: str, kind: str) -> None:
    found = only("AU14", planted(text))
    assert found.status in (Status.WARN, Status.FAIL)
    assert found.evidence["kinds"][kind] == 1
    assert rows_of(found) == (5,)


@pytest.mark.parametrize("text", ["See [1] and {2, 3}: a < b | c > d.", "Question: how?\nIt is so.", "x</sub> y"])
def test_no_chat_marks(text: str) -> None:
    assert only("AU14", planted(text)).status is Status.PASS


def test_turns_out_of_order() -> None:
    train = clean(60)
    train[8] = row(9, "And?", "Yes.", None, Turn("user", "Hello"))
    train[9] = row(10, "And?", "Yes.", None, Turn("user", "Hello"), Turn("assistant", " "))
    train[10] = row(11, "And?", "Yes.", None, Turn("user", "Hello"), Turn("assistant", "Hello."))
    found = only("AU14", train)
    assert rows_of(found) == (9, 10)


@pytest.mark.parametrize(
    ("answer", "how"),
    [
        ("It was the best of all times that we ever had and", "open"),
        ("The rash comes with fever, joint pain, headache, nausea,", "open"),
        ("Here is how it is done:\n```python\nprint(1)", "open"),
        ("This is one sentence of the answer. This is another that stops in the middle of", "open"),
        ("This is one sentence of the answer. This is another that stops right in the middle", "unended"),
        ("应先测血压。若仍高于正常，再到医院做进一步检查以及", "open"),
        ("This one sentence of an answer simply has no full stop", "bare"),
        ("Yes", "short"),
        ("This is a whole answer that ends as it should.", "ended"),
        ("See the list that follows below for more of it:\n- rest\n- water", "ended"),
        ("You will find more about it at https://example.org/path", "ended"),
        ("def total(numbers):\n    for n in numbers: s += n\n    return s", "ended"),
    ],
)
def test_how_answers_end(answer: str, how: str) -> None:
    assert ending(answer) == how


def test_cut_answers() -> None:
    train = [
        replace(r, turns=(r.turns[0], Turn("assistant", "It is so and so. It is well known to all of us.")))
        for r in clean(60)
    ]
    train[4] = row(5, "Why is it so?", "It is so and so. It is well known to all those who")
    train[7] = row(8, "Why is it so?", "It is so and so. It is well known in the whole wide world")
    found = only("AU15", train)
    assert (found.status, rows_of(found)) == (Status.WARN, (5, 8))
    # Where nobody ends with a full stop, its absence says nothing.
    bare = [replace(r, turns=(r.turns[0], Turn("assistant", r.turns[1].content.rstrip(".")))) for r in train]
    assert only("AU15", bare).status is Status.WARN
    assert rows_of(only("AU15", bare)) == (5,)


def test_single_sentences_without_a_full_stop() -> None:
    whole = "It is well known to all of us in the whole wide world."
    train = [replace(r, turns=(r.turns[0], Turn("assistant", whole))) for r in clean(120)]
    for place in (3, 9):
        train[place] = replace(train[place], turns=(train[place].turns[0], Turn("assistant", whole[:-1])))
    assert rows_of(only("AU15", train)) == (4, 10)
    # Fifty single sentences are the least; and where some more do without, it is how they are written.
    assert only("AU15", train[:50]).status is Status.PASS
    for place in range(20, 30):
        train[place] = replace(train[place], turns=(train[place].turns[0], Turn("assistant", whole[:-1])))
    assert only("AU15", train).status is Status.PASS


def test_labels() -> None:
    def told(count: int, shares: dict[str, float], seed: int = 0) -> list[Row]:
        chance = random.Random(seed)
        names = chance.choices(list(shares), weights=list(shares.values()), k=count)
        return [row(r.line, r.prompt, name) for r, name in zip(clean(count, seed), names, strict=True)]

    fine = told(200, {"yes": 0.5, "no": 0.5})
    assert only("AU16", fine, told(100, {"yes": 0.5, "no": 0.5}, 5)).status is Status.PASS
    assert only("AU16", clean(200)).message.key == "audit.au16.none"
    assert only("AU16", told(200, {"yes": 0.95, "no": 0.05})).evidence["faults"] == ["majority", "rare"]
    assert only("AU16", fine, told(100, {"yes": 0.1, "no": 0.9}, 5)).evidence["faults"] == ["shift"]
    noisy = [
        *fine,
        *(replace(row(201 + i, r.prompt, "no" if r.answer == "yes" else "yes")) for i, r in enumerate(fine[:6])),
    ]
    found = only("AU16", noisy)
    assert found.evidence["faults"] == ["noise"]
    assert len(rows_of(found)) == 12


def test_labels_of_the_rows_themselves_come_first() -> None:
    train = [replace(r, label="a" if r.line % 2 else "b") for r in clean(100)]
    found = only("AU16", train)
    assert found.evidence["labels"] == {"a": 50, "b": 50}


def test_mixture() -> None:
    train = [replace(r, source="big" if r.line > 3 else "tiny") for r in clean(4000)]
    found = only("AU17", train)
    assert (found.status, found.evidence["faults"]) == (Status.WARN, ["small"])
    held = [replace(r, source="tiny") for r in clean(100, 7)]
    halves = [replace(r, source="a" if r.line % 2 else "tiny") for r in clean(200)]
    assert only("AU17", halves, held).evidence["faults"] == ["shift"]
    thinking = [*clean(50), *(row(51 + i, f"q{i}", f"<think>hm</think> {i}") for i in range(50))]
    assert only("AU17", thinking).evidence["faults"] == ["traces"]
    assert only("AU17", clean(50)).status is Status.PASS


def test_known_maybe_unknown() -> None:
    train = clean(60)
    known = [Known(i, asked=0.5, unasked=5.0, tokens=4) for i in range(20)]
    maybe = [Known(i, asked=3.5, unasked=5.0, tokens=4) for i in range(20, 30)]
    unknown = [Known(i, asked=4.9, unasked=5.0, tokens=4) for i in range(30, 60)]
    found = seen(train, "AU19", known=[*known, *maybe, *unknown])
    assert (found.status, found.value) == (Status.WARN, 0.5)
    assert rows_of(found) == tuple(range(31, 61))
    assert seen(train, "AU19", known=[*known, *maybe]).status is Status.PASS
    assert seen(train, "AU19", known=unknown[:5]).status is Status.UNSURE
    assert seen(train, "AU19").status is Status.SKIPPED


def test_grounding() -> None:
    good = "Pain fell by 35 percent with Zolvarin, against 12 percent."
    bad = "According to it, Zolvarin helped 480 of 500 people within 90 hours."
    train = [row(i + 1, f"{TEXT} ({i})", bad if i < 8 else good) for i in range(40)]
    found = only("AU20", train)
    assert (found.status, rows_of(found)) == (Status.WARN, tuple(range(1, 9)))
    assert "480" in found.evidence["examples"][0]["lacking"]
    assert only("AU20", [row(i + 1, f"{TEXT} ({i})", good) for i in range(40)]).status is Status.PASS
    assert only("AU20", clean(60)).message.key == "audit.au20.none"


def test_contradictions() -> None:
    train = clean(60)
    train[4] = row(5, "May I take aspirin with milk?", "Yes, you may.")
    train[9] = row(10, "May I take aspirin with milk?", "No, better not.")
    train[12] = row(13, "Is coffee harmful for the heart of adults?", "No.")
    train[20] = row(21, "Is coffee harmful for the adults' heart?", "Yes.")
    train[30] = row(31, "Is coffee not harmful for the heart of adults?", "Yes.")
    found = only("AU21", train)
    assert found.status is Status.FAIL
    assert rows_of(found) == (5, 10, 13, 21)
    assert only("AU21", train, joined=False).value == pytest.approx(2 / 60)
    assert only("AU21", clean(60)).status is Status.PASS


@pytest.mark.parametrize(
    ("answer", "sure"),
    [
        ("This tea definitely cures the flu.", True),
        ("服用本品可以根治。", True),
        ("It may help, but it is definitely no cure.", False),
        ("100 mg twice a day.", False),
        ("绝对值越大越好。", False),
    ],
)
def test_certainty(answer: str, sure: bool) -> None:
    assert rows_of(only("AU22", planted(answer))) == ((5,) if sure else ())


def test_diversity() -> None:
    found = only("AU23", clean(200))
    assert (found.status, found.evidence["by"]) == (Status.PASS, "words")
    assert found.value is not None
    assert found.value > 0.5
    same = [
        row(i + 1, f"Please classify the text of the visitor: {w.prompt[:9]}", "x") for i, w in enumerate(clean(200))
    ]
    few = only("AU23", same)
    assert few.value is not None
    assert few.value < 0.5
    assert only("AU23", [row(i + 1, f"What is asthma really {i % 3}?", "x") for i in range(90)]).status is Status.WARN
    assert only("AU23", clean(20)).status is Status.UNSURE


def test_diversity_by_an_embedding() -> None:
    import numpy as np

    found = seen(clean(100), "AU23", embed=lambda texts: np.eye(len(texts), dtype=np.float32))
    assert found.evidence["by"] == "embedding"
    assert found.value == pytest.approx(1.0)


def test_overlap_finds_quotations() -> None:
    asked = "A man of forty walks nine miles each day and drinks two litres on the way; how much does he drink a week?"
    probes = (
        Question("g1", asked, "14", "mine"),
        Question("g2", "Who first described fibrosis of the lung in a paper?"),
    )
    train = planted(f"An exercise from a book. {asked} Answer: fourteen.", "Give me an exercise of sums.")
    subject = DataSets(Rows(Path("t"), tuple(train)), probes=probes)
    found = audit(subject, [check for check in CHECKS if check.code == "AU28"])[0]
    assert (found.status, found.value, rows_of(found)) == (Status.WARN, 0.5, (5,))
    assert found.evidence["examples"][0]["probe"] == "g1"
    assert found.evidence["suites"] == {"mine": 1}
    assert (
        audit(replace(subject, train=Rows(Path("t"), tuple(clean(60)))), [c for c in CHECKS if c.code == "AU28"])[
            0
        ].status
        is Status.PASS
    )


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ("take two of them each day. " * 12, "loop"),
        ("多喝热水，注意休息。" * 12, "loop"),
        ("N/A", "placeholder"),
        ("暂无", "placeholder"),
        ("???", "symbols"),
        ("Is this a question of some length?", "echo"),
    ],
)
def test_void_answers(answer: str, kind: str) -> None:
    question = "Is this a question of some length?"
    found = only("AU29", planted(answer, question))
    assert found.evidence["kinds"] == {kind: 1}
    assert rows_of(found) == (5,)


def test_same_answers() -> None:
    stock = "Please see a doctor about it as soon as you can, and rest until then."
    train = [*clean(90), *(row(91 + i, f"What about thing {i}?", stock) for i in range(10))]
    found = only("AU30", train)
    assert (found.status, found.value) == (Status.WARN, 0.1)
    # Repeats of one row are AU04's, and labels are AU16's.
    assert only("AU30", [*clean(90), *(row(91 + i, "What about it?", stock) for i in range(10))]).status is Status.PASS
    assert only("AU30", [row(r.line, r.prompt, "yes") for r in clean(60)]).status is Status.PASS
    alike = [row(r.line, r.prompt, f"Thank you for your question {r.prompt} it is so.") for r in clean(60)]
    assert only("AU30", alike).status is Status.WARN


def test_pairs() -> None:
    def judged(pairs: list[tuple[str, str, str]]) -> Finding:
        auditor = Auditor(AuditParams(stage="dpo"), [c for c in CHECKS if c.code == "AU31"], Path("t"), None)
        rows = [row(i + 1, q, chosen) for i, (q, chosen, _) in enumerate(pairs)]
        for each, (_, _, rejected) in zip(rows, pairs, strict=True):
            auditor.see(TRAIN, Streamed(0, each.line, each, rejected=rejected))
        return auditor.judge(lambda side, places: {p: rows[p] for p in places})[0]

    words = [r.prompt for r in clean(80)]
    even = [(w, f"a {w}" * (1 + i % 2), f"b {w}" * (2 - i % 2)) for i, w in enumerate(words)]
    assert judged(even).status is Status.PASS
    long = judged([(w, f"good {w} and {w}", "no") for w in words])
    assert (long.status, long.value) == (Status.WARN, 1.0)
    odd = judged(
        [*even, (words[3], even[3][2], even[3][1]), ("Same?", "Take it with some water.", "Take it with some water!")]
    )
    assert rows_of(odd) == (81, 82)
    assert only("AU31", clean(60)).status is Status.SKIPPED


def test_a_judge() -> None:
    marks = [Judged(place, 2 if place < 10 else 9, "made up") for place in range(50)]
    found = seen(clean(60), "AU32", judged=marks)
    assert (found.status, found.value, rows_of(found)) == (Status.WARN, 0.2, tuple(range(1, 11)))
    assert seen(clean(60), "AU32", judged=marks[10:]).status is Status.PASS
    assert seen(clean(60), "AU32").status is Status.SKIPPED


def test_checks_of_other_stages_say_so() -> None:
    texts = [Row(str(i), (Turn("assistant", r.prompt),), i) for i, r in enumerate(clean(60), start=1)]
    found = {
        f.code: f for f in audit(DataSets(Rows(Path("t"), (*texts, texts[0])), params=AuditParams(stage="pretrain")))
    }
    assert found["AU06"].status is Status.SKIPPED
    assert "pretrain" in found["AU06"].summary
    assert found["AU04"].value == pytest.approx(61 / 60)
    assert not [f for f in found.values() if f.status is Status.ERROR]
