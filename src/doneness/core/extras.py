"""Libraries that an extra installs: imported where they are needed, or named with the extra that brings them."""

from __future__ import annotations

import importlib
from types import ModuleType

from doneness.core.errors import MissingExtraError


def optional(module: str, extra: str) -> ModuleType:
    """Import `module`, or say which extra brings it.

    Raises:
        MissingExtraError: the module is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module.partition(".")[0]:
            raise
        raise MissingExtraError(module, extra) from None
