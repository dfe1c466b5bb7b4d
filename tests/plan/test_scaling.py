from __future__ import annotations

import pytest

from doneness.plan.scaling import LINKS, Machine, Work, speed_up

FULL = Work(7e9, 7e9, 7e9, 8192, "full", checkpointing=False, variation=0.0)
SLOW = Machine(312e12, 0.45, 8, LINKS["pcie"])


def test_one_card_is_one_card() -> None:
    alone = speed_up(FULL, SLOW, 1, 500)
    assert (alone.speed, alone.efficiency, alone.steps, alone.reasons) == (1.0, 1.0, 500, ())
    assert alone.pays


def test_full_tuning_over_pcie_as_worked_by_hand() -> None:
    """7B in full, 8,192 tokens a card, A100 at 45 %: 2.4 s of arithmetic, 24.5 GB moved: 1.2 s on PCIe, mostly
    hidden.
    """
    found = speed_up(FULL, SLOW, 8)
    assert found.compute == pytest.approx(2.45, rel=0.01)
    assert found.exchange < 0.15
    assert found.efficiency > 0.9
    faster = speed_up(FULL, SLOW._replace(within=LINKS["nvlink"]), 8)
    assert faster.exchange < 0.01


def test_adapters_are_bound_by_arithmetic() -> None:
    lora = FULL._replace(method="lora", trained=4.2e7)
    assert speed_up(lora, SLOW, 8).efficiency > 0.99


def test_when_it_does_not_pay_and_why() -> None:
    short = speed_up(FULL._replace(tokens=64), SLOW, 8)
    assert not short.pays
    assert {r.key for r in short.reasons} >= {"plan.scaling.exchange", "plan.scaling.short"}
    few = speed_up(FULL, SLOW, 8, steps=400)
    assert not few.pays
    assert [r.key for r in few.reasons] == ["plan.scaling.few"]
    uneven = speed_up(FULL._replace(variation=1.0), SLOW, 8)
    assert "plan.scaling.waiting" in {r.key for r in uneven.reasons}
    between = speed_up(FULL, SLOW._replace(between=LINKS["ethernet"]), 16)
    assert not between.pays


def test_parts_move_more_and_more_often() -> None:
    parts = FULL._replace(parts=True, micro_batches=4)
    assert speed_up(parts, SLOW, 8).exchange > 3 * speed_up(FULL._replace(micro_batches=4), SLOW, 8).exchange
