"""What commands share about one profile and its account: opening it, its login, its token.

The commands themselves are in status.py, token.py, refresh.py, logout.py and login.py; accounts and
switch, which are about several accounts, are in accounts.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import requests_jwt_refresh as library
from requests_jwt_refresh import clock
from requests_jwt_refresh.cli.console import LAST_MOMENT, UsageError, sanitize, write_row

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

    from requests_jwt_refresh.adapter import JWTRefreshAdapter
    from requests_jwt_refresh.profiles.load import Profile, Profiles
    from requests_jwt_refresh.tokens import Token

USER_CLAIMS: Final = ("preferred_username", "username", "email", "name", "sub", "user_id")
FETCHED_ANEW: Final = "the next request fetches one, and nobody has to log in"
_REMEMBERED: Final = "remembered in the keyring; programs log in again with it"
_NOT_REMEMBERED: Final = "not remembered"


# --- the profile ---------------------------------------------------------------------------------


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


def make_unknown_account_error(name: str, account: str, known: Iterable[str]) -> UsageError:
    """Return the error that a profile has no such account."""
    return UsageError(
        f"profile {name!r} has no account {account!r}",
        f"log it in with: requests-jwt login {name} --account {account}; or use one of these: "
        f"{', '.join(known)}",
    )


def describe_account(profile: Profile) -> str:
    """Return what is logged in to or out of, for people."""
    return profile.reference.replace(" --account", ", account", 1)


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


# --- its login -----------------------------------------------------------------------------------


def check_logged_in(profile: Profile, adapter: JWTRefreshAdapter, profiles: Profiles) -> None:
    """Raise RefreshRejected if there is no token, and nothing that could get one by itself."""
    if not profile.can_fetch_token and adapter.token is None:
        raise library.RefreshRejected(*describe_missing_login(profile, profiles))


def is_logged_in(profile: Profile, token: Token | None) -> bool:
    """Whether requests of the profile get a valid token without a person."""
    token = complete_expiry(profile, token)
    return (
        not profile.needs_login
        or (token is not None and (_can_refresh(token) or is_usable(token)))
        or find_remembered(profile) == _REMEMBERED
    )


def can_refresh(profile: Profile, token: Token | None) -> bool:
    """Whether a new token may come without a person, although the API refuses this one."""
    return (
        not profile.needs_login
        or (token is not None and _can_refresh(token))
        or find_remembered(profile) == _REMEMBERED
    )


def find_remembered(profile: Profile) -> str:
    """Return whether a password is remembered with which programs log in again."""
    if profile.password is None:
        return _NOT_REMEMBERED
    try:
        return _NOT_REMEMBERED if profile.password.load() is None else _REMEMBERED
    except library.StoreError as error:
        return f"{_NOT_REMEMBERED}: {error.cause}"


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


# --- its token -----------------------------------------------------------------------------------


def complete_expiry(profile: Profile, token: Token | None) -> Token | None:
    """Return the token, one from the environment with the expiry that it claims."""
    if token is None or profile.environment is None:
        return token
    from requests_jwt_refresh.profiles.environment import with_claimed_expiry

    return with_claimed_expiry(token)


def is_usable(token: Token) -> bool:
    return token.access is not None and not token.has_expired()


def _can_refresh(token: Token) -> bool:
    end = refresh_token_expiry(token)
    return token.refresh is not None and (end is None or end > clock.time())


def refresh_token_expiry(token: Token) -> float | None:
    """Return when the refresh token expires, in seconds since the epoch by our clock.

    As the server's answer has said, else as the token itself does (RFC 7519 §4.1.4); None if
    neither does.
    """
    said = _parse_moment(token.extra.get("refresh_expires_at"))
    if said is not None and token.refresh is not None:
        return said
    access, refresh = read_claims(token.access), read_claims(token.refresh)
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


def describe_user(token: Token) -> str:
    """Return whose token it is, by its claims or the id_token's; "" if they do not say."""
    id_token = token.extra.get("id_token")
    tokens = (token.access, id_token if isinstance(id_token, str) else None)
    names = (read_claims(each).get(claim) for each in tokens for claim in USER_CLAIMS)
    return next((sanitize(name) for name in names if _is_user_name(name)), "")


def _is_user_name(value: object) -> bool:
    if isinstance(value, str):
        return bool(value.strip())
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def read_claims(secret: str | None) -> dict[str, Any]:
    from requests_jwt_refresh.tokens import jwt_claims

    return jwt_claims(secret or "")
