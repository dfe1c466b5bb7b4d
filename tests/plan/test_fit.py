from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from doneness.core import DataError
from doneness.plan import Setup, estimate_memory
from doneness.plan.card import choices
from doneness.plan.fit import card_bytes, fits, largest
from doneness.plan.folk import accelerate_estimate, deepspeed_estimate, folk_formulas
from doneness.plan.relief import reliefs
from doneness.plan.shapes import named_shape

SHAPE = named_shape("8b")[1]
LORA = Setup("lora", 1, 1024)


@pytest.mark.parametrize(
    ("asked", "gib"), [("80GB", 80), ("24", 24), ("h100", 80), ("RTX 4090", 24), ("A100-40GB", 40)]
)
def test_cards(asked: str, gib: int) -> None:
    assert card_bytes(asked) == gib * 2**30


@pytest.mark.parametrize("asked", ["", "big", "-4GB", "0"])
def test_no_cards(asked: str) -> None:
    with pytest.raises(DataError, match="h100"):
        card_bytes(asked)


def test_the_largest_fits_and_one_more_does_not() -> None:
    card = card_bytes("40GB")
    most = largest(SHAPE, LORA, card)
    for name, value in (("micro_batch", most.micro_batch), ("seq", most.seq), ("rank", most.rank)):
        one: Any = {name: value}
        more: Any = {name: value + 1}
        assert fits(estimate_memory(SHAPE, replace(LORA, **one)), card)
        assert not fits(estimate_memory(SHAPE, replace(LORA, **more)), card)
    assert named_shape(most.models["qlora"])[1].parameters > named_shape(most.models["lora"])[1].parameters
    assert largest(SHAPE, LORA, 1e9).micro_batch == 0
    assert largest(SHAPE, replace(LORA, method="full"), card).rank == 0


def test_what_to_change_first() -> None:
    heavy = Setup("full", 8, 4096, checkpointing=False, loss="whole", attention="eager", dtype="amp")
    found = reliefs(SHAPE, heavy, length95=1500)
    names = [each.name for each in found]
    assert names[:5] == ["tiled", "fused", "shorter", "rows", "checkpointing"]
    assert {"half", "eight_bit", "lora", "qlora", "zero2", "zero3"} <= set(names)
    peaks = [each.together.total for each in found if each.name not in ("zero2", "zero3", "offload")]
    # Ways to share keep the method that they are taken for.
    shared = [each for each in found if each.name in ("zero2", "zero3", "offload")]
    assert all(each.setup.method == "full" and each.setup.optimizer == "adamw_8bit" for each in shared)
    own = next(each for each in found if each.name == "eight_bit").together.total
    assert all(each.together.total < own for each in shared)
    assert all(b <= a * 1.001 for a, b in pairwise(peaks))
    before = estimate_memory(SHAPE, heavy).total
    for each in found:
        assert each.saved == pytest.approx(before - each.alone.total)
        for lang in ("en", "zh"):
            assert "plan." not in each.what.text(lang) + each.cost.text(lang)
    assert "shorter" not in [each.name for each in reliefs(SHAPE, LORA, length95=1024)]


def test_methods_of_a_card_grow_in_order() -> None:
    found = {(c.word, c.method): c.memory.total for c in choices(LORA)}
    for word in ("1b", "8b", "70b"):
        assert found[word, "qlora"] < found[word, "lora"] < found[word, "full"]


def test_circulating_formulas() -> None:
    """A adds up to 112 GB for 7 billion, and as it is written to 140; B to 70."""
    shape = named_shape("llama-2-7b")[1]
    setup = Setup("full", 1, 512, loss="whole")
    folk = folk_formulas(shape, setup, estimate_memory(shape, setup))
    n = shape.parameters / 7e9
    assert [each.answer / 1e9 / n for each in folk] == pytest.approx([112, 70])
    assert folk[0].line.args["written"] / n == pytest.approx(140)
    for each in folk:
        assert each.line.text("en").split(" says ")[1].startswith(f"{each.answer / 1e9:.0f} GB")
    assert accelerate_estimate(shape) == 16 * shape.parameters
    assert deepspeed_estimate(shape, 8, 2) == 6 * shape.parameters
    assert deepspeed_estimate(shape, 1, 3) > 18 * shape.parameters
