"""The engine of this machine, asked everything an engine can be asked."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.models.checkpoints import OTHER, PLAIN, WHOLE, by_peft, write_checkpoints
from tests.models.decoding import some_prompts

from doneness.models import load_model
from doneness.probe.engine import Engine
from doneness.probe.torch_engine import TorchEngine

pytestmark = pytest.mark.model


@pytest.fixture(scope="module")
def folders(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    return write_checkpoints(tiny_model, tmp_path_factory.mktemp("checkpoints"))


def test_answers_are_those_of_each_checkpoint_by_itself(tiny_model: Path, folders: dict[int, Path]) -> None:
    import torch

    ours = TorchEngine(lambda: load_model(str(tiny_model), device="cpu"), folders, 4)
    engine: Engine = ours
    prompts, drafts = some_prompts(), None
    done: list[int] = []
    for step in engine.steps():
        found = engine.greedy(step, prompts, 8, drafts, done.append)
        drafts = [each.ids for each in found]
        assert ours.slower_for(step) == ""
        model = by_peft(tiny_model, folders.get(step))
        for prompt, answer in zip(prompts, found, strict=True):
            with torch.inference_mode():
                alone = model.generate(
                    input_ids=torch.tensor([prompt]), attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
                    max_new_tokens=8, do_sample=False,
                    eos_token_id=engine.tokenizer.eos_token_id, pad_token_id=engine.tokenizer.pad_token_id,
                )  # fmt: skip
            assert list(answer.ids) == alone[0, len(prompt) :].tolist()[: len(answer.ids)]
            assert answer.tokens == 8 or not answer.capped
    assert done == [1, 2, 3, 4, 5, 6, 7] * 4
    assert ours.learnt.tally.tokens >= 4 * len(prompts)
    assert engine.greedy(PLAIN, [], 8) == []


def test_options_are_sums_of_losses(tiny_model: Path, folders: dict[int, Path]) -> None:
    engine = TorchEngine(lambda: load_model(str(tiny_model), device="cpu"), folders)
    prompts, options = [[5, 6, 7], [5, 6, 8]], [[[9], [10, 11]], [[12, 13, 14]]]
    for step in (PLAIN, OTHER, WHOLE):
        found = engine.options(step, prompts, options)
        assert [len(each) for each in found] == [2, 1]
        losses = engine.losses(step, [(prompts[0], options[0][1])])
        assert found[0][1] == pytest.approx(-losses[0][0], rel=1e-5)
        assert losses[0][1] == 2
        assert all(each < 0 for row in found for each in row)
    assert engine.divergence(PLAIN, [(prompts[0], options[0][0])])[0] > 0
    assert engine.perturbed(PLAIN, [(prompts[0], options[0][0])], 0.1, 2, 1).shape == (2, 1)
    assert len(engine.sampled(PLAIN, prompts, 4, 3, 1.0, 1)[1]) == 3
