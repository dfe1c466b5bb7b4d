"""The diagnosis as JSON."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from doneness.core import Diagnosis, language, speaking

# JSON escapes controls below space only; a terminal obeys these too, and no output encodes half a surrogate pair.
_RAW = re.compile("[\x7f-\x9f\ud800-\udfff]")


def to_json(diagnosis: Diagnosis, lang: str | None = None) -> str:
    """Strict JSON of one diagnosis, ending in a line break; what is no number becomes null."""
    with speaking(lang or language()):
        text = json.dumps(_strict(diagnosis.to_dict()), ensure_ascii=False, indent=2, allow_nan=False) + "\n"
        return _RAW.sub(lambda m: f"\\u{ord(m[0]):04x}", text)


def _strict(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _strict(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_strict(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    # Findings may carry numpy scalars in their evidence.
    return _strict(value.item()) if hasattr(value, "item") else str(value)
