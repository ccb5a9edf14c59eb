"""What a preset's module tells about its server."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from requests_jwt_refresh.endpoints import BearerEndpoint, JSONEndpoint


@dataclass(frozen=True)
class Preset:
    """A known server: its endpoint, and where its documentation has login and logout.

    A module of this package has one, named PRESET.
    """

    endpoint: Callable[..., JSONEndpoint | BearerEndpoint]
    """The class that makes the endpoint; every argument but perhaps the URL has a default."""
    login: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """The keys of a profile's ``login`` table; empty if there is no documented login."""
    logout: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """The keys of a profile's ``logout`` table; without a ``url`` if none is documented."""
    needs_url: bool = False
    """Whether the path of the refresh endpoint is each author's own, and so has no default."""
