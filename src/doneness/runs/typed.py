"""Dataclasses from JSON: each field must hold what its type says, before anybody uses it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")


def built(cls: type[T], data: Any) -> T:
    """An instance of the dataclass `cls` from a JSON object; lists become tuples where tuples are wanted.

    Raises:
        TypeError: no object, an unknown or missing field, or a value of another type.
    """
    if not isinstance(data, Mapping):
        raise TypeError(f"{cls.__name__}: no object")
    kind: Any = cls
    hints = _hints(kind)
    for name, value in data.items():
        if name in hints and not fits(value, hints[name]):
            raise TypeError(f"{cls.__name__}.{name}")
    return cls(**{name: tuple(v) if isinstance(v, list) else v for name, v in data.items()})


def fits(value: Any, wanted: Any) -> bool:
    """Whether a JSON value is of the type `wanted`: scalars, None, unions of them, and tuples."""
    origin, inside = get_origin(wanted), get_args(wanted)
    if origin in (Union, UnionType):
        return any(fits(value, each) for each in inside)
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            return False
        if len(inside) == 2 and inside[1] is Ellipsis:
            return all(fits(each, inside[0]) for each in value)
        return len(value) == len(inside) and all(map(fits, value, inside))
    if wanted in (int, float) and isinstance(value, bool):
        return False
    if wanted is float and isinstance(value, int):
        return abs(value) < 10**300
    return not isinstance(wanted, type) or isinstance(value, wanted)


@cache
def _hints(cls: Any) -> dict[str, Any]:
    return get_type_hints(cls)
