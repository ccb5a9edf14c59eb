"""init --issuer and --from: a profile from what a server says of itself, and a client for it."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Final, NamedTuple

from requests_jwt_refresh.cli.console import UsageError, ask, hanging_indent
from requests_jwt_refresh.cli.questions import ask_for_base_url
from requests_jwt_refresh.cli.registration import (
    PENDING,
    WITH_SECRET,
    choose_client_auth,
    in_words_of_options,
    set_client_auth,
)
from requests_jwt_refresh.grants.browser_support import find_browser_problem

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from requests_jwt_refresh.grants.discovery import Found, ServerMetadata

NOT_FOUND: Final = dict.fromkeys(
    (
        *("issuer_found", "response_mode", "sends_iss", "end_session_url", "dpop"),
        *("usual_parameters", "kept_store"),
    )
)
"""What a profile may have that no option gives."""

_SCOPE: Final = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")  # RFC 6749 §3.3
_SCOPES_OF_USERS: Final = (  # OpenID Connect Core §5.4, §11
    *("openid", "profile", "email", "address", "phone", "offline_access"),
)
_PRIVATE_KEY: Final = "private_key_jwt"


def describe_server(options: argparse.Namespace) -> ServerMetadata | None:
    """Fill in what the server of --issuer or --from says of itself, after a yes.

    Options that are given go before. Return the server if a client is to be registered there, for
    which `options.client_id` is PENDING. Raises UsageError and DiscoveryError.
    """
    from requests_jwt_refresh.urls import validate_base

    _check_scope(options.scope)
    with in_words_of_options():
        _find_base_url(options)
        validate_base(options.base_url, allow_http=options.allow_http)
        server = _find_server(options)
    metadata = server.metadata
    if not (options.client_id or metadata.registration_url or sys.stdin.isatty()):
        raise UsageError(
            f"--client-id is missing: {metadata.issuer} registers no clients by itself",
            "register one by hand, where the server's users do, and give its id",
        )
    _fill_in(options, server)
    _check_login(options, metadata)
    _check_client_auth(options, metadata)
    _show(options, server)
    _confirm_server(options)
    return _choose_client(options, metadata)


class _Server(NamedTuple):
    """What was found."""

    metadata: ServerMetadata
    api: Found | None = None
    """The API that led there."""


def _check_scope(scope: str | None) -> None:
    """Raise UsageError for what no server takes as a scope."""
    if not all(map(_SCOPE.fullmatch, (scope or "").split())):
        raise UsageError(
            "--scope holds characters that no scope may have",
            "write words with spaces between them, such as 'read write'",
        )


def _find_base_url(options: argparse.Namespace) -> None:
    if options.base_url:
        return
    if options.from_url is not None:
        from requests_jwt_refresh.grants.discovery import drop_well_known

        options.base_url = drop_well_known(options.from_url)
        return
    if not sys.stdin.isatty():
        raise UsageError("--base-url is missing", "give it, or run this in a terminal to be asked")
    ask_for_base_url(options)


def _find_server(options: argparse.Namespace) -> _Server:
    from requests_jwt_refresh.grants.discovery import ServerMetadata, find_issuer

    allow_http, typed = options.allow_http, options.from_url
    if typed is None:
        return _Server(ServerMetadata.discover(options.issuer, allow_http=allow_http))
    api = find_issuer(typed, allow_http=allow_http)
    metadata = ServerMetadata.discover(api.issuer, typed=typed, allow_http=allow_http)
    return _Server(metadata, api)


def _fill_in(options: argparse.Namespace, server: _Server) -> None:
    """Set the options that were not given."""
    from requests_jwt_refresh.grants.discovery import choose_scope

    metadata = server.metadata
    is_given = options.attach_header or options.attach_cookie or options.attach_scheme
    options.dpop = not is_given and server.api is not None and server.api.wants_dpop
    options.kind = "oauth2"
    options.refresh_url = options.refresh_url or metadata.token_url
    options.device_url = options.device_url or metadata.device_url
    options.scope = choose_scope(metadata, options.scope)[0] or None
    _fill_in_browser(options, metadata)
    if metadata.revocation_url and not options.logout_url:
        options.logout_url, options.logout_send = metadata.revocation_url, "oauth2"
    options.end_session_url = metadata.end_session_url


def _fill_in_browser(options: argparse.Namespace, metadata: ServerMetadata) -> None:
    """Set what a login in a browser needs, if the server has such logins as are made here."""
    from requests_jwt_refresh.grants.login_parameters import USUAL_PARAMETERS

    if find_browser_problem(metadata) is None:
        options.authorization_url = options.authorization_url or metadata.authorization_url
    if not options.authorization_url:
        return
    options.issuer_found, options.sends_iss = metadata.issuer, metadata.sends_iss
    options.usual_parameters = USUAL_PARAMETERS.get(metadata.issuer)
    modes = metadata.response_modes
    if "query" not in modes and "form_post" in modes:
        options.response_mode = "form_post"


def _check_login(options: argparse.Namespace, metadata: ServerMetadata) -> None:
    """Raise UsageError if nobody could log in."""
    if options.authorization_url or options.device_url or options.login_url:
        return
    problem = find_browser_problem(metadata)
    raise UsageError(
        f"nobody can log in at {metadata.issuer} with this command: {problem}, and there is no "
        "login with a code on another device",
        f"nothing was written; {_find_other_way(metadata)}",
    )


def _find_other_way(metadata: ServerMetadata) -> str:
    """Return what to do at a server without logins in a browser or on another device."""
    url = metadata.token_url
    if "password" in metadata.grant_types:
        return (
            "it takes a user name and a password: add --login-send oauth2 --login-url "
            f"{url}, if that is meant"
        )
    if "client_credentials" in metadata.grant_types:
        return (
            "for a client that logs in as itself, give --kind client-credentials "
            f"--refresh-url {url} in place of the issuer"
        )
    return (
        f"for a refresh token that you have, give --kind oauth2 --refresh-url {url} in place of "
        "the issuer"
    )


def _check_client_auth(options: argparse.Namespace, metadata: ServerMetadata) -> None:
    """Raise UsageError if no client of this command could authenticate."""
    offered = metadata.client_auths
    is_given = options.client_auth or "client_auth" in dict(options.set)
    if is_given or {"none", *WITH_SECRET} & {*offered}:
        return
    signs = "sign with the client's key: --set client_auth=private_key_jwt --set "
    signs += "private_key_file=PATH; or, "
    raise UsageError(
        f"{metadata.issuer} offers no way for a client to authenticate with a secret, or without "
        "one",
        f"{signs if _PRIVATE_KEY in offered else ''}if your client needs none: --client-auth none",
    )


def _show(options: argparse.Namespace, server: _Server) -> None:
    """Show which server gets the logins, and which hosts it has."""
    from requests_jwt_refresh.urls import origin_of

    metadata = server.metadata
    urls = (
        *(metadata.issuer, metadata.authorization_url, options.refresh_url, options.device_url),
        *(options.logout_url, metadata.registration_url),
    )
    origins = dict.fromkeys(str(origin) for url in urls if (origin := origin_of(url)))
    rows = [
        ("API:     ", options.base_url),
        ("Issuer:  ", metadata.issuer),
        ("Hosts:   ", " ".join(origins)),
        ("Scope:   ", options.scope),
        *(("Note:    ", note) for note in _list_notes(options, server)),
    ]
    for label, text in rows:
        if text:
            sys.stderr.write(f"{hanging_indent(label, text)}\n")


def _list_notes(options: argparse.Namespace, server: _Server) -> Iterator[str]:
    """Yield what a person would otherwise find out at the login."""
    metadata, api = server
    if not options.authorization_url:
        yield f"no login in a browser: {find_browser_problem(metadata)}"
    if options.usual_parameters:
        sent = " and ".join(f"{name}={value}" for name, value in options.usual_parameters.items())
        yield f"for a refresh token this server wants {sent} at the login, which is sent"
    if api is not None and api.wants_dpop:
        yield "the API wants tokens that are bound to a key: DPoP (RFC 9449)"
    if api is not None and not api.takes_header:
        yield (
            "the API says that it takes no token in a header: if it refuses what is sent, name a "
            "cookie with --attach-cookie, or mount the adapter in Python, whose attach= may be a "
            "function that writes the token into the query"
        )
    others = _find_other_scopes(options, api)
    if others:
        yield f"the API has the scopes {others}; ask for those you need: --scope"
    needs_client = options.client_id or not metadata.registration_url
    is_given = options.client_auth or "client_auth" in dict(options.set)
    if needs_client and not is_given and choose_client_auth(metadata.client_auths):
        yield (
            "the server lists no clients without a secret, so the login asks for one; if yours "
            "has none: --client-auth none"
        )


def _find_other_scopes(options: argparse.Namespace, api: Found | None) -> str:
    """Return the API's own scopes, if one is not asked for."""
    own = [each for each in (api.scopes if api else ()) if each not in _SCOPES_OF_USERS]
    is_asked = {*own} <= {*(options.scope or "").split()}
    return "" if is_asked else " ".join(own)


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


def _choose_client(options: argparse.Namespace, metadata: ServerMetadata) -> ServerMetadata | None:
    """Have a client registered, or the one that was given authenticate as the server wants it."""
    if not options.client_id:
        if metadata.registration_url and (
            options.yes or says_yes("There is no client id. Register a client there?")
        ):
            options.client_id = PENDING
            return metadata
        options.client_id = ask("Client id: ")
        if not options.client_id:
            raise UsageError("--client-id is missing", "nothing was written; give it")
    set_client_auth(options, metadata)
    return None
