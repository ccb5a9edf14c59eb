"""login: get a first token and store it."""

from __future__ import annotations

import argparse
import sys
from contextlib import suppress
from dataclasses import replace
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Final

import requests_jwt_refresh as library
from requests_jwt_refresh.cli.account import (
    check_not_from_environment,
    describe_account,
    describe_user,
    open_profile,
)
from requests_jwt_refresh.cli.accounts import is_alone, note_login
from requests_jwt_refresh.cli.browser_login import (
    Way,
    add_ways,
    choose_way,
    log_in_by_browser,
)
from requests_jwt_refresh.cli.commands import (
    EXIT_STATUSES,
    Parser,
    add_command,
    add_profile_name,
    examples,
)
from requests_jwt_refresh.cli.console import (
    Exit,
    UsageError,
    ask,
    ask_secret,
    fill_in,
    format_duration,
)
from requests_jwt_refresh.cli.findings import name_repeated_path
from requests_jwt_refresh.cli.first_token import TokenKeeper, check_writable
from requests_jwt_refresh.cli.store_file import (
    add_path_option,
    ask_for_path,
    choose_default_path,
    find_keyring_problem,
    move_to_file,
)

if TYPE_CHECKING:
    from requests_jwt_refresh.cli.commands import Subparsers
    from requests_jwt_refresh.grants.device import DeviceCode, DeviceLogin
    from requests_jwt_refresh.grants.password import PasswordLogin
    from requests_jwt_refresh.profiles.load import Profile
    from requests_jwt_refresh.profiles.remembered import Account, RememberedPassword
    from requests_jwt_refresh.tokens import Token


_REPORT_DELAY: Final = 1.0  # seconds that on_refresh may come after its token has been saved


def add_parser(subparsers: Subparsers) -> None:
    parser = add_command(
        subparsers,
        "login",
        run,
        description="Opens a browser, shows a code to type in one elsewhere (OAuth 2.0 device "
        "flow), or asks for a user name and a password, as the profile says and as this machine "
        "can. Secrets are typed, or come from standard input; they are never arguments.",
        epilog=examples(
            ("requests-jwt login prod", "in a browser, or answer questions"),
            ("requests-jwt login prod --no-browser", "in a browser on another machine"),
            ("requests-jwt login prod --username alice < password.txt", "in a script"),
            ("requests-jwt login prod --account bob", "a second account"),
            ("pass api/refresh | requests-jwt login prod --refresh-token -", "a token you have"),
        )
        + EXIT_STATUSES,
    )
    _add_options(parser)


def make_options(name: str) -> argparse.Namespace:
    """Return the options of a login to a profile where none was given."""
    parser = Parser()
    _add_options(parser)
    return parser.parse_args([name])


def _add_options(parser: Parser) -> None:
    add_profile_name(parser, is_optional=True)
    add_ways(parser)
    parser.add_argument(
        "--username", "-u", metavar="NAME", help="the user name; only the password is asked for"
    )
    for option, what in (
        ("refresh-token", "a refresh token"),
        ("client-secret", "the client secret"),
    ):
        parser.add_argument(
            f"--{option}", metavar="-", type=_require_dash, help=f"take {what} from standard input"
        )
    parser.add_argument(
        "--remember",
        action="store_true",
        help="keep the password in the keyring, for an API that has no refresh: "
        "programs log in again with it",
    )
    parser.add_argument(
        "--secret",
        metavar="KEY",
        help="ask again for one that the profile keeps in the keyring, such as headers.apikey",
    )
    parser.add_argument(
        "--store",
        choices=("file",),
        metavar="KIND",
        help="file: keep the token in a file from now on, as where there is no keyring",
    )
    add_path_option(parser)


def _require_dash(text: str) -> str:
    if text != "-":
        raise argparse.ArgumentTypeError(
            "only '-' can be given, for standard input. Other users can see arguments, and the "
            "shell's history keeps them: if that was a real secret, replace it"
        )
    return text


def run(options: argparse.Namespace) -> int:
    profile = open_profile(options)[0]
    check_not_from_environment(profile, "log in to")
    profile = _choose_store(options, profile)
    was_alone = is_alone(options.profiles, profile)
    _store_secrets(profile, options)  # first: on standard input they are the first lines
    if not profile.needs_login:
        return _report_no_login(profile, options)
    way = choose_way(profile, options)
    _check_flags(profile, options, way)
    keeper = TokenKeeper(profile)
    with name_repeated_path(profile, _name_endpoint(options, way)):
        token = _get_token(keeper, options, way)
    if token is None:
        sys.stdout.write(f"The secret of {options.name} is kept in the keyring.\n")
        return Exit.DONE
    profile, user = keeper.profile, describe_user(token)
    sys.stdout.write(f"Logged in to {_describe_login(profile, user)}.\n")
    sys.stdout.write(f"The token is kept in the {profile.store_label}.\n")
    note_login(profile, was_alone=was_alone)
    return Exit.DONE


def _name_endpoint(options: argparse.Namespace, way: Way) -> str:
    """Return the name in the profile of the endpoint that a login asks for tokens."""
    if options.refresh_token:
        return "refresh"
    return {Way.PASSWORD: "login", Way.DEVICE: "device"}.get(way, "refresh")


def _get_token(keeper: TokenKeeper, options: argparse.Namespace, way: Way) -> Token | None:
    """Log in and return the token; None if no more than a secret was to be kept."""
    profile = keeper.profile
    if options.refresh_token:
        return _trade_refresh_token(profile, ask_secret("Refresh token: "))
    if way in (Way.BROWSER, Way.NO_BROWSER):
        return log_in_by_browser(keeper, options.redirect_uri, opens=way is Way.BROWSER)
    if way is Way.DEVICE and profile.device is not None:
        return _log_in_by_device(keeper, profile.device)
    if profile.login is not None:
        return _log_in_by_password(
            keeper, profile.login, options.username, remember=options.remember
        )
    if options.client_secret or options.secret:
        return None
    raise UsageError(
        f"profile {options.name!r} does not say how to log in",
        fill_in(
            f"add [NAME.login] to {profile.file}, or give a token on standard input: "
            "requests-jwt login NAME --refresh-token -",
            options.name,
        ),
    )


def _describe_login(profile: Profile, user: str) -> str:
    """Return who is logged in to what: which account, unless it has the user's own name."""
    account = describe_account(profile)
    if not user:
        return account
    if account == profile.name or user.lower() == profile.account:
        return f"{profile.name} as {user}"
    return f"{account}, as {user}"


def _report_no_login(profile: Profile, options: argparse.Namespace) -> int:
    """Say that nobody has to log in. Raises UsageError for a token that nobody needs."""
    if options.refresh_token:
        raise UsageError(
            f"profile {profile.name!r} needs no refresh token", "leave --refresh-token out"
        )
    sys.stdout.write(f"Nobody has to log in to {profile.name}: the next request fetches a token.\n")
    return Exit.DONE


def _check_flags(profile: Profile, options: argparse.Namespace, way: Way) -> None:
    """Raise UsageError for what the profile has no use for."""
    if options.refresh_token and profile.refresh is None:
        raise UsageError(
            f"profile {profile.name!r} has no refresh, and so no refresh token",
            "leave --refresh-token out",
        )
    if not options.remember:
        return
    by_password = not options.refresh_token and way is Way.PASSWORD
    if profile.password is None or not by_password:
        raise UsageError(
            "no password is remembered here: a refresh token keeps this login going"
            if profile.login is not None and by_password
            else "no password is remembered here: none is asked for",
            "leave --remember out",
        )


def _choose_store(options: argparse.Namespace, profile: Profile) -> Profile:
    """Return the profile with a file for its token, if that is asked for or accepted."""
    from requests_jwt_refresh.stores.file import FileStore

    if options.path or (options.store and not isinstance(profile.store, FileStore)):
        return move_to_file(profile, options.path or choose_default_path(profile.name))
    if sys.stdin.isatty():
        problem = find_keyring_problem(profile)
        if problem is not None:
            return move_to_file(profile, ask_for_path(problem, profile.name))
    return profile


def _log_in_by_password(
    keeper: TokenKeeper, login: PasswordLogin, username: str | None, *, remember: bool
) -> Token:
    from requests_jwt_refresh.cli.fields import RecordedLogin, warn_of_fields
    from requests_jwt_refresh.grants.password import log_in
    from requests_jwt_refresh.profiles.remembered import Account
    from requests_jwt_refresh.refresh.client import SendOptions

    profile = keeper.profile
    check_writable(profile)  # before a password is typed
    if remember and profile.password is not None:
        profile.password.check_writable()
    username = username or ask("User name: ")
    if not username:
        raise UsageError("the user name is empty", "give it, or with --username NAME")
    password = ask_secret(f"Password of {username}: ")
    send_options = SendOptions.from_environment(login.url or "")
    recorded = RecordedLogin.of(login)
    with profile.store.lock(
        profile.refresh_timeout
    ):  # now: after the login, a lock that fails would cost the token
        token = log_in(
            recorded,
            username,
            password,
            send_options,
            profile.refresh_timeout,
            proofs=profile.open_proofs(),
        )
        failure = keeper.save_locked(token)
    if failure is not None:
        keeper.rescue(failure)
    if profile.password is None:
        warn_of_fields(profile, login.endpoint, next(iter(recorded.responses), None))
    else:
        _remember(profile, profile.password, Account(username, password) if remember else None)
    return token


def _remember(profile: Profile, password: RememberedPassword, account: Account | None) -> None:
    """Remember the account that has logged in; without one, forget who was remembered before."""
    if account is not None:
        with password.entry.lock(profile.refresh_timeout):
            password.save(account)
        sys.stdout.write("The password is remembered in the keyring.\n")
        return
    with suppress(library.StoreError):  # no keyring, and so no password in it
        if password.forget():
            sys.stdout.write("The password that was remembered is forgotten.\n")


def _log_in_by_device(keeper: TokenKeeper, device: DeviceLogin) -> Token:
    from requests_jwt_refresh.cli.fields import ResponseRecorder, warn_of_fields
    from requests_jwt_refresh.grants.device import log_in_by_device
    from requests_jwt_refresh.refresh.client import SendOptions

    profile = keeper.profile
    check_writable(profile)  # before a browser is opened
    send_options = SendOptions.from_environment(device.url)
    recorder = ResponseRecorder(device.client)
    recorded = replace(device, client=recorder)
    token = log_in_by_device(
        recorded,
        _show_device_code,
        send_options,
        profile.refresh_timeout,
        proofs=profile.open_proofs(),
    )
    keeper.keep(token)
    warn_of_fields(profile, device.client, recorder.response)
    return token


def _show_device_code(code: DeviceCode) -> None:
    sys.stderr.write(f"To log in, open\n\n    {code.url}\n\nand type the code {code.user_code}\n")
    if code.complete_url is not None:
        sys.stderr.write(f"(or open {code.complete_url})\n")
    sys.stderr.write(f"Waiting for up to {format_duration(code.seconds)}; Ctrl-C gives up.\n")
    sys.stderr.flush()


def _store_secrets(profile: Profile, options: argparse.Namespace) -> None:
    """Ask for the secrets that the keyring lacks, and for those to be replaced; keep them there."""
    from requests_jwt_refresh.profiles.secrets import CLIENT_SECRET, SecretInKeyring

    kept = {
        name: secret
        for name, secret in profile.secrets.items()
        if isinstance(secret, SecretInKeyring)
    }
    if options.client_secret and CLIENT_SECRET not in kept:
        raise UsageError(
            f"profile {profile.name!r} keeps no client secret in the keyring",
            fill_in(
                "leave --client-secret out, or set client_auth = 'basic' in [NAME.refresh]",
                profile.name,
            ),
        )
    if options.secret is not None and options.secret not in kept:
        raise UsageError(
            f"profile {profile.name!r} keeps no secret of that name in the keyring",
            f"give one of these: {', '.join(kept)}" if kept else "leave --secret out",
        )
    again = {options.secret, CLIENT_SECRET if options.client_secret else None}
    for name, secret in kept.items():
        if name in again or not secret.is_there():
            secret.write(ask_secret(f"{name[:1].upper()}{name[1:]}: "))


# --- --refresh-token -----------------------------------------------------------------------------


def _trade_refresh_token(profile: Profile, refresh_token: str) -> Token:
    """Trade in a refresh token at once, and return the new token.

    If the server cannot be asked, the refresh token is stored as it is, but never in place of
    another token.
    """
    from requests_jwt_refresh.inject.report import show_warnings

    before = profile.store.load()  # raises while nothing is lost yet
    check_writable(profile)
    traded: SimpleQueue[Token] = SimpleQueue()
    show_warnings()
    adapter = library.JWTRefreshAdapter(**profile.options(), on_refresh=traded.put)
    try:
        return adapter.refresh(refresh_token)
    except library.RefreshUnavailable as error:
        failure = error
    try:
        with profile.store.lock(
            profile.refresh_timeout
        ):  # a refresh that is still running holds it
            stored = profile.store.load()
            if stored is None:
                profile.store.save(library.Token(None, refresh=refresh_token))
    except library.LockTimeout:
        raise _make_unavailable(
            failure, failure.cause, "nothing was stored; try again later"
        ) from failure
    advice = failure.remedy.removeprefix("the tokens are kept; ")
    if stored is None:
        raise _make_unavailable(
            failure,
            f"the token is stored, but could not be tried out: {failure.cause}",
            f"{advice}; then: requests-jwt token {profile.reference}",
        )
    if stored != before:
        with suppress(Empty):
            return traded.get(timeout=_REPORT_DELAY)
    raise _make_unavailable(
        failure,
        failure.cause,
        f"nothing was stored: there is a token from before, and it stays; {advice}",
    )


def _make_unavailable(
    failure: library.RefreshUnavailable, cause: str, remedy: str
) -> library.RefreshUnavailable:
    """Return `failure` with another text."""
    error = failure.about()
    error.cause, error.remedy = cause, remedy
    return error
