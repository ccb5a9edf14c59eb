"""The servers that AuthServer can play: one entry each, by name."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Final

from requests_jwt_refresh.testing.likes import (
    business_apis,
    clouds,
    cognito,
    django,
    frameworks,
    infrastructure,
    kinds,
    oauth_apis,
    platforms,
    providers,
    python,
)

if TYPE_CHECKING:
    from requests_jwt_refresh.testing.shapes import Shape

SHAPES: Final[dict[str, Shape]] = {
    **django.SHAPES,
    **python.SHAPES,
    **frameworks.SHAPES,
    **clouds.SHAPES,
    **cognito.SHAPES,
    **platforms.SHAPES,
    **providers.SHAPES,
    **oauth_apis.SHAPES,
    **business_apis.SHAPES,
    **infrastructure.SHAPES,
    **kinds.SHAPES,
}


def find_shape(name: str) -> Shape:
    """Return the shape of that name. Raises ValueError, which names the nearest, without one."""
    if name in SHAPES:
        return SHAPES[name]
    near = difflib.get_close_matches(str(name).lower().replace("_", "-"), SHAPES, 1, 0.0)
    raise ValueError(f"like={name!r} is no server that AuthServer knows; do you mean {near[0]!r}?")
