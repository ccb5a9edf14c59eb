"""The ways in which an OAuth 2.0 client authenticates (RFC 6749 §2.3.1).

Imports next to nothing, so that ``init --help`` can list them at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import MutableMapping

CLIENT_AUTHS: Final = ("none", "basic", "post", "basic-raw")
"""No secret; id and secret in the Authorization header, form-urlencoded first; id and secret in the
form; in the header as they are."""


class ClientAuth(Protocol):
    """Another way in which a client authenticates, such as a signed assertion (RFC 7523 §2.2)."""

    def add(
        self, url: str, form: MutableMapping[str, Any], headers: MutableMapping[str, Any]
    ) -> None:
        """Add to the form, or to the headers, of a request to the token endpoint at `url`.

        `form` has the ``client_id`` already, if the endpoint has one.
        """
