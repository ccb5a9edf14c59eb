"""token: for kubectl, in a file, or what came with the access token."""

from __future__ import annotations

import json
import os
import re
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import requests_jwt_refresh as library
from requests_jwt_refresh import clock
from requests_jwt_refresh.cli.console import LAST_MOMENT, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from requests_jwt_refresh.adapter import JWTRefreshAdapter
    from requests_jwt_refresh.profiles.load import Profile
    from requests_jwt_refresh.tokens import Token

EXEC_INFO: Final = "KUBERNETES_EXEC_INFO"
"""The variable in which kubectl says what it understands."""

_API_GROUP: Final = "client.authentication.k8s.io"
_API_VERSIONS: Final = (f"{_API_GROUP}/v1", f"{_API_GROUP}/v1beta1")
_KIND: Final = "ExecCredential"
_TOKEN: Final = re.compile(rb"[\x21\x23-\x7e]*\s*")  # what may be written over: no JSON, no text
_MAX_TOKEN: Final = 64 * 1024  # bytes of it


class Secret(NamedTuple):
    """What is printed, and when it expires, in seconds since the epoch; None if unknown."""

    text: str
    expires_at: float | None

    def __repr__(self) -> str:
        return f"Secret('***', {self.expires_at})"


# --- what came with the access token -------------------------------------------------------------


def fetch_secret(
    profile: Profile, adapter: JWTRefreshAdapter, field: str | None, seconds: float
) -> Secret:
    """Return the access token of `profile`, or what is in `field` of what came with it.

    It lasts `seconds` more, as far as is known: it is refreshed if need be. Raises RefreshRejected,
    RefreshUnavailable, StoreError, and UsageError for a field without a token.
    """
    if field is None:
        from requests_jwt_refresh.cli.account import complete_expiry

        token = adapter.valid_token(seconds)
        claimed = complete_expiry(profile, token) or token
        return Secret(token.access or "", claimed.expires_at)
    stored = adapter.token
    before = None if stored is None else _read_field(stored, profile, field)
    if before is not None and before.expires_at is not None and _lasts(before, seconds):
        return before  # the access token does not matter
    token = adapter.valid_token(seconds)
    secret = _read_field(token, profile, field)
    if secret is None and before is None:
        raise _make_missing_error(token, profile, field)
    is_new = stored is None or token.access != stored.access
    if secret is not None and not is_new and not _lasts(secret, seconds):
        secret = _read_field(adapter.refresh(), profile, field)
    if secret is None or not _lasts(secret, 0.0):  # OpenID Connect Core §12.2 allows that
        raise library.RefreshRejected(
            f"{field} of profile {profile.name!r} has expired, and a refresh has brought no new "
            "one",
            f"log in again with: {_login_command(profile)}",
        )
    return secret


def _lasts(secret: Secret, seconds: float) -> bool:
    return secret.expires_at is None or secret.expires_at > clock.time() + seconds


def _read_field(token: Token, profile: Profile, field: str) -> Secret | None:
    """Return what is at the dotted path `field` of Token.extra, None without it.

    Raises UsageError for what is no token.
    """
    from requests_jwt_refresh.matching import MISSING, find

    text = find(token.extra, field)
    if text is MISSING:
        return None
    if isinstance(text, str) and text and text.isascii() and text.isprintable():
        return Secret(text, _find_expiry(text, token))
    raise UsageError(f"{field} of profile {profile.name!r} is no token", "name another field")


def _make_missing_error(token: Token, profile: Profile, field: str) -> UsageError:
    from requests_jwt_refresh.field_names import filter_showable, quote_list

    there = quote_list(filter_showable(token.extra))
    return UsageError(
        f"no {field} came with the token of profile {profile.name!r}"
        + (f", but {there}" if there else ", and nothing else either"),
        "name a field that the server sends; or add its scope to the profile (openid for an "
        f"id_token), and log in again with: {_login_command(profile)}",
    )


def _login_command(profile: Profile) -> str:
    return f"requests-jwt login {profile.reference}"


def _find_expiry(text: str, token: Token) -> float | None:
    """Return when a JWT that came with `token` expires, by our clock; None if it does not say.

    It may have come with an earlier one. How far the server's clock is from ours is seen from the
    access token, which is new each time.
    """
    from requests_jwt_refresh.tokens import jwt_times

    end = jwt_times(text)[1]
    issued = jwt_times(token.access or "")[0]
    if end is None or issued is None or token.received_at is None:
        return end
    return token.received_at + end - issued


# --- kubectl -------------------------------------------------------------------------------------


def choose_api_version() -> str:
    """Return the version of ExecCredential that kubectl asks for; the newest if nobody asks.

    Raises UsageError for one that is not known.
    """
    text = os.environ.get(EXEC_INFO)
    if not text:
        return _API_VERSIONS[0]
    try:
        asked: Any = json.loads(text)
    except (ValueError, RecursionError):
        asked = None
    if not isinstance(asked, dict) or asked.get("kind") != _KIND:
        raise UsageError(
            f"{EXEC_INFO} is no {_KIND} in JSON", f"unset {EXEC_INFO}, which kubectl sets by itself"
        )
    if asked.get("apiVersion") not in _API_VERSIONS:
        raise UsageError(
            f"the apiVersion in {EXEC_INFO} is not known",
            f"write into the users.user.exec of your kubeconfig: apiVersion: {_API_VERSIONS[0]}",
        )
    return str(asked["apiVersion"])


def make_exec_credential(secret: Secret, version: str) -> dict[str, Any]:
    """Return the object that kubectl reads (client.authentication.k8s.io)."""
    status = {"token": secret.text}
    if secret.expires_at is not None and 0 <= secret.expires_at <= LAST_MOMENT:
        # RFC 3339, in whole seconds; rounded down, since kubectl uses the token until then.
        moment = time.gmtime(int(secret.expires_at))
        status["expirationTimestamp"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", moment)
    return {"apiVersion": version, "kind": _KIND, "status": status}


# --- a file --------------------------------------------------------------------------------------


def find_output(path: str) -> Path:
    """Return the file to write, through the user's own links; its folder is made if it is missing.

    Raises StoreError if it cannot be used, also for one that holds anything but a token: it may be
    another file than the user thinks.
    """
    from requests_jwt_refresh.profiles.home import NoHome, expand_user
    from requests_jwt_refresh.stores import private_file

    try:
        named = expand_user(path)
    except NoHome as error:
        raise UsageError(f"--output cannot be used: {error}", "give an absolute path") from None
    with _explain_errors(named):
        target = private_file.resolve(named)
        private_file.check_regular(target)
        private_file.make_private_folder(target.parent)
        if not _may_be_token(target):
            raise private_file.UntrustedPath(
                f"{named} holds something else than a token",
                "it was left as it is; use another path",
            )
        return target


def _may_be_token(target: Path) -> bool:
    """Whether the file holds one word, or nothing, or is not there. Raises OSError."""
    if not target.exists():
        return True
    with target.open("rb") as file:
        content = file.read(_MAX_TOKEN + 1)
    return len(content) <= _MAX_TOKEN and _TOKEN.fullmatch(content) is not None


def write_output(target: Path, text: str) -> None:
    """Write `text` alone, without a line break, for its owner alone and in one step (0600).

    Programs that read it again find the old text or the new one. Raises StoreError.
    """
    from requests_jwt_refresh.stores import private_file

    with _explain_errors(target):
        private_file.replace(target, text)


@contextmanager
def _explain_errors(path: Path) -> Iterator[None]:
    from requests_jwt_refresh.stores import disk_errors, private_file

    try:
        yield
    except private_file.UntrustedPath as error:
        raise library.StoreError(error.cause, error.remedy) from None
    except OSError as error:
        raise library.StoreError(
            f"the token could not be written to {path}: {disk_errors.describe(error)}",
            f"nothing was changed; {disk_errors.advise(error, path)}",
        ) from error
