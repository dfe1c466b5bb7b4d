"""The base model, loaded once, and one checkpoint at a time over it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from doneness.models.imports import require
from doneness.models.load import LoadedModel, load_model
from doneness.models.switch_lora import Factors, Sums, plain_factors

BASE = 0


class Switch:
    """The models of a run by their steps.

    Plain LoRA in float32 is added to the base's weights; other adapters lie over them by PEFT, loaded once each; whole
    checkpoints are loaded anew beside the base, one at a time. Whatever was changed is put back bit for bit.
    """

    def __init__(self, base: Callable[[], LoadedModel], checkpoints: Mapping[int, Path]) -> None:
        """Nothing is loaded yet.

        Args:
            base: loads the base model; called once, when it is first needed.
            checkpoints: folders by step.
        """
        self._load, self._checkpoints = base, dict(checkpoints)
        self._loaded: LoadedModel | None = None
        self._sums = Sums()
        self._factors: dict[int, list[Factors] | None] = {}
        self._adapted: Any = None
        self._kind = ""
        self._before: dict[str, Any] | None = None  # all weights, where an adapter writes into some
        self._whole: tuple[int, Any] | None = None
        self._step = BASE

    @property
    def base(self) -> LoadedModel:
        """The base model and its tokenizer; its weights are those of the step that was asked for last."""
        if self._loaded is None:
            self._loaded = self._load()
            self._loaded.model.eval()
        return self._loaded

    def steps(self) -> tuple[int, ...]:
        """All steps, ascending; 0 is the base model."""
        return tuple(sorted({BASE, *self._checkpoints}))

    def to(self, step: int) -> Any:
        """The model of a step, in evaluation mode.

        Raises:
            KeyError: there is no such checkpoint.
            DonenessError: it cannot be loaded.
        """
        # Weights that are made under inference mode could never be changed in place again.
        with require("torch").inference_mode(False):
            if self.is_whole(step):
                return self._whole_model(step, self._checkpoints[step])
            if step == self._step and self._adapted is None:
                return self.base.model.eval()
            factors = self.factors(step)
            if step != BASE and factors is None:
                return self._adapter(step, self._checkpoints[step]).eval()
            self._unload()
            self._sums.add(factors or [])
            self._step = step
            return self.base.model.eval()

    def factors(self, step: int) -> list[Factors] | None:
        """The factors of a checkpoint that is plain LoRA in float32; None for any other, and for the base."""
        if step == BASE or self.is_whole(step):
            return None
        if step not in self._factors:
            self._unload()
            self._factors[step] = plain_factors(self.base.model, self._checkpoints[step])
        return self._factors[step]

    def is_whole(self, step: int) -> bool:
        """Whether a checkpoint is a model of its own and no adapter."""
        return step != BASE and not (self._checkpoints[step] / "adapter_config.json").is_file()

    def moves_output(self, step: int) -> bool:
        """Whether a checkpoint's adapter changes the output layer, or the embeddings that may be tied to it."""
        factors = self.factors(step)
        if factors is None:
            return step != BASE
        model = self.base.model
        ends = [model.get_output_embeddings(), model.get_input_embeddings()]
        return any(each.weight is end.weight for each in factors for end in ends if end is not None)

    def add(self, factors: list[Factors]) -> None:
        """Put factors that are no checkpoint's into the weights; the next `to` puts its own there."""
        self._sums.add(factors)
        self._step = -1

    def _adapter(self, step: int, folder: Path) -> Any:
        peft = require("peft")
        self._sums.restore()
        self._step = BASE
        config, name = peft.PeftConfig.from_pretrained(str(folder)), f"step{step}"
        kind, writes = str(config.peft_type), _writes(config)
        # Adapters of other kinds do not share a model, nor do those that write into its weights.
        if self._adapted is not None and name not in self._adapted.peft_config and (kind != self._kind or writes):
            self._unload()
        if self._adapted is None:
            if writes:
                own = self.base.model.state_dict()
                self._before = {key: value.detach().to("cpu", copy=True) for key, value in own.items()}
            self._adapted = peft.PeftModel.from_pretrained(self.base.model, str(folder), adapter_name=name)
            # One that writes is alone.
            self._kind = f"{kind} {name}" if writes else kind
        elif name not in self._adapted.peft_config:
            self._adapted.load_adapter(str(folder), name)
        self._adapted.set_adapter(name)
        return self._adapted

    def _unload(self) -> None:
        """The base's own layers back, so that nothing lies over them."""
        if self._adapted is None:
            return
        named = self._adapted.get_base_model().named_modules()
        # PEFT leaves the copy that an adapter trained of a whole module in the place of the module itself.
        own = {name: each.original_module for name, each in named if hasattr(each, "original_module")}
        model = self._adapted.unload()
        for name, module in own.items():
            parent, _, last = name.rpartition(".")
            setattr(model.get_submodule(parent), last, module)
        if self._before is not None:
            model.load_state_dict(self._before)
            self._before = None
        self._loaded = LoadedModel(model, self.base.tokenizer, self.base.path)
        self._adapted = None

    def _whole_model(self, step: int, folder: Path) -> Any:
        if self._whole is None or self._whole[0] != step:
            # Gone before the next comes, so that there are never three.
            self._whole = None
            where = next(self.base.model.parameters())
            dtype = str(where.dtype).removeprefix("torch.")
            known = dtype if dtype in ("float32", "bfloat16", "float16") else "auto"
            self._whole = (step, load_model(str(folder), dtype=known, device=str(where.device)).model)
        return self._whole[1].eval()


def _writes(config: Any) -> bool:
    """Whether an adapter changes weights of the base when it is loaded: biases, or those it took its start from."""
    start = getattr(config, "init_lora_weights", True)
    taken = isinstance(start, str) and start not in ("gaussian", "orthogonal")
    return taken or getattr(config, "bias", "none") != "none"
