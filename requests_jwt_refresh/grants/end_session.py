"""The page that ends the session in the browser (OpenID Connect RP-Initiated Logout 1.0)."""

from __future__ import annotations

from urllib.parse import urlencode


def make_logout_page(end_session_url: str, client_id: str) -> str:
    """Return the URL that a person opens to log out there, too (§2).

    It names the client and nothing else. An id_token_hint would spare the person a question, but
    it tells who they are, and the URL stays in the browser's history; the server asks without it.
    """
    separator = "&" if "?" in end_session_url else "?"
    return f"{end_session_url}{separator}{urlencode({'client_id': client_id})}"
