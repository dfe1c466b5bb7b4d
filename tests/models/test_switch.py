"""One base model is every checkpoint in turn, and itself again bit for bit."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.models.checkpoints import OTHER, PLAIN, WHOLE, by_peft, write_adapter, write_checkpoints

from doneness.models import load_model
from doneness.models.switch import Switch
from doneness.models.switch_lora import plain_factors

pytestmark = pytest.mark.model
IDS = [[5, 9, 40, 200, 7, 33]]


@pytest.fixture(scope="module")
def folders(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    return write_checkpoints(tiny_model, tmp_path_factory.mktemp("checkpoints"))


def test_every_step_is_its_checkpoint(tiny_model: Path, folders: dict[int, Path]) -> None:
    import torch

    loads = []

    def base() -> object:
        loads.append(1)
        return load_model(str(tiny_model), device="cpu")

    switch = Switch(base, folders)  # type: ignore[arg-type]
    assert switch.steps() == (0, PLAIN, OTHER, WHOLE)
    assert not loads
    wanted = {}
    with torch.no_grad():
        for step in switch.steps():
            wanted[step] = by_peft(tiny_model, folders.get(step))(torch.tensor(IDS)).logits
        before = {k: v.clone() for k, v in switch.base.model.state_dict().items()}
        for step in (0, PLAIN, OTHER, PLAIN, WHOLE, PLAIN, 0, OTHER, 0, WHOLE, OTHER):
            model = switch.to(step)
            assert not model.training
            torch.testing.assert_close(model(torch.tensor(IDS)).logits, wanted[step], rtol=1e-4, atol=1e-5)
    assert (wanted[0] - wanted[PLAIN]).abs().max() > 1e-2
    assert (wanted[0] - wanted[OTHER]).abs().max() > 1e-2
    after = switch.to(0).state_dict()
    assert sum(loads) == 1
    assert list(after) == list(before)
    assert all(torch.equal(after[name], before[name]) for name in before)


@pytest.mark.parametrize(
    "more",
    [{"use_dora": True}, {"bias": "lora_only"}, {"modules_to_save": ["norm"]}, {"rank_pattern": {"q_proj": 2}}],
)
def test_only_plain_adapters_are_added(tiny_model: Path, tmp_path: Path, more: dict[str, object]) -> None:
    model = load_model(str(tiny_model), device="cpu").model
    assert plain_factors(model, write_adapter(tiny_model, tmp_path, 1, **more)) is None
    assert plain_factors(model, write_adapter(tiny_model, tmp_path / "plain", 1, use_rslora=True)) is not None


@pytest.mark.filterwarnings("ignore:Model has .tie_word_embeddings:UserWarning")
def test_a_weight_that_two_layers_share_is_not_added_to(tiny_model: Path, tmp_path: Path) -> None:
    """An adapter on the output layer alone leaves the embeddings tied to it as they are."""
    import torch
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(3)
    config = LoraConfig(r=4, target_modules=["q_proj", "lm_head"], init_lora_weights=False)
    adapted = get_peft_model(load_model(str(tiny_model), device="cpu").model, config)
    adapted.save_pretrained(str(tmp_path), save_embedding_layers=False)
    switch = Switch(lambda: load_model(str(tiny_model), device="cpu"), {PLAIN: tmp_path})
    with torch.no_grad():
        wanted = by_peft(tiny_model, tmp_path)(torch.tensor(IDS)).logits
        torch.testing.assert_close(switch.to(PLAIN)(torch.tensor(IDS)).logits, wanted, rtol=1e-4, atol=1e-5)


def test_sixteen_bits_and_short_memory_are_left_to_adapters(
    tiny_model: Path, folders: dict[int, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    model = load_model(str(tiny_model), device="cpu").model
    assert plain_factors(model, folders[PLAIN]) is not None
    monkeypatch.setattr("doneness.models.switch_lora._free", lambda device: 1000.0)
    assert plain_factors(model, folders[PLAIN]) is None
    monkeypatch.undo()
    assert plain_factors(model.to(torch.bfloat16), folders[PLAIN]) is None
