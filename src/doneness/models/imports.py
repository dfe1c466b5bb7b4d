"""One place that names the extra to install when a heavy library is missing."""

from __future__ import annotations

import os
import sys
from types import ModuleType

from doneness.core import launched
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
        if launched.processes() > 1:
            # What it says of its own graph, once a process, is no concern of a user.
            os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    return optional(module, extra)


def quiet_libraries() -> None:
    """Keep transformers' progress bars and hints out of our own display."""
    transformers = require("transformers")
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    # It would tell of every try where there is no network; that it failed is said once.
    require("huggingface_hub").utils.logging.set_verbosity_error()
    require("datasets").disable_progress_bars()
