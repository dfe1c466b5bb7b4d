from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doneness.core import DataError, speaking
from doneness.data import Row, Turn, deciding, parse_spans, read_rows, refuse_absent
from doneness.data.answer_parts import explanation, label
from doneness.data.json_values import value_range


def row(answer: str, told: str | None = None) -> Row:
    return Row("a", (Turn("user", "Q"), Turn("assistant", answer)), 1, label=told)


def found(definition: str, answer: str, told: str | None = None) -> list[str]:
    (span,) = parse_spans([definition])
    return [answer[a:b] for a, b in span.find(answer, told)]


@pytest.mark.parametrize(
    ("answer", "told", "expected"),
    [
        ("yes", "yes", "yes"),
        ("Both arms did as well.\nDecision: no", "no", "no"),
        ("Both arms did as well.\nDecision: no", None, "no"),
        ("<think>it says no</think>\n\nYes", "yes", "Yes"),
        ("<think>no or yes</think>maybe so, who can tell from this", "no", None),
        ("Answer: yes\nMany say yes to it.", "yes", "yes"),
        ("<answer> B </answer> is known", None, "B"),
        (r"Hence \boxed{\frac{1}{2}}, as asked.", None, r"\frac{1}{2}"),
        (r"An open \boxed{1 is nothing, and Answer: 2", None, "2"),
        ("So, **Final answer:** **C**.", None, "C"),
        ("Conclusion: treat\nDecision: wait", None, "wait"),
        ("各组无差别。\n结论：无效。", None, "无效"),
        ("诊断：社区获得性肺炎\n建议：抗感染治疗", None, "社区获得性肺炎"),
        ("From this it follows that the answer is 42. Because of that.", None, "42"),
        ("Aortic stenosis, severe", None, "Aortic stenosis, severe"),
        ("高血压", None, "高血压"),
        ("It depends on what one means by it.", None, None),
        ("Redecision: is no mark of a label here.", None, None),
    ],
)
def test_where_an_answer_says_its_label(answer: str, told: str | None, expected: str | None) -> None:
    place = label(answer, told)
    assert (place and answer[place[0] : place[1]]) == expected


def test_a_label_is_a_word_of_its_own_and_the_marked_one_comes_first() -> None:
    assert label("It is not known, but snow fell on everything there.", "no") is None
    told = "Answer: yes\nThat is what they say: yes"
    assert label(told, "yes") == (8, 11)
    assert label("Some say yes, others say yes again, all of them.", "yes") == (25, 28)


def test_an_explanation_is_what_is_left() -> None:
    answer = "<think>Hm.</think>\nBoth did as well.\nDecision: no"
    assert found("explanation", answer) == ["Both did as well."]
    assert found("reasoning", answer) == ["Hm."]
    assert found("explanation", "no") == []
    assert found("explanation", "<answer>no</answer> since both did.") == ["since both did."]


@given(st.text(max_size=80), st.one_of(st.none(), st.text(max_size=5)))
def test_label_and_explanation_never_overlap(answer: str, told: str | None) -> None:
    place = label(answer, told)
    parts = explanation(answer, told)
    for begin, end in parts:
        assert 0 <= begin < end <= len(answer)
        assert place is None or end <= place[0] or place[1] <= begin


def test_own_patterns_give_the_group_or_the_whole_and_every_match() -> None:
    assert found(r"dose=/\d+ mg/", "5 mg, then 10 mg") == ["5 mg", "10 mg"]
    assert found(r"dose=/(\d+) mg/", "5 mg, then 10 mg") == ["5", "10"]
    assert found(r"empty=/x*/", "ab") == []
    assert found(r"one=/(a)|b/", "ab") == ["a"]


@pytest.mark.parametrize(
    ("answer", "field", "expected"),
    [
        ('{"finding": {"side": "left"}, "sure": true}', "finding.side", "left"),
        ('Here: {"a": [1, {"b": 2}], "b" : 3.5} done', "b", "3.5"),
        ('{"a": "x\\"y"}', "a", 'x\\"y'),
        ('{"a": 1, "a": 2}', "a", "2"),
        ('{broken} {"a": null}', "a", "null"),
        ('{"a": ""}', "b", None),
        ("no object", "a", None),
        ('{"a": {"c": 1}', "a.c", None),
        ('[{"a": 1}, {"b": 2}]', "b", None),
    ],
)
def test_the_value_of_a_json_field(answer: str, field: str, expected: str | None) -> None:
    place = value_range(answer, field)
    assert (place and answer[place[0] : place[1]]) == expected


@given(st.dictionaries(st.text(max_size=4), st.one_of(st.text(max_size=6), st.integers(), st.none()), max_size=4))
def test_every_value_of_an_object_is_found_again(values: dict[str, str | int | None]) -> None:
    for indent in (None, 2):
        text = "so: " + json.dumps(values, indent=indent) + " that was it"
        for name, value in values.items():
            place = value_range(text, name)
            assert place is not None
            quoted = f'"{text[place[0] : place[1]]}"' if isinstance(value, str) else text[place[0] : place[1]]
            assert json.loads(quoted) == value


@pytest.mark.parametrize(
    ("definition", "part"),
    [
        ("labels", "no span that is known here"),
        ("end=/x/", "are taken"),
        ("1st=/x/", "begins with a letter"),
        ("a=x", "after = comes"),
        ("a=//", "after = comes"),
        ("a=json:", "after = comes"),
        ("a=/(/", "does not compile"),
    ],
)
def test_a_bad_definition_is_one_line(definition: str, part: str) -> None:
    for lang in ("en", "zh"):
        with speaking(lang), pytest.raises(DataError) as caught:
            parse_spans([definition])
        assert "\n" not in str(caught.value)
        assert lang == "zh" or part in str(caught.value)


def test_a_name_is_defined_once_and_must_stand_somewhere() -> None:
    with pytest.raises(DataError, match="label is defined twice"):
        parse_spans(["label", "label=/x/"])
    spans = parse_spans(["label", "dose=/mg/"])
    with pytest.raises(DataError, match="dose stands in none of the 1 evaluation rows"):
        refuse_absent(spans, [row("yes")])
    refuse_absent(spans, [row("yes"), row("5 mg for a week or so")])
    with pytest.raises(DataError, match="no evaluation rows"):
        refuse_absent(spans, [])
    refuse_absent((), [])


def test_what_decides() -> None:
    spans = parse_spans(["label", "dose=/mg/"])
    assert [deciding(w, spans) for w in ("", "all", "dose", "end")] == ["label", "", "dose", "end"]
    assert deciding("", spans[1:]) == ""
    with pytest.raises(DataError, match=r"stopping\.span: reasoning is not defined"):
        deciding("reasoning", spans)


def test_rows_carry_their_label_and_their_conversation(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    items = [
        {"prompt": "a", "completion": "b", "final_decision": "no", "conversation_id": 7},
        {"prompt": "a", "completion": "b", "label": "yes", "document": "a long text " * 20},
        {"prompt": "a", "completion": "b", "document": "a long text " * 20, "label": True},
        {"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}], "conversation": ["x"]},
    ]
    path.write_text("\n".join(json.dumps(item) for item in items), encoding="utf-8")
    rows = read_rows(path).rows
    assert [r.label for r in rows] == ["no", "yes", None, None]
    assert rows[0].cluster == "7"
    assert rows[1].cluster == rows[2].cluster
    assert len(rows[1].cluster or "") == 24
    assert rows[3].cluster is None
