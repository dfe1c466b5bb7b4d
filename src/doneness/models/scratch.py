"""A model that knows nothing yet: random weights of a given shape, and a tokenizer made of the texts at hand."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from doneness.core import DonenessError, tr
from doneness.models.imports import quiet_libraries, require
from doneness.models.templates import template

END, PAD = "<|endoftext|>", "<|pad|>"
_TURNS = ("<|im_start|>", "<|im_end|>")  # for conversations that a later stage may teach
_MULTIPLE = 64  # of the inner width, which then fills whole tiles of a GPU


@dataclass(frozen=True)
class Shape:
    """Of a decoder like Llama's.

    Attributes:
        width: numbers of a token's state.
        depth: layers.
        heads, kv_heads: attention heads, and those of keys and values.
        context: longest text, tokens.
    """

    width: int
    depth: int
    heads: int
    kv_heads: int
    context: int


def train_tokenizer(texts: Iterable[str], size: int) -> Any:
    """A byte-level BPE tokenizer of `size` tokens at most; the same texts in the same order give the same one.

    It has ChatML's template, so that the model can be taught to answer later.

    Args:
        texts: what it is to write in few tokens.
        size: of the vocabulary, 256 bytes and four special tokens included.
    """
    quiet_libraries()
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=[END, PAD, *_TURNS], initial_alphabet=alphabet, show_progress=False
    )
    core.train_from_iterator(texts, trainer)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, eos_token=END, pad_token=PAD)
    tokenizer.chat_template = template("chatml").jinja()
    return tokenizer


def new_model(tokenizer: Any, shape: Shape, seed: int) -> Any:
    """A decoder with random weights in float32; the same seed gives the same weights, whatever device it goes to.

    The matrix that reads tokens also predicts them, which spares a small model half of its weights.
    """
    torch, transformers = require("torch"), require("transformers")
    inner = -(-8 * shape.width // (3 * _MULTIPLE)) * _MULTIPLE
    config = transformers.LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=shape.width,
        intermediate_size=inner,
        num_hidden_layers=shape.depth,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.kv_heads,
        max_position_embeddings=shape.context,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        tie_word_embeddings=True,
    )
    torch.manual_seed(seed)
    return transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32)


def model_by_config(path: str, tokens: int, seed: int, more: dict[str, Any]) -> Any:
    """A model with random weights of the shape that `path`'s config.json has; weights there are not read.

    Args:
        path: folder, or hub name.
        tokens: of the tokenizer, none of which may lie beyond the model's vocabulary.
        seed: of the weights.
        more: further words for transformers.

    Raises:
        DonenessError: no such config, or one whose vocabulary is too small.
    """
    torch, transformers = require("torch"), require("transformers")
    if Path(path).is_dir() and not (Path(path) / "config.json").is_file():
        raise DonenessError(tr("models.scratch.no_config", path=path))
    try:
        config = transformers.AutoConfig.from_pretrained(path, **more)
        size = int(config.get_text_config().vocab_size)
        if size < tokens:
            raise DonenessError(tr("models.scratch.vocabulary", path=path, size=size, tokens=tokens))
        torch.manual_seed(seed)
        return transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32, **more)
    except (OSError, ValueError, KeyError, ImportError) as error:
        reason = " ".join(str(error).split())[:300]
        raise DonenessError(tr("models.not_loadable", path=path, reason=reason)) from error
