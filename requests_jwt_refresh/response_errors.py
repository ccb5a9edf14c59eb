"""What to raise for a response without a token.

What the server wrote is never shown, unless it is of a form that no secret has.
"""

from __future__ import annotations

import math
import re
from datetime import timezone
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from requests_jwt_refresh import clock
from requests_jwt_refresh.error_codes import (
    find_code_path,
    find_error_code,
    is_error,
    is_refusal,
    is_try_later,
)
from requests_jwt_refresh.errors import RefreshRejected, RefreshUnavailable
from requests_jwt_refresh.matching import MISSING, parse_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from requests_jwt_refresh.responses import TokenResponse
# RFC 9110 §15; some servers go beyond 599.
_REDIRECTS: Final = range(300, 400)
_PASSING_FAULTS: Final = frozenset({408, 429, *range(500, 1000)})
SUCCESS: Final = range(200, 300)
_CLIENT_ERRORS: Final = range(400, 500)
_CONFLICTS: Final = frozenset({409, 423})  # with another request, which may have ended soon
# Whatever was handed in.
_NO_REFUSALS: Final = frozenset({404, 405, 406, 411, *range(413, 418), *_CONFLICTS})
# With these an error code in the body counts; rate limits and overload need none.
CODE_COUNTS: Final = frozenset({200, 201, *_CLIENT_ERRORS}) - _PASSING_FAULTS
# Short enough that a token is no part of a path.
_SHOWABLE_URL = re.compile(
    r"(?:https?://[A-Za-z0-9.-]{1,80}(?::[0-9]{1,5})?)?(?:/[A-Za-z0-9._~-]{0,30}){1,10}"
)
# What to check when the server gives one of these codes (RFC 6749 §5.2, RFC 8707 §2).
_CLIENT: Final = "check client_id and client_secret, and client_auth"
_REMEDIES: Final = {
    "invalid_client": _CLIENT,
    # As GitHub, Slack and Salesforce, HubSpot and Zoho say it.
    **dict.fromkeys(("incorrect_client_credentials", "invalid_client_id"), _CLIENT),
    **dict.fromkeys(("bad_client_id", "bad_client_secret", "invalid_client_secret"), _CLIENT),
    "invalid_request": "check client_auth and extra",
    "unauthorized_client": "check the client's registration: it may not use {handed_in}s",
    "unsupported_grant_type": "check the URL: no {handed_in}s are accepted there",
    "invalid_scope": "check the scope in extra",
    "invalid_target": "check the resource in extra",
}
_CHECK: Final = "check its URL and options"
# What to do when what a grant without a refresh token hands in is refused.
_NEXT: Final = {
    "client credential": "check client_id and client_secret, and what the client may do",
    "assertion": "check what the assertion says, and the key that signs it",
    "subject token": "give another subject token, or check subject_token_type",
}
_SECONDS = re.compile(r"[0-9]+(?:\.[0-9]+)?")
_LONGEST_WAIT: Final = 7 * 86_400.0  # seconds; a server that asks for more means something else
_TOO_MANY: Final = ": too many requests"  # in its own words, which are not shown
_REMAINING_HEADERS: Final = ("X-RateLimit-Remaining", "RateLimit-Remaining")


class LoginWords(NamedTuple):
    """How the errors of a login say what it is about."""

    handed_in: str
    """What it has handed in, such as "password"."""
    check: str
    """What to check if the answer is of no use."""
    rule_place: str | None = None
    """What takes ``rejected=``; None if nothing does."""


def check_not_throttled(response: TokenResponse) -> None:
    """Raise RefreshUnavailable for an error that says "not so often", whatever its status.

    By its code, its words or a Retry-After header. An error code such as ``invalid_grant`` is a
    refusal all the same.
    """
    document = parse_json(response.body)
    is_open = response.status in (*SUCCESS, *_CLIENT_ERRORS) or (
        response.status in _PASSING_FAULTS and _asks_to_wait(response.headers)
    )
    if not is_open or is_refusal(document, response.headers):
        return
    is_success = response.status in SUCCESS
    if is_success and not is_error(document):
        return
    says_so = is_try_later(document, response.headers, b"" if is_success else response.body)
    if says_so or (not is_success and _asks_to_wait(response.headers)):
        has_code = find_error_code(document, response.headers) is not None
        raise _make_passing_error(response, "" if has_code or not says_so else _TOO_MANY)


def make_rejected_error(response: TokenResponse, handed_in: str) -> RefreshRejected:
    handed_in = _name_handed_in(response, handed_in)
    return RefreshRejected(
        f"the {response.source} refused the {handed_in} ({describe_status(response)})",
        _NEXT.get(handed_in, "log in again"),
    )


def describe_status(response: TokenResponse) -> str:
    """Return the status, and the server's error code if there is one that no secret looks like."""
    code = find_error_code(parse_json(response.body), response.headers)
    return f"{response.status} {code}" if code else str(response.status)


def _make_unavailable_error(
    cause: str, remedy: str, *, retry_after: float = 0.0, is_set_up_fault: bool = False
) -> RefreshUnavailable:
    error = RefreshUnavailable(cause, f"the tokens are kept; {remedy}")
    error.retry_after, error.is_set_up_fault = retry_after, is_set_up_fault
    return error


def make_unreadable_error(
    response: TokenResponse, problem: str, remedy: str | None = None
) -> RefreshUnavailable:
    document = parse_json(response.body)
    # A page in place of JSON may be that of a proxy, and an error one that passes.
    is_as_meant = document is not MISSING and not is_error(document)
    return _make_unavailable_error(
        f"the {response.source} answered {_describe_failure(response)}, but {problem}",
        remedy or _say_what_to_check(response),
        is_set_up_fault=response.status in SUCCESS and is_as_meant,
    )


def suggest_rule(response: TokenResponse, *, has_rule: bool) -> str:
    """Return what to do about an answer without a token: perhaps its error code is a refusal.

    `has_rule` says that there is a rule already, which goes on to hold.
    """
    check, login = _say_what_to_check(response), response.login_words
    document, headers = parse_json(response.body), response.headers
    code = find_error_code(document, headers)
    is_failure = response.status not in SUCCESS or is_error(document)
    path = find_code_path(document, code) if code is not None and is_failure else None
    if path is None or is_try_later(document, headers) or (login and login.rule_place is None):
        return check
    rule = f"json_field({path!r}, {code!r})"
    if has_rule:
        place = f" of {login.rule_place}" if login else ""
        return f"{check}, or add {rule} to rejected={place} with any_of() if that is a refusal"
    place = f" to {login.rule_place}" if login else ""
    return f"{check}, or give rejected={rule}{place} if that is a refusal"


def _say_what_to_check(response: TokenResponse) -> str:
    return _CHECK if response.login_words is None else response.login_words.check


def _name_handed_in(response: TokenResponse, handed_in: str) -> str:
    """Return what a login has handed in; `handed_in` is what the endpoint does in a refresh."""
    return handed_in if response.login_words is None else response.login_words.handed_in


def make_status_error(response: TokenResponse, *, has_rule: bool) -> RefreshUnavailable:
    """Return the error for a status that is neither success nor a refusal by the rule there is."""
    if response.status in _REDIRECTS:
        return _make_redirect_error(response)
    if response.status in _PASSING_FAULTS:
        return _make_passing_error(response)
    remedy = _say_what_to_check(response)
    if response.status not in _NO_REFUSALS:
        remedy = suggest_rule(response, has_rule=has_rule)
    return _make_unavailable_error(
        f"the {response.source} answered {_describe_failure(response)}",
        remedy,
        is_set_up_fault=response.status in _CLIENT_ERRORS and response.status not in _CONFLICTS,
    )


def make_fault(cause: str, remedy: str) -> RefreshUnavailable:
    """Return the error for an answer that shows a fault of the set-up."""
    error = RefreshUnavailable(cause, remedy)
    error.is_set_up_fault = True
    return error


def _describe_failure(response: TokenResponse) -> str:
    is_failure = response.status not in SUCCESS or is_error(parse_json(response.body))
    return describe_status(response) if is_failure else str(response.status)


def _make_passing_error(response: TokenResponse, note: str = "") -> RefreshUnavailable:
    """Return the error for a server that can or will not answer now."""
    cause = f"the {response.source} answered {describe_status(response)}{note}"
    seconds = find_retry_after(response.headers)
    if not seconds:
        return _make_unavailable_error(cause, "try again later")
    return _make_unavailable_error(
        f"{cause} and asks to be left alone for {math.ceil(seconds)} s",
        f"try again in {math.ceil(seconds)} s",
        retry_after=seconds,
    )


def _make_redirect_error(response: TokenResponse) -> RefreshUnavailable:
    location = re.split("[?#]", response.headers.get("Location") or "", maxsplit=1)[0]
    to = f" to {location}" if _SHOWABLE_URL.fullmatch(location) else ""
    return _make_unavailable_error(
        f"the {response.source} redirects{to} ({response.status}), which a call with a secret "
        "never follows",
        "give the final URL: perhaps with a trailing slash, or with https",
        is_set_up_fault=True,
    )


def make_set_up_error(
    response: TokenResponse, code: str, handed_in: str, *, has_rule: bool
) -> RefreshUnavailable:
    """Return the error for an error code of RFC 6749 §5.2 that is no refusal."""
    found, handed_in = _REMEDIES.get(code.lower()), _name_handed_in(response, handed_in)
    fault = "is at fault" if found else "may be at fault"
    return _make_unavailable_error(
        f"the {response.source} answered {response.status} {code}: the set-up {fault}",
        found.format(handed_in=handed_in) if found else suggest_rule(response, has_rule=has_rule),
        is_set_up_fault=found is not None,
    )


def _asks_to_wait(headers: Mapping[str, str]) -> bool:
    """Whether a Retry-After is meant.

    Some servers write it on each response, and beside it how many requests are left.
    """
    left = [(headers.get(name) or "").strip() for name in _REMAINING_HEADERS]
    has_more = any(each.isascii() and each.isdigit() and each.strip("0") for each in left)
    return not has_more and 0 < find_retry_after(headers) <= _LONGEST_WAIT


def find_retry_after(headers: Mapping[str, str]) -> float:
    """Return the seconds to wait: given as such or as a date (RFC 9110 §10.2.3); 0 if unclear.

    A fraction is none of that RFC's, but Shopify writes ``2.0``.
    """
    value = (headers.get("Retry-After") or "").strip()
    if _SECONDS.fullmatch(value):
        seconds = float(value)
    else:
        # Both by the server's clock if it sends a Date, so that a wrong one here does no harm.
        until, now = parse_http_date(value), parse_http_date(headers.get("Date") or "")
        seconds = 0.0 if until is None else until - (clock.time() if now is None else now)
    return seconds if math.isfinite(seconds) and seconds > 0 else 0.0


def parse_http_date(value: str) -> float | None:
    """Return an HTTP-date (RFC 9110 §5.6.7) in seconds since the epoch, None for anything else.

    >>> parse_http_date("Thu, 01 Jan 1970 00:01:00 GMT")
    60.0
    """
    try:
        moment = parsedate_to_datetime(value)
        # The obsolete formats name no zone, and mean UTC all the same.
        return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
