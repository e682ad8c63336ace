"""One hash for all equal JSON-like values."""

from __future__ import annotations

import hashlib
import json

_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)


def canonical(value: object) -> str:
    """Return `value` as the one JSON text that all equal values share.

    >>> canonical({"b": 1, "a": (1.0, None)})
    '{"a":[1.0,null],"b":1}'
    """
    return _ENCODER.encode(value)


def digest(value: object) -> str:
    """Return 32 hexadecimal digits that identify a JSON-like `value`."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()[:32]
