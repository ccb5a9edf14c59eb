"""init --issuer and --from: a profile from what a server says of itself, and a client for it."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import requests_jwt_refresh as library
from requests_jwt_refresh.cli.console import UsageError, ask, hanging_indent
from requests_jwt_refresh.cli.questions import ask_for_base_url

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator

    from requests_jwt_refresh.grants.discovery import Client, ServerMetadata

NOT_FOUND: Final = dict.fromkeys(("issuer_found", "response_mode", "sends_iss", "end_session_url"))
"""What a profile may have that no option gives."""

_DEVICE_GRANT: Final = "urn:ietf:params:oauth:grant-type:device_code"
_GRANTS: Final = ("authorization_code", "refresh_token", _DEVICE_GRANT)
_CLIENT_NAME: Final = "requests-jwt"
# What the library says to programmers, in the words of this command.
_IN_OPTIONS: Final = {
    "allow_http=True": "--allow-http",
    "give its client_id": "give its id with --client-id",
    "that the API's documentation names": "that the API's documentation names: --issuer URL",
    "give the server's endpoints yourself": "give the endpoints yourself: --kind oauth2 "
    "--refresh-url URL",
}


def describe_server(options: argparse.Namespace) -> Client | None:
    """Fill in what the server of --issuer or --from says of itself, after a yes.

    Options that are given go before. Return the client that was registered, None without one.
    Raises UsageError and DiscoveryError; nothing was registered then.
    """
    if options.from_url and not options.base_url:
        options.base_url = options.from_url
    if not options.base_url:
        if not sys.stdin.isatty():
            raise UsageError(
                "--base-url is missing", "give it, or run this in a terminal to be asked"
            )
        ask_for_base_url(options)
    with _in_words_of_options():
        metadata = _find_server(options)
    if not (options.client_id or metadata.registration_url or sys.stdin.isatty()):
        raise UsageError(
            f"--client-id is missing: {metadata.issuer} registers no clients by itself",
            "register one by hand, where the server's users do, and give its id",
        )
    _fill_in(options, metadata)
    _show(options, metadata)
    _confirm_server(options)
    return _choose_client(options, metadata)


@contextmanager
def _in_words_of_options() -> Iterator[None]:
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


def _find_server(options: argparse.Namespace) -> ServerMetadata:
    from requests_jwt_refresh.grants.discovery import ServerMetadata, find_issuer

    issuer, typed, allow_http = options.issuer, None, options.allow_http
    if issuer is None:
        typed = options.from_url
        issuer = find_issuer(typed, allow_http=allow_http).issuer
    return ServerMetadata.discover(issuer, typed=typed, allow_http=allow_http)


def _fill_in(options: argparse.Namespace, metadata: ServerMetadata) -> None:
    """Set the options that were not given."""
    from requests_jwt_refresh.grants.discovery import choose_scope

    options.kind = "oauth2"
    options.refresh_url = options.refresh_url or metadata.token_url
    options.device_url = options.device_url or metadata.device_url
    options.scope = choose_scope(metadata, options.scope)[0] or None
    _fill_in_browser(options, metadata)
    if metadata.revocation_url and not options.logout_url:
        options.logout_url, options.logout_send = metadata.revocation_url, "oauth2"
    options.end_session_url = metadata.end_session_url


def _fill_in_browser(options: argparse.Namespace, metadata: ServerMetadata) -> None:
    """Set what a login in a browser needs, if the server has such logins, with PKCE (RFC 7636)."""
    has_code = "authorization_code" in metadata.grant_types
    has_pkce = not metadata.pkce_methods or "S256" in metadata.pkce_methods
    if has_code and has_pkce:
        options.authorization_url = options.authorization_url or metadata.authorization_url
    if not options.authorization_url:
        return
    options.issuer_found, options.sends_iss = metadata.issuer, metadata.sends_iss
    modes = metadata.response_modes
    if "query" not in modes and "form_post" in modes:
        options.response_mode = "form_post"


def _show(options: argparse.Namespace, metadata: ServerMetadata) -> None:
    """Show which server gets the logins, and which hosts it has."""
    from requests_jwt_refresh.urls import origin_of

    urls = (
        *(metadata.issuer, metadata.authorization_url, options.refresh_url, options.device_url),
        *(options.logout_url, metadata.registration_url),
    )
    origins = dict.fromkeys(str(origin) for url in urls if (origin := origin_of(url)))
    rows = {
        "API:     ": options.base_url,
        "Issuer:  ": metadata.issuer,
        "Hosts:   ": " ".join(origins),
        "Scope:   ": options.scope,
    }
    for label, text in rows.items():
        if text:
            sys.stderr.write(f"{hanging_indent(label, text)}\n")


def _confirm_server(options: argparse.Namespace) -> None:
    """Go on with --yes or after a yes. Raises UsageError otherwise."""
    if options.yes:
        return
    if not sys.stdin.isatty():
        raise UsageError(
            "nobody can be asked here whether this is the right server",
            "nothing was written; look at it, and give --yes",
        )
    if not says_yes("Is this the right server?"):
        raise UsageError("it is not the right server", "nothing was written; give another URL")


def says_yes(question: str) -> bool:
    """Ask a person; no word is a yes."""
    return ask(f"{question} [Y/n] ").lower() in ("", "y", "yes")


def _choose_client(options: argparse.Namespace, metadata: ServerMetadata) -> Client | None:
    """Register a client, or have the one that was given authenticate as the server wants it."""
    if not options.client_id:
        if metadata.registration_url and (
            options.yes or says_yes("There is no client id. Register a client there?")
        ):
            return _register(options, metadata)
        options.client_id = ask("Client id: ")
        if not options.client_id:
            raise UsageError("--client-id is missing", "nothing was written; give it")
    options.client_auth = options.client_auth or _choose_client_auth(metadata.client_auths)
    return None


def _choose_client_auth(offered: Iterable[str]) -> str | None:
    """Return how a client authenticates: not at all where that is enough."""
    usable = [each for each in offered if each in ("none", "basic", "post")]
    return None if "none" in usable or not usable else usable[0]


def _register(options: argparse.Namespace, metadata: ServerMetadata) -> Client:
    from requests_jwt_refresh.grants.discovery import register_client
    from requests_jwt_refresh.grants.redirects import DEFAULT_REDIRECT

    grants = _choose_grants(metadata, has_device=bool(options.device_url))
    with _in_words_of_options():
        client = register_client(
            metadata,
            name=_CLIENT_NAME,
            redirect_uris=[options.redirect_uri or DEFAULT_REDIRECT]
            if "authorization_code" in grants
            else [],
            scope=options.scope,
            grant_types=grants,
            allow_http=options.allow_http,
        )
    options.client_id = client.client_id
    options.client_auth = None if client.client_secret is None else client.client_auth
    sys.stderr.write(f"Registered a client: {client.client_id}\n")
    return client


def _choose_grants(metadata: ServerMetadata, *, has_device: bool) -> list[str]:
    """Return the grants to register for: what the server has of those that are used here."""
    unused = set() if has_device else {_DEVICE_GRANT}
    says_nothing = metadata.grant_types == type(metadata)("").grant_types
    known = {*_GRANTS} if says_nothing else {*metadata.grant_types}
    return [each for each in _GRANTS if each in known - unused]
