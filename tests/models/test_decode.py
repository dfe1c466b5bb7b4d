"""Our own loop says what transformers' says: every family, every batch, whatever is guessed."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.models.decoding import END, FAMILIES, UNFIT, family, reference, some_prompts

from doneness.models import answer_all, load_model
from doneness.models.decode import Guesser, Tally, Task, decode, likeliest
from doneness.models.decode_cost import Costs
from doneness.models.decode_fit import why_not
from doneness.models.draft import Draft, Rates

pytestmark = pytest.mark.model
LIMIT = 14


class Free(Costs):
    """Guesses cost nothing, so that all are checked."""

    def of(self, counts: Any) -> list[float]:
        return [1.0 for _ in counts]


def asked(
    model: Any, prompts: list[list[int]], rows: int, old: list[list[int]] | None = None
) -> tuple[list[Any], Tally]:
    tally, rates = Tally(), Rates()
    guessers: list[Guesser] | None = None
    if old is not None:
        guessers = [Draft(each, prompt, rates) for each, prompt in zip(old, prompts, strict=True)]
    task = Task(prompts, frozenset([END]), LIMIT, rows, likeliest, guessers)
    return decode(model, task, Free(), tally), tally


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_says_what_it_says_by_itself(name: str) -> None:
    model, prompts, draw = family(name), some_prompts(), random.Random(3)
    assert why_not(model) == ""
    wanted = reference(model, prompts, LIMIT)
    assert len({tuple(each) for each in wanted}) > 3
    off = [[token if draw.random() < 0.8 else 5 for token in each] for each in wanted]
    short = [each[: len(each) // 2] for each in wanted]
    for rows in (1, 3, 8):
        drafts: list[list[list[int]] | None] = [None, wanted, off, short, [[] for _ in prompts]]
        for old in drafts:
            said, tally = asked(model, prompts, rows, old)
            assert [each.ids for each in said] == wanted
            assert [each.ended for each in said] == [each[-1] == END for each in wanted]
            assert tally.tokens == sum(len(each) for each in wanted)
            if old is wanted:
                assert tally.turns < 0.4 * tally.tokens
            if old is None:
                assert tally.turns == tally.tokens


@pytest.mark.parametrize("name", UNFIT)
def test_a_model_that_does_not_fit_is_told_and_answers_all_the_same(name: str, tiny_model: Path) -> None:
    tokenizer = load_model(str(tiny_model), device="cpu").tokenizer
    model = family(name)
    assert why_not(model) != ""
    tokenizer.eos_token_id, tokenizer.pad_token_id, tokenizer.chat_template = END, 0, None
    prompts = some_prompts()
    found = answer_all(model, tokenizer, prompts, 5, drafts=[[3, 4]] * len(prompts))
    alone = [answer_all(model, tokenizer, [prompt], 5)[0] for prompt in prompts]
    assert [each.ids for each in found] == [each.ids for each in alone]
    assert all(each.tokens == len(each.ids) for each in found)


def test_settings_that_change_the_logits_are_left_to_transformers() -> None:
    model = family("llama")
    model.generation_config.no_repeat_ngram_size = 2
    assert why_not(model) == "no_repeat_ngram_size"


def test_attention_is_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    model = family("llama")
    before = model.config._attn_implementation
    asked(model, some_prompts(), 3)
    assert model.config._attn_implementation == before

    def broken(*args: Any) -> Any:
        raise RuntimeError("in the middle")

    monkeypatch.setattr("doneness.models.decode.forward", broken)
    with pytest.raises(RuntimeError, match="in the middle"):
        asked(model, some_prompts(), 3)
    assert model.config._attn_implementation == before


def test_what_prompts_begin_with_alike_is_read_once() -> None:
    model = family("llama")
    head = list(range(10, 40))
    prompts = [[*head, 50 + i, 60] for i in range(6)]
    alone = sum(asked(model, [prompt], 1)[1].read for prompt in prompts)
    for rows in (2, 6):
        said, tally = asked(model, prompts, rows)
        assert alone - tally.read == 5 * len(head)
        assert [each.ids for each in said] == reference(model, prompts, LIMIT)


def test_rows_that_end_make_room(monkeypatch: pytest.MonkeyPatch) -> None:
    model = family("llama")
    prompts = some_prompts(14, seed=5)
    wanted = reference(model, prompts, LIMIT)
    # A frequent token as the end makes answers of many lengths.
    end = max({t for each in wanted for t in each} - {END}, key=lambda t: sum(t in each for each in wanted))
    kept = [i for i, each in enumerate(wanted) if END not in each]
    prompts, wanted = [prompts[i] for i in kept], [wanted[i] for i in kept]
    task = Task(prompts, frozenset([end]), LIMIT, 4, likeliest)
    tally = Tally()
    said = decode(model, task, Costs(), tally)
    cut = [each[: each.index(end) + 1] if end in each else each for each in wanted]
    assert [each.ids for each in said] == cut
    lengths = [len(each) for each in cut]
    assert len(set(lengths)) > 2
    in_batches = sum(max(lengths[i : i + 4]) for i in range(0, len(lengths), 4))
    assert tally.forwards <= in_batches
    monkeypatch.setattr("doneness.models.decode._ROOM", -30)  # prompts of each length by themselves
    assert [each.ids for each in decode(model, task, Costs(), Tally())] == cut
    monkeypatch.setattr("doneness.models.decode._LINE", 7)  # prompts read in pieces
    assert [each.ids for each in decode(model, task, Costs(), Tally())] == cut


def test_confidence_is_that_of_the_tokens_said(tiny_model: Path) -> None:
    import torch

    loaded = load_model(str(tiny_model), device="cpu")
    prompts = some_prompts()
    for prompt, found in zip(prompts, answer_all(loaded.model, loaded.tokenizer, prompts, 6), strict=True):
        ids = torch.tensor([[*prompt, *found.ids]])
        with torch.no_grad():
            chances = loaded.model(input_ids=ids).logits[0].softmax(-1)
        own = [float(chances[len(prompt) - 1 + k, token]) for k, token in enumerate(found.ids)]
        assert found.capped
        assert found.confidence == pytest.approx(np.mean(own), rel=1e-4)
