"""Whether a person can log in at a server in a browser, with what this library has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from requests_jwt_refresh.grants.discovery import ServerMetadata
    from requests_jwt_refresh.grants.documents import Document

_CODE: Final = "code"  # the response type of RFC 6749 §4.1
_REQUIRED: Final = {
    "require_pushed_authorization_requests": "pushed authorization requests (RFC 9126)",
    "require_signed_request_object": "signed request objects (RFC 9101)",
}


def list_unsupported(document: Document) -> tuple[str, ...]:
    """Return what a server requires of logins in a browser and this library does not have.

    Raises DiscoveryError for a field of another type.
    """
    required = [text for field, text in _REQUIRED.items() if document.flag(field)]
    types = document.texts("response_types_supported")
    if types and _CODE not in types:
        required.append(f"a response type other than {_CODE!r} (RFC 6749 §3.1.1)")
    return tuple(required)


def find_browser_problem(server: ServerMetadata) -> str | None:
    """Return why nobody can log in at `server` in a browser with this library; None if one can."""
    if server.authorization_url is None:
        return "it names no authorization endpoint"
    if "authorization_code" not in server.grant_types:
        return "it does not offer the grant authorization_code"
    if server.unsupported:
        return f"it requires {' and '.join(server.unsupported)}"
    if server.pkce_methods and "S256" not in server.pkce_methods:
        return "it does not offer PKCE with S256 (RFC 7636)"
    if not {"query", "form_post"} & {*server.response_modes}:
        return "it answers neither in a query nor in a form (response_modes_supported)"
    return None
