from __future__ import annotations

from typing import Any

import pytest

from doneness.core import DataError
from doneness.data import Row, Turn
from doneness.models import encode, encode_rows, prompt_ids, stop_ids
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


def other(template: str, eos: str = "<|im_end|>") -> Any:
    tokenizer = make_tiny_tokenizer()
    tokenizer.chat_template = template
    tokenizer.eos_token = eos
    return tokenizer


PLAIN = "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
ASKING = PLAIN + "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"


def targets(tokenizer: Any, **kwargs: Any) -> str:
    encoded = encode(tokenizer, row(), 256, **kwargs)
    return str(tokenizer.decode(encoded.ids[encoded.start :]))


def test_a_turn_that_ends_with_another_token_than_eos_is_learnt_once_and_stops_generation() -> None:
    tokenizer = other(ASKING, eos="<|endoftext|>")
    assert targets(tokenizer) == "A joint disease.<|im_end|>"
    assert stop_ids(tokenizer) == tokenizer.convert_tokens_to_ids(["<|im_end|>", "<|endoftext|>"])


def test_a_template_that_cannot_ask_still_keeps_the_role_header_out_of_the_loss() -> None:
    tokenizer = other(PLAIN)
    assert targets(tokenizer) == "A joint disease.<|im_end|>"
    asked = prompt_ids(tokenizer, [{"role": "user", "content": "What is gout?"}])
    assert tokenizer.decode(asked).endswith("<|im_start|>assistant\n")


def test_a_template_without_a_special_end_gets_the_end_of_sequence() -> None:
    tokenizer = other("{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}")
    assert targets(tokenizer) == "A joint disease.<|im_end|>"


def test_a_tokenizer_without_a_template_is_asked_plainly() -> None:
    tokenizer = other("")
    tokenizer.chat_template = None
    encoded = encode(tokenizer, row(), 256)
    assert tokenizer.decode(encoded.ids) == "User: What is gout?\nAssistant: A joint disease.<|im_end|>"


def test_a_template_that_refuses_a_role_is_one_line() -> None:
    tokenizer = other("{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}" + ASKING)
    with pytest.raises(DataError, match="no system"):
        targets(tokenizer, system="Be brief.")
    assert targets(tokenizer) == "A joint disease.<|im_end|>"
