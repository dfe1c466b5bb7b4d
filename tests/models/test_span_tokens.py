"""Which tokens a span falls on, and the sums over them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from doneness.core import DataError
from doneness.data import Row, Turn, parse_spans
from doneness.models import Encoded, encode, encode_rows, example_losses, label_entropy, load_model
from doneness.models.offsets import spans_of, token_places
from doneness.testing.tiny import make_tiny_tokenizer

pytestmark = pytest.mark.model

CORPUS = [
    "The trial shows no effect. Decision: no",
    "The trial shows an effect.\nDecision: yes",
    "Both arms did equally well, 5 mg or 10 mg.\nDecision: maybe",
    "结论：肺炎。诊断：肺炎，建议抗感染治疗。",
]


class Slow:
    """A tokenizer that tells no offsets, as those without a fast version."""

    is_fast = False

    def __init__(self, fast: Any) -> None:
        self.fast = fast

    def decode(self, ids: list[int], **options: Any) -> str:
        return str(self.fast.decode(ids, **options))


def trained(kind: str, longest: int = 6) -> Any:
    """Tokenizers with merges: bytes with blanks at the front of words, or SentencePiece's ▁."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    core = Tokenizer(models.BPE(byte_fallback=kind == "metaspace", unk_token="<unk>" if kind == "metaspace" else None))
    if kind == "bytes":
        core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        core.decoder = decoders.ByteLevel()
        alphabet, special = pre_tokenizers.ByteLevel.alphabet(), ["<|im_end|>"]
    else:
        core.pre_tokenizer = pre_tokenizers.Metaspace()
        core.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace()])
        alphabet, special = [], ["<unk>", "<|im_end|>", *(f"<0x{i:02X}>" for i in range(256))]
    trainer = trainers.BpeTrainer(
        vocab_size=700, initial_alphabet=alphabet, special_tokens=special, max_token_length=longest
    )
    core.train_from_iterator(CORPUS * 3, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=core, eos_token="<|im_end|>", unk_token="<unk>")


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return make_tiny_tokenizer()


@pytest.fixture(scope="module", params=["bytes", "metaspace"])
def merging(request: pytest.FixtureRequest) -> Any:
    return trained(request.param)


def row(answer: str, **facts: Any) -> Row:
    return Row(facts.pop("name", "a"), (Turn("user", "What?"), Turn("assistant", answer)), 1, **facts)


def said(tokenizer: Any, encoded: Encoded, name: str) -> str:
    answer = encoded.ids[encoded.start :]
    return str(tokenizer.decode([answer[k] for k in encoded.parts[name]]))


@pytest.mark.parametrize("answer", ["Both did well.\nDecision: yes", "两组无差别。\n结论：肺炎", "  Decision: yes  "])
def test_a_label_is_its_own_tokens_and_no_others(tokenizer: Any, answer: str) -> None:
    encoded = encode(tokenizer, row(answer), 256, spans=parse_spans(["label", "explanation"]))
    assert said(tokenizer, encoded, "label") == ("肺炎" if "肺炎" in answer else "yes")
    assert encoded.label == said(tokenizer, encoded, "label")
    assert said(tokenizer, encoded, "explanation") == (
        "" if "." not in answer and "。" not in answer else answer.split("\n")[0]
    )
    assert said(tokenizer, encoded, "end") == "<|im_end|>"


def test_first_rest_and_end_part_the_answer(tokenizer: Any) -> None:
    encoded = encode(tokenizer, row("abc"), 256, spans=())
    assert encoded.parts == {"first": (0,), "rest": (1, 2), "end": (3,)}
    cut = encode(tokenizer, row("abc" * 50), len(encoded.ids) - 1, spans=())
    assert cut.cut
    assert (cut.parts["rest"], cut.parts["end"]) == ((1, 2), ())
    lone = Encoded("a", (1, 2, 3), 2)
    assert lone.parts == {"first": (0,), "rest": (), "end": ()}


def test_a_template_that_rewrites_the_answer_is_searched_as_it_was_written() -> None:
    tokenizer = make_tiny_tokenizer()
    tokenizer.chat_template = tokenizer.chat_template.replace(
        "message['content']", "message['content'].replace('</think>', '\n</think>\n')"
    )
    spans = parse_spans(["label", "explanation", "reasoning"])
    encoded = encode(tokenizer, row("<think>Hm.</think>As it was.\nDecision: yes"), 256, spans=spans)
    assert said(tokenizer, encoded, "label") == "yes"
    assert said(tokenizer, encoded, "explanation") == "As it was."
    assert said(tokenizer, encoded, "reasoning").strip() == "Hm."
    assert said(tokenizer, encoded, "end") == "<|im_end|>"
    assert said(tokenizer, encoded, "rest").count("<|im_end|>") == 0


def test_a_cut_span_keeps_what_is_left_of_it(tokenizer: Any) -> None:
    rows = [row("x" * 30 + "\nDecision: yes", name="cut"), row("Decision: no", name="whole")]
    whole = encode(tokenizer, rows[0], 512, spans=parse_spans(["label"]))
    kept = encode_rows(tokenizer, rows, len(whole.ids) - 2, spans=parse_spans(["label"])).rows
    assert [len(each.spans["label"]) for each in kept] == [2, 2]
    gone = encode_rows(tokenizer, rows, len(whole.ids) - 4, spans=parse_spans(["label"])).rows
    assert [len(each.spans["label"]) for each in gone] == [0, 2]
    with pytest.raises(DataError, match=r"label stands in the evaluation answers, but no token of it is left"):
        encode_rows(tokenizer, rows[:1], len(whole.ids) - 4, spans=parse_spans(["label"]))


def test_rows_to_train_on_need_no_spans(tokenizer: Any) -> None:
    plain = encode(tokenizer, row("Decision: yes", source="book"), 256)
    asked = encode(tokenizer, row("Decision: yes", source="book", cluster="c"), 256, spans=())
    assert (plain.spans, plain.label, plain.source) == ({}, None, None)
    assert plain.ids == asked.ids
    assert (asked.source, asked.cluster, asked.turn) == ("book", "c", 1)


@pytest.mark.parametrize("text", CORPUS)
def test_words_are_found_whatever_the_merges(merging: Any, text: str) -> None:
    ids = merging(text, add_special_tokens=False)["input_ids"]
    assert len(ids) < len(text)
    begin = max(text.rfind(" "), text.rfind("："), text.rfind("，")) + 1
    part = text[begin:]
    found = spans_of(merging, text, ids, {"last": [(begin, len(text))]})["last"]
    told = merging.decode([ids[k] for k in found]).strip()
    # A token may hold the mark before the word; one that lies wholly before it is never counted.
    assert told.endswith(part)
    assert len(told) < len(part) + 6
    assert all(token_places(merging, text, ids)[k][1] > begin for k in found)
    # The blank before the word belongs to no one: nothing else is in the word before.
    before = spans_of(merging, text, ids, {"blank": [(begin - 1, begin)]})["blank"]
    assert not before or not text[begin - 1].isspace()


def test_a_word_is_not_counted_with_the_blank_after_it() -> None:
    merging = trained("bytes", 20)
    text = "The trial shows no effect. Decision: no"
    ids = merging(text, add_special_tokens=False)["input_ids"]
    found = spans_of(merging, text, ids, {"the": [(0, 4)]})["the"]
    assert merging.decode([ids[k] for k in found]) == "The"


@pytest.mark.parametrize("text", [*CORPUS, "no  two\n\nblanks", "naïve café 🙂 ok", "结论：🙂肺炎"])
def test_without_offsets_the_same_tokens_are_found(merging: Any, tokenizer: Any, text: str) -> None:
    for fast in (merging, tokenizer):
        ids = fast(text, add_special_tokens=False)["input_ids"]
        words = [(i, j) for i in range(len(text)) for j in (i + 1, i + 3) if j <= len(text) and text[i:j].strip()]
        ranges = {f"{i}-{j}": [(i, j)] for i, j in words if not text[i].isspace() and not text[j - 1].isspace()}
        told, decoded = spans_of(fast, text, ids, ranges), spans_of(Slow(fast), text, ids, ranges)
        # Blanks alone stand nowhere when they are decoded; all else agrees.
        blank = {k for k, (a, b) in enumerate(token_places(fast, text, ids)) if not text[a:b].strip()}
        assert decoded == {name: tuple(k for k in found if k not in blank) for name, found in told.items()}


def test_an_end_of_turn_stands_for_no_character(tokenizer: Any) -> None:
    encoded = encode(tokenizer, row("yes"), 256, spans=parse_spans(["all_of_it=/[^q]+/"]))
    assert encoded.spans["all_of_it"] == (0, 1, 2)


@pytest.fixture(scope="module")
def model(tiny_model: Path) -> Any:
    return load_model(str(tiny_model), device="cpu").model


TEXT = st.text(alphabet="ab yes no.\n:Decision结论：是", min_size=1, max_size=24).filter(lambda t: bool(t.strip()))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(answers=st.lists(TEXT, min_size=1, max_size=5), longest=st.integers(40, 80), batch=st.integers(1, 4))
def test_the_automatic_spans_part_every_loss(
    model: Any, tokenizer: Any, answers: list[str], longest: int, batch: int
) -> None:
    rows = [row(answer, name=f"r{i}") for i, answer in enumerate(answers)]
    encoded = encode_rows(tokenizer, rows, longest, spans=()).rows
    found = example_losses(model, encoded, 0, batch)
    parts = [found.spans[name] for name in ("first", "rest", "end")]
    np.testing.assert_allclose(sum(p.nll for p in parts), found.nll, rtol=0, atol=1e-9)
    np.testing.assert_array_equal(sum(p.tokens for p in parts), found.tokens)


def test_span_sums_do_not_depend_on_the_batch(model: Any, tokenizer: Any) -> None:
    rows = [
        row(f"Because of {'many ' * i}things.\nDecision: {w}", name=w) for i, w in enumerate(("yes", "no", "maybe"))
    ]
    rows.append(row("It cannot be told from what is said here.", name="none"))
    encoded = encode_rows(tokenizer, rows, 256, spans=parse_spans(["label", "explanation"])).rows
    one, all_ = example_losses(model, encoded, 0, 1), example_losses(model, encoded[::-1], 0, 4)
    assert set(one.spans) == {"label", "explanation", "first", "rest", "end"}
    for name, span in one.spans.items():
        np.testing.assert_allclose(span.nll, all_.spans[name].nll[::-1], rtol=1e-5, atol=1e-6)
        assert span.tokens.tolist() == all_.spans[name].tokens[::-1].tolist()
    assert one.spans["label"].tokens.tolist() == [3, 2, 5, 0]
    assert one.spans["label"].nll[3] == 0.0
    assert one.groups["label"].tolist() == ["yes", "no", "maybe", ""]


def test_a_spans_loss_is_the_models_own(model: Any, tokenizer: Any) -> None:
    import torch

    encoded = encode(tokenizer, row("So.\nDecision: yes"), 256, spans=parse_spans(["label"]))
    found = example_losses(model, [encoded], 0)
    ids = torch.tensor([encoded.ids])
    labels = torch.full_like(ids, -100)
    for k in encoded.spans["label"]:
        labels[0, encoded.start + k] = ids[0, encoded.start + k]
    with torch.no_grad():
        mean = float(model(input_ids=ids, labels=labels).loss)
    assert found.spans["label"].mean == pytest.approx(mean, rel=1e-5)


def test_rows_are_sorted_by_source_turn_and_conversation(model: Any, tokenizer: Any) -> None:
    longer = (Turn("user", "Q"), Turn("assistant", "A"), Turn("user", "And?"), Turn("assistant", "So."))
    rows = [
        row("Yes.", name="a", source="book", cluster="c"),
        Row("b", longer, 1, source="web"),
        row("No.", name="c", cluster="c"),
    ]
    found = example_losses(model, encode_rows(tokenizer, rows, 256, spans=()).rows, 0)
    assert found.cluster is not None
    assert found.cluster.tolist() == ["c", "row b", "c"]
    assert found.groups["source"].tolist() == ["book", "web", ""]
    assert found.groups["turn"].tolist() == ["1", "2", "1"]
    alike = example_losses(model, encode_rows(tokenizer, rows[:1], 256, spans=()).rows, 0)
    assert alike.groups == {}
    many = [row("Yes.", name=str(i), source=f"s{i}") for i in range(13)]
    assert "source" not in example_losses(model, encode_rows(tokenizer, many, 256, spans=()).rows, 0).groups


def test_the_entropy_of_labels() -> None:
    rows = [Encoded(str(i), (1, 2), 1, label=name) for i, name in enumerate(("yes", "yes", "no", "no"))]
    assert label_entropy(rows) == {"nats": pytest.approx(np.log(2)), "labels": 2, "rows": 4}
    assert label_entropy(rows[:2]) is None
    assert label_entropy([Encoded("a", (1, 2), 1)]) is None
