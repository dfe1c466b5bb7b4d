"""Public data sets: what is known to be wrong with them is found, and little else."""

from __future__ import annotations

from pathlib import Path

import pytest

from doneness.audit import DataSets, audit
from doneness.core import DataError, Finding, Status
from doneness.data import read_rows

FOLDER = Path(__file__).parents[3] / "shared" / "data"

pytestmark = pytest.mark.skipif(
    not FOLDER.is_dir(), reason=f"{FOLDER} is absent: the public data sets are not shipped with the project"
)


def findings(name: str) -> dict[str, Finding]:
    return {found.code: found for found in audit(DataSets(read_rows(FOLDER / name, on_empty="skip")))}


def faults(found: dict[str, Finding]) -> dict[str, Status]:
    wrong = (Status.WARN, Status.FAIL, Status.ERROR)
    return {code: finding.status for code, finding in found.items() if finding.status in wrong and code != "AU11"}


@pytest.mark.parametrize(
    "name", ["medical_sft/medicalgpt_medical_sft_1k_zh.jsonl", "formats/llamafactory_alpaca_zh_demo.json"]
)
def test_ordinary_sets_show_next_to_nothing(name: str) -> None:
    found = faults(findings(name))
    assert set(found) <= {"AU12", "AU14", "AU15", "AU24", "AU26"}


def test_one_instruction_before_every_abstract() -> None:
    found = findings("medical_sft/pubmedqa_label_only.jsonl")
    assert faults(found) == {"AU08": Status.WARN, "AU10": Status.WARN}
    assert found["AU08"].value == 1.0


def test_conversations_that_end_with_the_user() -> None:
    found = findings("formats/medicalgpt_sharegpt_zh_1k.jsonl")
    assert (found["AU07"].status, found["AU07"].value) == (Status.WARN, 7 / 256)


def test_a_paragraph_separator_does_not_cut_a_row() -> None:
    assert len(read_rows(FOLDER / "medical_sft/pubmedqa_explain.jsonl")) == 1000


def test_empty_answers_are_refused_with_their_number() -> None:
    with pytest.raises(DataError, match=r'row 1: no answer \("answer" is empty\)\. 599 rows like it'):
        read_rows(FOLDER / "bad_fixtures/medquad_empty_answers_600.jsonl")


def test_a_second_schema_in_the_middle_is_refused() -> None:
    with pytest.raises(DataError, match=r"row 51: shape not known \(keys: instruct, output\)"):
        read_rows(FOLDER / "bad_fixtures/CMtMedQA_test_mixed_schema.json")
