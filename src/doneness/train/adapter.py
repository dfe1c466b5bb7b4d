"""An adapter that is gone on with: read, checked against the recipe, and laid over the base model."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from doneness.config import MethodSection
from doneness.core import Message, RecipeError, say, tr
from doneness.train.targets import target_names

CONFIG = "adapter_config.json"


def read_adapter(method: MethodSection) -> Any:
    """PEFT's configuration of `method.adapter`.

    Raises:
        RecipeError: no adapter there, of another kind than the recipe's, or none that is trained by low ranks.
    """
    from peft import PeftConfig

    folder = Path(method.adapter)
    if not (folder / CONFIG).is_file():
        raise RecipeError([tr("train.no_adapter", path=method.adapter)])
    try:
        config = PeftConfig.from_pretrained(str(folder))
    except (ValueError, TypeError, KeyError) as error:
        raise RecipeError([tr("train.bad_adapter", path=method.adapter, reason=_short(error))]) from error
    kind = str(getattr(config.peft_type, "value", config.peft_type))
    if kind != "LORA":
        raise RecipeError([tr("train.other_adapter", path=method.adapter, kind=kind)])
    if bool(config.use_dora) != (method.kind == "dora"):
        key = "train.dora_adapter" if config.use_dora else "train.lora_adapter"
        raise RecipeError([tr(key, path=method.adapter, kind=method.kind)])
    return config


def go_on(model: Any, method: MethodSection) -> Any:
    """The model with the adapter of `method.adapter` over it, ready to be trained on.

    What the adapter is (rank, alpha, targets, modules saved) is its own; dropout is of training, and the recipe's.

    Raises:
        RecipeError: the adapter is not whole, or not of this model.
    """
    from peft import PeftModel
    from safetensors import SafetensorError

    config = read_adapter(method)
    config.lora_dropout = method.dropout
    config.inference_mode = False
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        try:
            adapted = PeftModel.from_pretrained(model, method.adapter, is_trainable=True, config=config)
        except (ValueError, RuntimeError, KeyError, OSError, SafetensorError) as error:
            raise RecipeError([tr("train.bad_adapter", path=method.adapter, reason=_short(error))]) from error
    # PEFT only warns where weights are missing, and they would begin at random.
    lacking = [str(each.message) for each in heard if "missing adapter keys" in str(each.message)]
    if lacking:
        raise RecipeError([tr("train.bad_adapter", path=method.adapter, reason=lacking[0][:200])])
    return adapted


def differences(model: Any, method: MethodSection) -> list[Message]:
    """One line that names where the adapter is other than the recipe says; none where they agree.

    Args:
        model: with the adapter over it.
        method: of the recipe.
    """
    config = model.peft_config[model.active_adapter]
    pairs: list[tuple[str, object, object]] = [
        ("rank", config.r, method.rank),
        ("alpha", config.lora_alpha, method.alpha),
        ("rslora", str(config.use_rslora).lower(), str(method.rslora).lower()),
        ("save_modules", _listed(config.modules_to_save), _listed(method.save_modules)),
    ]
    if not _same_targets(model, method.targets):
        pairs.append(("targets", _listed(config.target_modules), method.targets))
    told = [tr("train.adapter_has", name=key, has=has, asked=asked) for key, has, asked in pairs if has != asked]
    if not told:
        return []
    return [say("train.adapter_wins", path=method.adapter, settings=tr("train.between").join(told))]


def _same_targets(model: Any, targets: str) -> bool:
    from peft.tuners.tuners_utils import BaseTunerLayer
    from peft.utils.other import AuxiliaryTrainingWrapper

    base = model.get_base_model()
    modules = dict(base.named_modules())
    try:
        wanted = target_names(base, targets)
    except RecipeError:
        return False
    # A layer with an adapter holds what it was and what the adapter is made of; a module saved whole, its copy.
    holders = [_holder(name, modules, (BaseTunerLayer, AuxiliaryTrainingWrapper)) for name in wanted]
    named = {name for name in holders if not isinstance(modules[name], AuxiliaryTrainingWrapper)}
    return named == {name for name, module in modules.items() if isinstance(module, BaseTunerLayer)}


def _holder(name: str, modules: dict[str, Any], kinds: tuple[type, ...]) -> str:
    """The outermost module of these kinds that a dotted name lies in, or the name itself."""
    words = name.split(".")
    prefixes = (".".join(words[:n]) for n in range(1, len(words) + 1))
    return next((prefix for prefix in prefixes if isinstance(modules[prefix], kinds)), name)


def _listed(names: Any) -> str:
    if isinstance(names, str):
        return names
    return ", ".join(sorted(name.rpartition(".")[2] for name in names)) if names else tr("train.none")


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
