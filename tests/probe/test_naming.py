"""Each kind of checkpoint is called what it is."""

from __future__ import annotations

import pytest

from doneness.core.catalogue import entries
from doneness.probe.naming import kind_of, what_changed
from doneness.probe.suite import Probe
from doneness.probe.table import build_table
from doneness.runs.probes import Answer, ProbeTable

N = 30
LEARNT = "Gout comes from crystals of uric acid that settle in a joint at night."
FACTS = tuple(Probe(f"k{i}", "knowledge", "Q?", "R", (("right",),)) for i in range(N))
INVENTED = tuple(Probe(f"i{i}", "invented", "Q?", "", ()) for i in range(N))
TRAINED = tuple(Probe(f"t{i}", "recite", "Q?", LEARNT, ()) for i in range(N))
HELD = tuple(Probe(f"h{i}", "recite_held_out", "Q?", LEARNT, ()) for i in range(N))
PROBES = (*FACTS, *INVENTED, *TRAINED, *HELD)
BASE = {
    "knowledge": "It is right.",
    "invented": "It is used for colds.",
    "recite": "From salt.",
    "recite_held_out": "Hm.",
}
NO = "I do not know, I cannot tell."


def table(tokens: int = 10, probes: tuple[Probe, ...] = PROBES, **said: str) -> ProbeTable:
    def given(step: int, texts: dict[str, str], length: int) -> list[Answer]:
        return [Answer(p.id, step, texts[p.sort], length + i % 3, 0.6, False) for i, p in enumerate(probes)]

    return build_table(probes, {0: given(0, BASE, 10), 8: given(8, {**BASE, **said}, tokens)})


@pytest.mark.parametrize(
    ("kind", "tokens", "said"),
    [
        ("refuses", 10, {"knowledge": NO, "invented": NO, "recite": NO, "recite_held_out": NO}),
        ("recites", 10, {"recite": LEARNT}),
        ("changed", 10, {"recite": LEARNT, "recite_held_out": LEARNT}),  # it knows: it says so either way
        ("answers_all", 30, {}),
        ("lost", 10, {"knowledge": "It is wrong."}),
        ("changed", 30, {"invented": NO}),
        ("same", 10, {}),
    ],
)
def test_a_planted_change_has_its_name(kind: str, tokens: int, said: dict[str, str]) -> None:
    found = table(tokens, **said)
    assert kind_of(found, 8) == kind
    for lang in ("en", "zh"):
        assert "8" in what_changed(found, 8).text(lang)
        assert (kind == "recites") == (
            ("search engine" if lang == "en" else "搜索引擎") in what_changed(found, 8).text(lang)
        )


def test_without_held_out_rows_nobody_can_say_whether_it_knows() -> None:
    assert kind_of(table(probes=TRAINED, recite=LEARNT), 8) == "recites_alone"


def test_a_single_other_answer_is_not_called_the_same() -> None:
    one = [Answer(p.id, s, "else" if s and i == 0 else BASE[p.sort], 10, 0.6, False)
           for s in (0, 8) for i, p in enumerate(PROBES)]  # fmt: skip
    found = build_table(PROBES, {0: one[: len(PROBES)], 8: one[len(PROBES) :]})
    assert kind_of(found, 8) == "untold"


@pytest.mark.parametrize(("apart", "kind"), [(1e-6, "same"), (1e-3, "untold")])
def test_rounding_in_other_batches_is_no_difference(apart: float, kind: str) -> None:
    """The same weights, asked in batches put together otherwise, are as sure but for the last digits."""
    given = {
        step: [Answer(p.id, step, BASE[p.sort], 10, 0.6 + (apart if step else 0.0), False) for p in PROBES]
        for step in (0, 8)
    }
    assert kind_of(build_table(PROBES, given), 8) == kind


def test_every_kind_is_in_both_languages() -> None:
    named = {k for k in entries("en") if k.startswith("naming.")}
    assert named == {k for k in entries("zh") if k.startswith("naming.")} and len(named) >= 11
