"""How each known server is talked to, written by hand: what tests of AuthServer's `like` send.

Nothing here comes out of the package: a slip in its own tables shows as a difference.
"""

from __future__ import annotations

from tests.support.wires import apis, backends, frameworks, infrastructure, kinds, providers, python
from tests.support.wires.base import Client, Held, Says, Wire

__all__ = ["WIRES", "Client", "Held", "Says", "Wire"]

WIRES: dict[str, Wire] = {
    **python.WIRES,
    **frameworks.WIRES,
    **backends.WIRES,
    **providers.WIRES,
    **apis.WIRES,
    **infrastructure.WIRES,
    **kinds.WIRES,
}
