"""Mounting the adapter on a Session: `mount`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from requests.adapters import HTTPAdapter

from requests_jwt_refresh.adapter import JWTRefreshAdapter
from requests_jwt_refresh.arguments import check_options, check_session, list_http_options
from requests_jwt_refresh.errors import InvalidURL
from requests_jwt_refresh.urls import validate_base

if TYPE_CHECKING:
    import requests
    from requests.adapters import BaseAdapter

    from requests_jwt_refresh.endpoints import Endpoint
    from requests_jwt_refresh.refresh.token_server import RefreshCallable
    from requests_jwt_refresh.stores.base import TokenStore

_HTTP_OPTIONS: Final = list_http_options()


def mount(
    session: requests.Session,
    base_url: str,
    refresh: Endpoint | RefreshCallable | None,
    store: TokenStore | None = None,
    **options: Any,
) -> JWTRefreshAdapter:
    """Build a JWTRefreshAdapter, mount it on `session` for its origins, and return it.

    ```python
    adapter = mount(session, "https://api.example.com/v1", JSONEndpoint("/auth/refresh"))
    adapter.set_token(Token("access", "refresh"))  # once, after a login
    session.get("/users")  # https://api.example.com/v1/users, with the token
    ```

    The adapter that the session has for the base URL so far goes on doing the sending, with its
    retries and its pool, unless a `transport` or options for a new pool are given.

    Args:
        session: where to mount it; URLs that go to other origins stay as they are.
        base_url: the API's base URL, below which relative URLs go.
        refresh: how to ask for a new token: an endpoint, or a callable
            ``(session, token) -> Token``; None if a `login` gives every token.
        store: where the token lives; ``KeyringStore(<origin>, "default")`` if omitted.
        options: all other arguments of JWTRefreshAdapter, by name.

    Raises what JWTRefreshAdapter does, TypeError for what is no Session, ValueError for a
    refresh_session that is the same one, and InvalidURL if another adapter of the session serves
    one of the origins.

    """
    check_session(session, base_url)
    check_options("mount()", options, JWTRefreshAdapter.__init__, HTTPAdapter.__init__)
    if options.get("refresh_session") is session:
        raise ValueError("refresh_session must be another session than the one to mount on")
    base = validate_base(base_url, allow_http=options.get("allow_http", False))
    if "transport" not in options and not _HTTP_OPTIONS & options.keys():
        options["transport"] = _current_transport(session, base)
    adapter = JWTRefreshAdapter(base, refresh, store, **options)
    _check_free(session, adapter)
    adapter._note_mounts(session)  # noqa: SLF001 - ours, and nothing for users
    for prefix in adapter.prefixes():
        session.mount(prefix, adapter)
    return adapter


def _check_free(session: requests.Session, adapter: JWTRefreshAdapter) -> None:
    """Raise InvalidURL if another adapter of the session serves one of our origins."""
    for prefix, other in session.adapters.items():
        if not prefix.lower().startswith(adapter.prefixes()):
            continue
        if not isinstance(other, JWTRefreshAdapter):
            if prefix in adapter.prefixes():
                continue  # to be replaced; it goes on as the transport
            raise InvalidURL(
                f"the session has another adapter on {prefix!r}, so requests there would go "
                "without a token",
                f"give that adapter as transport=, and remove it: session.adapters.pop({prefix!r})",
            )
        if other.base_url.rstrip("/") != adapter.base_url.rstrip("/"):
            raise InvalidURL(
                f"the session has the base URL {other.base_url} on this origin already",
                f"use another session for {adapter.base_url}",
            )


def _current_transport(session: requests.Session, base_url: str) -> BaseAdapter | None:
    adapter = session.get_adapter(base_url)
    return adapter.transport if isinstance(adapter, JWTRefreshAdapter) else adapter
