"""status, token, refresh, logout: the token of one profile."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any, Final

import requests_jwt_refresh as library
from requests_jwt_refresh import clock
from requests_jwt_refresh.cli.browser_login import end_browser_session
from requests_jwt_refresh.cli.commands import (
    COMPLETE_FILES,
    EXIT_STATUSES,
    LOGOUT_STATUSES,
    add_command,
    add_profile_name,
    examples,
)
from requests_jwt_refresh.cli.console import (
    LAST_MOMENT,
    Exit,
    UsageError,
    complain,
    format_duration,
    format_expiry,
    sanitize,
    write_json,
    write_row,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from requests_jwt_refresh.adapter import JWTRefreshAdapter
    from requests_jwt_refresh.authorization import Carrier
    from requests_jwt_refresh.cli.commands import Subparsers
    from requests_jwt_refresh.errors import JWTRefreshError
    from requests_jwt_refresh.grants.revocation import Logout
    from requests_jwt_refresh.profiles.load import Profile, Profiles
    from requests_jwt_refresh.tokens import Token

_USER_CLAIMS: Final = ("preferred_username", "username", "email", "name", "sub", "user_id")
_CLAIMS: Final = (*_USER_CLAIMS, "iss", "aud", "scope", "client_id")
_FETCHED_ANEW: Final = "the next request fetches one, and nobody has to log in"
_REMEMBERED: Final = "remembered in the keyring; programs log in again with it"
_NOT_REMEMBERED: Final = "not remembered"
_LEEWAY: Final = 10.0  # seconds that a printed token should last, so that there is time to use it
_ROUNDING: Final = 1.0  # seconds; a server that gives 300 s has given them a moment ago
_LEEWAY_SHARE: Final = 0.1  # but no more than this share of its lifetime


def open_profile(options: argparse.Namespace) -> tuple[Profile, JWTRefreshAdapter]:
    """Return the profile `options.name` and an adapter made of it. Raises ProfileError.

    A name that was left out is filled in, if there is only one profile.
    """
    profile = read_profile(options)
    from requests_jwt_refresh.inject.report import show_warnings

    show_warnings()
    return profile, library.JWTRefreshAdapter(**profile.options())


def read_profile(options: argparse.Namespace) -> Profile:
    """Return the profile `options.name`; as `open_profile` does."""
    from requests_jwt_refresh.profiles.load import Profiles

    profiles = Profiles.read()  # once: some paths, such as <(...), can be read only once
    options.name = profiles.choose(options.name)
    profile = profiles.profile(options.name, getattr(options, "account", None))
    options.profiles, options.reference = profiles, profile.reference
    return profile


def check_not_from_environment(profile: Profile, verb: str, option: str = "") -> None:
    """Raise UsageError if the token comes from the environment, where nothing can be changed."""
    if profile.environment is not None:
        variable = profile.environment.variable
        raise UsageError(
            f"the token of profile {profile.name!r} comes from the environment variable "
            f"{variable}: there is nothing to {verb}",
            f"unset {variable} first{option}",
        )


def _check_logged_in(profile: Profile, adapter: JWTRefreshAdapter, profiles: Profiles) -> None:
    """Raise RefreshRejected if there is no token, and nothing that could get one by itself."""
    if not profile.can_fetch_token and adapter.token is None:
        raise library.RefreshRejected(*describe_missing_login(profile, profiles))


def describe_missing_login(profile: Profile, profiles: Profiles) -> tuple[str, str]:
    """Return that there is no token, and how to get one, or which other account has one."""
    environment = profile.environment
    if environment is not None:
        cause = f"the access token of profile {profile.name!r} has expired"
        return f"{cause}; it comes from the {environment.label}", "put a new one there"
    return profile.describe_missing_login(find_other_accounts(profile, profiles))


def find_other_accounts(profile: Profile, profiles: Profiles) -> list[str]:
    """Return the other accounts that are logged in, unless the user has named this one."""
    if profile.account_source is None:
        return []
    try:
        from requests_jwt_refresh.profiles.accounts import Choices

        known = Choices.read(profile.file).list_accounts(profile.name)
        return [each for each in known if _has_login(profile, profiles, each)]
    except library.JWTRefreshError:  # this is a hint beside an error
        return []


def _has_login(profile: Profile, profiles: Profiles, account: str) -> bool:
    """Whether another account of the profile is logged in. Raises ProfileError or StoreError."""
    other = profiles.profile(profile.name, account)
    return account != profile.account and is_logged_in(other, other.store.load())


# --- status --------------------------------------------------------------------------------------


def add_status(subparsers: Subparsers) -> None:
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
            write_row("password", _find_remembered(profile))
    if has_login:
        return Exit.DONE
    complain(*describe_missing_login(profile, options.profiles))
    return Exit.LOG_IN


def complete_expiry(profile: Profile, token: Token | None) -> Token | None:
    """Return the token, one from the environment with the expiry that it claims."""
    if token is None or profile.environment is None:
        return token
    from requests_jwt_refresh.profiles.environment import with_claimed_expiry

    return with_claimed_expiry(token)


def is_logged_in(profile: Profile, token: Token | None) -> bool:
    """Whether requests of the profile get a valid token without a person."""
    token = complete_expiry(profile, token)
    return (
        not profile.needs_login
        or (token is not None and (_can_refresh(token) or _is_usable(token)))
        or _find_remembered(profile) == _REMEMBERED
    )


def write_urls(profile: Profile) -> None:
    """Write where tokens come from and go to: a misplaced slash is seen here."""
    from requests_jwt_refresh.profiles.remembered import has_refresh_token
    from requests_jwt_refresh.urls import without_query

    urls = profile.named_urls()
    is_live = getattr(profile.refresh, "needs_live_token", False)
    if not (is_live or has_refresh_token(profile.refresh)):
        urls.pop("refresh", None)  # a preset's: the server has nothing but a login
    for name, url in urls.items():
        write_row(f"{name} URL", without_query(url).replace("%7Busername%7D", "{username}"))


def _find_remembered(profile: Profile) -> str:
    """Return whether a password is remembered with which programs log in again."""
    if profile.password is None:
        return _NOT_REMEMBERED
    try:
        return _NOT_REMEMBERED if profile.password.load() is None else _REMEMBERED
    except library.StoreError as error:
        return f"{_NOT_REMEMBERED}: {error.cause}"


def _write_place(carrier: Carrier) -> None:
    """Write where requests carry the token, if that is not where it usually is."""
    from requests_jwt_refresh.authorization import AUTHORIZATION

    if carrier != AUTHORIZATION:
        write_row("sent in", describe_place(carrier))


def describe_place(carrier: Carrier) -> str:
    """Return where requests carry the token, for people."""
    from requests_jwt_refresh.authorization import Cookie, Header

    if isinstance(carrier, Header):
        return f"header {carrier.name}{f', scheme {carrier.scheme}' if carrier.scheme else ''}"
    if not isinstance(carrier, Cookie):
        return repr(carrier)
    repeats = "" if carrier.csrf is None else ", with {} in the header {}".format(*carrier.csrf)
    return f"cookie {carrier.name}{repeats}"


def _write_token(token: Token | None, profile: Profile) -> None:
    if token is None:
        write_row("token", "none" if profile.needs_login else f"none yet; {_FETCHED_ANEW}")
        return
    claims = _read_claims(token.access)
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


def _can_refresh(token: Token) -> bool:
    end = refresh_token_expiry(token)
    return token.refresh is not None and (end is None or end > clock.time())


def _is_usable(token: Token) -> bool:
    return token.access is not None and not token.has_expired()


def describe_user(token: Token) -> str:
    """Return whose token it is, by its claims or the id_token's; "" if they do not say."""
    id_token = token.extra.get("id_token")
    tokens = (token.access, id_token if isinstance(id_token, str) else None)
    names = (_read_claims(each).get(claim) for each in tokens for claim in _USER_CLAIMS)
    return next((sanitize(name) for name in names if _is_user_name(name)), "")


def _is_user_name(value: object) -> bool:
    if isinstance(value, str):
        return bool(value.strip())
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _read_claims(secret: str | None) -> dict[str, Any]:
    from requests_jwt_refresh.tokens import jwt_claims

    return jwt_claims(secret or "")


def refresh_token_expiry(token: Token) -> float | None:
    """Return when the refresh token expires, in seconds since the epoch by our clock.

    As the server's answer has said, else as the token itself does (RFC 7519 §4.1.4); None if
    neither does.
    """
    said = _parse_moment(token.extra.get("refresh_expires_at"))
    if said is not None and token.refresh is not None:
        return said
    access, refresh = _read_claims(token.access), _read_claims(token.refresh)
    end, issued = _parse_moment(refresh.get("exp")), _parse_moment(access.get("iat"))
    if end is None or token.received_at is None:
        return end
    # What the server's clock showed when the tokens were received. The access token tells, as it is
    # new each time; the refresh token of a server that does not rotate is not.
    access_end = _parse_moment(access.get("exp"))
    if issued is None and access_end is not None and token.expires_at is not None:
        issued = access_end - (token.expires_at - token.received_at)
    if issued is None:
        return end
    # The later of the two, as an iat may be anything: mistaking a good token for an expired one
    # costs a login, the opposite costs one refused refresh.
    return max(end, token.received_at + end - issued)


def _parse_moment(seconds: object) -> float | None:
    """Return a server's seconds since the epoch as a float, None for what cannot be a time."""
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
        return None
    return float(seconds) if -LAST_MOMENT <= seconds <= LAST_MOMENT else None


def _to_json(profile: Profile, token: Token | None, has_login: bool) -> dict[str, Any]:
    access = token.access if token else None
    refresh = token.refresh if token else None
    claims = _read_claims(access)
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


# --- token ---------------------------------------------------------------------------------------


def add_token(subparsers: Subparsers) -> None:
    parser = add_command(
        subparsers,
        "token",
        token,
        description="A token that does not say when it expires is printed as it is: only the API "
        "knows whether it is valid still, and --seconds cannot be kept. For one that is new: "
        "requests-jwt refresh NAME, first.",
        epilog=examples(
            ('curl -H "Authorization: Bearer $(requests-jwt token prod)" URL', "a single call"),
            (
                "requests-jwt token prod --seconds 600",
                "one that lasts for ten minutes, if the server gives such tokens",
            ),
            (
                "requests-jwt token prod --field id_token --output ~/.aws/id-token",
                "for AWS_WEB_IDENTITY_TOKEN_FILE; run it again before that token expires",
            ),
            (
                "requests-jwt token prod --exec-credential --field id_token",
                "what kubectl calls: put it into users.user.exec of your kubeconfig",
            ),
        )
        + EXIT_STATUSES,
    )
    add_profile_name(parser, is_optional=True)
    parser.add_argument(
        "--seconds",
        type=_parse_seconds,
        metavar="N",
        help="refresh it if less than N seconds are left; a warning says if it lasts shorter, or "
        "does not say how long",
    )
    parser.add_argument(
        "--field",
        type=_parse_field,
        metavar="FIELD",
        help="something else that came with it, such as id_token",
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument(
        "--exec-credential",
        action="store_true",
        help="print kubectl's ExecCredential (client.authentication.k8s.io), which says when it "
        "expires",
    )
    output: Any = form.add_argument(
        "--output",
        action=_Output,
        metavar="FILE",
        help="write it alone into a file that only you can read, instead of printing it",
    )
    output.complete = COMPLETE_FILES
    parser.set_defaults(needs_output=True)


class _Output(argparse.Action):
    """The path of a file; nothing is printed then."""

    def __call__(
        self, _parser: object, options: argparse.Namespace, path: object, _option: object = None
    ) -> None:
        if path in ("", "-"):
            raise argparse.ArgumentError(self, "must be the path of a file; without it, it prints")
        options.output, options.needs_output = path, False


def _parse_field(text: str) -> str:
    if not all(text.split(".")):
        raise argparse.ArgumentTypeError("must be a field's name, such as id_token")
    return text


def _parse_seconds(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < float("inf"):
        raise argparse.ArgumentTypeError("must be a number of seconds, such as 60")
    return number


def token(options: argparse.Namespace) -> int:
    from requests_jwt_refresh.cli import token_output

    # First what may be wrong with the options: nothing is asked for then.
    version = token_output.choose_api_version() if options.exec_credential else ""
    target = None if options.output is None else token_output.find_output(options.output)
    profile, adapter = open_profile(options)
    _check_logged_in(profile, adapter, options.profiles)
    if options.field is not None:
        check_not_from_environment(profile, "take a field of", ", or leave --field out")
    if profile.environment is not None and not is_logged_in(profile, adapter.token):
        raise library.RefreshRejected(*describe_missing_login(profile, options.profiles))
    seconds = _choose_seconds(adapter.token, options.seconds)
    secret = token_output.fetch_secret(profile, adapter, options.field, seconds)
    if options.seconds is not None:
        _warn_if_shorter(profile, secret.expires_at, options)
    if target is not None:
        token_output.write_output(target, secret.text)
    elif options.exec_credential:
        write_json(token_output.make_exec_credential(secret, version))
    else:
        sys.stdout.write(f"{secret.text}\n")
    return Exit.DONE


def _warn_if_shorter(profile: Profile, end: float | None, options: argparse.Namespace) -> None:
    """Say that what is printed does not last as long as was asked, or does not say how long."""
    what = options.field or "the access token"
    if end is None:
        refresh = f"for a new one: requests-jwt refresh {profile.reference}, and then this command"
        complain(
            f"{what} does not say when it expires: it may last less than {options.seconds:g} s",
            refresh if profile.environment is None else "ask whoever puts it there",
        )
    elif end + _ROUNDING < clock.time() + options.seconds:
        left = max(end - clock.time(), 0.0)
        complain(
            f"{what} lasts {format_duration(left)}, less than the {options.seconds:g} s asked for",
            "ask for less, or have the server give longer ones",
        )


def _choose_seconds(token: Token | None, asked: float | None) -> float:
    """Return how long a printed token should last, in seconds; less for a short-lived one."""
    if asked is not None:
        return asked
    if token is None or token.expires_at is None or token.received_at is None:
        return _LEEWAY
    return min(_LEEWAY, _LEEWAY_SHARE * (token.expires_at - token.received_at))


# --- refresh -------------------------------------------------------------------------------------


def add_refresh(subparsers: Subparsers) -> None:
    parser = add_command(
        subparsers,
        "refresh",
        refresh,
        epilog=examples(("requests-jwt refresh prod", "for example after your rights have changed"))
        + EXIT_STATUSES,
    )
    add_profile_name(parser, is_optional=True)


def refresh(options: argparse.Namespace) -> int:
    profile, adapter = open_profile(options)
    check_not_from_environment(profile, "refresh", ", or put a new access token there")
    _check_logged_in(profile, adapter, options.profiles)
    end = adapter.refresh().expires_at
    life = "" if end is None else f": the access token {format_expiry(end)}"
    sys.stdout.write(f"Refreshed{life}.\n")
    return Exit.DONE


# --- logout --------------------------------------------------------------------------------------


def add_logout(subparsers: Subparsers) -> None:
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
            then = "" if profile.needs_login else f"; {_FETCHED_ANEW}"
            sys.stdout.write(
                f"There is no token for {_describe_account(profile)}: nothing to do{then}.\n"
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


def _report_logout(
    options: argparse.Namespace, profile: Profile, failure: JWTRefreshError | None
) -> int:
    """Say what has been done, with the browser too, and what has failed."""
    from requests_jwt_refresh.profiles.accounts import DEFAULT, SWITCH

    sys.stdout.write(
        f"Logged out of {_describe_account(profile)}: the token is gone from the "
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
        _report_not_told(profile)
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


def _report_not_told(profile: Profile) -> None:
    """Say that the server knows nothing of the logout, where the profile has no way to tell it."""
    if profile.logout is None and profile.needs_login:
        sys.stdout.write(
            "The server was not told: the profile has no logout endpoint. What it has given stays "
            "valid there until it expires.\n"
        )


def _check_known_account(profile: Profile) -> None:
    """Raise UsageError for an account that has never logged in; name those that have."""
    from requests_jwt_refresh.profiles.accounts import Choices

    known = Choices.read(profile.file).list_accounts(profile.name)
    if profile.account in known or profile.store.load() is not None:
        return
    raise make_unknown_account_error(profile.name, profile.account, known)


def make_unknown_account_error(name: str, account: str, known: Iterable[str]) -> UsageError:
    """Return the error that a profile has no such account."""
    return UsageError(
        f"profile {name!r} has no account {account!r}",
        f"log it in with: requests-jwt login {name} --account {account}; or use one of these: "
        f"{', '.join(known)}",
    )


def _describe_account(profile: Profile) -> str:
    """Return what is logged out of, for people."""
    return profile.reference.replace(" --account", ", account", 1)


def _forget_account(profile: Profile) -> None:
    """Let `accounts` list the account no more; the token is gone in any case."""
    from requests_jwt_refresh.profiles.accounts import forget_account

    try:
        forget_account(profile.file, profile.name, profile.account)
    except library.JWTRefreshError as error:
        complain(f"the account is still listed: {error.cause}", error.remedy)


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


def _find_logout(profile: Profile, adapter: JWTRefreshAdapter, stored: Token) -> Logout | None:
    """Return how to tell the server, None if it has nothing to revoke.

    Refreshes first where the server wants a valid access token. Raises RefreshUnavailable or
    StoreError if that fails.
    """
    if profile.logout is None or (stored.refresh is None and not _is_usable(stored)):
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


def _report_not_cleared(profile: Profile, error: library.StoreError) -> int:
    complain(
        f"the server was told, but the token is still here: {error.cause}",
        f"it is not valid any more; to try again: requests-jwt logout {profile.reference}",
    )
    return Exit.STORE
