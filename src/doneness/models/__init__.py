"""Everything that touches a model: loading, chat templates, per-example losses, generation."""

from doneness.models.chat import Answer, Encoded, EncodedRows, encode, encode_rows
from doneness.models.demo_model import cache_folder, demo_model
from doneness.models.generate import Generated, answer_all
from doneness.models.imports import quiet_libraries, require
from doneness.models.load import LoadedModel, load_model, load_tokenizer, pick_device, pick_dtype, read_config
from doneness.models.messages import as_turns
from doneness.models.nll import example_losses, label_entropy
from doneness.models.quantize import Quantization
from doneness.models.render import prompt_ids, render, stop_ids

__all__ = [
    "Answer",
    "Encoded",
    "EncodedRows",
    "Generated",
    "LoadedModel",
    "Quantization",
    "answer_all",
    "as_turns",
    "cache_folder",
    "demo_model",
    "encode",
    "encode_rows",
    "example_losses",
    "label_entropy",
    "load_model",
    "load_tokenizer",
    "pick_device",
    "pick_dtype",
    "prompt_ids",
    "quiet_libraries",
    "read_config",
    "render",
    "require",
    "stop_ids",
]
