"""The login and logout that a known server's documentation has: those of its preset."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def find_documented(endpoint: object, name: str) -> Mapping[str, Any]:
    """Return the options of the ``login`` or ``logout`` of the preset that `endpoint` is of.

    They are empty if it is of none, or if none is documented. A preset is named PRESET in the
    module of its endpoint's class.
    """
    inner = vars(endpoint).get("endpoint") if hasattr(endpoint, "__dict__") else None
    for kind in type(endpoint if inner is None else inner).__mro__:
        preset = getattr(sys.modules.get(kind.__module__), "PRESET", None)
        if getattr(preset, "endpoint", None) is kind:
            found: Mapping[str, Any] = getattr(preset, name)
            return found
    return {}
