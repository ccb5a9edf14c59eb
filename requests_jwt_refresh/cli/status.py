"""status: who is logged in, with which token, and for how long."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from requests_jwt_refresh import clock
from requests_jwt_refresh.cli.account import (
    FETCHED_ANEW,
    USER_CLAIMS,
    complete_expiry,
    describe_missing_login,
    find_remembered,
    is_logged_in,
    open_profile,
    read_claims,
    refresh_token_expiry,
    write_urls,
)
from requests_jwt_refresh.cli.commands import (
    EXIT_STATUSES,
    add_command,
    add_profile_name,
    examples,
)
from requests_jwt_refresh.cli.console import (
    Exit,
    complain,
    format_duration,
    format_expiry,
    sanitize,
    write_json,
    write_row,
)

if TYPE_CHECKING:
    import argparse

    from requests_jwt_refresh.authorization import Carrier
    from requests_jwt_refresh.cli.commands import Subparsers
    from requests_jwt_refresh.profiles.load import Profile
    from requests_jwt_refresh.tokens import Token

_CLAIMS: Final = (*USER_CLAIMS, "iss", "aud", "scope", "client_id")


def add_parser(subparsers: Subparsers) -> None:
    parser = add_command(
        subparsers,
        "status",
        status,
        description="Asks no server and shows no token.",
        epilog=examples(
            ("requests-jwt status prod", "for people"),
            ("requests-jwt status prod --json | jq .access_token.expires_in", "for programs"),
            ("requests-jwt status prod >/dev/null || requests-jwt login prod", "log in if needed"),
        )
        + EXIT_STATUSES,
    )
    add_profile_name(parser, is_optional=True)
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")


def status(options: argparse.Namespace) -> int:
    profile, adapter = open_profile(options)
    token = complete_expiry(profile, adapter.token)
    has_login = is_logged_in(profile, token)
    if options.json:
        write_json(_to_json(profile, token, has_login))
    else:
        write_row("profile", f"{profile.name}, in {profile.file}")
        if profile.reference != profile.name:
            write_row("account", profile.account)
        write_row("API", profile.base_url)
        write_urls(profile)
        _write_place(profile.carrier)
        write_row("token from" if profile.environment else "store", profile.store_label)
        _write_token(token, profile)
        if profile.password is not None:
            write_row("password", find_remembered(profile))
    if has_login:
        return Exit.DONE
    complain(*describe_missing_login(profile, options.profiles))
    return Exit.LOG_IN


# --- for people ----------------------------------------------------------------------------------


def _write_place(carrier: Carrier) -> None:
    """Write where requests carry the token, if that is not where it usually is."""
    from requests_jwt_refresh.authorization import AUTHORIZATION

    if carrier != AUTHORIZATION:
        write_row("sent in", describe_place(carrier))


def _write_token(token: Token | None, profile: Profile) -> None:
    if token is None:
        write_row("token", "none" if profile.needs_login else f"none yet; {FETCHED_ANEW}")
        return
    claims = read_claims(token.access)
    for name in _CLAIMS:
        if claims.get(name) is not None:
            write_row(name, sanitize(claims[name]))
    write_row("access token", _describe_life(token.access, token.expires_at))
    if profile.environment is not None:
        write_row("refresh token", "not used: a token from the environment is never refreshed")
        return
    if profile.needs_login or token.refresh is not None:
        write_row("refresh token", _describe_life(token.refresh, refresh_token_expiry(token)))
    if token.received_at is not None:
        age = max(clock.time() - token.received_at, 0.0)
        write_row("received", f"{format_duration(age)} ago")


def _describe_life(secret: str | None, end: float | None) -> str:
    if secret is None:
        return "none"
    return "present; does not say when it expires" if end is None else format_expiry(end)


# --- for programs --------------------------------------------------------------------------------


def _to_json(profile: Profile, token: Token | None, has_login: bool) -> dict[str, Any]:
    access = token.access if token else None
    refresh = token.refresh if token else None
    claims = read_claims(access)
    return {
        "profile": profile.name,
        "account": profile.account,
        "file": str(profile.file),
        "base_url": profile.base_url,
        "store": profile.store_label,
        "environment": profile.environment and profile.environment.variable,
        "sent_in": describe_place(profile.carrier),
        "needs_login": profile.needs_login,
        "logged_in": has_login,
        "claims": {name: _make_json_value(claims[name]) for name in _CLAIMS if name in claims},
        "access_token": _life_to_json(access, token.expires_at if token else None),
        "refresh_token": _life_to_json(refresh, refresh_token_expiry(token) if token else None),
        "received_at": token.received_at if token else None,
    }


def _make_json_value(value: object) -> object:
    """Return a claim as JSON can hold it: Python also reads NaN and Infinity (RFC 8259 §6)."""
    import json

    return json.loads(json.dumps(value), parse_constant=str)


def _life_to_json(secret: str | None, end: float | None) -> dict[str, Any]:
    left = None if end is None else round(end - clock.time(), 3)
    return {"present": secret is not None, "expires_at": end, "expires_in": left}


# --- for both ------------------------------------------------------------------------------------


def describe_place(carrier: Carrier) -> str:
    """Return where requests carry the token, for people."""
    from requests_jwt_refresh.authorization import Cookie, Header

    if isinstance(carrier, Header):
        return f"header {carrier.name}{f', scheme {carrier.scheme}' if carrier.scheme else ''}"
    if not isinstance(carrier, Cookie):
        return repr(carrier)
    repeats = "" if carrier.csrf is None else ", with {} in the header {}".format(*carrier.csrf)
    return f"cookie {carrier.name}{repeats}"
