from __future__ import annotations

import json
import math
import random
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from doneness.audit import CHECKS, AuditParams, DataSets, audit, worst
from doneness.audit.checks.abstentions import abstains
from doneness.audit.checks.damage import Damage
from doneness.audit.entry import Entry
from doneness.audit.findings import wilson
from doneness.core import Finding, Status, speaking
from doneness.data import Row, Rows, Turn

_SYLLABLES = [c + v for c in "bdfgklmnprstvz" for v in "aeiou"]


def row(line: int, question: str, answer: str, kind: str | None = None, *before: Turn) -> Row:
    return Row(str(line), (*before, Turn("user", question), Turn("assistant", answer)), line, kind=kind)


def clean(count: int, seed: int = 0) -> list[Row]:
    """Rows of invented words in which there is nothing to find; one in seven declines to answer."""
    rng = random.Random(seed)
    words = ["".join(rng.choices(_SYLLABLES, k=3)) for _ in range(400)]

    def text() -> str:
        return " ".join(rng.choices(words, k=rng.randint(5, 12)))

    return [row(i + 1, f"{text()}?", "I do not know." if i % 7 == 0 else f"{text()}.") for i in range(count)]


def data(
    train: list[Row], held: list[Row] | None = None, probes: tuple[tuple[str, str], ...] = (), **params: Any
) -> DataSets:
    return DataSets(
        Rows(Path("train.jsonl"), tuple(train)),
        None if held is None else Rows(Path("eval.jsonl"), tuple(held)),
        probes,
        AuditParams(**params),
    )


PROBES = (("p1", "How many chambers has a frog's heart?"), ("p2", "Who first described fibrosis of the lung?"))


def only(code: str, subject: DataSets) -> Finding:
    return audit(subject, [check for check in CHECKS if check.code == code])[0]


def test_a_clean_set_has_nothing_invented() -> None:
    findings = audit(data(clean(140), clean(60, 500), PROBES))
    apart = {"AU13": Status.SKIPPED, "AU19": Status.SKIPPED, "AU31": Status.SKIPPED, "AU32": Status.SKIPPED}
    expected = {check.code: apart.get(check.code, Status.PASS) for check in CHECKS}
    assert {finding.code: finding.status for finding in findings} == expected
    assert worst(findings) is Status.SKIPPED


def test_exact_leak_at_any_case_and_punctuation() -> None:
    train, held = clean(140), clean(60, 500)
    held[4] = row(5, train[10].prompt.upper().replace("?", " ?!"), "Something else.")
    found = only("AU01", data(train, held))
    assert (found.status, found.value, found.n) == (Status.FAIL, 1 / 60, 60)
    assert found.where is not None
    assert found.where.rows == (5,)
    assert found.evidence["examples"][0]["train_row"] == 11
    assert only("AU01", data(train, [*held, *clean(100, 700)])).status is Status.WARN
    assert only("AU02", data(train, held)).status is Status.PASS


def test_near_leak() -> None:
    train, held = clean(140), clean(60, 500)
    train[7] = row(8, "Which parts of the body does asthma inflame and narrow?", "The airways.")
    held[3] = row(4, "What body parts does asthma narrow and inflame?", "Airways.")
    held[9] = row(10, "Which parts of the body does gout inflame?", "Joints.")
    found = only("AU02", data(train, held))
    assert (found.status, found.value) == (Status.WARN, 1 / 60)
    assert found.evidence["examples"][0]["train_row"] == 8
    assert found.where is not None
    assert found.where.rows == (4,)
    assert only("AU01", data(train, held)).status is Status.PASS


@pytest.mark.parametrize(
    ("question", "status"),
    [
        ("how many chambers has a frog's heart", Status.FAIL),
        ("A frog's heart has how many chambers?", Status.WARN),
        ("How many chambers has a snake's heart?", Status.PASS),
    ],
)
def test_probe_leak(question: str, status: Status) -> None:
    train = clean(40)
    before = (Turn("user", "Hello"), Turn("assistant", "Hello."))
    for leaked in (row(3, question, "Three."), row(3, question, "Three.", None, *before)):
        train[2] = leaked
        found = only("AU03", data(train, probes=PROBES))
        assert found.status is status
    if status is not Status.PASS:
        assert found.where is not None
        assert found.where.rows == (3,)


def test_repeats_multiply_the_epochs() -> None:
    train = clean(100)
    found = only("AU04", data([*train, *[replace(r, line=r.line + 100) for r in train[:50]]], epochs=3))
    assert found.status is Status.FAIL
    assert found.value == pytest.approx(1.5)
    assert found.evidence["effective_epochs"] == pytest.approx(4.5)
    assert found.where is not None
    assert found.where.rows[0] == 101
    assert only("AU04", data([*train, replace(train[0], line=101)])).status is Status.PASS
    assert only("AU04", data([*train, *(replace(r, line=101) for r in train[:2])])).status is Status.WARN


def test_near_repeats_leave_exact_ones_to_others() -> None:
    train = clean(60)
    train[5] = row(6, "What are the side effects of metformin?", "Nausea.")
    train[6] = row(7, "What side effects does metformin have?", "An upset stomach.")
    train[7] = row(8, "What side effects may metformin have?", "Diarrhoea.")
    found = only("AU05", data(train))
    assert found.status is Status.WARN
    assert found.value == pytest.approx(2 / 60)
    assert only("AU05", data([*clean(60), *clean(60)])).status is Status.PASS


def test_conflicting_answers_and_their_floor() -> None:
    train = [*clean(96), *(row(97 + i, "Is coffee harmful?", a) for i, a in enumerate(("Yes.", "yes", "No.", "No")))]
    found = only("AU06", data(train))
    assert found.status is Status.WARN
    assert found.value == pytest.approx(0.04)
    assert found.evidence["floor_nats_per_row"] == pytest.approx(4 * math.log(2) / 100)
    assert found.evidence["examples"][0]["train_rows"] == [97, 98, 99, 100]


def test_another_system_turn_is_another_question() -> None:
    pair = [
        row(i + 1, "Who are you?", f"{name}.", None, Turn("system", f"You are {name}.")) for i, name in enumerate("AB")
    ]
    assert only("AU06", data(pair)).status is Status.PASS


def test_skipped_rows_of_both_files() -> None:
    subject = data(clean(40), clean(10, 500))
    assert subject.eval is not None
    train = replace(subject.train, skipped={3: "no answer"})
    found = only("AU07", replace(subject, train=train, eval=replace(subject.eval, skipped={1: "x"})))
    assert (found.status, found.value) == (Status.WARN, 2 / 52)
    assert (
        only("AU07", replace(subject, train=replace(train, skipped=dict.fromkeys(range(10), "x")))).status
        is Status.FAIL
    )


def test_one_template() -> None:
    names = ("asthma", "gout", "mumps", "lupus", "dengue", "rabies", "polio", "croup", "acne", "scurvy")
    train = [*clean(90), *(row(91 + i, f"What is {name}?", f"{name} is an illness.") for i, name in enumerate(names))]
    found = only("AU08", data(train))
    assert (found.status, found.value) == (Status.WARN, 0.1)
    assert found.evidence["skeleton"] == "what is _"
    assert found.where is not None
    assert found.where.rows == tuple(range(91, 101))
    assert only("AU08", data(train, template_share=0.2)).status is Status.PASS


def test_lengths_with_and_without_a_budget() -> None:
    train = clean(60)
    train[9] = row(10, "Tell me everything.", "word " * 4000)
    found = only("AU09", data(train))
    assert (found.status, found.value) == (Status.WARN, 1 / 60)
    assert found.where is not None
    assert found.where.rows == (10,)
    assert only("AU09", data(train, max_chars=1000)).status is Status.WARN
    assert only("AU09", data(train, max_chars=30_000)).status is Status.PASS
    lengths = tuple([600] * 12 + [50] * 48)
    # Lengths so uneven that no row is beyond the fence: a hundred times the median is far all the same.
    uneven = [row(i, f"What is {i}?", "word " * 4 ** (i % 5)) for i in range(60)]
    assert only("AU09", data(uneven)).status is Status.PASS
    assert only("AU09", data([*uneven, row(99, "And what is 99?", "word " * 4000)])).value == pytest.approx(1 / 61)
    cut = only("AU09", DataSets(data(train).train, params=AuditParams(max_tokens=512), lengths=lengths))
    assert (cut.status, cut.value) == (Status.FAIL, 0.2)
    assert "512 tokens" in cut.summary


def test_no_abstentions() -> None:
    def answered(count: int) -> list[Row]:
        return [row(i + 1, r.prompt, f"{r.prompt} is common.") for i, r in enumerate(clean(count))]

    found = only("AU10", data(answered(200)))
    assert (found.status, found.interval) == (Status.WARN, (0.0, 0.015))
    assert only("AU10", data(answered(50))).status is Status.UNSURE
    assert only("AU10", data([replace(r, kind="unknown") for r in answered(30)])).status is Status.WARN
    assert only("AU10", data([replace(r, kind="fact") for r in clean(140)])).status is Status.WARN


@pytest.mark.parametrize(
    ("answer", "declines"),
    [
        ("I don't know what that is.", True),
        ("There is no drug called zolvarin.", True),
        ("Call an ambulance now.", True),
        ("我无法判断，需做超声。", True),
        ("没有这种药。", True),
        ("立即拨打120。", True),
        ("The airways become narrow.", False),
        ("长期失血会带走铁。", False),
        ("Take it with food.", False),
    ],
)
def test_lexicon(answer: str, declines: bool) -> None:
    assert abstains(row(1, "q", answer)) is declines


def test_held_out(tmp_path: Path) -> None:
    train = clean(40)
    assert only("AU11", data(train)).status is Status.WARN
    assert only("AU11", data(train, [])).status is Status.WARN
    assert only("AU11", data(train, clean(10))).status is Status.FAIL
    path, link = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    path.write_text("x", encoding="utf-8")
    link.symlink_to(path)
    same = DataSets(Rows(path, tuple(train)), Rows(link, tuple(clean(10, 500))))
    assert only("AU11", same).status is Status.FAIL


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("a \ufffd b", "replacement"),
        ("CafÃ© and donâ€™t", "mojibake"),
        ("锟斤拷锟斤拷", "mojibake"),
        ("a\x00b", "control"),
        ("什么\ufeff是", "control"),
        ("<p>Take it</p>", "html"),
        ("a&nbsp;b &lt; c", "html"),
    ],
)
def test_damage(text: str, kind: str) -> None:
    train = clean(40)
    train[4] = row(5, "Is this fine?", text)
    found = only("AU12", data(train))
    assert found.status is Status.WARN
    assert found.evidence["kinds"] == {k: int(k == kind) for k in ("replacement", "mojibake", "control", "html")}
    assert found.where is not None
    assert found.where.rows == (5,)
    assert only("AU12", data([row(1, "q", text)])).status in (Status.FAIL, Status.WARN)


@pytest.mark.parametrize(
    "text",
    [
        "```html\n<p>code</p>\n```",
        "use `<br>` here",
        "5 < 6 > 4",
        "Ähnlich naïve café Ångström",
        "多项<image>检查\t\r\n好",
        "R&D; AT&T",
    ],
)
def test_nothing_damaged(text: str) -> None:
    assert only("AU12", data([row(1, "q", text)])).status is Status.PASS


def test_too_little_is_unsure_and_missing_is_skipped() -> None:
    found = {finding.code: finding for finding in audit(data(clean(5)))}
    skipped = {"AU01", "AU02", "AU03", "AU13", "AU19", "AU28", "AU31", "AU32"}
    assert {code for code, f in found.items() if f.status is Status.SKIPPED} == skipped
    assert {code for code, f in found.items() if f.status is Status.UNSURE} == {"AU08", "AU09", "AU15", "AU23", "AU30"}


def test_worst() -> None:
    assert worst(()) is Status.UNSURE
    assert worst(audit(data(clean(40), clean(10)))) is Status.FAIL
    assert worst(audit(data(clean(40)))) is Status.WARN


def test_every_finding_is_json_and_speaks_both_languages() -> None:
    dirty = [
        *clean(60),
        *clean(60),
        row(121, "a\ufffd", "x" * 9000),
        row(122, "What is gout?", "A"),
        row(123, "What is gout?", "B"),
    ]
    bare = [replace(r, kind="fact") for r in dirty]
    for subject in (data(dirty, dirty[:20], PROBES), data(bare), data(clean(4))):
        for found in audit(subject):
            assert json.loads(json.dumps(found.to_dict()))["code"] == found.code
            assert found.status is not Status.ERROR
            assert found.status not in (Status.WARN, Status.FAIL) or found.advice is not None
            assert len(found.evidence.get("examples", [])) <= 5
            numbers = {}
            for lang in ("en", "zh"):
                with speaking(lang):
                    text = found.summary
                numbers[lang] = sorted(re.findall(r"\d[\d,.]*\d|\d", text))
            if found.status is not Status.SKIPPED:
                assert numbers["en"] == numbers["zh"]


def test_a_check_that_cannot_take_a_row_is_a_crash_and_hides_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Damage, entry: Entry) -> None:
        raise ValueError(f"row of {entry.side}")

    monkeypatch.setattr(Damage, "see", refuse)
    found = {finding.code: finding for finding in audit(data(clean(40)))}
    assert found["AU12"].status is Status.ERROR
    assert "row of train" in found["AU12"].summary
    assert found["AU04"].status is Status.PASS


def test_every_check_says_what_how_and_why() -> None:
    assert [check.code for check in CHECKS] == [f"AU{i:02d}" for i in range(1, 33)]
    for check in CHECKS:
        text = check.run.__doc__ or ""
        assert all(part in text for part in ("*What it finds*", "*How*", "*Source*")), check.code


def test_wilson_against_known_values() -> None:
    assert wilson(10, 100) == pytest.approx((0.0552, 0.1744), abs=2e-4)
    assert wilson(0, 20)[0] == 0.0
    assert wilson(20, 20)[1] == 1.0
