"""[method]: which of its keys go together, and what the chosen kind does not look at."""

from __future__ import annotations

from doneness.config.schema import MethodSection, Recipe
from doneness.core import tr

_OF_ADAPTERS = ("rank", "alpha", "dropout", "targets", "rslora")


def bits_of(method: MethodSection) -> int:
    """Bits that the base model's linear layers are kept in: 4 or 8, or 0 where they are not quantised."""
    return method.bits or (4 if method.kind == "qlora" else 0)


def faults(recipe: Recipe) -> list[str]:
    """Settings that the kind of method contradicts: trained all the same, the run would not be the one asked for."""
    method, kind, usual = recipe.method, recipe.method.kind, MethodSection()
    bits, found = bits_of(method), []
    if method.bits and kind not in ("qlora", "dora"):
        found.append(tr("config.bits_without", bits=method.bits, kind=kind))
    if method.quant_type != usual.quant_type and bits != 4:
        found.append(tr("config.four_bits_only", setting=f'quant_type = "{method.quant_type}"'))
    if method.double_quant != usual.double_quant and bits != 4:
        found.append(tr("config.four_bits_only", setting="double_quant = false"))
    if method.layers and kind != "full":
        found.append(tr("config.layers_without", layers=method.layers, kind=kind))
    if method.adapter and kind == "full":
        found.append(tr("config.adapter_without", path=method.adapter))
    if recipe.run.mode == "explore":
        found += [tr("config.explore_more", name=key) for key in ("adapter", "save_modules") if getattr(method, key)]
    return found


def unused(method: MethodSection) -> tuple[str, ...]:
    """Keys that were changed from what is usual though the method never looks at them, as `key = value`."""
    if method.kind != "full":
        return ()
    keys = [*_OF_ADAPTERS, *([] if method.layers else ["save_modules"])]
    usual = MethodSection()
    return tuple(f"{k} = {_written(getattr(method, k))}" for k in keys if getattr(method, k) != getattr(usual, k))


def _written(value: object) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(_written, value))}]"
    return f'"{value}"' if isinstance(value, str) else str(value).lower()
