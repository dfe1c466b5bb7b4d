"""The shape of a decoder from its config.json, and its parameter counts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from doneness.core import DataError, tr

ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")
MLP = ("gate_proj", "up_proj", "down_proj")

# Families that share input and output embeddings when their config does not say so.
_TIED = frozenset(("gemma", "gemma2", "gemma3", "gemma3_text", "gpt2", "cohere", "cohere2"))
_QKV_BIAS = frozenset(("qwen2", "qwen2_5"))
_QK_NORM = frozenset(("qwen3", "gemma3", "gemma3_text"))
_FOUR_NORMS = frozenset(("gemma2", "gemma3", "gemma3_text"))
_EXPERTS = ("num_experts", "num_local_experts", "n_routed_experts")


@dataclass(frozen=True, slots=True)
class ModelShape:
    """Sizes of a Llama-like decoder (Llama, Mistral, Qwen 2 and 3, Gemma, SmolLM).

    Attributes:
        layers: decoder layers.
        hidden: width of the residual stream.
        intermediate: width of the gated MLP.
        heads: query heads.
        kv_heads: key and value heads.
        head_dim: width of one head.
        vocab: rows of the embedding.
        tied: whether output and input embeddings are one matrix.
        family: `model_type` of the config, in lower case.
        attention_bias: biases on all four attention matrices.
        mlp_bias: biases on the three MLP matrices.
    """

    layers: int
    hidden: int
    intermediate: int
    heads: int
    kv_heads: int
    head_dim: int
    vocab: int
    tied: bool = False
    family: str = "llama"
    attention_bias: bool = False
    mlp_bias: bool = False

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> ModelShape:
        """Read a Hugging Face config.json; of a multimodal model, its text part.

        Raises:
            DataError: a size is missing, or the model is a mixture of experts.
        """
        text = config.get("text_config")
        config = {**config, **text} if isinstance(text, Mapping) else config
        experts = next((key for key in _EXPERTS if (config.get(key) or 0) > 1), None)
        if experts is not None:
            raise DataError(tr("plan.experts", field=experts))
        needed = ("num_hidden_layers", "hidden_size", "intermediate_size", "num_attention_heads", "vocab_size")
        lacking = [key for key in needed if not isinstance(config.get(key), int)]
        if lacking:
            raise DataError(tr("plan.config_lacks", keys=", ".join(lacking)))
        layers, hidden, intermediate, heads, vocab = (int(config[key]) for key in needed)
        family = str(config.get("model_type", "llama")).lower()
        tied = config.get("tie_word_embeddings")
        return cls(
            layers=layers,
            hidden=hidden,
            intermediate=intermediate,
            heads=heads,
            kv_heads=int(config.get("num_key_value_heads") or heads),
            head_dim=int(config.get("head_dim") or hidden // heads),
            vocab=vocab,
            tied=family in _TIED if tied is None else bool(tied),
            family=family,
            attention_bias=bool(config.get("attention_bias", False)),
            mlp_bias=bool(config.get("mlp_bias", False)),
        )

    @property
    def matrices(self) -> Mapping[str, tuple[int, int]]:
        """(inputs, outputs) of the seven linear maps of one layer."""
        query, key = self.heads * self.head_dim, self.kv_heads * self.head_dim
        return {
            "q_proj": (self.hidden, query),
            "k_proj": (self.hidden, key),
            "v_proj": (self.hidden, key),
            "o_proj": (query, self.hidden),
            "gate_proj": (self.hidden, self.intermediate),
            "up_proj": (self.hidden, self.intermediate),
            "down_proj": (self.intermediate, self.hidden),
        }

    @property
    def linear_parameters(self) -> int:
        """Weights of the linear maps in all layers: what quantisation shrinks."""
        return self.layers * sum(inputs * outputs for inputs, outputs in self.matrices.values())

    @property
    def embedding_parameters(self) -> int:
        """Input and output embeddings."""
        return self.vocab * self.hidden * (1 if self.tied else 2)

    @property
    def small_parameters(self) -> int:
        """Norms and biases."""
        out = {name: outputs for name, (_, outputs) in self.matrices.items()}
        layer = self.hidden * (4 if self.family in _FOUR_NORMS else 2)
        layer += 2 * self.head_dim if self.family in _QK_NORM else 0
        if self.attention_bias:
            layer += sum(out[name] for name in ATTENTION)
        elif self.family in _QKV_BIAS:
            layer += sum(out[name] for name in ATTENTION[:3])
        if self.mlp_bias:
            layer += sum(out[name] for name in MLP)
        return self.layers * layer + self.hidden

    @property
    def parameters(self) -> int:
        """All parameters, embeddings included; a shared embedding counts once."""
        return self.linear_parameters + self.embedding_parameters + self.small_parameters

    def lora_parameters(self, rank: int, targets: Iterable[str] = ("all",)) -> int:
        """Parameters of a LoRA of `rank` on `targets`: rank · Σ (inputs + outputs).

        Args:
            rank: of every adapter.
            targets: names of matrices ("q_proj" or "q"), or "attention", "mlp", "all" ("all-linear").

        Raises:
            DataError: a target is none of these.
        """
        sizes = self.matrices
        return self.layers * rank * sum(sum(sizes[name]) for name in _target_names(targets))


def _target_names(targets: Iterable[str]) -> tuple[str, ...]:
    groups = {"all": ATTENTION + MLP, "all-linear": ATTENTION + MLP, "attention": ATTENTION, "mlp": MLP}
    names: set[str] = set()
    for target in (targets,) if isinstance(targets, str) else targets:
        full = target if target.endswith("_proj") else f"{target}_proj"
        if target not in groups and full not in groups["all"]:
            known = ", ".join((*groups, *groups["all"]))
            raise DataError(tr("plan.unknown_target", target=target, known=known))
        names.update(groups.get(target, (full,)))
    return tuple(name for name in groups["all"] if name in names)
