"""What is said on stderr inside a program that is not ours, and what is kept out of its log."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from requests_jwt_refresh.errors import StoreError
from requests_jwt_refresh.profiles.accounts import ACCOUNT_VARIABLE
from requests_jwt_refresh.profiles.own_command import spell_out
from requests_jwt_refresh.refresh.single_flight import THREAD_NAME

if TYPE_CHECKING:
    from collections.abc import Iterable

    from requests_jwt_refresh.errors import JWTRefreshError
    from requests_jwt_refresh.profiles.load import Profile

NAMES_VARIABLE: Final = "REQUESTS_JWT_PROFILE"  # which profiles, with commas; all if it is not set
REPORTED_VARIABLE: Final = "REQUESTS_JWT_REPORTED"  # profiles that `run` has warned of, with commas
LOGGED_IN_VARIABLE: Final = "REQUESTS_JWT_LOGGED_IN"  # of which `run` has seen a login, likewise
ALL: Final = "*"  # in REQUESTS_JWT_REPORTED: whatever profiles there are
WITHOUT_TOKENS: Final = "the program runs without tokens"

_LOGGERS_OF_REFRESHES: Final = (
    "filelock",
    "urllib3.connection",
    "urllib3.connectionpool",
    "urllib3.util.retry",
)
_warned: dict[str, object] = {}  # one step takes a key: threads say nothing twice


def warn_once(problem: str, remedy: str = "", key: str | None = None) -> None:
    """Write what is wrong and what to do on stderr, once in this process for each `key`.

    `key` is `problem` itself if it is omitted.
    """
    mark = object()
    if _warned.setdefault(key or problem, mark) is not mark:
        return
    with contextlib.suppress(Exception):  # stderr may be missing, closed or full
        lines = [f"requests-jwt: {each}\n" for each in (problem, spell_out(remedy)) if each]
        sys.stderr.write("".join(lines))
        sys.stderr.flush()


def warn_faulty(error: JWTRefreshError, names: Iterable[str]) -> None:
    """Say that profiles cannot be used, unless `run` has said so of all of them."""
    if all(map(is_reported, names)):
        return
    remedy = f"{error.remedy}; until then {WITHOUT_TOKENS}" if error.remedy else WITHOUT_TOKENS
    warn_once(error.cause, f"{remedy}; to see all profiles: requests-jwt profiles")


def warn_unusable(error: BaseException) -> None:
    """Say that no profile can be used because of an unexpected error, unless `run` has said so."""
    if is_reported(ALL):
        return
    if isinstance(error, ImportError):  # of this Python's environment; elsewhere it may be there
        cause, remedy = f"the profiles cannot be used ({error})", "install it in this environment"
    else:
        cause = f"the profiles cannot be used ({type(error).__name__})"
        remedy = "to see what is wrong: requests-jwt profiles"
    warn_once(cause, f"{WITHOUT_TOKENS}; {remedy}")


def warn_no_token(name: str, error: JWTRefreshError, reference: str | None = None) -> None:
    """Say why a request for the profile `name` has no token, or why its 401 was not refreshed.

    `reference` is the profile's, with its account, here and below.
    """
    if isinstance(error, StoreError) and is_reported(name):
        return
    remedy = f"{error.remedy}; until then" if error.remedy else "until that is corrected"
    warn_once(
        f"profile {name!r}: {error.cause}",
        f"{remedy} the program gets the API's own answer; for details: "
        f"requests-jwt doctor {reference or name}",
        f"{type(error).__name__} of {name}",
    )


def warn_not_logged_in(profile: Profile, *, has_ended: bool = False) -> None:
    """Say that a profile has no token, unless `run` has said so, or a refusal has been.

    `has_ended` says that this process has had one; for other processes `run` has seen it.
    """
    name, reference = profile.name, profile.reference
    if is_reported(name):
        return
    if profile.account_source == ACCOUNT_VARIABLE:  # `run` may have set it, for what it runs
        profile = replace(profile, account_source=None)
    cause, remedy = profile.describe_missing_login()
    if has_ended or name in split_names(os.environ.get(LOGGED_IN_VARIABLE, "")):
        cause = f"the login of profile {name!r}{describe_account(reference)} has ended"
        remedy = f"log in again with: requests-jwt login {reference}"
    warn_once(cause, remedy, _login_key(name))


def warn_refused(name: str, reference: str, error: JWTRefreshError) -> None:
    """Say that the server has refused to refresh the token of the profile `name`.

    Whatever was said before: that alone says why.
    """
    _warned.setdefault(_login_key(name), error.cause)
    warn_once(
        f"profile {name!r}: {error.cause}",
        f"log in again with: requests-jwt login {reference}",
        f"refusal of {name}",
    )


def warn_unmatched(profile: Profile, url: str, looks: str) -> None:
    """Say that a 401 to the profile's token does not match its rule, once for each profile."""
    table = f'"{profile.name}"' if "." in profile.name else profile.name
    verb = "add" if profile.when is None else "change"
    warn_once(
        f"profile {profile.name!r}: {url} answered 401 ({looks}), which does not match its rule "
        "for an expired token, so nothing was refreshed",
        f"if that 401 means an expired token, {verb} [{table}.when] in {profile.file}",
        _unmatched_key(profile),
    )


def has_warned_unmatched(profile: Profile) -> bool:
    """Whether `warn_unmatched` has said so of the profile: then nothing need be looked at."""
    return _unmatched_key(profile) in _warned


def _unmatched_key(profile: Profile) -> str:
    return f"unmatched answer of {profile.name}"


def describe_account(reference: str) -> str:
    """Return " as bob" for a profile's reference that names an account, else ""."""
    _, is_named, account = reference.partition(" --account ")
    return f" as {account}" if is_named else ""


def _login_key(name: str) -> str:
    return f"login of {name}"


def is_reported(name: str) -> bool:
    """Whether `run` has said, before the program started, what is wrong with a profile."""
    return not {name, ALL}.isdisjoint(split_names(os.environ.get(REPORTED_VARIABLE, "")))


def split_names(text: str) -> list[str]:
    """Return the names in a list with commas, as environment variables have them."""
    return [name.strip() for name in text.split(",") if name.strip()]


def set_up_logging() -> None:
    """Show our warnings where the program has no logging, and hide our refreshes where it has.

    The story of a refresh is told to a program that has set the level of our logger.
    """
    show_warnings()
    own = logging.getLogger("requests_jwt_refresh")
    if own.level == logging.NOTSET:
        own.setLevel(logging.WARNING)
    for name in _LOGGERS_OF_REFRESHES:
        logging.getLogger(name).addFilter(_is_programs_own)


def show_warnings() -> None:
    """Show our warnings where the program has no logging; once, however often it is called."""
    own = logging.getLogger("requests_jwt_refresh")
    if not any(isinstance(each, _StderrHandler) for each in own.handlers):
        own.addHandler(_StderrHandler(logging.WARNING))


class _StderrHandler(logging.Handler):
    """Writes a warning on stderr, once, if the program itself has no logging set up.

    But for a logout and a missing login: `run` and the commands tell of those in lines of their
    own.
    """

    def emit(self, record: logging.LogRecord) -> None:
        is_said = getattr(record, "kind", None) in ("logged_out", "no_login")
        if not is_said and not logging.getLogger().handlers:
            warn_once(record.getMessage())


def _is_programs_own(_record: logging.LogRecord) -> bool:
    return threading.current_thread().name != THREAD_NAME
