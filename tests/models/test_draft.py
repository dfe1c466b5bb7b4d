"""Guesses follow the old answer, find it again, and stop where they do not pay."""

from __future__ import annotations

import pytest

from doneness.models.decode_cost import Costs, worth
from doneness.models.draft import Draft, Rates
from doneness.models.draft_phrases import Next, Phrases

PROMPT = [900, 901, 902, 903, 904, 905]


def guessed(draft: Draft, most: int = 4) -> list[int]:
    return [token for token, _ in draft.ahead(most)]


def test_the_old_answer_is_followed() -> None:
    draft = Draft([1, 2, 3, 4, 5], PROMPT, Rates())
    assert guessed(draft) == [1, 2, 3, 4]
    draft.told(1)
    draft.told(2)
    assert guessed(draft) == [3, 4, 5]
    chances = [chance for _, chance in draft.ahead(3)]
    assert chances == sorted(chances, reverse=True)
    assert 0.0 < chances[-1] < chances[0] < 1.0


def test_it_is_picked_up_again_after_words_put_in_left_out_or_changed() -> None:
    old = [1, 2, 3, 4, 5, 6, 7, 8, 9]
    changed = Draft(old, PROMPT, Rates())
    for token in (1, 2, 50):
        changed.told(token)
    assert guessed(changed) == [4, 5, 6, 7]
    put_in = Draft(old, PROMPT, Rates())
    for token in (1, 2, 50, 51, 3):
        put_in.told(token)
    assert guessed(put_in) == [4, 5, 6, 7]
    left_out = Draft(old, PROMPT, Rates())
    for token in (1, 2, 5, 6):
        left_out.told(token)
    assert guessed(left_out) == [7, 8, 9]


def test_the_prompt_and_the_answer_itself_are_quoted() -> None:
    quoting = Draft([1, 2, 3], PROMPT, Rates())
    for token in (7, 901, 902):
        quoting.told(token)
    assert guessed(quoting)[:3] == [903, 904, 905]
    looping = Draft([], PROMPT, Rates())
    for token in (7, 8, 9, 7, 8):
        looping.told(token)
    assert guessed(looping, 3) == [9, 7, 8]


def test_turns_of_speech_are_known_from_other_answers() -> None:
    rates = Rates()
    for start in (1, 2, 3):
        draft = Draft([], PROMPT, rates)
        for token in (start, 60, 61, 62, 63):
            draft.told(token)
    other = Draft([8, 8, 8, 8], [5, 6], rates)
    for token in (9, 60, 61):
        other.told(token)
    assert guessed(other, 2) == [62, 63]
    chances = [chance for _, chance in other.ahead(2)]
    assert chances[0] > 0.5
    assert rates.phrases.next([1, 2]) is None


def test_a_phrase_goes_on_as_it_did_most_often(monkeypatch: pytest.MonkeyPatch) -> None:
    phrases = Phrases()
    for last in (7, 8, 8):
        phrases.add([1, 2])
        phrases.add([1, 2, last])
    assert phrases.next([1, 2]) == Next(8, 2, 2 / 3.5)
    phrases.add([3, 1, 2, 7])
    assert phrases.next([3, 1, 2]) == Next(7, 3, 1 / 1.5)
    assert phrases.next([9, 9]) is None
    monkeypatch.setattr("doneness.models.draft_phrases._MOST", 1)
    phrases.add([5, 6, 7])
    assert phrases.next([1, 2]) is None
    assert phrases.next([5, 6]) is not None


def test_nothing_is_guessed_beyond_the_end() -> None:
    draft = Draft([1, 2], PROMPT, Rates())
    draft.told(1)
    draft.told(2)
    assert draft.ahead(4) == []
    assert Draft([], PROMPT, Rates()).ahead(4) == []


def test_chances_are_learnt() -> None:
    rates = Rates()
    before = rates.of("old", 0)
    for _ in range(50):
        rates.note("old", 0, False)
    assert rates.of("old", 0) < 0.2 < before
    assert rates.of("old", 3) > 0.8


def machine(fixed: float, each: float) -> Costs:
    costs = Costs()
    for tokens in (1, 4, 16, 64, 256):
        costs.note(tokens, fixed + each * tokens)
    return costs


def test_guesses_are_checked_where_they_pay() -> None:
    likely, unlikely = [0.9, 0.8, 0.7, 0.6], [0.1, 0.01]
    # Where a forward costs the same whatever it reads, everything is worth a try.
    assert worth([likely, unlikely], 2, machine(1.0, 0.0)) == [4, 2]
    # Where every token costs the same, only what is certain would be.
    assert worth([likely, unlikely], 2, machine(0.0, 1.0)) == [0, 0]
    between = worth([likely, unlikely], 2, machine(1.0, 0.2))
    assert between[0] == 4
    assert between[1] == 0


def test_of_an_unknown_machine_the_cautious_is_believed() -> None:
    assert worth([[0.9, 0.8]], 1, Costs()) == [0]
    one = Costs()
    one.note(16, 1.0)
    assert one.of([16, 32]) == pytest.approx([1.0, 2.0])


def test_costs_are_medians_that_do_not_fall() -> None:
    costs = Costs()
    for seconds in (1.0, 1.0, 9.0):
        costs.note(16, seconds)
    costs.note(64, 0.6)
    costs.note(256, 2.0)
    assert costs.line() == [(16, pytest.approx(0.9)), (64, pytest.approx(0.9)), (256, 2.0)]
    assert costs.of([16, 40, 64, 160, 448]) == pytest.approx([0.9, 0.9, 0.9, 1.45, 3.1])
