"""The clients that an OpenID provider knows: its own one, and those that have registered."""

from __future__ import annotations

import re
import secrets
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from requests_jwt_refresh import clock

if TYPE_CHECKING:
    from collections.abc import Mapping

    from requests_jwt_refresh.testing.options import ServerOptions

CODE: Final = "authorization_code"
REFRESH: Final = "refresh_token"
DEVICE: Final = "urn:ietf:params:oauth:grant-type:device_code"  # RFC 8628 §3.4
GRANT_TYPES: Final = (CODE, REFRESH, DEVICE)
CLIENT_AUTHS: Final = ("client_secret_basic", "client_secret_post", "none")
_LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")
_URI: Final = re.compile(r"[!-~]+")  # RFC 3986 §2


class RegistrationRefused(Exception):
    """A client that may not register. The text is what is wrong, `code` as in RFC 7591 §3.2.2."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True, repr=False)
class Client:
    """A client (RFC 7591 §2)."""

    client_id: str
    secret: str | None
    auths: tuple[str, ...]
    redirect_uris: tuple[str, ...] | None
    """None: every one on this machine."""
    logout_uris: tuple[str, ...] | None
    grant_types: tuple[str, ...] = GRANT_TYPES
    name: str = ""

    def takes_redirect(self, uri: str) -> bool:
        """Whether a code may be sent to `uri`."""
        return _is_among(uri, self.redirect_uris)

    def takes_logout_redirect(self, uri: str) -> bool:
        """Whether a browser may be sent to `uri` after a logout."""
        return _is_among(uri, self.logout_uris)


class Clients:
    """The clients by their ids."""

    def __init__(self, options: ServerOptions) -> None:
        self._options = options
        self._lock = threading.Lock()  # guards the dict
        self._registered: dict[str, Client] = {}

    def find(self, client_id: str) -> Client | None:
        options = self._options
        if client_id != options.client_id:
            with self._lock:
                return self._registered.get(client_id)
        auths = CLIENT_AUTHS[2:] if options.client_secret is None else CLIENT_AUTHS[:2]
        uris = None if options.redirect_uris is None else tuple(options.redirect_uris)
        return Client(client_id, options.client_secret, auths, uris, uris)

    def register(self, content: Mapping[str, Any]) -> dict[str, Any]:
        """Return the answer to a registration (RFC 7591 §3.2.1). Raises RegistrationRefused."""
        uris = _read_uris(content, "redirect_uris")
        grants = _read_words(content, "grant_types", GRANT_TYPES, [CODE])
        responses = _read_words(content, "response_types", ("code",), ["code"])
        if not uris and CODE in grants:
            raise RegistrationRefused("invalid_redirect_uri", "redirect_uris is missing")
        auth = content.get("token_endpoint_auth_method", CLIENT_AUTHS[0])
        if auth not in CLIENT_AUTHS:
            raise RegistrationRefused(
                "invalid_client_metadata",
                f"token_endpoint_auth_method must be one of {', '.join(CLIENT_AUTHS)}",
            )
        secret = None if auth == "none" else secrets.token_urlsafe(32)
        logout_uris = _read_uris(content, "post_logout_redirect_uris")
        client = Client(
            secrets.token_urlsafe(16),
            secret,
            (auth,),
            uris,
            logout_uris,
            grants,
            str(content.get("client_name", "")),
        )
        with self._lock:
            self._registered[client.client_id] = client
        answer = {
            **content,
            "client_id": client.client_id,
            "client_id_issued_at": int(clock.time()),
            "redirect_uris": list(uris),
            "post_logout_redirect_uris": list(logout_uris),
            "grant_types": list(grants),
            "response_types": list(responses),
            "token_endpoint_auth_method": auth,
        }
        if secret is not None:
            answer |= {"client_secret": secret, "client_secret_expires_at": 0}
        return answer


def _read_words(
    content: Mapping[str, Any], name: str, known: tuple[str, ...], usual: list[str]
) -> tuple[str, ...]:
    found = content.get(name, usual)
    if not isinstance(found, list) or not all(each in known for each in found):
        text = f"{name} must be a list of {', '.join(known)}"
        raise RegistrationRefused("invalid_client_metadata", text)
    return tuple(found)


def _read_uris(content: Mapping[str, Any], name: str) -> tuple[str, ...]:
    code = "invalid_redirect_uri" if name == "redirect_uris" else "invalid_client_metadata"
    found = content.get(name, [])
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        raise RegistrationRefused(code, f"{name} must be a list of URIs")
    for uri in found:
        if not _is_uri(uri):
            raise RegistrationRefused(code, f"{name} has one that is no URI")
        if "#" in uri:  # RFC 6749 §3.1.2
            raise RegistrationRefused(code, f"{name} has one with a fragment")
    return tuple(found)


def _is_uri(text: str) -> bool:
    """Whether it is an absolute URI, fit for a header."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    has_host = bool(parts.netloc) or parts.scheme not in ("http", "https")
    return parts.scheme != "" and has_host and _URI.fullmatch(text) is not None


def _is_among(uri: str, registered: tuple[str, ...] | None) -> bool:
    """Whether `uri` is one of these, but for the port of a loopback one (RFC 8252 §7.3)."""
    without_port = _drop_loopback_port(uri)
    if registered is None:
        return without_port is not None
    if uri in registered:
        return True
    return without_port is not None and without_port in map(_drop_loopback_port, registered)


def _drop_loopback_port(uri: str) -> tuple[str, str, str] | None:
    """Return the rest of a URI on this machine, None for every other one."""
    if not _is_uri(uri) or "#" in uri:
        return None
    parts = urlsplit(uri)
    try:
        has_port = parts.port is None or parts.port > 0
    except ValueError:
        return None
    if parts.scheme != "http" or parts.hostname not in _LOOPBACK or parts.username is not None:
        return None
    return (parts.hostname, parts.path or "/", parts.query) if has_port else None
