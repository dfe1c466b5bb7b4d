"""Rows held out: whole groups, nothing near across, and every row where it was."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from doneness.data import Row, Turn, advised_rows, detectable, hold_out, near_pairs, normalise
from doneness.data.eval_size import CEILING, FLOOR
from doneness.data.held_out import CAP, TOP, share_for

MEDQUAD = Path(__file__).parents[3] / "shared" / "data" / "medical_sft" / "medquad_full.jsonl.gz"
THINGS = [f"{a}{b}" for a in ("gren", "tol", "mirs", "pav", "lund", "skor", "vint", "brad") for b in
          ("ova", "ite", "ax", "um", "elle", "osk", "ing", "ard", "el", "ych")]  # fmt: skip


def row(name: str, *said: str, cluster: str | None = None) -> Row:
    """A conversation, user first."""
    turns = tuple(Turn("assistant" if i % 2 else "user", text) for i, text in enumerate(said))
    return Row(name, turns, 1, cluster=cluster)


def questions(n: int = 160) -> list[Row]:
    """Distinct questions, every fourth asked once more in other words."""
    found = []
    for i in range(n):
        thing = f"{THINGS[i % 80]} {THINGS[(i // 80 * 7 + i * 3 + 1) % 80]}"
        found.append(row(f"q{i}", f"Which organ does {thing} disease attack?", f"The {i}th organ."))
        if i % 4 == 0:
            found.append(row(f"q{i}b", f"What organ is attacked by {thing} disease?", f"Organ {i}."))
    return found


def leaked(train: Sequence[Row], held: Sequence[Row]) -> int:
    """Held-out rows with a near-duplicate on the training side."""
    pairs = near_pairs([r.context for r in train], [r.context for r in held])
    return len({j for _, j, _ in pairs})


def test_a_row_split_leaks_and_ours_does_not() -> None:
    rows = questions()
    shuffled = random.Random(0).sample(rows, len(rows))
    assert leaked(shuffled[30:], shuffled[:30]) >= 5
    split = hold_out(rows, 30, 17)
    assert split is not None
    assert leaked(split.train, split.eval) == 0
    assert split.joined >= 80
    assert len(split.train) + len(split.eval) == len(rows)
    assert 0.05 * len(rows) < len(split.eval) <= CAP * len(rows)
    # Reworded questions stand beside each other, as one unit of evidence.
    both = [r for r in split.eval if r.id.endswith("b")]
    marks = {r.id: r.cluster for r in split.eval}
    assert both and all(r.cluster is not None and marks[r.id[:-1]] == r.cluster for r in both)


def test_conversations_documents_and_questions_are_never_parted() -> None:
    rows = [row(f"{d}-{k}", f"{THINGS[d]} {THINGS[(d * 7 + k * 11 + 3) % 80]}?", f"{k}.", cluster=f"doc {d}")
            for d in range(60) for k in range(5)]  # fmt: skip
    # Unrolled dialogues without an id: the same first question, ever longer.
    for d in range(60):
        opening, later = (
            f"My {THINGS[d]} has hurt for {d} days",
            [f"{THINGS[(d + j * 9) % 80]} then?" for j in range(8)],
        )
        rows += [row(f"talk {d}.{k}", *[opening, *later][: 2 * k + 2]) for k in range(3)]
    split = hold_out(rows, 60, 3, "groups")
    assert split is not None
    sides = [{r.id.rpartition("." if "talk" in r.id else "-")[0] for r in side} for side in (split.train, split.eval)]
    assert not sides[0] & sides[1]
    assert split.groups == len(sides[1]) < len(split.eval)


def test_the_same_row_stays_on_its_side_when_the_file_grows_or_is_shuffled() -> None:
    rows = questions()
    whole = hold_out(rows, 30, 17)
    shuffled = hold_out(random.Random(1).sample(rows, len(rows)), 30, 17)
    grown = hold_out(rows[:130], 30, 17)
    assert whole is not None and shuffled is not None and grown is not None
    assert {r.id for r in shuffled.eval} == {r.id for r in whole.eval}
    assert shuffled.digest == whole.digest != grown.digest
    assert whole.share == grown.share == TOP
    old = {r.id for r in rows[:130]}
    assert {r.id for r in grown.eval} == {r.id for r in whole.eval} & old
    other = hold_out(rows, 30, 18)
    assert other is not None and {r.id for r in other.eval} != {r.id for r in whole.eval}


def test_a_smaller_share_holds_out_a_part_of_the_larger_one() -> None:
    rows = questions()
    large, small = hold_out(rows, 40, 17), hold_out(rows, 13, 17)
    assert large is not None and small is not None
    assert small.share < large.share
    assert {r.id for r in small.eval} < {r.id for r in large.eval}


def test_a_chain_of_likenesses_is_cut_and_what_lies_across_is_left_out_and_counted() -> None:
    # Each question shares all words but one with the next: joined without limit, they would be one group.
    words = [*THINGS, *(f"{thing}s" for thing in THINGS), *(f"{thing}o" for thing in THINGS)]
    rows = [row(f"c{i}", " ".join(words[i : i + 14]), "Yes.") for i in range(220)]
    split = hold_out(rows, 33, 17)
    assert split is not None
    assert split.near_train + split.near_eval > 0
    assert len(split.train) + len(split.eval) + split.near_train + split.near_eval == len(rows)
    # Each held-out row costs one row at most.
    assert split.near_train <= len(split.eval)
    assert leaked(split.train, split.eval) == 0


def test_a_group_of_more_than_a_tenth_is_trained_on() -> None:
    rows = questions(100)
    rows += [row(f"big {k}", f"{THINGS[k % 80]} {THINGS[k // 3]} chapter", f"{k}", cluster="the one handbook")
             for k in range(60)]  # fmt: skip
    split = hold_out(rows, 30, 17)
    assert split is not None
    assert split.large == 60
    assert not any(r.id.startswith("big") for r in split.eval)


@pytest.mark.parametrize("n", [0, 1, 5, 30])
def test_too_few_rows_are_not_parted(n: int) -> None:
    assert hold_out(questions(400)[:n], 10, 17) is None


def test_rows_of_few_groups_are_not_parted() -> None:
    rows = [row(f"r{i}", f"{THINGS[i]}?", "Yes.", cluster="a" if i % 2 else "b") for i in range(80)]
    assert hold_out(rows, 12, 17) is None


def test_questions_of_marks_alone_do_not_fall_together() -> None:
    rows = [*questions(60), *(row(f"m{i}", "?" * (i + 1), f"Ask {i}.") for i in range(4))]
    assert hold_out(rows, 20, 17) is not None


def test_the_share_moves_by_halves() -> None:
    assert [share_for(n, 100) for n in (100, 600, 1000, 2000, 5000, 100_000)] == [
        TOP, TOP, TOP / 2, TOP / 4, TOP / 8, TOP / 128
    ]  # fmt: skip
    assert share_for(0, 10) == TOP


def test_the_size_follows_from_the_effect() -> None:
    # ((1.96 + 0.84) · 0.065 / 0.005)² = 1,327
    assert advised_rows(0.005) == 1327
    assert advised_rows(0.01) == 332
    assert (advised_rows(0.05), advised_rows(0.0001)) == (FLOOR, CEILING)
    assert detectable(1327) == pytest.approx(0.005, rel=1e-3)
    assert detectable(1) == float("inf")


@pytest.mark.skipif(not MEDQUAD.is_file(), reason=f"{MEDQUAD} is not here")
def test_medquad_by_document_against_by_row() -> None:
    rows = []
    with gzip.open(MEDQUAD) as handle:
        for line, raw in enumerate(handle):
            item = json.loads(raw)
            rows.append(row(f"{line}", item["question"], item["answer"], cluster=item["doc"]))
    split = hold_out(rows, 1327, 17, "groups")
    assert split is not None
    shuffled = random.Random(0).sample(rows, len(rows))
    n = len(split.eval)
    documents = {r.cluster for r in shuffled[n:]}
    assert sum(r.cluster in documents for r in shuffled[:n]) / n == pytest.approx(0.917, abs=0.02)
    assert leaked(shuffled[n:], shuffled[:n]) / n == pytest.approx(0.23, abs=0.03)
    own = {r.id: r.cluster for r in rows}
    assert not {own[r.id] for r in split.eval} & {r.cluster for r in split.train}
    assert leaked(split.train, split.eval) == 0
    assert not {normalise(r.context) for r in split.eval} & {normalise(r.context) for r in split.train}
