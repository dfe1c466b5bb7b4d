"""Another tool's recipe file: flat arguments in YAML or JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_type_hints

from doneness.config.schema import Recipe
from doneness.core import RecipeError, tr
from doneness.core.extras import optional

ENDINGS = (".yaml", ".yml", ".json")
# Of LLaMA-Factory's next format, and sections of ours, which is TOML.
_NEXT = {"train_dataset", "init_config", "dist_config", "peft_config", "quant_config", "optim_config"}
_OURS = frozenset(get_type_hints(Recipe))


def read_file(path: Path) -> dict[str, Any]:
    """The arguments in a file, as they stand there.

    Raises:
        RecipeError: there is no such file, or it holds no flat arguments.
        MissingExtraError: YAML cannot be read without the library.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise RecipeError([tr("foreign.fault.absent")], where=str(path)) from None
    except (OSError, ValueError) as error:
        raise RecipeError([tr("config.closed", reason=" ".join(str(error).split()))], where=str(path)) from None
    content = _json(text, path) if path.suffix.lower() == ".json" else _yaml(text, path)
    if not isinstance(content, Mapping) or not all(isinstance(name, str) for name in content):
        raise RecipeError([tr("foreign.fault.not_flat")], where=str(path))
    if nested := [
        name for name, value in content.items() if name in _NEXT or (name in _OURS and isinstance(value, Mapping))
    ]:
        raise RecipeError([tr("foreign.fault.nested", names=", ".join(nested))], where=str(path))
    return dict(content)


def _json(text: str, path: Path) -> Any:
    try:
        return json.loads(text, object_pairs_hook=lambda pairs: _once(pairs, path))
    except (ValueError, RecursionError) as error:
        raise RecipeError([tr("foreign.fault.not_json", reason=str(error))], where=str(path)) from None


def _yaml(text: str, path: Path) -> Any:
    yaml = optional("yaml", "train")
    try:
        tree = yaml.compose(text, Loader=yaml.SafeLoader)
        if isinstance(tree, yaml.MappingNode):
            _once([(str(key.value), None) for key, _ in tree.value], path)
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise RecipeError([tr("foreign.fault.not_yaml", reason=reason)], where=str(path)) from None


def _once(pairs: list[tuple[str, Any]], path: Path) -> dict[str, Any]:
    """A mapping; a name that stands there twice has two values, and nobody knows which is meant."""
    names = [name for name, _ in pairs]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise RecipeError([tr("foreign.fault.twice", names=", ".join(twice))], where=str(path))
    return dict(pairs)
