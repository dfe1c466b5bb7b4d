from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doneness.data import near_pairs, normalise, shingles, similarity

SAME = [
    ("What is asthma?", "what  is asthma"),
    ("Which parts of the body does asthma inflame and narrow?", "What body parts does asthma narrow and inflame?"),
    ("How is asthma treated?", "What is the treatment for asthma?"),
    ("What is asthma?", "Could you please explain what asthma is?"),
    ("Can I take ibuprofen with warfarin?", "Is it OK to take ibuprofen and warfarin together?"),
    ("What are the side effects of metformin?", "What side effects does metformin have?"),
    ("How much paracetamol can an adult take in a day?", "How much paracetamol may adults take per day?"),
    ("哮喘是什么？", "什么是哮喘"),
    ("哮喘怎么治疗？", "怎样治疗哮喘"),
    ("高血压患者能吃党参吗？", "高血压病人可以吃党参吗"),
    ("孩子发烧39度要不要去医院", "孩子发烧39度需要去医院吗"),
    ("有乙肝病毒除了抗体，这是咋回事啊？这种还会感染别人吗？会对身体有什么干扰吗？",
     "有乙肝病毒除了抗体，这是怎么回事啊？这种还会感染别人吗？会对身体有什么干扰吗？"),
]  # fmt: skip

DIFFERENT = [
    ("What is asthma?", "What is gout?"),
    ("What is the treatment for asthma?", "What is the treatment for gout?"),
    ("What is type 1 diabetes?", "What is type 2 diabetes?"),
    ("What are the symptoms of type 1 diabetes?", "What are the symptoms of type 2 diabetes?"),
    ("Is it safe to take ibuprofen while breastfeeding?", "Is it safe to take paracetamol while breastfeeding?"),
    ("What is high blood pressure?", "What is low blood pressure?"),
    ("What causes asthma?", "What is asthma?"),
    ("Who gets asthma?", "What is asthma?"),
    ("What does zolvarin treat?", "What does melvorin treat?"),
    ("What is (are) long-chain 3-hydroxyacyl-CoA dehydrogenase deficiency ?",
     "What are the treatments for long-chain 3-hydroxyacyl-CoA dehydrogenase deficiency ?"),
    ("哮喘的症状有哪些", "痛风的症状有哪些"),
    ("高血压患者能吃党参吗", "低血压患者能吃党参吗"),
    ("孩子发烧39度要不要去医院", "孩子发烧38度要不要去医院"),
    ("孕妇可以吃布洛芬吗", "孕妇可以吃阿莫西林吗"),
    ("怎么预防感冒", "怎么预防流感"),
    ("空腹血糖正常值是多少", "餐后血糖正常值是多少"),
]  # fmt: skip


@pytest.mark.parametrize(("a", "b"), SAME)
def test_rewordings_are_near(a: str, b: str) -> None:
    assert similarity(a, b) >= 0.8


@pytest.mark.parametrize(("a", "b"), DIFFERENT)
def test_other_questions_are_not(a: str, b: str) -> None:
    assert similarity(a, b) < 0.8


_WORDS = "asthma gout what is the treatment for of high low type 1 2 blood pressure 哮喘 什么 是 高 血压 治疗 ，"
WORDS = st.sampled_from(_WORDS.split())
TEXTS = st.lists(WORDS, max_size=40).map(" ".join)


@given(st.text(max_size=60))
def test_normalise_is_idempotent(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)


@given(st.text(max_size=40), st.sampled_from([" ", "\n", "?", "。", "\u3000"]))
def test_normalise_ignores_case_of_ascii_and_edges(text: str, edge: str) -> None:
    assert normalise(edge + text + edge) == normalise(text)
    assert normalise("What IS，Gout？") == "what is gout"


@given(TEXTS, TEXTS)
def test_similarity_laws(a: str, b: str) -> None:
    assert similarity(a, b) == similarity(b, a)
    assert 0.0 <= similarity(a, b) <= 1.0
    assert similarity(a, a) == 1.0


@settings(max_examples=60, deadline=None)
@given(st.lists(TEXTS, max_size=14), st.sampled_from([0.5, 0.8, 1.0]))
def test_the_index_misses_nothing(texts: list[str], threshold: float) -> None:
    first: dict[str, int] = {}
    homes = [first.setdefault(normalise(text), place) for place, text in enumerate(texts)]
    expected = set()
    for j, text in enumerate(texts):
        if not normalise(text):
            continue
        if homes[j] != j:
            expected.add((homes[j], j))
            continue
        expected |= {
            (i, j)
            for i in range(j)
            if homes[i] == i and normalise(texts[i]) and similarity(texts[i], text) >= threshold - 1e-12
        }
    assert {(i, j) for i, j, _ in near_pairs(texts, None, threshold)} == expected


@settings(max_examples=60, deadline=None)
@given(st.lists(TEXTS, max_size=8), st.lists(TEXTS, max_size=8))
def test_two_sets_agree_with_brute_force(left: list[str], right: list[str]) -> None:
    near = {
        j for j, b in enumerate(right) if normalise(b) and any(normalise(a) and similarity(a, b) >= 0.8 for a in left)
    }
    found = near_pairs(left, right)
    assert {j for _, j, _ in found} == near
    assert all(similarity(left[i], right[j]) == pytest.approx(value) for i, j, value in found)


def test_copies_are_paired_with_the_first_alone() -> None:
    assert near_pairs(["What is gout?"] * 1000)[-1] == (0, 999, 1.0)
    assert len(near_pairs(["What is gout?"] * 1000)) == 999
    assert near_pairs(["What is gout?"] * 3, ["Gout?", "what is GOUT", "asthma", ""]) == [(0, 0, 1.0), (0, 1, 1.0)]


def test_long_texts_go_by_word_order() -> None:
    text = " ".join(f"w{i}x" for i in range(60))
    backwards = " ".join(f"w{i}x" for i in reversed(range(60)))
    assert similarity(text, text.replace("w30x", "other")) >= 0.8
    assert similarity(text, backwards) == 0.0


def test_shingles() -> None:
    assert shingles("What is gout?") == {"what\x1fis\x1fgout"}
    assert shingles("什么是痛风") == {"什\x1f么\x1f是", "么\x1f是\x1f痛", "是\x1f痛\x1f风"}
    assert shingles("  ?") == frozenset()


@pytest.mark.parametrize("threshold", [0.0, -1.0, 1.1])
def test_threshold_out_of_range(threshold: float) -> None:
    with pytest.raises(ValueError, match="threshold"):
        near_pairs(["a"], None, threshold)


def test_result_is_free_of_hash_randomisation() -> None:
    code = (
        "from doneness.data import near_pairs, largest_template, stratified\n"
        "t=[f'what is the {a} of {b}' for a in ('cause','dose') for b in ('gout','asthma','flu','gout ')]\n"
        "print(near_pairs(t, None, .5), largest_template(t))"
    )
    runs = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, check=True, text=True
        ).stdout
        for seed in ("1", "2")
    }
    assert len(runs) == 1
