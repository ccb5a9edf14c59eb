"""When a token expires: the earlier of what the answer and the JWT say, counted from receipt."""

from __future__ import annotations

import json
import time
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

import pytest

from requests_jwt_refresh import InvalidToken, JSONEndpoint, MemoryStore, StoreError, Token, mount
from requests_jwt_refresh.matching import MISSING, parse_json
from requests_jwt_refresh.stores.base import decode, encode
from requests_jwt_refresh.testing import JSONBody
from requests_jwt_refresh.tokens import (
    LONGEST_LIFETIME,
    jwt_claims,
    jwt_lifetime,
    not_before,
    with_expiry,
    with_values,
)
from tests.support.clock import Clock
from tests.support.command_line import make_jwt
from tests.support.endpoints import make_response
from tests.support.users import ENDPOINT, store

if TYPE_CHECKING:
    import requests

    from requests_jwt_refresh.testing import AuthServer

__all__ = ["store"]  # a fixture

NOW = 1_700_000_000.0  # where the clock stands
DAY = 86_400.0
OPAQUE = "opaque"

pytestmark = pytest.mark.usefixtures("clock")


def make_jwt_for(seconds: object, issued: object = NOW) -> str:
    return make_jwt({"iat": issued, "exp": issued + seconds})  # type: ignore[operator]


def at(moment: float | None) -> Any:
    """Return what equals `moment`, or a moment a little later: each look moves the clock on."""
    return None if moment is None else pytest.approx(moment, abs=0.01)


def read_expiry(expires_in: object, access: str = OPAQUE, **headers: str) -> float | None:
    """Return when the token of an answer with this lifetime expires."""
    body = {"access_token": access, "expires_in": expires_in}
    return with_expiry(JSONEndpoint("/r").read(make_response(200, body, **headers))).expires_at


# --- What an answer says -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expires_in", "lives", "expected"),
    [
        (DAY, 60, 60),
        (60, DAY, 60),
        ("60", DAY, 60),
        (None, 60, 60),
        (60, None, 60),
        (0, 60, 60),
        (-5, 60, 60),
        (float("nan"), 60, 60),
        (True, 60, 60),
        (20 * 365 * DAY, 60, 60),
        (60, -60, 60),
        (60, 20 * 365 * DAY, 60),
        (20 * 365 * DAY, None, None),
        (None, None, None),
    ],
)
def test_the_earlier_of_two_expiries_counts(
    expires_in: object, lives: float | None, expected: float | None
) -> None:
    """What makes no sense, as more than ten years does, is as if it were not there."""
    access = OPAQUE if lives is None else make_jwt_for(lives)
    assert read_expiry(expires_in, access) == at(None if expected is None else NOW + expected)


@pytest.mark.parametrize("make", [int, float, str])
@pytest.mark.parametrize("factor", [1, 1000])
def test_a_lifetime_as_large_as_a_moment_is_one(make: Any, factor: int) -> None:
    """In seconds since the epoch, or in milliseconds: nothing lives for 54 years."""
    assert read_expiry(make((NOW + 300) * factor)) == at(NOW + 300)
    assert read_expiry(make((NOW + 300) * factor), make_jwt_for(60)) == at(NOW + 60)


@pytest.mark.parametrize("moment", [NOW - 1, NOW * 1000 - 1, 1.1e9, NOW * 1e6, 1e18, 10**400])
def test_a_moment_that_has_passed_or_never_comes_is_unknown(moment: float) -> None:
    """Else each request would find its new token expired, and ask for another one."""
    assert read_expiry(moment) is None
    assert read_expiry(moment, make_jwt_for(60)) == at(NOW + 60)


def test_a_moment_counts_by_the_servers_own_clock() -> None:
    """Which may be years from ours; a Date has whole seconds, so that a near one is as good."""
    theirs = 1_500_000_000.0
    assert read_expiry(theirs + 300, Date=formatdate(theirs, usegmt=True)) == at(NOW + 300)
    assert read_expiry(NOW + 300.7, Date=formatdate(NOW - 1, usegmt=True)) == at(NOW + 300.7)


def test_a_wrong_clock_does_no_harm(clock: Clock) -> None:
    """Only a difference counts: the server's clock may be years from ours."""
    assert read_expiry(DAY, make_jwt_for(60, issued=1_100_000_000)) == at(clock.time() + 60)


def test_a_machine_that_starts_in_1970_gets_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its expiry is counted by its own clock, in memory and in the store."""
    Clock(epoch=100.0).install(monkeypatch)
    body = {"access_token": make_jwt_for(60), "expires_in": 300}
    token = with_expiry(ENDPOINT.read(make_response(200, body)))
    assert token.expires_at == at(160)
    assert not token.has_expired()
    assert decode(encode(token), "here") == token


def test_expiry_counts_from_receipt() -> None:
    """A token that is given back later lives no longer for that."""
    earlier = with_values(Token(make_jwt_for(300)), received_at=NOW - 200)
    assert with_expiry(earlier).expires_at == at(NOW + 100)
    assert with_expiry(with_expiry(earlier)) == with_expiry(earlier)
    assert with_expiry(earlier).received_at == NOW - 200
    from_the_future = with_values(Token(make_jwt_for(300)), received_at=NOW + DAY)
    assert with_expiry(from_the_future).expires_at == at(NOW + 300)


@pytest.mark.parametrize("expires_at", [0, -1.5, NOW - 1, NOW + 10])
def test_what_a_user_says_is_believed_if_it_is_earlier(expires_at: float) -> None:
    """Also of a token that has expired."""
    assert with_expiry(Token(make_jwt_for(60), None, expires_at)).expires_at == expires_at


@pytest.mark.parametrize("expires_at", [1e300, NOW * 1000, NOW + LONGEST_LIFETIME + 1])
def test_a_user_who_says_more_than_ten_years_is_not_believed(expires_at: float) -> None:
    """It may be milliseconds; what the JWT says counts."""
    assert with_expiry(Token("opaque", None, expires_at)).expires_at is None
    assert with_expiry(Token(make_jwt_for(60), None, expires_at)).expires_at == at(NOW + 60)


def test_valid_token_hands_out_no_dead_token(
    server: AuthServer, session: requests.Session, store: MemoryStore, clock: Clock
) -> None:
    """A day beside a JWT of one second: after a second it is refreshed."""
    adapter = mount(session, server.url, ENDPOINT, store)
    short = make_jwt_for(1)
    server.fail(JSONBody({"access_token": short, "expires_in": DAY}))
    assert adapter.refresh().access == short
    assert adapter.valid_token(0.5).access == short
    clock.advance(2)
    assert adapter.valid_token(0.5).access != short
    assert server.counters.refreshes == 2


# --- A Token of the user's -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "shown"), [(300, "300"), (0.5, "0.5"), (DAY, "86400"), (1e9 - 1, "999999999")]
)
def test_a_lifetime_is_no_moment(seconds: float, shown: str) -> None:
    """Token(access, refresh, 300) is a ValueError that shows what to write instead."""
    with pytest.raises(ValueError, match="1970") as caught:
        Token("a", "r", seconds)
    assert isinstance(caught.value, InvalidToken)
    assert caught.value.remedy.endswith(f"give time.time() + {shown}")


@pytest.mark.parametrize("expires_at", [0, -1, -1e300, 1e9, NOW, 1e300, None])
def test_every_other_number_is_a_moment(expires_at: float | None) -> None:
    """Zero and less have passed, as "expired" is often written."""
    assert Token("a", "r", expires_at).expires_at == expires_at


@pytest.mark.parametrize("expires_at", [float("nan"), float("inf"), 10**400, "300", True, b"1"])
def test_what_is_no_number_is_refused(expires_at: Any) -> None:
    """Numbers that no float can hold, too."""
    with pytest.raises(InvalidToken, match=r"time\.time\(\) \+ 300"):
        Token("a", "r", expires_at)


@pytest.mark.parametrize("expires_at", ["0.5", "1", "300", "999999999.5"])
def test_a_store_that_holds_a_lifetime_has_an_expired_token(expires_at: str) -> None:
    """Written by an earlier version: it is read, refreshed and saved, not lost."""
    text = f'{{"access":"a","refresh":"r","expires_at":{expires_at},"counter":3}}'
    token = decode(text, "here")
    assert token.has_expired()
    assert (token.access, token.refresh, token.counter) == ("a", "r", 3)
    assert with_expiry(token).has_expired()
    assert decode(encode(token), "here") == token


# --- Odd claims ----------------------------------------------------------------------------------

LONG = "9" * 5000  # digits: more than Python makes an int of
ODD_NUMBERS = [LONG, f"-{LONG}", "1" + "0" * 308, "-1" + "0" * 308, "NaN", "Infinity", "1e400"]
ODD = [*ODD_NUMBERS, "true", "null", '"1700000000"', '"\\ud800"', "[1]", "{}", "[" * 100_000]


@pytest.mark.parametrize("exp", ODD)
@pytest.mark.parametrize("iat", ODD)
def test_odd_claims_say_nothing_and_break_nothing(iat: str, exp: str) -> None:
    """Whatever a JWT has for iat, exp and nbf: no lifetime, no moment, no exception."""
    access = make_jwt(f'{{"iat": {iat}, "exp": {exp}, "nbf": {iat}}}')
    assert jwt_lifetime(access) is None
    assert not_before(access) is None
    assert with_expiry(Token(access)).expires_at is None


@pytest.mark.parametrize("odd", ODD_NUMBERS)
def test_an_odd_number_costs_no_other_claim(odd: str) -> None:
    """One that Python cannot hold is infinite; the rest of the JWT counts."""
    access = make_jwt(f'{{"odd": {odd}, "iat": 1700000000, "exp": 1700000060, "sub": "alice"}}')
    assert jwt_claims(access)["sub"] == "alice"
    assert jwt_lifetime(access) == 60


@pytest.mark.parametrize("odd", ODD_NUMBERS)
def test_an_odd_number_in_an_answer_costs_no_token(odd: str) -> None:
    """Nor the refresh token that came with it."""
    body = f'{{"access_token": "a", "refresh_token": "r", "expires_in": {odd}}}'.encode()
    assert JSONEndpoint("/r").read(make_response(200, body)) == Token("a", "r")
    assert parse_json(body) is not MISSING


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("name", ["received_at", "login_id", "counter"])
def test_odd_numbers_in_a_store_cost_no_token(name: str, odd: str) -> None:
    """What the adapter has filled in is read as unknown, and can be written again."""
    text = f'{{"access":"a","refresh":"r","expires_at":null,"{name}":{odd}}}'
    if odd.startswith("[["):
        with pytest.raises(StoreError):
            decode(text, "here")
    else:
        token = decode(text, "here")
        assert token == Token("a", "r")
        assert decode(encode(token), "here") == token


@pytest.mark.parametrize("odd", [each for each in ODD if each != "null"])
def test_an_odd_expiry_in_a_store_is_a_store_error_at_most(odd: str) -> None:
    """Never another exception."""
    try:
        token = decode(f'{{"access":"a","refresh":"r","expires_at":{odd}}}', "here")
    except StoreError:
        return
    assert json.loads(encode(token))["expires_at"] == token.expires_at


def test_a_jwt_in_milliseconds() -> None:
    """Both claims are read as such: 300 s are no 300,000."""
    access = make_jwt({"iat": NOW * 1000, "exp": (NOW + 300) * 1000})
    assert jwt_lifetime(access) == 300
    assert not_before(access) == NOW


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ({"nbf": NOW + 2, "iat": NOW}, NOW + 2),
        ({"iat": NOW + 2}, NOW + 2),
        ({"nbf": 0, "iat": NOW}, NOW),
        ({"nbf": "soon", "iat": NOW}, NOW),
        ({"exp": NOW}, None),
        ({}, None),
    ],
)
def test_a_jwt_says_from_when_it_is_valid(claims: object, expected: float | None) -> None:
    """By nbf, else by iat (RFC 7519 §4.1.5, §4.1.6)."""
    assert not_before(make_jwt(claims)) == expected
    assert not_before(OPAQUE) is None


@pytest.mark.parametrize("claims", [{"exp": time.time()}, {"iat": NOW}, {}, [], 5, "x"])
def test_a_jwt_without_both_claims_says_no_lifetime(claims: object) -> None:
    """An exp alone is by the server's clock."""
    assert jwt_lifetime(make_jwt(claims)) is None
