"""Losses block by block are those of the model's own forward, whatever it does to its logits."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from doneness.integrations.own_pass import score_rows
from doneness.integrations.scored import kind_of
from doneness.models import Encoded, example_losses, head, load_model
from doneness.models.head import target_losses

pytestmark = pytest.mark.model
VOCAB = 131
SMALL = {"vocab_size": VOCAB, "hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 2,
         "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8, "pad_token_id": 0}  # fmt: skip
MODELS: dict[str, dict[str, Any]] = {
    "Llama": SMALL,
    "Gemma2": SMALL | {"final_logit_softcapping": 2.0},
    "Cohere": SMALL | {"logit_scale": 3.0},
    "Granite": SMALL | {"logits_scaling": 0.25},
    "Qwen3": SMALL | {"tie_word_embeddings": True},
    "Mixtral": SMALL | {"num_local_experts": 2, "output_router_logits": True},
    "GPT2": {"vocab_size": VOCAB, "n_embd": 32, "n_layer": 2, "n_head": 4},
    "OPT": {"vocab_size": VOCAB, "hidden_size": 32, "ffn_dim": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
            "word_embed_proj_dim": 16},
}  # fmt: skip


def made(name: str, **more: Any) -> Any:
    import torch
    import transformers

    torch.manual_seed(3)
    config = getattr(transformers, f"{name}Config")(**(MODELS[name] | more))
    model = transformers.AutoModelForCausalLM.from_config(config)
    for each in model.parameters():  # large enough for a cap or a scale to show
        if each.ndim > 1:
            torch.nn.init.normal_(each, std=0.3)
    return model.eval()


def asked(rows: int = 3, length: int = 17) -> tuple[dict[str, Any], Any, Any, Any]:
    """What a model is called with, and targets: every second place, the last row only in part."""
    import torch

    ids = torch.tensor([[1 + (7 * i + 5 * j + i * j) % (VOCAB - 1) for j in range(length)] for i in range(rows)])
    mask = torch.ones_like(ids)
    mask[-1, -4:] = 0
    row, place = mask[:, 1:].nonzero(as_tuple=True)
    row, place = row[::2], place[::2]
    return {"input_ids": ids, "attention_mask": mask, "use_cache": False}, row, place, ids[row, place + 1]


def whole(model: Any, inputs: dict[str, Any], row: Any, place: Any, wanted: Any) -> Any:
    import torch

    logits = model(**inputs).logits
    logits = logits[row, place + logits.shape[1] - inputs["input_ids"].shape[1]]
    return torch.nn.functional.cross_entropy(logits.float(), wanted, reduction="none").double().numpy()


class Widths:
    """Positions that reached an output layer in each call."""

    def __init__(self, layer: Any) -> None:
        self.seen: list[int] = []
        layer.register_forward_hook(lambda module, args, output: self.seen.append(output[..., 0].numel()))


@pytest.mark.parametrize("name", MODELS)
def test_blocks_have_the_losses_of_the_model_itself(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    model = made(name)
    bodies = Widths(model.base_model.get_input_embeddings())
    widths = Widths(model.get_output_embeddings())
    monkeypatch.setattr(head, "_BLOCK", 5 * VOCAB)
    with torch.no_grad():
        wanted = whole(model, *asked())
        bodies.seen.clear()
        widths.seen.clear()
        found = target_losses(model, *asked())
        assert widths.seen == [5] * (len(found) // 5) + [len(found) % 5] * (len(found) % 5 > 0)
        assert len(bodies.seen) == 1, "the body runs once"
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)
        assert "forward" not in model.base_model.__dict__
        assert model(**asked()[0]).logits.shape[1] == 17, "and it answers as before"


@pytest.mark.parametrize("kind", ["head", "saved", "prompt"])
def test_adapters_on_the_head_and_learnt_prompts_count(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import peft
    import torch

    configs = {
        "head": peft.LoraConfig(r=4, target_modules=["q_proj", "lm_head"], init_lora_weights=False),
        "saved": peft.LoraConfig(r=4, target_modules=["q_proj"], modules_to_save=["lm_head"]),
        "prompt": peft.PromptTuningConfig(num_virtual_tokens=3, task_type="CAUSAL_LM"),
    }
    bare = made("Gemma2", tie_word_embeddings=False)
    with torch.no_grad():
        without = whole(bare, *asked())
        torch.manual_seed(0)
        model = peft.get_peft_model(bare, configs[kind]).eval()
        if kind == "saved":
            bare.get_output_embeddings().modules_to_save["default"].weight.normal_()
        wanted = whole(model, *asked())
        assert np.abs(wanted - without).max() > 0.01
        monkeypatch.setattr(head, "_BLOCK", 4 * VOCAB)
        widths = Widths(bare.get_output_embeddings())
        np.testing.assert_allclose(target_losses(model, *asked()), wanted, rtol=1e-5, atol=1e-6)
        assert max(widths.seen) == 4


def test_a_model_that_cannot_be_called_so_is_called_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(head, "_BLOCK", 4 * VOCAB)

    class Wrapped(torch.nn.Module):  # type: ignore[misc]
        def __init__(self, inner: Any) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, **inputs: Any) -> Any:
            return self.inner(**inputs)

    with torch.no_grad():
        model = made("Llama")
        wanted = whole(model, *asked())
        np.testing.assert_allclose(target_losses(Wrapped(model), *asked()), wanted, rtol=1e-6)
        # A body that is called twice, answers with a tuple, or is not called at all.
        own = model.forward
        body = model.model

        def twice(*args: Any, **inputs: Any) -> Any:
            body(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"])
            return own(*args, **inputs)

        model.forward = twice
        np.testing.assert_allclose(target_losses(model, *asked()), wanted, rtol=1e-6)
        model.forward = lambda **inputs: SimpleNamespace(logits=model.lm_head(body.forward(**inputs)[0]) + 0.0)
        plain = body.forward
        body.forward = lambda **inputs: tuple(plain(**inputs).values())
        np.testing.assert_allclose(target_losses(model, *asked()), wanted, rtol=1e-6)
        model.forward = lambda **inputs: SimpleNamespace(logits=model.lm_head(plain(**inputs)[0]))
        np.testing.assert_allclose(target_losses(model, *asked()), wanted, rtol=1e-6)
        assert target_losses(model, asked()[0], *(each[:0] for each in asked()[1:])).shape == (0,)


def test_the_own_forward_of_a_body_is_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """As libraries put one on the instance that move weights to and fro; also where the model fails."""
    import torch

    model = made("Llama")
    forward = model.model.forward
    model.model.forward = forward
    monkeypatch.setattr(model.lm_head, "forward", lambda states: 1 / 0)
    with torch.no_grad(), pytest.raises(ZeroDivisionError):
        target_losses(model, *asked())
    assert model.model.__dict__["forward"] is forward


def test_one_long_row_takes_one_block_of_logits(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = load_model(str(tiny_model), device="cpu").model
    rows = [Encoded(f"r{i}", tuple((7 * i + j * 13) % 250 for j in range(6 + 30 * i)), 2 + i) for i in range(5)]
    once = example_losses(model, rows, 0)
    widths = Widths(model.get_output_embeddings())
    monkeypatch.setattr(head, "_BLOCK", 10 * model.config.vocab_size)
    found = example_losses(model, rows, 0)
    assert max(widths.seen) == 10
    assert sum(widths.seen) == sum(row.targets for row in rows), "and no position twice, and none without a target"
    np.testing.assert_allclose(found.nll, once.nll, rtol=1e-6)
    for name, span in once.spans.items():
        np.testing.assert_allclose(found.spans[name].nll, span.nll, rtol=1e-6)


def test_a_pass_of_our_own_takes_blocks_too(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    model = made("Gemma2")
    lengths = [9, 4, 17, 12, 6]
    rows = [{"input_ids": [1 + (3 * i + j) % 100 for j in range(n)], "start": 2} for i, n in enumerate(lengths)]

    def collate(batch: list[dict[str, Any]]) -> dict[str, Any]:
        width = max(len(row["input_ids"]) for row in batch)
        found = {"input_ids": torch.zeros(len(batch), width, dtype=torch.long)}
        found |= {"attention_mask": torch.zeros_like(found["input_ids"])}
        found |= {"labels": torch.full_like(found["input_ids"], -100)}
        for k, row in enumerate(batch):
            ids = torch.tensor(row["input_ids"])
            found["input_ids"][k, : len(ids)], found["attention_mask"][k, : len(ids)] = ids, 1
            found["labels"][k, row["start"] : len(ids)] = ids[row["start"] :]
        return found

    loader = SimpleNamespace(dataset=rows, collate_fn=collate)
    spread = [score_rows(model, kind_of(model), loader, 3, (rank, 2)) for rank in (0, 1)]  # their logits are whole
    monkeypatch.setattr(head, "_BLOCK", 4 * VOCAB)
    widths = Widths(model.get_output_embeddings())
    alone = score_rows(model, kind_of(model), loader, 3, (0, 1))
    assert max(widths.seen) == 4
    assert sum(widths.seen) == sum(lengths) - 2 * len(lengths)
    others = {row.name: row for part in spread for row in part}
    assert {row.name for row in alone} == set(others)
    for row in alone:
        assert row.tokens == others[row.name].tokens
        assert row.nll == pytest.approx(others[row.name].nll, rel=1e-5)
