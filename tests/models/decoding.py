"""Small random models of several families, prompts, and what transformers' own loop answers."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

END = 2


def _sizes(**more: Any) -> dict[str, Any]:
    return {
        "vocab_size": 97, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 256,
        "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": END, **more,
    }  # fmt: skip


def _made(kind: str, config: str, **given: Any) -> Any:
    import transformers

    return getattr(transformers, kind)(getattr(transformers, config)(**given))


FAMILIES: dict[str, Callable[[], Any]] = {
    "llama": lambda: _made("LlamaForCausalLM", "LlamaConfig", **_sizes()),
    "window": lambda: _made("MistralForCausalLM", "MistralConfig", **_sizes(sliding_window=6)),
    "window in some layers": lambda: _made(
        "Qwen2ForCausalLM", "Qwen2Config", **_sizes(use_sliding_window=True, sliding_window=5, max_window_layers=1)
    ),
    "soft cap and window": lambda: _made(
        "Gemma2ForCausalLM", "Gemma2Config", **_sizes(head_dim=8, sliding_window=6, attn_logit_softcapping=2.0)
    ),
    "experts": lambda: _made("MixtralForCausalLM", "MixtralConfig", **_sizes(num_local_experts=4)),
    "learnt positions": lambda: _made(
        "GPT2LMHeadModel", "GPT2Config", vocab_size=97, n_embd=32, n_layer=2, n_head=4, n_positions=128,
        bos_token_id=1, eos_token_id=END,
    ),
}  # fmt: skip
UNFIT: dict[str, Callable[[], Any]] = {
    "distances instead of positions": lambda: _made(
        "BloomForCausalLM", "BloomConfig", vocab_size=97, hidden_size=32, n_layer=2, n_head=4, eos_token_id=END
    ),
    "no attention": lambda: _made(
        "MambaForCausalLM", "MambaConfig", vocab_size=97, hidden_size=32, num_hidden_layers=2, eos_token_id=END
    ),
    "positions that move": lambda: _made(
        "LlamaForCausalLM", "LlamaConfig",
        **_sizes(rope_parameters={"rope_type": "dynamic", "factor": 2.0, "rope_theta": 10000.0}),
    ),
}  # fmt: skip


def family(name: str, seed: int = 0) -> Any:
    """A model whose answers differ from prompt to prompt: small weights would all say one token."""
    import torch

    torch.manual_seed(seed)
    model = (FAMILIES | UNFIT)[name]().eval()
    for weight in model.parameters():
        if weight.dim() > 1 and float(weight.detach().std()) < 0.1:
            weight.data.mul_(8)
    return model


def some_prompts(count: int = 7, seed: int = 1) -> list[list[int]]:
    """Prompts of several lengths; some begin alike, two are equal."""
    draw = random.Random(seed)
    head = [draw.randrange(3, 97) for _ in range(5)]
    rows = [
        head[: draw.choice([0, 3, 5])] + [draw.randrange(3, 97) for _ in range(draw.randrange(1, 12))]
        for _ in range(count - 1)
    ]
    return [*rows, list(rows[0])]


def reference(model: Any, prompts: list[list[int]], limit: int) -> list[list[int]]:
    """What transformers' own loop answers, each prompt by itself; the token that ends it included."""
    import torch

    found = []
    for prompt in prompts:
        with torch.inference_mode():
            out = model.generate(
                input_ids=torch.tensor([prompt]), attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
                max_new_tokens=limit, do_sample=False, eos_token_id=[END], pad_token_id=0,
            )  # fmt: skip
        found.append(out[0, len(prompt) :].tolist())
    return found
