from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from doneness.core import DataError
from doneness.plan import Setup, estimate_memory
from doneness.plan.card import choices
from doneness.plan.cards import card_bytes, card_name, cards_of, usable_bytes
from doneness.plan.fit import fits, largest
from doneness.plan.folk import accelerate_estimate, deepspeed_estimate, folk_formulas
from doneness.plan.relief import reliefs
from doneness.plan.shapes import named_shape
from doneness.plan.speed import reckoned_rate

SHAPE = named_shape("8b")[1]
LORA = Setup("lora", 1, 1024)


@pytest.mark.parametrize(
    ("asked", "gib"),
    [
        ("80GB", 80),
        ("24", 24),
        ("h100", 80),
        ("RTX 4090", 24),
        ("A100-40GB", 40),
        ("NVIDIA GeForce RTX 3090", 24),
        ("NVIDIA A100-SXM4-80GB", 80),
        ("NVIDIA H100 80GB HBM3", 80),
        ("Tesla T4", 16),
    ],
)
def test_cards(asked: str, gib: int) -> None:
    assert card_bytes(asked) == gib * 2**30


@pytest.mark.parametrize("asked", ["", "big", "-4GB", "0", "rtx9999", "9999", "24TB", "a101", "big 24GB"])
def test_no_cards(asked: str) -> None:
    with pytest.raises(DataError, match="h100"):
        card_bytes(asked)


def test_a_card_by_its_name_and_by_its_size() -> None:
    assert card_name("RTX 4090") == card_name("4090") == "4090"
    assert (card_name("A100-40GB"), card_name("80GB")) == ("a100", "")
    assert cards_of("80GB")[0] in ("a100", "a800") and cards_of("80GB")[-1] in ("h100", "h800")
    assert cards_of("RTX 4090") == ("4090",)
    assert cards_of("70GB") == ()
    one, some = reckoned_rate(SHAPE, LORA, "RTX 4090"), reckoned_rate(SHAPE, LORA, "80GB")
    assert one == reckoned_rate(SHAPE, LORA, "4090")
    slow, fast = reckoned_rate(SHAPE, LORA, "a100"), reckoned_rate(SHAPE, LORA, "h100")
    assert one and some and slow and fast
    assert (some.low, some.high) == (slow.low, fast.high)
    assert slow.mid < some.mid < fast.mid
    assert reckoned_rate(SHAPE, LORA, "70GB") is None


def test_a_process_gets_less_than_is_sold() -> None:
    """An L4 shows 22.0 of its 24; others keep a fiftieth."""
    assert usable_bytes("l4") == 22.0 * 2**30
    assert usable_bytes("24GB") == pytest.approx(0.98 * 24 * 2**30)
    assert usable_bytes("mi250") < 64 * 2**30 < card_bytes("mi250")  # two devices
    for asked in ("80GB", "a100", "A100-40GB", "t4", "l40s", "h200", "5080"):
        assert 0.9 * card_bytes(asked) < usable_bytes(asked) < card_bytes(asked)


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
    assert names[:7] == ["tiled", "fused", "rows", "checkpointing", "eight_bit", "half", "shorter"]
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


def test_the_list_ends_where_the_step_fits() -> None:
    """What loses nothing is enough: nothing is said of the rows, the method, or further cards."""
    eight = Setup("lora", 8, 2048)
    one = estimate_memory(SHAPE, replace(eight, micro_batch=1, accumulates=True))
    assert [each.name for each in reliefs(SHAPE, eight, 400, one.high)] == ["rows"]
    # Where only another method fits, ways to keep the method are named beside it, and no further method.
    full = Setup("full", 8, 2048)
    found = [each.name for each in reliefs(SHAPE, full, 0, card_bytes("48GB"))]
    assert "lora" in found and "qlora" not in found and "zero3" in found


def test_nothing_is_named_that_saves_nothing() -> None:
    """One row at a time spares nothing where the peak is the optimizer's step, and is neither named nor made."""
    step = Setup("full", 2, 64, dtype="amp")
    assert estimate_memory(SHAPE, replace(step, micro_batch=1, accumulates=True)).total >= (
        0.995 * estimate_memory(SHAPE, step).total
    )
    found = reliefs(SHAPE, step)
    assert found and "rows" not in [each.name for each in found]
    assert all(each.setup.micro_batch == 2 for each in found)
    for heavy in (step, Setup("lora", 8, 4096, checkpointing=False), Setup("full", 4, 4096, checkpointing=False)):
        before = estimate_memory(SHAPE, heavy).total
        for each in reliefs(SHAPE, heavy):
            assert each.saved > 0
            if each.name not in ("zero2", "zero3", "offload"):
                assert each.together.total <= 0.995 * before
                before = each.together.total


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
