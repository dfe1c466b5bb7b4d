from __future__ import annotations

import pytest

from doneness.data import follows, largest_template, skeletons

NAMES = ["asthma", "gout", "measles", "mumps", "eczema", "anaemia", "influenza", "migraine", "psoriasis", "tetanus"]
VARIED = [
    "My hands shake after salbutamol, is that expected?",
    "After hitting his head he is drowsy and keeps vomiting",
    "For how many months does the WHO advise only breast milk?",
    "A rusty nail went through my shoe this morning",
    "Could old pillows make my nose run at night?",
    "Does cooking destroy listeria in soft cheese?",
    "When did doctors stop using mercury thermometers?",
    "Grandma took two doses of digoxin by mistake",
    "Name a vaccine given at birth",
    "Why must rifampicin be swallowed on an empty stomach?",
]
NAMES_ZH = ["哮喘", "痛风", "麻疹", "水痘", "湿疹", "贫血", "流感", "疟疾", "肺炎", "破伤风"]


def test_the_subject_becomes_a_slot() -> None:
    found = skeletons([f"What is {name}?" for name in NAMES] + VARIED, share=0.2)
    assert set(found[:10]) == {"what is _"}


def test_planted_template_is_found_with_its_share() -> None:
    prompts = [f"What is {name}?" for name in NAMES] + VARIED * 1
    found = largest_template(prompts, share=0.2)
    assert found == ("what is _", 10, 0.5)
    assert follows(prompts, found, share=0.2) == list(range(10))


def test_chinese_template() -> None:
    prompts = [f"{name}的症状有哪些？" for name in NAMES_ZH]
    found = largest_template([*prompts, "孩子半夜哭闹不停", "吃完海鲜起疹子", "胸口压榨样疼了二十分钟"], share=0.2)
    assert found is not None
    assert found.skeleton == "_的症状有哪些"
    assert found.followers == 10


def test_long_instruction_before_every_text_is_one_template() -> None:
    prompts = [f"Read the report and name the illness: {' '.join([name] * 80)} {i}" for i, name in enumerate(NAMES)]
    found = largest_template(prompts)
    assert found is not None
    assert found.skeleton == "read the report and name the illness …"
    assert found.share == 1.0
    assert follows(prompts, found) == list(range(10))


def test_repeats_are_no_template() -> None:
    assert largest_template(["What is gout?"] * 50) is None


@pytest.mark.parametrize("prompts", [[], [""], ["one"], VARIED])
def test_none_is_invented(prompts: list[str]) -> None:
    found = largest_template(prompts)
    assert found is None or found.share <= 0.1


def test_two_common_words_before_free_text_are_no_template() -> None:
    ends = [prompt.lower() for prompt in VARIED]
    assert largest_template([f"Can you say: {end}" for end in ends]) is None
