"""init: becoming a client of a server that registers them, with nothing lost on the way.

Asking comes first and all that can be checked beforehand; registering is the last step but one.
"""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import requests_jwt_refresh as library
from requests_jwt_refresh.cli.console import UsageError, ask, hanging_indent
from requests_jwt_refresh.cli.content import make_content
from requests_jwt_refresh.cli.store_file import choose_default_path

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator, Sequence

    from requests_jwt_refresh.grants.discovery import Client, ServerMetadata

PENDING: Final = "not-registered-yet"
"""Stands for the client id in what is checked before there is one."""
WITH_SECRET: Final = ("basic", "post")

_DEVICE_GRANT: Final = "urn:ietf:params:oauth:grant-type:device_code"
_GRANTS: Final = ("authorization_code", "refresh_token", _DEVICE_GRANT)
_CLIENT_NAME: Final = "requests-jwt"
_LISTED: Final = "(requests-jwt init --help lists them)"
_ASK: Final = "or answer questions: requests-jwt init NAME"
# What the library says to programmers, in the words of this command.
_IN_OPTIONS: Final = {
    "allow_http=True": "--allow-http",
    "check the issuer,": "check the issuer (an API goes with --from),",
    "give its client_id": "give its id with --client-id",
    "give another redirect_uri": "give another --redirect-uri",
    "give another name, scope or redirect_uri": "give another --scope or --redirect-uri, or "
    "register a client by hand and give its id with --client-id",
    "give the issuer that the API's documentation names": "in place of --from give the issuer that "
    "the API's documentation names: --issuer URL; for an API with a login of its own a known "
    f"server: --preset simplejwt --base-url URL, say {_LISTED}; {_ASK}",
    "give the server's endpoints yourself": "give the endpoints yourself: --kind oauth2 "
    f"--refresh-url URL; a known server: --preset auth0, say {_LISTED}; {_ASK}",
}


@contextmanager
def in_words_of_options() -> Iterator[None]:
    """Have errors name the options of this command."""
    try:
        yield
    except (library.DiscoveryError, library.InvalidURL) as error:
        remedy = error.remedy
        for in_python, in_options in _IN_OPTIONS.items():
            remedy = remedy.replace(in_python, in_options)
        if isinstance(error, library.InvalidURL):
            raise UsageError(error.cause, remedy) from None
        error.remedy = remedy
        raise


def register(options: argparse.Namespace, path: Path, metadata: ServerMetadata) -> None:
    """Make `options.client_id` that of a new client, whose secret is kept if it has one.

    If the server refuses to register one, a person is asked for the id of another. Raises
    DiscoveryError, and ProfileError or StoreError if a profile cannot be written to `path`.
    """
    from requests_jwt_refresh.profiles.edit import check_writable

    check_writable(path)
    try:
        client = _send(options, metadata)
    except library.DiscoveryError as error:
        if options.yes:
            raise
        sys.stderr.write(f"{hanging_indent('Not registered: ', error.cause)}\n")
        options.client_id = ask("Client id: ")
        if not options.client_id:
            raise
        set_client_auth(options, metadata)
        return
    options.client_id = client.client_id
    options.client_auth = None if client.client_secret is None else client.client_auth
    _show(options, client)
    _keep_secret(options, path, client)


@contextmanager
def name_client(options: argparse.Namespace) -> Iterator[None]:
    """Have errors say that there is a client now, which need not be registered again."""
    try:
        yield
    except library.JWTRefreshError as error:
        given = f"--client-id {options.client_id}"
        if options.client_auth is not None:
            given += f" --client-auth {options.client_auth}"
        error.remedy += f"; the client is registered already: go on with {given}"
        raise


def _send(options: argparse.Namespace, metadata: ServerMetadata) -> Client:
    from requests_jwt_refresh.grants.discovery import register_client

    grants = _choose_grants(metadata, options)
    with in_words_of_options():
        return register_client(
            metadata,
            name=_CLIENT_NAME,
            redirect_uris=_list_redirects(options, grants),
            scope=options.scope,
            grant_types=grants,
            allow_http=options.allow_http,
        )


def _list_redirects(options: argparse.Namespace, grants: Sequence[str]) -> list[str]:
    from requests_jwt_refresh.grants.redirects import DEFAULT_REDIRECT

    has_redirect = "authorization_code" in grants
    return [options.redirect_uri or DEFAULT_REDIRECT] if has_redirect else []


def _choose_grants(metadata: ServerMetadata, options: argparse.Namespace) -> list[str]:
    """Return the grants to register for: what the server has of those that are used here."""
    unused = set() if options.device_url else {_DEVICE_GRANT}
    if not options.authorization_url:
        unused.add("authorization_code")
    says_nothing = metadata.grant_types == type(metadata)("").grant_types
    known = {*_GRANTS} if says_nothing else {*metadata.grant_types}
    return [each for each in _GRANTS if each in known - unused]


def set_client_auth(options: argparse.Namespace, metadata: ServerMetadata) -> None:
    """Have a client that was registered by hand authenticate as the server wants it."""
    options.client_auth = options.client_auth or choose_client_auth(metadata.client_auths)


def choose_client_auth(offered: Iterable[str]) -> str | None:
    """Return how a client authenticates: not at all where that is enough."""
    usable = [each for each in offered if each in ("none", *WITH_SECRET)]
    return None if "none" in usable or not usable else usable[0]


# --- What came of it -----------------------------------------------------------------------------


def _show(options: argparse.Namespace, client: Client) -> None:
    """Say who the client is, and what may end with it."""
    sys.stderr.write(f"Registered a client: {client.client_id}\n")
    for note in _list_notes(options, client.registration):
        sys.stderr.write(f"{hanging_indent('Note:    ', note)}\n")


def _list_notes(options: argparse.Namespace, registration: Any) -> Iterator[str]:
    uris = registration.get("redirect_uris")
    asked = _list_redirects(options, ["authorization_code"] * bool(options.authorization_url))
    if isinstance(uris, (list, tuple)) and not {*asked} <= {*map(str, uris)}:
        yield "the server did not register the redirect URI; give one that it takes: --redirect-uri"
    ends = registration.get("client_secret_expires_at")  # RFC 7591 §3.2.1; 0 is never
    if registration.get("client_secret") and isinstance(ends, int) and 0 < ends < 1 << 35:
        day = time.strftime("%Y-%m-%d", time.gmtime(ends))
        yield f"the client's secret expires on {day}; register another one then, with --replace"
    if registration.get("registration_access_token"):  # RFC 7592 §3
        yield (
            "the token with which the client could be changed or deleted at the server "
            "(registration_access_token) was not kept"
        )


def _keep_secret(options: argparse.Namespace, path: Path, client: Client) -> None:
    """Keep the client's secret: in the keyring, else in a file of its own. Raises StoreError."""
    from requests_jwt_refresh.profiles.load import check
    from requests_jwt_refresh.profiles.secrets import CLIENT_SECRET, SecretInKeyring

    secret = check(path, options.name, make_content(options)).secrets.get(CLIENT_SECRET)
    if client.client_secret is None or not isinstance(secret, SecretInKeyring):
        return
    try:
        secret.write(client.client_secret)
    except (library.StoreError, library.InvalidToken) as error:
        sys.stderr.write(f"{hanging_indent('No keyring: ', error.cause)}\n")
    else:
        return
    file = _write_secret(options.name, client.client_secret)
    options.set.append(("client_secret_file", str(file)))
    sys.stderr.write(f"The client's secret is in {file}\n")


def _write_secret(name: str, secret: str) -> Path:
    from requests_jwt_refresh.stores import private_file

    path = Path(choose_default_path(name)).with_suffix(".secret")
    try:
        private_file.make_private_folder(path.parent)
        private_file.replace(private_file.resolve(path), f"{secret}\n")
    except private_file.UntrustedPath as error:
        problem, remedy = error.cause, error.remedy
    except OSError as error:
        problem = f"{path} cannot be written ({error.strerror or type(error).__name__})"
        remedy = "make it writable, and register another client"
    else:
        return path
    raise library.StoreError(f"the client's secret is lost: {problem}", remedy)
