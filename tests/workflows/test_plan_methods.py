"""The plan counts the parameters that each method trains, and what their bits weigh."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.train.conftest import make_recipe as make_recipe

from doneness.config import Recipe
from doneness.models import load_model
from doneness.plan import ModelShape, Setup, estimate_memory
from doneness.train.method import apply_method, trainable
from doneness.workflows.plan import plan_recipe

Make = Callable[..., Recipe]


@pytest.mark.model
@pytest.mark.parametrize(
    "settings",
    [
        ("targets=attention",),
        ("targets=mlp,v_proj", "save_modules=lm_head"),
        ("kind=full",),
        ("kind=full", "layers=-1"),
        ("kind=full", "layers=1", "save_modules=embed_tokens"),
    ],
)
def test_the_plan_trains_as_much_as_the_method(make_recipe: Make, settings: tuple[str, ...]) -> None:
    recipe = make_recipe("plan", *[f"method.{each}" for each in settings])
    planned = plan_recipe(recipe).memory
    assert planned is not None
    model = apply_method(load_model(recipe.model.path, device="cpu").model, recipe.method, 0)
    assert planned.trainable == trainable(model)[0]


SHAPE = ModelShape(layers=32, hidden=4096, intermediate=11008, heads=32, kv_heads=32, head_dim=128, vocab=32000)


def test_bits_and_layers_weigh_what_they_are() -> None:
    def weights(bits: int, double: bool) -> float:
        return estimate_memory(SHAPE, Setup("qlora", 1, 512, bits=bits, double_quant=double)).items["weights"]

    saved = 0.37 / 8 * SHAPE.linear_parameters
    assert weights(4, False) - weights(4, True) == pytest.approx(saved, rel=0.02)
    assert weights(8, True) - weights(4, True) == pytest.approx(0.484 * SHAPE.linear_parameters, rel=0.02)
    one, two = (estimate_memory(SHAPE, Setup("full", 1, 512, layers=n)) for n in (1, 2))
    assert two.trainable == 2 * one.trainable
    assert two.items["optimizer"] == 2 * one.items["optimizer"]
    assert two.items["weights"] == one.items["weights"]
    whole = SHAPE.vocab * SHAPE.hidden
    kept, none = (estimate_memory(SHAPE, Setup("lora", 1, 512, whole=n)).items for n in (whole, 0))
    added = {name: kept[name] - none[name] for name in ("weights", "gradients", "optimizer")}
    assert added == {"weights": 2 * whole, "gradients": 2 * whole, "optimizer": 4 * whole}
