"""One place that names the extra to install when a heavy library is missing."""

from __future__ import annotations

import os
import sys
from types import ModuleType

from doneness.core.extras import optional


def require(module: str, extra: str = "train") -> ModuleType:
    """Import `module`, or say which extra brings it.

    Raises:
        MissingExtraError: the module is not installed.
    """
    if module == "torch" and "torch" not in sys.modules:
        # OpenMP threads that spin while they wait make steps ten times slower on a busy machine;
        # the runtime reads these once, when it is loaded.
        os.environ.setdefault("OMP_WAIT_POLICY", "passive")
        os.environ.setdefault("GOMP_SPINCOUNT", "0")
    return optional(module, extra)


def quiet_libraries() -> None:
    """Keep transformers' progress bars and hints out of our own display."""
    transformers = require("transformers")
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    require("datasets").disable_progress_bars()
