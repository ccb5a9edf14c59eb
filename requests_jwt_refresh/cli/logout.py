"""logout: tell the server, and forget the token, the password and the account here."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import requests_jwt_refresh as library
from requests_jwt_refresh.cli.account import (
    FETCHED_ANEW,
    check_not_from_environment,
    describe_account,
    is_usable,
    make_unknown_account_error,
    open_profile,
)
from requests_jwt_refresh.cli.browser_login import end_browser_session
from requests_jwt_refresh.cli.commands import (
    LOGOUT_STATUSES,
    add_command,
    add_profile_name,
    examples,
)
from requests_jwt_refresh.cli.console import Exit, complain, fill_in, write_step

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from requests_jwt_refresh.adapter import JWTRefreshAdapter
    from requests_jwt_refresh.cli.commands import Subparsers
    from requests_jwt_refresh.errors import JWTRefreshError
    from requests_jwt_refresh.grants.revocation import Logout
    from requests_jwt_refresh.profiles.load import Profile
    from requests_jwt_refresh.tokens import Token


def add_parser(subparsers: Subparsers) -> None:
    parser = add_command(
        subparsers,
        "logout",
        logout,
        description="Tells the server first, if the profile says how. The token is forgotten "
        "here even if the server cannot be told. A session in the "
        "browser ends at a page that is opened, or shown where there is no browser.",
        epilog=examples(("requests-jwt logout prod", "done for today")) + LOGOUT_STATUSES,
    )
    add_profile_name(parser, is_optional=True)
    parser.add_argument("--local", action="store_true", help="do not tell the server")
    parser.add_argument(
        "--no-browser",
        action="store_true",
        help="show the page that ends the session in the browser, and do not open it",
    )


def logout(options: argparse.Namespace) -> int:
    profile, adapter = open_profile(options)
    check_not_from_environment(profile, "forget")
    if options.account is not None:
        _check_known_account(profile)
    stored: Token | None = None
    grant: Logout | None = None  # how to tell the server, if it has to be told
    failure: JWTRefreshError | None = None
    has_forgotten = _forget_password(profile)  # first: whatever fails then, nobody logs in again
    try:
        stored = adapter.token
        if stored is None and not has_forgotten:
            then = "" if profile.needs_login else f"; {FETCHED_ANEW}"
            sys.stdout.write(
                f"There is no token for {describe_account(profile)}: nothing to do{then}.\n"
            )
            _forget_account(profile)
            return Exit.DONE
        if stored is None:
            return Exit.DONE
        if not options.local:
            grant = _find_logout(profile, adapter, stored)
    except library.JWTRefreshError as error:  # clearing may still work, or says itself why not
        failure = None if profile.logout is None or options.local else error
    # Locked before the server is told: if the lock cannot be had, nothing must have changed.
    with profile.store.lock(profile.refresh_timeout):
        if grant is not None:
            failure = _tell_server(grant, profile, adapter, stored)
        try:
            profile.store.clear()
        except library.StoreError as error:
            if grant is None or failure is not None:
                raise
            return _report_not_cleared(profile, error)
    return _report_logout(options, profile, failure)


def _check_known_account(profile: Profile) -> None:
    """Raise UsageError for an account that has never logged in; name those that have."""
    from requests_jwt_refresh.profiles.accounts import Choices

    known = Choices.read(profile.file).list_accounts(profile.name)
    if profile.account in known or profile.store.load() is not None:
        return
    raise make_unknown_account_error(profile.name, profile.account, known)


# --- the server ----------------------------------------------------------------------------------


def _find_logout(profile: Profile, adapter: JWTRefreshAdapter, stored: Token) -> Logout | None:
    """Return how to tell the server, None if it has nothing to revoke.

    Refreshes first where the server wants a valid access token. Raises RefreshUnavailable or
    StoreError if that fails.
    """
    if profile.logout is None or (stored.refresh is None and not is_usable(stored)):
        return None
    try:
        if stored.has_expired() and profile.logout.send == "json":
            adapter.valid_token()
    except library.RefreshRejected:
        return None  # it is not valid there any more
    return profile.logout


def _tell_server(
    grant: Logout, profile: Profile, adapter: JWTRefreshAdapter, stored: Token | None
) -> JWTRefreshError | None:
    """Tell the server that the token is not needed any more; return what went wrong."""
    from requests_jwt_refresh.grants.revocation import log_out
    from requests_jwt_refresh.refresh.client import SendOptions

    try:
        newest = profile.store.load()  # once more, under the lock: it may be newer
        if newest == stored:
            newest = adapter.token  # newer still, if it could not be saved
        if newest is not None:
            send_options = SendOptions.from_environment(grant.url)
            log_out(grant, newest, send_options, profile.refresh_timeout)
    except library.JWTRefreshError as error:
        return error
    return None


# --- what is kept here ---------------------------------------------------------------------------


def _forget_password(profile: Profile) -> bool:
    """Forget the remembered password; return whether there was one, and say so."""
    try:
        is_forgotten = profile.password is not None and profile.password.forget()
    except library.StoreError as error:
        complain(f"a password may still be remembered: {error.cause}", error.remedy)
        return False
    if is_forgotten:
        sys.stdout.write("The password that was remembered is forgotten.\n")
    return is_forgotten


def _forget_account(profile: Profile) -> None:
    """Let `accounts` list the account no more; the token is gone in any case."""
    from requests_jwt_refresh.profiles.accounts import forget_account

    try:
        forget_account(profile.file, profile.name, profile.account)
    except library.JWTRefreshError as error:
        complain(f"the account is still listed: {error.cause}", error.remedy)


# --- what is said --------------------------------------------------------------------------------


def _report_logout(
    options: argparse.Namespace, profile: Profile, failure: JWTRefreshError | None
) -> int:
    """Say what has been done, with the browser too, and what has failed."""
    from requests_jwt_refresh.profiles.accounts import DEFAULT, SWITCH

    sys.stdout.write(
        f"Logged out of {describe_account(profile)}: the token is gone from the "
        f"{profile.store_label}.\n"
    )
    _forget_account(profile)
    if _is_switched_to(profile):
        sys.stdout.write(
            f"The account of {profile.name} is still {profile.account}; to use another: "
            f"{SWITCH} {profile.name} --account {DEFAULT}\n"
        )
    if not profile.needs_login:
        sys.stdout.write("The next request fetches another: nobody has to log in.\n")
    if not options.local:
        _report_not_told(options, profile)
        end_browser_session(profile, opens=not options.no_browser)
    if failure is None:
        return Exit.DONE
    complain(
        f"the server was not told: {failure.cause}",
        "the token is forgotten here, but the server accepts it until it expires",
    )
    return Exit.TRY_LATER


def _is_switched_to(profile: Profile) -> bool:
    """Whether commands that name no account go on using this one, which is not the default."""
    from requests_jwt_refresh.profiles.accounts import DEFAULT, Choices

    try:
        current = Choices.read(profile.file).find_current(profile.name)
    except library.ProfileError:  # _forget_account() has said so
        return False
    return current == profile.account != DEFAULT


def _report_not_told(options: argparse.Namespace, profile: Profile) -> None:
    """Say that the server knows nothing of the logout, where the profile has no way to tell it."""
    if profile.logout is None and profile.needs_login:
        content = options.profiles.content[profile.name]
        sys.stdout.write(
            "The server was not told: the profile has no logout endpoint. What it has given stays "
            "valid there until it expires.\n"
        )
        write_step(_advise_logout(profile, content))


def _advise_logout(profile: Profile, content: Mapping[str, Any]) -> str:
    """Return how the server is told of the next logout; `content` is the profile in its file."""
    from requests_jwt_refresh.cli.content import find_documented_url
    from requests_jwt_refresh.endpoints import OAuth2Endpoint

    url = None if "logout" in content else find_documented_url(profile.name, content, "logout")
    place = fill_in(f"[NAME.logout] in {profile.file}", profile.name)
    if url is not None:
        preset = content["refresh"]["preset"]
        then = _write_init_command(profile, content, url) or f'add url = "{url}" to {place}'
        return f"{preset} documents a logout at {url}; if the server has it: {then}"
    plain = getattr(profile.refresh, "endpoint", profile.refresh)  # without its secrets
    if isinstance(plain, OAuth2Endpoint):
        return (
            f'If the server has a revocation endpoint: add its url, and send = "oauth2", to {place}'
        )
    return f"If the server has a logout endpoint: add its url to {place}"


def _write_init_command(profile: Profile, content: Mapping[str, Any], url: str) -> str | None:
    """Return the command that adds the logout at `url`; None if it would lose other keys."""
    from requests_jwt_refresh.cli.content import find_options
    from requests_jwt_refresh.profiles.own_command import quote

    options = find_options(content)
    if options is None or isinstance(profile.file, str):
        return None
    arguments = ["init", profile.name, "--replace", *options, "--logout-url", url]
    return f"requests-jwt {' '.join(map(quote, arguments))}"


def _report_not_cleared(profile: Profile, error: library.StoreError) -> int:
    complain(
        f"the server was told, but the token is still here: {error.cause}",
        f"it is not valid any more; to try again: requests-jwt logout {profile.reference}",
    )
    return Exit.STORE
