from __future__ import annotations

from typing import Any

import pytest

from doneness.core import DataError
from doneness.data import Row, Turn
from doneness.models import encode, encode_rows, prompt_ids
from doneness.testing.tiny import make_tiny_tokenizer

pytestmark = pytest.mark.model


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return make_tiny_tokenizer()


def row(prompt: str = "What is gout?", answer: str = "A joint disease.", name: str = "a") -> Row:
    return Row(name, (Turn("user", prompt), Turn("assistant", answer)), 1)


def test_loss_is_on_the_answer_and_its_end_alone(tokenizer: Any) -> None:
    encoded = encode(tokenizer, row(), 256)
    assert tokenizer.decode(encoded.ids[encoded.start :]) == "A joint disease.<|im_end|>"
    assert tokenizer.decode(encoded.ids[: encoded.start]).endswith("<|im_start|>assistant\n")
    assert encoded.targets == len("A joint disease.") + 1


def test_training_and_generation_see_the_same_prompt(tokenizer: Any) -> None:
    encoded = encode(tokenizer, row(), 256, system="Be brief.")
    asked = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "What is gout?"}]
    assert list(encoded.ids[: encoded.start]) == prompt_ids(tokenizer, asked)


def test_a_row_keeps_its_own_system_turn(tokenizer: Any) -> None:
    own = Row("a", (Turn("system", "Mine."), Turn("user", "Q"), Turn("assistant", "A")), 1)
    text = tokenizer.decode(encode(tokenizer, own, 256, system="Other.").ids)
    assert "Mine." in text
    assert "Other." not in text


def test_long_rows_are_cut_skipped_or_refused_and_counted(tokenizer: Any) -> None:
    rows = [row(name="short", answer="Yes."), row(name="long", answer="word " * 60)]
    cut = encode_rows(tokenizer, rows, 100)
    assert (cut.truncated, cut.skipped, len(cut.rows)) == (1, 0, 2)
    assert max(len(r.ids) for r in cut.rows) == 100
    skipped = encode_rows(tokenizer, rows, 100, on_long="skip")
    assert (skipped.truncated, skipped.skipped, len(skipped.rows)) == (0, 1, 1)
    with pytest.raises(DataError, match=r"row long .*data\.max_length is 100"):
        encode_rows(tokenizer, rows, 100, on_long="refuse")


def test_a_prompt_that_leaves_no_room_for_an_answer_is_refused(tokenizer: Any) -> None:
    with pytest.raises(DataError, match="the prompt alone"):
        encode_rows(tokenizer, [row(prompt="x" * 300)], 100)
    with pytest.raises(DataError, match="no row is left"):
        encode_rows(tokenizer, [row(prompt="x" * 300)], 100, on_long="skip")
