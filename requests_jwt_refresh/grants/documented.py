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
    while (inner := getattr(endpoint, "__dict__", {}).get("endpoint")) is not None:
        endpoint = inner  # what reads a secret, or records a response, is around it
    for kind in type(endpoint).__mro__:
        preset: Any = getattr(sys.modules.get(kind.__module__), "PRESET", None)
        if getattr(preset, "endpoint", None) is kind:
            fill_in = getattr(preset, f"{name}_of", None)
            found: Mapping[str, Any] = getattr(preset, name)
            return found if fill_in is None else fill_in(endpoint)
    return {}
