"""Where the weights of shipped sizes lie on the hub: the name that a written recipe can be trained from.

Source: the models' pages and config.json on huggingface.co, and code that loads them; of models whose tuned version has
another name than the base, the tuned one.
"""

from __future__ import annotations

from pathlib import Path

from doneness.plan.shapes import WORDS

_HUB = {
    "smollm2-135m": "HuggingFaceTB/SmolLM2-135M-Instruct", "smollm2-360m": "HuggingFaceTB/SmolLM2-360M-Instruct",
    "smollm2-1.7b": "HuggingFaceTB/SmolLM2-1.7B-Instruct", "smollm3-3b": "HuggingFaceTB/SmolLM3-3B",
    "qwen3-0.6b": "Qwen/Qwen3-0.6B", "qwen3-1.7b": "Qwen/Qwen3-1.7B", "qwen3-4b": "Qwen/Qwen3-4B",
    "qwen3-8b": "Qwen/Qwen3-8B", "qwen3-14b": "Qwen/Qwen3-14B", "qwen3-32b": "Qwen/Qwen3-32B",
    "qwen3-30b-a3b": "Qwen/Qwen3-30B-A3B", "qwen3-235b-a22b": "Qwen/Qwen3-235B-A22B",
    "qwen2.5-0.5b": "Qwen/Qwen2.5-0.5B-Instruct", "qwen2.5-1.5b": "Qwen/Qwen2.5-1.5B-Instruct",
    "qwen2.5-3b": "Qwen/Qwen2.5-3B-Instruct", "qwen2.5-7b": "Qwen/Qwen2.5-7B-Instruct",
    "qwen2.5-14b": "Qwen/Qwen2.5-14B-Instruct", "qwen2.5-32b": "Qwen/Qwen2.5-32B-Instruct",
    "qwen2.5-72b": "Qwen/Qwen2.5-72B-Instruct", "llama-3.1-8b": "meta-llama/Llama-3.1-8B-Instruct",
    "llama-3.1-70b": "meta-llama/Llama-3.1-70B-Instruct", "llama-3.1-405b": "meta-llama/Llama-3.1-405B-Instruct",
    "llama-3.2-1b": "meta-llama/Llama-3.2-1B-Instruct", "llama-3.2-3b": "meta-llama/Llama-3.2-3B-Instruct",
    "llama-2-7b": "meta-llama/Llama-2-7b-chat-hf", "llama-2-13b": "meta-llama/Llama-2-13b-chat-hf",
    "llama-2-70b": "meta-llama/Llama-2-70b-chat-hf", "tinyllama-1.1b": "TinyLlama/TinyLlama-1.1B-Chat-v1.0",
    "gemma-2-2b": "google/gemma-2-2b-it", "gemma-2-9b": "google/gemma-2-9b-it", "gemma-2-27b": "google/gemma-2-27b-it",
    "mistral-nemo-12b": "mistralai/Mistral-Nemo-Instruct-2407",
    "mistral-small-24b": "mistralai/Mistral-Small-24B-Instruct-2501",
    "mistral-7b-v0.3": "mistralai/Mistral-7B-Instruct-v0.3", "yi-6b": "01-ai/Yi-6B-Chat", "yi-34b": "01-ai/Yi-34B-Chat",
    "mixtral-8x7b": "mistralai/Mixtral-8x7B-Instruct-v0.1", "mixtral-8x22b": "mistralai/Mixtral-8x22B-Instruct-v0.1",
    "falcon3-1b": "tiiuae/Falcon3-1B-Instruct", "falcon3-7b": "tiiuae/Falcon3-7B-Instruct",
    "falcon3-10b": "tiiuae/Falcon3-10B-Instruct", "bloomz-7b1": "bigscience/bloomz-7b1",
    "phi-4": "microsoft/phi-4", "phi-4-mini": "microsoft/Phi-4-mini-instruct",
}  # fmt: skip


def hub_name(asked: str, shipped: str) -> str:
    """What to write for a model that was asked for as `asked`, whose sizes are those of `shipped`; "" if not known.

    A folder, and a name with its owner, stay what they are. A name that is spelt otherwise than the shipped one may
    mean another model of the same sizes, and is not guessed at; a size word means the shipped one.
    """
    if "/" in asked or Path(asked).exists():
        return asked
    word = asked.strip().lower()
    return _HUB.get(shipped, "") if word == shipped or WORDS.get(word) == shipped else ""
