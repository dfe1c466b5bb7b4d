from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from doneness.integrations import scored
from doneness.integrations.scored import Kind, Row, Unusable, kind_of, rows_of_batch
from doneness.integrations.target_spans import TargetSpans
from doneness.integrations.together import merged
from doneness.models import Encoded, example_losses, load_model

pytestmark = pytest.mark.model
CAUSAL = Kind(shifted=True, encoder=False, pad=0)
ROWS = [Encoded(f"r{i}", tuple(1 + (7 * i + j * 13) % 250 for j in range(6 + 3 * i)), 3 + i) for i in range(7)]


@pytest.fixture(scope="module")
def model(tiny_model: Path) -> Any:
    return load_model(str(tiny_model), device="cpu").model


def batch(rows: list[Encoded], left: bool = False, width: int = 0) -> dict[str, Any]:
    import torch

    width = max(width, *(len(r.ids) for r in rows))
    ids, mask = torch.zeros(len(rows), width, dtype=torch.long), torch.zeros(len(rows), width, dtype=torch.long)
    labels = torch.full((len(rows), width), -100)
    for k, row in enumerate(rows):
        at = slice(width - len(row.ids), width) if left else slice(0, len(row.ids))
        ids[k, at], mask[k, at] = torch.tensor(row.ids), 1
        labels[k, at] = torch.tensor((-100,) * row.start + row.ids[row.start :])
    return {"input_ids": ids, "attention_mask": mask, "labels": labels}


def score(model: Any, inputs: dict[str, Any]) -> list[scored.Row]:
    import torch

    with torch.no_grad():
        return rows_of_batch(kind_of(model), inputs, model(**inputs))


def test_losses_are_those_of_our_own_scoring(model: Any) -> None:
    ours = example_losses(model, ROWS, 0)
    found = score(model, batch(ROWS))
    assert len({name for name, *_ in found}) == len(ROWS)
    np.testing.assert_allclose([nll for _, nll, *_ in found], ours.nll, rtol=1e-5)
    assert [tokens for _, _, tokens, _ in found] == ours.tokens.tolist()


def test_neither_order_nor_padding_nor_batch_changes_a_row(model: Any) -> None:
    first = {name: (nll, tokens) for name, nll, tokens, _ in score(model, batch(ROWS))}
    others = [score(model, batch(ROWS[::-1], width=40)), score(model, batch(ROWS, left=True))]
    others.append([row for each in ROWS for row in score(model, batch([each]))])
    for other in others:
        assert {name for name, *_ in other} == set(first)
        for name, nll, tokens, _ in other:
            assert first[name][1] == tokens
            assert nll == pytest.approx(first[name][0], rel=1e-4)


def test_rows_with_other_targets_are_other_rows(model: Any) -> None:
    longer = Encoded("x", ROWS[3].ids, ROWS[3].start - 1)
    assert score(model, batch([ROWS[3]]))[0][0] != score(model, batch([longer]))[0][0]


def test_blocks_change_nothing(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = score(model, batch(ROWS))
    monkeypatch.setattr(scored, "_AT_ONCE", 3 * 320)
    blocks = score(model, batch(ROWS))
    assert [(n, t) for n, _, t, _ in blocks] == [(n, t) for n, _, t, _ in whole]
    np.testing.assert_allclose([r[1] for r in blocks], [r[1] for r in whole], rtol=1e-6)


@pytest.mark.parametrize("told_by", ["position_ids", "attention_mask"])
def test_packed_sequences_are_told_apart(told_by: str) -> None:
    """One long row of logits: each sequence has the losses that its own logits give it."""
    import torch

    torch.manual_seed(0)
    parts = [batch([row]) for row in ROWS[:3]]
    logits = [torch.randn(1, p["input_ids"].shape[1], 300) for p in parts]
    alone = [rows_of_batch(CAUSAL, p, SimpleNamespace(logits=z))[0] for p, z in zip(parts, logits, strict=True)]
    packed = {k: torch.cat([p[k] for p in parts], 1) for k in ("input_ids", "labels")}
    # The first token of a sequence is nobody's target, whatever its label says.
    packed["labels"][0, len(ROWS[0].ids)] = 5
    lengths = [len(r.ids) for r in ROWS[:3]]
    if told_by == "position_ids":
        packed["position_ids"] = torch.cat([torch.arange(n) for n in lengths])[None]
    else:
        packed["attention_mask"] = torch.cat([torch.full((n,), k + 1) for k, n in enumerate(lengths)])[None]
    found = rows_of_batch(CAUSAL, packed, SimpleNamespace(logits=torch.cat(logits, 1)))
    assert [(n, t) for n, _, t, _ in found] == [(n, t) for n, _, t, _ in alone]
    np.testing.assert_allclose([r[1] for r in found], [r[1] for r in alone], rtol=1e-6)
    del packed[told_by]
    assert len(rows_of_batch(CAUSAL, packed, SimpleNamespace(logits=torch.cat(logits, 1)))) == 1


def test_padding_without_a_mask_is_told_by_its_token(model: Any) -> None:
    padded, bare = batch(ROWS[:3], width=30), batch(ROWS[:3])
    masked = score(model, padded)
    del padded["attention_mask"]
    kind = Kind(True, False, 0)
    import torch

    with torch.no_grad():
        found = rows_of_batch(kind, padded, model(**padded))
    assert [n for n, *_ in found] == [n for n, *_ in masked] == [n for n, *_ in score(model, bare)]


def test_log_probabilities_do_in_place_of_logits(model: Any) -> None:
    """As TRL's fused head gives them: shifted by one, zero where there is no target."""
    import torch

    inputs = batch(ROWS)
    with torch.no_grad():
        logits = model(**inputs).logits
    labels = inputs["labels"][:, 1:]
    mask = labels != -100
    told = torch.log_softmax(logits[:, :-1], -1).gather(2, labels.clamp(min=0)[..., None])[..., 0].masked_fill(~mask, 0)
    fused = rows_of_batch(CAUSAL, inputs, SimpleNamespace(log_probs=told, label_mask=mask, logits=None))
    plain = rows_of_batch(CAUSAL, inputs, SimpleNamespace(logits=logits))
    assert [(n, t) for n, _, t, _ in fused] == [(n, t) for n, _, t, _ in plain]
    np.testing.assert_allclose([r[1] for r in fused], [r[1] for r in plain], rtol=1e-5)
    # Virtual tokens of prompt tuning stand before the row's own.
    wider = SimpleNamespace(logits=torch.cat([torch.randn(len(ROWS), 4, logits.shape[2]), logits], 1))
    assert rows_of_batch(CAUSAL, inputs, wider) == plain


def test_classes_are_one_token_a_row() -> None:
    import torch

    torch.manual_seed(1)
    inputs = batch(ROWS[:4]) | {"labels": torch.tensor([2, 0, -100, 1])}
    logits = torch.randn(4, 3)
    found = rows_of_batch(Kind(False, False, 0), inputs, SimpleNamespace(logits=logits))
    wanted = torch.nn.functional.cross_entropy(logits[[0, 1, 3]], torch.tensor([2, 0, 1]), reduction="none")
    np.testing.assert_allclose([nll for _, nll, *_ in found], wanted, rtol=1e-6)
    assert [tokens for _, _, tokens, _ in found] == [1, 1, 1]
    wider = batch(ROWS[:4], left=True, width=40) | {"labels": inputs["labels"]}
    again = rows_of_batch(Kind(False, False, 0), wider, SimpleNamespace(logits=logits))
    assert [n for n, *_ in again] == [n for n, *_ in found]


def test_labels_beside_the_tokens_are_not_shifted() -> None:
    import torch

    torch.manual_seed(2)
    inputs = batch(ROWS[:2]) | {"labels": torch.tensor([[4, 5, -100], [6, 7, 8]])}
    logits = torch.randn(2, 3, 20)
    found = rows_of_batch(Kind(False, True, 0), inputs, SimpleNamespace(logits=logits))
    wanted = -torch.log_softmax(logits, -1)
    assert found[0][1] == pytest.approx(float(wanted[0, 0, 4] + wanted[0, 1, 5]), rel=1e-5)
    assert [t for _, _, t, _ in found] == [2, 3]


@pytest.mark.parametrize(
    ("change", "output", "key"),
    [
        ({"labels": None}, {"logits": "logits"}, "no_labels"),
        ({}, {"logits": None}, "no_logits"),
        ({"labels": "float"}, {"logits": "logits"}, "other_kind"),
        ({"shift_labels": "float"}, {"logits": "logits"}, "other_kind"),
        ({"labels": "short"}, {"logits": "logits"}, "other_kind"),
    ],
)
def test_what_tells_no_likelihood_says_why(change: dict[str, Any], output: dict[str, Any], key: str) -> None:
    import torch

    made = {"float": torch.zeros(2, 9), "short": torch.zeros(2, 3, dtype=torch.long), "logits": torch.zeros(2, 9, 20)}
    inputs = batch(ROWS[:2]) | {k: made.get(v) for k, v in change.items()}
    with pytest.raises(Unusable) as why:
        rows_of_batch(CAUSAL, inputs, SimpleNamespace(**{k: made.get(v) for k, v in output.items()}))
    assert why.value.key == key


def test_repeats_are_dropped_and_true_doubles_counted() -> None:
    a, b, c = Row("a", 1.0, 2), Row("b", 3.0, 1), Row("c", 2.0, 4)
    one, double = merged(5, [[c, a, b, a]], 4)
    assert one is not None and one.ids.tolist() == ["a", "b", "c"] and double == 1
    two, double = merged(5, [[a, b], [c, a]], 3)
    assert two is not None and two.nll.tolist() == one.nll.tolist() and double == 0
    assert merged(5, [[a, b], [c, a]], None)[1] is None
    assert merged(5, [[], []], 3) == (None, None)


def test_spans_of_foreign_rows_are_those_of_our_own(model: Any, tiny_model: Path) -> None:
    from doneness.data import Row as Said
    from doneness.data import Turn, parse_spans
    from doneness.models.chat import encode

    tokenizer = load_model(str(tiny_model), device="cpu").tokenizer
    definitions = ("label", "explanation", "colour=/mostly (\\w+)/")
    texts = [f"The sky is mostly {c}, as all can see.\nDecision: {d}" for c in ("blue", "grey") for d in ("yes", "no")]
    rows = [Said(f"r{i}", (Turn("user", "Is it?"), Turn("assistant", text)), i) for i, text in enumerate(texts)]
    encoded = [encode(tokenizer, row, 256, spans=parse_spans(definitions)) for row in rows]
    ours = example_losses(model, encoded, 0)
    spans = TargetSpans(tokenizer, definitions)
    import torch

    inputs = batch(encoded)
    with torch.no_grad():
        found = rows_of_batch(kind_of(model), inputs, model(**inputs), spans)
    losses, _ = merged(0, [found], len(rows))
    assert losses is not None and set(losses.spans) == set(ours.spans) >= {"label", "explanation", "colour", "end"}
    order = [found.index(next(r for r in found if r.name == name)) for name in losses.ids]
    for name, mine in ours.spans.items():
        assert losses.spans[name].tokens.tolist() == mine.tokens[order].tolist(), name
        np.testing.assert_allclose(losses.spans[name].nll, mine.nll[order], rtol=1e-4)
    assert rows_of_batch(kind_of(model), inputs, model(**inputs), spans)[0].spans.keys() == found[0].spans.keys()
