"""The shape of a decoder from its config.json, and its parameter counts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from doneness.core import DataError, tr
from doneness.plan.families import Family, family_of

ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")
MLP = ("gate_proj", "up_proj", "down_proj")

# Families that share input and output embeddings when their config does not say so.
_TIED = frozenset(("gemma", "gemma2", "gemma3", "gemma3_text", "gpt2", "bloom", "cohere", "cohere2"))
_EXPERTS = ("num_experts", "num_local_experts", "n_routed_experts")
_CHOSEN = ("num_experts_per_tok", "num_experts_per_token", "moe_topk")
# Older families' names of the same sizes.
_NAMES = {
    "num_hidden_layers": ("n_layer", "num_layers"),
    "hidden_size": ("n_embd", "d_model"),
    "num_attention_heads": ("n_head",),
    "intermediate_size": ("n_inner", "ffn_hidden_size", "ffn_dim"),
    "vocab_size": ("padded_vocab_size",),
    "num_key_value_heads": ("num_kv_heads", "multi_query_group_num"),
}
_LATENT = "kv_lora_rank"  # attention over a latent state, whose sizes are others


@dataclass(frozen=True, slots=True)
class ModelShape:
    """Sizes of a decoder.

    Attributes:
        layers: decoder layers.
        hidden: width of the residual stream.
        intermediate: width of the MLP; with experts, of one of them.
        heads: query heads.
        kv_heads: key and value heads.
        head_dim: width of one head.
        vocab: rows of the embedding.
        tied: whether output and input embeddings are one matrix.
        family: `model_type` of the config, in lower case.
        attention_bias: biases on all four attention matrices.
        mlp_bias: biases on the MLP matrices.
        experts: MLPs of a layer that tokens are sent to; 0 for one that all take.
        chosen: of them, those that one token is sent to.
        shared: width of an MLP that all tokens take beside the experts.
        window: tokens that a layer looks back at most, in layers that have such a limit; 0 for none.
        positions: learnt positions.
        counted: parameters as the model class itself counts them; 0 counts by the sizes.
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
    experts: int = 0
    chosen: int = 0
    shared: int = 0
    window: int = 0
    positions: int = 0
    counted: int = 0

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> ModelShape:
        """Read a Hugging Face config.json; of a multimodal model, its text part.

        Raises:
            DataError: a size is missing, or is none.
        """
        text = config.get("text_config")
        config = _named({**config, **text} if isinstance(text, Mapping) else dict(config))
        needed = ("num_hidden_layers", "hidden_size", "num_attention_heads", "vocab_size")
        lacking = [key for key in needed if config.get(key) is None]
        if lacking:
            raise DataError(tr("plan.config_lacks", keys=", ".join(lacking)))
        layers, hidden, heads, vocab = (_size(config, key, least=1) for key in needed)
        family = str(config.get("model_type", "llama")).lower()
        tied = config.get("tie_word_embeddings")
        experts, chosen = (next((_size(config, k) for k in keys if config.get(k)), 0) for keys in (_EXPERTS, _CHOSEN))
        inner = _size(config, "intermediate_size") or 4 * hidden
        if experts > 1:
            inner = _size(config, "moe_intermediate_size") or inner
        return cls(
            layers=layers,
            hidden=hidden,
            intermediate=inner,
            heads=heads,
            kv_heads=_size(config, "num_key_value_heads") or (1 if config.get("multi_query") else heads),
            head_dim=_size(config, "head_dim") or _size(config, "attention_head_dim") or hidden // heads,
            vocab=vocab,
            tied=family in _TIED if tied is None else bool(tied),
            family=family,
            attention_bias=bool(config.get("attention_bias", False)),
            mlp_bias=bool(config.get("mlp_bias", False)),
            experts=experts if experts > 1 else 0,
            chosen=chosen if experts > 1 else 0,
            shared=_size(config, "shared_expert_intermediate_size") if experts > 1 else 0,
            window=_size(config, "sliding_window") if config.get("use_sliding_window", True) else 0,
            positions=(_size(config, "n_positions") or 1024) if family == "gpt2" else 0,
        )

    @property
    def kind(self) -> Family:
        """What the family has besides the sizes."""
        return family_of(self.family)

    @property
    def matrices(self) -> Mapping[str, tuple[int, int]]:
        """(inputs, outputs) of the linear maps of one layer; of experts and what they share, apart."""
        query, key = self.heads * self.head_dim, self.kv_heads * self.head_dim
        found = {
            "q_proj": (self.hidden, query),
            "k_proj": (self.hidden, key),
            "v_proj": (self.hidden, key),
            "o_proj": (query, self.hidden),
        }
        width = self.shared if self.experts else self.intermediate
        if width:
            found |= {"gate_proj": (self.hidden, width)} if self.kind.gated else {}
            found |= {"up_proj": (self.hidden, width), "down_proj": (width, self.hidden)}
        return found

    @property
    def linear_parameters(self) -> int:
        """Weights of the linear maps in all layers: what quantisation shrinks."""
        return self.layers * sum(inputs * outputs for inputs, outputs in self.matrices.values())

    @property
    def expert_parameters(self) -> int:
        """Weights of experts and of what sends tokens to them.

        Each is one tensor a layer, which neither quantisation nor adapters on linear layers reach.
        """
        each = (3 if self.kind.gated else 2) * self.hidden * self.intermediate
        return self.layers * self.experts * (each + self.hidden)

    @property
    def active_parameters(self) -> int:
        """Those that one token goes through: all but the experts that it is not sent to."""
        each = (3 if self.kind.gated else 2) * self.hidden * self.intermediate
        return self.parameters - self.layers * (self.experts - self.chosen) * each

    @property
    def embedding_parameters(self) -> int:
        """Input and output embeddings, and learnt positions."""
        return self.vocab * self.hidden * (1 if self.tied else 2) + self.positions * self.hidden

    @property
    def small_parameters(self) -> int:
        """Norms and biases; what the model class counts beyond the rest, where that is known."""
        if self.counted:
            return self.counted - self.linear_parameters - self.embedding_parameters - self.expert_parameters
        kind, out = self.kind, {name: outputs for name, (_, outputs) in self.matrices.items()}
        layer = self.hidden * kind.norms * (2 if kind.norm_bias else 1)
        if kind.head_norms == "head":
            layer += 2 * self.head_dim
        elif kind.head_norms == "whole":
            layer += out["q_proj"] + out["k_proj"]
        if self.attention_bias or kind.all_bias:
            biased = [name for name in ATTENTION if name != "o_proj" or not kind.no_output_bias]
            layer += sum(out[name] for name in biased)
        elif kind.qkv_bias:
            layer += sum(out[name] for name in ATTENTION[:3])
        if self.mlp_bias or kind.all_bias:
            layer += sum(out.get(name, 0) for name in MLP)
        ends = self.hidden * (kind.end_norms * (2 if kind.norm_bias else 1)) + (self.vocab if kind.head_bias else 0)
        return self.layers * layer + ends

    @property
    def parameters(self) -> int:
        """All parameters, embeddings included; a shared embedding counts once."""
        return self.linear_parameters + self.embedding_parameters + self.small_parameters + self.expert_parameters

    @property
    def width(self) -> int:
        """Of the MLP, as one token goes through it."""
        return self.chosen * self.intermediate + self.shared if self.experts else self.intermediate

    def lora_parameters(self, rank: int, targets: Iterable[str] = ("all",)) -> int:
        """Parameters of a LoRA of `rank` on `targets`: rank · Σ (inputs + outputs).

        Families that keep several maps in one matrix have one adapter for it.

        Args:
            rank: of every adapter.
            targets: names of matrices ("q_proj" or "q"), or "attention", "mlp", "all" ("all-linear").

        Raises:
            DataError: a target is none of these.
        """
        names, sizes = _target_names(targets), self.matrices
        fused = [set(group) for group in self.kind.fused if set(group) & set(names)]
        alone = [name for name in names if name in sizes and not any(name in group for group in fused)]
        count = sum(sum(sizes[name]) for name in alone)
        for group in fused:
            own = [sizes[name] for name in group if name in sizes]
            count += own[0][0] + sum(outputs for _, outputs in own) if own else 0
        return self.layers * rank * count


def _named(config: dict[str, Any]) -> dict[str, Any]:
    """With today's names beside older ones."""
    for name, older in _NAMES.items():
        if config.get(name) is None:
            config[name] = next((config[each] for each in older if config.get(each) is not None), None)
    return config


def _size(config: Mapping[str, Any], key: str, least: int = 0) -> int:
    """A size, 0 where it is not told; of one for each layer the mean.

    Raises:
        DataError: it is no whole number, or below `least`.
    """
    told = config.get(key)
    each: list[Any] = told if isinstance(told, list) and told else [0 if told is None or told is False else told]
    if not all(type(one) in (int, float) and one == one // 1 and one >= least for one in each):
        raise DataError(tr("plan.config_size", name=key, value=str(told)[:60]))
    return round(float(sum(each)) / len(each))


def is_latent(config: Mapping[str, Any]) -> bool:
    """Whether the model's attention is of a kind that these sizes do not describe."""
    return bool(config.get(_LATENT))


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
