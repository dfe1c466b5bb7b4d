"""[method]: what goes together, what is refused, and what is only told."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest

from doneness.config import bits_of, build_recipe, dump_recipe, unused
from doneness.core import RecipeError, speaking


@pytest.mark.parametrize(
    ("method", "bits"),
    [
        ({}, 0),
        ({"kind": "dora"}, 0),
        ({"kind": "full"}, 0),
        ({"kind": "qlora"}, 4),
        ({"kind": "qlora", "bits": 8}, 8),
        ({"kind": "dora", "bits": 4, "quant_type": "fp4", "double_quant": False}, 4),
    ],
)
def test_bits_follow_the_kind(method: dict[str, Any], bits: int) -> None:
    recipe = build_recipe({"method": method})
    assert bits_of(recipe.method) == bits
    assert build_recipe(tomllib.loads(dump_recipe(recipe))) == recipe


@pytest.mark.parametrize(
    ("method", "part"),
    [
        ({"bits": 4}, 'method.kind = "lora" does not do'),
        ({"kind": "full", "bits": 8}, 'method.kind = "full" does not do'),
        ({"kind": "qlora", "bits": 5}, "method.bits = 5 must be one of 0, 4, 8"),
        ({"quant_type": "fp4"}, 'method.quant_type = "fp4" counts only with 4 bits'),
        ({"kind": "qlora", "bits": 8, "double_quant": False}, "method.double_quant = false counts only"),
        ({"layers": 2}, 'method.kind = "lora" trains adapters'),
        ({"kind": "qlora", "layers": -1}, 'method.kind = "qlora" trains adapters'),
        ({"kind": "full", "adapter": "there"}, 'method.adapter = "there" goes on with an adapter'),
        ({"kind": "ia3"}, "must be one of lora, qlora, dora, full"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(method: dict[str, Any], part: str) -> None:
    with pytest.raises(RecipeError) as caught:
        build_recipe({"method": method})
    assert len(caught.value.faults) == 1
    assert part in caught.value.faults[0]
    with speaking("zh"), pytest.raises(RecipeError, match="method"):
        build_recipe({"method": method})


@pytest.mark.parametrize(("key", "value"), [("adapter", "there"), ("save_modules", "lm_head")])
def test_exploring_trains_new_adapters_alone(key: str, value: str) -> None:
    with pytest.raises(RecipeError, match=f"method.{key} is not for run.mode"):
        build_recipe({"run": {"mode": "explore"}, "method": {key: value}})


@pytest.mark.parametrize(
    ("method", "told"),
    [
        ({"kind": "full"}, ()),
        ({"kind": "full", "rank": 64, "rslora": True}, ("rank = 64", "rslora = true")),
        ({"kind": "full", "save_modules": ["lm_head"]}, ('save_modules = ["lm_head"]',)),
        ({"kind": "full", "layers": 2, "save_modules": ["lm_head"]}, ()),
        ({"rank": 64}, ()),
    ],
)
def test_settings_of_adapters_are_told_to_be_unused_where_there_are_none(
    method: dict[str, Any], told: tuple[str, ...]
) -> None:
    assert unused(build_recipe({"method": method}).method) == told


def test_several_modules_are_a_list_or_a_text() -> None:
    both = ("embed_tokens", "lm_head")
    assert build_recipe({"method": {"save_modules": list(both)}}).method.save_modules == both
    assert build_recipe({}, ["method.save_modules=embed_tokens, lm_head"]).method.save_modules == both
