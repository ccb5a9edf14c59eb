"""login, status, token, refresh, logout: one profile's tokens."""

from __future__ import annotations

import json
import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from requests_jwt_refresh.adapter import JWTRefreshAdapter
from requests_jwt_refresh.cli.exits import Complaint, Exit, cause_and_remedy, complain
from requests_jwt_refresh.cli.words import (
    ask,
    ask_secret,
    harmless,
    lasting,
    refresh_token_ends,
    row,
    until,
)
from requests_jwt_refresh.errors import (
    JWTRefreshError,
    RefreshRejected,
    RefreshUnavailable,
    StoreError,
)
from requests_jwt_refresh.grants.device import log_in_by_device
from requests_jwt_refresh.grants.password import log_in
from requests_jwt_refresh.grants.revocation import log_out
from requests_jwt_refresh.profiles.load import Profiles
from requests_jwt_refresh.profiles.secrets import SecretInKeyring
from requests_jwt_refresh.refresh.client import SendOptions
from requests_jwt_refresh.tokens import Token, jwt_claims

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from requests_jwt_refresh.grants.device import DeviceCode, DeviceLogin
    from requests_jwt_refresh.grants.password import PasswordLogin
    from requests_jwt_refresh.profiles.load import Profile
    from requests_jwt_refresh.stores.base import TokenStore

_NAMES_A_USER: Final = ("preferred_username", "username", "email", "name", "sub", "user_id")
_CLAIMS: Final = (*_NAMES_A_USER, "iss", "aud", "scope", "client_id")
_LEEWAY = 10.0  # seconds that a printed token should last, so that there is time to use it
_SHARE = 0.1  # ... but no more than this share of its whole life


def login(options: argparse.Namespace) -> int:
    profile, _ = _opened(options.name)
    if options.client_secret or _lacks_client_secret(profile):
        _keep_client_secret(profile)  # first: it is the first line of what is typed
    if options.refresh_token:
        token = _by_refresh_token(profile, ask_secret("Refresh token: "))
    elif profile.device is not None and not options.username:
        token = _by_device(profile, profile.device)
    elif profile.login is not None:
        token = _by_password(profile, profile.login, options.username)
    else:
        raise Complaint(
            f"profile {options.name!r} does not say how to log in",
            f"add [{options.name}.login] to {profile.file}, or give a token on standard input: "
            f"requests-jwt login {options.name} --refresh-token -",
        )
    who = _who(token)
    sys.stdout.write(f"Logged in to {options.name}{f' as {who}' if who else ''}.\n")
    sys.stdout.write(f"The token is kept in the {profile.store_label}.\n")
    return Exit.DONE


def status(options: argparse.Namespace) -> int:
    profile, adapter = _opened(options.name)
    token = adapter.token
    is_in = token is not None and (_can_refresh(token) or _is_usable(token))
    if options.json:
        json.dump(_as_json(profile, token, is_in=is_in), sys.stdout, indent=2)
        sys.stdout.write("\n")
    else:
        row("profile", f"{profile.name}, in {profile.file}")
        row("API", profile.base_url)
        row("store", profile.store_label)
        _show(token)
    if not is_in:
        complain(
            f"profile {options.name!r} is not logged in",
            f"log in with: requests-jwt login {options.name}",
        )
    return Exit.DONE if is_in else Exit.LOG_IN


def token(options: argparse.Namespace) -> int:
    _, adapter = _opened(options.name)
    _check_logged_in(adapter, options.name)
    valid = adapter.valid_token(_seconds_wanted(adapter.token, options.seconds))
    sys.stdout.write(f"{valid.access}\n")
    return Exit.DONE


def refresh(options: argparse.Namespace) -> int:
    _, adapter = _opened(options.name)
    _check_logged_in(adapter, options.name)
    fresh = adapter.refresh()
    ends = "" if fresh.expires_at is None else f": {until(fresh.expires_at)}"
    sys.stdout.write(f"Refreshed{ends}.\n")
    return Exit.DONE


def logout(options: argparse.Namespace) -> int:
    profile, adapter = _opened(options.name)
    held, tells = None, False
    untold: JWTRefreshError | None = None
    try:
        held = adapter.token
        if held is None:
            sys.stdout.write(f"There is no token for {options.name}: nothing to do.\n")
            return Exit.DONE
        tells = not options.local and _has_to_be_told(profile, adapter, held)
    except JWTRefreshError as error:  # the token can be cleared all the same, or that says why not
        untold = None if profile.logout is None else error
    # Locked before the server is told: who cannot have the lock must find nothing changed.
    with profile.store.lock(profile.refresh_timeout):
        if tells:
            untold = _tell_server(profile, adapter, held)
        try:
            profile.store.clear()
        except StoreError as error:
            if not tells or untold is not None:
                raise
            cause = cause_and_remedy(str(error))[0]
            complain(
                f"the server was told, but the token is still here: {cause}",
                f"it is not good any more; to try again: requests-jwt logout {profile.name}",
            )
            return Exit.STORE
    sys.stdout.write(
        f"Logged out of {options.name}: the token is gone from the {profile.store_label}.\n"
    )
    if untold is None or options.local:
        return Exit.DONE
    complain(
        f"the server was not told: {cause_and_remedy(str(untold))[0]}",
        "the token is forgotten here, but good there until it expires",
    )
    return Exit.TRY_LATER


# --- login -----------------------------------------------------------------------------------


def _opened(name: str) -> tuple[Profile, JWTRefreshAdapter]:
    profile = Profiles.read().profile(name)
    return profile, JWTRefreshAdapter(**profile.options())


def _check_logged_in(adapter: JWTRefreshAdapter, name: str) -> None:
    if adapter.token is None:
        raise RefreshRejected(f"profile {name!r} is not logged in")


def _by_password(profile: Profile, login: PasswordLogin, username: str | None) -> Token:
    _check_that_it_can_be_written(profile)  # before anybody types a password
    username = username or ask("User name: ")
    if not username:
        raise Complaint("the user name is empty", "give it, or with --username NAME")
    password = ask_secret(f"Password of {username}: ")
    wire = SendOptions.from_environment(login.url)
    with profile.store.lock(profile.refresh_timeout):  # before there is a token that it could cost
        token = log_in(login, username, password, wire, profile.refresh_timeout)
        profile.store.save(token)
    return token


def _by_device(profile: Profile, device: DeviceLogin) -> Token:
    _check_that_it_can_be_written(profile)  # before anybody is sent to a browser
    wire = SendOptions.from_environment(device.url)
    token = log_in_by_device(device, _show_device_code, wire, profile.refresh_timeout)
    with profile.store.lock(profile.refresh_timeout):  # not before: people take their time
        profile.store.save(token)
    return token


def _lacks_client_secret(profile: Profile) -> bool:
    secret = profile.secret
    return isinstance(secret, SecretInKeyring) and not secret.is_there()


def _keep_client_secret(profile: Profile) -> None:
    if not isinstance(profile.secret, SecretInKeyring):
        raise Complaint(
            f"profile {profile.name!r} keeps no client secret in the keyring",
            "leave --client-secret out, or set client_auth = 'basic' in its [refresh] table",
        )
    profile.secret.write(ask_secret("Client secret: "))


def _by_refresh_token(profile: Profile, refresh_token: str) -> Token:
    """Try a refresh token at once; keep what it gives.

    If the server cannot be asked, it is kept as it is, but never in place of another token.
    """
    given = Token(None, refresh=refresh_token)
    profile.store.load()  # a store that cannot be read shows it now, while nothing is lost
    _check_that_it_can_be_written(profile)
    trial = _OnTrial(profile.store, given)
    problem: RefreshUnavailable | None = None
    try:
        JWTRefreshAdapter(**{**profile.options(), "store": trial}).refresh()
    except RefreshUnavailable as error:
        problem = error
    with trial.under_way:  # the exchange goes on when the adapter has lost its patience
        pass
    if trial.kept is not None:
        return trial.kept
    if problem is None:
        raise trial.lost(profile.name)
    cause = cause_and_remedy(str(problem), profile.name)[0]
    if not trial.has_begun:
        raise RefreshUnavailable(f"{cause}. Nothing was stored; try again later")
    with profile.store.lock(profile.refresh_timeout):
        if profile.store.load() is None:
            profile.store.save(given)
            raise RefreshUnavailable(f"the token is stored, but could not be tried: {problem}")
    raise RefreshUnavailable(
        f"{cause}. Nothing was stored: there is a token of before, and it stays; try again later"
    )


class _OnTrial:
    """The profile's store as it looks with a refresh token in it that has only been given yet.

    What comes of it goes into the real store under that one's lock, and in the thread of the
    exchange: nobody can come in between server and store, and Ctrl-C takes nothing away.
    """

    def __init__(self, store: TokenStore, given: Token) -> None:
        self._store, self._given = store, given
        self.under_way = threading.Lock()  # held during the exchange
        self.has_begun = False
        self.kept: Token | None = None
        self._failure: StoreError | None = None
        self._has_changed = False

    def load(self) -> Token:
        return self._given

    def save(self, token: Token) -> None:
        if token == self._given:  # the refresher wants to see that it can
            return
        try:
            self._store.save(token)
        except StoreError as error:
            self._failure = error
            self._has_changed = token.refresh != self._given.refresh
        else:
            self.kept = token

    def clear(self) -> None:
        """Leave the real store alone: it is the given token that the server has refused."""

    @contextmanager
    def lock(self, timeout: float) -> Iterator[None]:
        with self._store.lock(timeout), self.under_way:
            self.has_begun = True
            yield

    def lost(self, name: str) -> StoreError:
        """Return the error that what the server gave could not be saved."""
        failure = self._failure or StoreError("the token could not be saved")
        if not self._has_changed:
            return failure
        return StoreError(
            "the server took the refresh token and gave another, which could not be saved: "
            f"{cause_and_remedy(str(failure))[0]}. `requests-jwt doctor {name}` looks closer; then "
            "log in with another refresh token"
        )


def _check_that_it_can_be_written(profile: Profile) -> None:
    """Write beside the token, while nothing is lost if that fails. Raises StoreError."""
    with profile.probe_store.lock(profile.refresh_timeout):
        profile.probe_store.save(Token("requests-jwt-login"))  # it opens nothing
        profile.probe_store.clear()


def _show_device_code(code: DeviceCode) -> None:
    sys.stderr.write(f"To log in, open\n\n    {code.url}\n\nand type the code {code.user_code}\n")
    if code.complete_url is not None:
        sys.stderr.write(f"(or open {code.complete_url})\n")
    sys.stderr.write(f"Waiting for up to {lasting(code.seconds)}; Ctrl-C gives up.\n")
    sys.stderr.flush()


# --- status ----------------------------------------------------------------------------------


def _show(token: Token | None) -> None:
    if token is None:
        row("token", "none")
        return
    claims = _claims(token.access)
    for name in _CLAIMS:
        if claims.get(name) is not None:
            row(name, harmless(claims[name]))
    row("access token", _life(token.access, token.expires_at))
    row("refresh token", _life(token.refresh, refresh_token_ends(token)))
    if token.received_at is not None:
        row("last refresh", f"{lasting(max(time.time() - token.received_at, 0.0))} ago")


def _life(secret: str | None, ends: float | None) -> str:
    if secret is None:
        return "none"
    return "there; it does not say how long it lives" if ends is None else until(ends)


def _who(token: Token) -> str:
    claims = _claims(token.access)
    names = (claims.get(name) for name in _NAMES_A_USER)
    return next((harmless(name) for name in names if _is_a_name(name)), "")


def _is_a_name(value: object) -> bool:
    if isinstance(value, str):
        return bool(value.strip())
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _claims(secret: str | None) -> dict[str, Any]:
    return {} if secret is None else jwt_claims(secret)


def _can_refresh(token: Token) -> bool:
    ends = refresh_token_ends(token)
    return token.refresh is not None and (ends is None or ends > time.time())


def _is_usable(token: Token) -> bool:
    return token.access is not None and not token.has_expired()


def _as_json(profile: Profile, token: Token | None, *, is_in: bool) -> dict[str, Any]:
    access = token.access if token else None
    refresh = token.refresh if token else None
    claims = _claims(access)
    return {
        "profile": profile.name,
        "file": str(profile.file),
        "base_url": profile.base_url,
        "store": profile.store_label,
        "logged_in": is_in,
        "claims": {name: _json_value(claims[name]) for name in _CLAIMS if name in claims},
        "access_token": _life_as_json(access, token.expires_at if token else None),
        "refresh_token": _life_as_json(refresh, refresh_token_ends(token) if token else None),
        "received_at": token.received_at if token else None,
    }


def _json_value(value: object) -> object:
    """Return a claim as JSON can hold it: Python reads numbers that are none (RFC 8259 §6)."""
    return json.loads(json.dumps(value), parse_constant=str)


def _life_as_json(secret: str | None, ends: float | None) -> dict[str, Any]:
    left = None if ends is None else round(ends - time.time(), 3)
    return {"present": secret is not None, "expires_at": ends, "expires_in": left}


# --- token, logout ---------------------------------------------------------------------------


def _seconds_wanted(token: Token | None, asked: float | None) -> float:
    """Return how long a printed token should last; a short-lived one need not last for long."""
    if asked is not None:
        return asked
    if token is None or token.expires_at is None or token.received_at is None:
        return _LEEWAY
    return min(_LEEWAY, _SHARE * (token.expires_at - token.received_at))


def _has_to_be_told(profile: Profile, adapter: JWTRefreshAdapter, held: Token) -> bool:
    """Whether the server has a token to take back; refresh first where it wants to see a good one.

    Raises RefreshUnavailable or StoreError if that cannot be.
    """
    if profile.logout is None or held.refresh is None:
        return False
    try:
        if held.has_expired() and profile.logout.send == "json":
            adapter.valid_token()
    except RefreshRejected:
        return False  # it is not good there any more
    return True


def _tell_server(
    profile: Profile, adapter: JWTRefreshAdapter, held: Token | None
) -> JWTRefreshError | None:
    """Tell the server that the token is not wanted any more; return what went wrong."""
    assert profile.logout is not None  # noqa: S101 - for mypy
    try:
        token = profile.store.load()  # once more, under the lock: it may be newer
        if token == held:
            token = adapter.token  # newer still, if it could not be saved
        if token is not None:
            log_out(
                profile.logout,
                token,
                SendOptions.from_environment(profile.logout.url),
                profile.refresh_timeout,
            )
    except JWTRefreshError as error:
        return error
    return None
