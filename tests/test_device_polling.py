"""Polling for a device login: never before the interval has passed; each answer ends it or not.

What a login by device shows and keeps is tested in test_login_device.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from requests_jwt_refresh.endpoints import OAuth2Endpoint
from requests_jwt_refresh.errors import RefreshRejected, RefreshUnavailable
from requests_jwt_refresh.grants.device import DeviceLogin, log_in_by_device
from requests_jwt_refresh.refresh.client import SendOptions
from requests_jwt_refresh.testing import (
    HTML,
    AuthServer,
    Drop,
    DropAfter,
    JSONBody,
    Status,
    Truncated,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from requests_jwt_refresh.grants.device import DeviceCode
    from requests_jwt_refresh.testing import Fault
    from requests_jwt_refresh.tokens import Token
    from tests.support.clock import Clock

LIMIT = 20.0  # seconds for one call to the server; only a failing test uses them up


def is_token_path(path: str) -> bool:
    return path == "/auth/token"


def count_polls(server: AuthServer) -> int:
    return sum(is_token_path(seen.path) for seen in server.requests)


class Device:
    """A device that logs in, and counts on the clock when it polls."""

    def __init__(self, server: AuthServer, clock: Clock) -> None:
        self.server, self.clock = server, clock
        client = OAuth2Endpoint(f"{server.url}/auth/token", "tv")
        self._login = DeviceLogin(f"{server.url}/auth/device", client.url, "tv", client=client)
        self.code: DeviceCode | None = None

    def log_in(self, *faults: Fault) -> Token:
        """Log in; the polls meet these faults first, and then the user's approval."""
        for fault in faults:
            self.server.fail(fault, on=is_token_path)
        options = SendOptions()
        try:
            return log_in_by_device(self._login, self._approve, options, LIMIT)
        finally:
            assert count_polls(self.server) == len(self.clock.sleeps), "a poll without a pause"

    def fail(self, *faults: Fault) -> RefreshRejected | RefreshUnavailable:
        """Return the error with which the login ends."""
        with pytest.raises((RefreshRejected, RefreshUnavailable)) as caught:
            self.log_in(*faults)
        error = caught.value
        assert isinstance(error, (RefreshRejected, RefreshUnavailable))
        assert "the tokens are kept" not in str(error), "there are none yet"
        return error

    def _approve(self, code: DeviceCode) -> None:
        self.code = code
        if code.user_code != "none":
            self.server.approve(code.user_code, "bob")


@pytest.fixture
def device(server: AuthServer, clock: Clock) -> Device:
    """A device whose polls are two seconds apart."""
    server.device_interval = 2
    return Device(server, clock)


def pauses(*seconds: float) -> object:
    """Return what equals these pauses; each look at the clock takes a moment."""
    return pytest.approx(list(seconds), abs=0.01)


def error(code: str, status: int = 400, **more: object) -> JSONBody:
    return JSONBody({"error": code, **more}, status=status)


# --- the interval --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "after"),
    [
        (error("authorization_pending"), 2),
        (error("slow_down"), 7),
        (error("slow_down", interval=12), 12),
        (error("slow_down", interval=1), 7),
        (error("slow_down", interval="30"), 30),
        (error("slow_down", interval="soon"), 7),
        (error("slow_down", interval=1e9), 60),
        (error("slow_down", status=429), 7),
        (error("temporarily_unavailable"), 2),
        (error("server_error"), 2),
        (error("rate_limit_exceeded", status=403), 2),
        (Status(429), 7),
        (Status(429, retry_after=20), 20),
        (Status(408), 2),
        (Status(500), 2),
        (Status(502), 2),
        (Status(503), 2),
        (Status(503, retry_after=1), 2),
        (Status(503, retry_after=9), 9),
        (Status(504), 2),
        (HTML(status=503), 2),
        (Drop(), 4),
        (Truncated(short=True), 4),
    ],
    ids=repr,
)
def test_the_interval_is_never_undercut(
    device: Device, clock: Clock, fault: Fault, after: float
) -> None:
    """Whatever the answer, the next poll comes after the interval, or after what is asked for."""
    assert device.log_in(fault).refresh
    assert clock.sleeps == pauses(2, after)


def test_an_interval_that_has_grown_stays_so(device: Device, clock: Clock) -> None:
    """ "For this and all subsequent requests" (RFC 8628 §3.5); a Retry-After is for one."""
    device.log_in(
        error("slow_down"),
        error("authorization_pending"),
        Status(503, retry_after=30),
        Status(503),
        Status(429),
        error("authorization_pending"),
    )
    assert clock.sleeps == pauses(2, 7, 7, 30, 7, 12, 12)


def test_no_answer_is_backed_off_from(device: Device, clock: Clock) -> None:
    """Each time twice as long (RFC 8628 §3.5), up to a minute."""
    device.log_in(*[Drop()] * 7)
    assert clock.sleeps == pauses(2, 4, 8, 16, 32, 60, 60, 60)


def test_backing_off_does_not_shorten_a_long_interval(device: Device, clock: Clock) -> None:
    """Where the server asks for more than a minute, it gets it."""
    device.server.device_interval = 90
    device.log_in(Drop(), Drop())
    assert clock.sleeps == pauses(90, 90, 90)


@pytest.mark.parametrize(
    ("interval", "first"),
    [
        (7, 7),
        (7.5, 7.5),
        ("7", 7),
        (" 7.5 ", 7.5),
        (120, 120),
        (0.001, 1),
        (0, 1),
        ("0", 1),
        (-3, 5),
        (None, 5),
        ("", 5),
        ("soon", 5),
        ("nan", 5),
        (True, 5),
        ([7], 5),
        ({}, 5),
        (600, 60),
        (5000, 60),
        (10**400, 60),
        ("inf", 60),
    ],
    ids=repr,
)
def test_odd_intervals(device: Device, clock: Clock, interval: object, first: float) -> None:
    """One that can be read is kept to; five seconds for what is none (RFC 8628 §3.2)."""
    codes = {"device_code": "d", "user_code": "none", "verification_uri": "https://h/"}
    device.server.fail(JSONBody({**codes, "expires_in": 600, "interval": interval}), on="device")
    device.fail()
    assert clock.sleeps == pauses(first)


@pytest.mark.parametrize(
    ("expires_in", "lifetime"),
    [
        (900, 900),
        ("900", 900),
        (0.5, 0.5),
        (None, 600),
        ("", 600),
        ("soon", 600),
        (0, 600),
        (-1, 600),
        (True, 600),
        ([], 600),
        (1e12, 3600),
        ("inf", 3600),
    ],
    ids=repr,
)
def test_odd_lifetimes(device: Device, expires_in: object, lifetime: float) -> None:
    """A code without one that makes sense lives for ten minutes, and none for more than an hour."""
    codes = {"device_code": "d", "user_code": "none", "verification_uri": "https://h/"}
    device.server.fail(JSONBody({**codes, "expires_in": expires_in}), on="device")
    device.fail()
    assert device.code is not None
    assert device.code.seconds == lifetime


# --- waiting on ----------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 400, 401, 403, 428, 429])
@pytest.mark.parametrize("field", ["error", "message"])
def test_pending_with_any_status(device: Device, status: int, field: str) -> None:
    """GitHub says it with 200, Auth0 with 403, Google with 428; Twitch in ``message``."""
    pending = JSONBody({field: "authorization_pending", "status": status}, status=status)
    assert device.log_in(pending, pending).refresh


# --- the end -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("access_denied", "the login was denied in the browser"),
        ("authorization_declined", "the login was denied in the browser"),
        ("authorization_denied", "the login was denied in the browser"),
        ("expired_token", "the code expired before the login was approved"),
        ("code_expired", "the code expired before the login was approved"),
    ],
)
@pytest.mark.parametrize("status", [200, 400, 403])
def test_a_login_that_is_turned_down(
    device: Device, clock: Clock, code: str, says: str, status: int
) -> None:
    """By the user or the time, in the words of RFC 8628 §3.5 or of Microsoft: a refusal."""
    ended = device.fail(error(code, status=status))
    assert isinstance(ended, RefreshRejected)
    assert ended.cause == says
    assert ended.remedy.startswith("log in again, and approve it ")
    assert clock.sleeps == pauses(2)


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        ("invalid_grant", "check that token_url belongs to the same server"),
        ("bad_verification_code", "check that token_url belongs to the same server"),
        ("invalid device code", "check that token_url belongs to the same server"),  # Twitch
        ("incorrect_device_code", "check that token_url belongs to the same server"),
        ("device_flow_disabled", "switch the device flow on for this client"),
        ("unauthorized_client", "let this client use the device flow"),
        ("unsupported_grant_type", "let this client use the device flow"),
        ("invalid_client", "check client_id and client_secret, and client_auth"),
        ("incorrect_client_credentials", "check client_id and client_secret"),
        ("invalid_scope", "check the scope of the device login"),
    ],
)
@pytest.mark.parametrize("status", [200, 400, 401])
def test_a_set_up_that_is_at_fault(
    device: Device, clock: Clock, code: str, remedy: str, status: int
) -> None:
    """No later poll would go better: it ends at once, with the code and what to do about it."""
    ended = device.fail(error(code, status=status))
    assert isinstance(ended, RefreshUnavailable)
    assert code in ended.cause
    assert "token endpoint" in ended.cause
    assert ended.remedy.startswith(remedy)
    assert "refresh token" not in str(ended)
    assert clock.sleeps == pauses(2)


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        ("device_flow_disabled", "switch the device flow on for this client"),
        ("unauthorized_client", "let this client use the device flow"),
        ("invalid_client", "check client_id and client_secret, and client_auth"),
        ("invalid_scope", "check the scope of the device login"),
    ],
)
@pytest.mark.parametrize("status", [200, 400, 401])
def test_a_device_that_gets_no_code(
    device: Device, clock: Clock, code: str, remedy: str, status: int
) -> None:
    """The endpoint's own word for it is in the error, if it is one that is known."""
    device.server.fail(error(code, status=status), on="device")
    ended = device.fail()
    assert isinstance(ended, RefreshUnavailable)
    assert ended.cause.startswith("the device authorization endpoint")
    assert ended.cause.endswith(f" answered {status} {code}")
    assert ended.remedy.startswith(remedy)
    assert clock.sleeps == []


@pytest.mark.parametrize(
    "fault",
    [
        error("eyJhbGciOi-s3cr3t"),
        JSONBody({"error": {"code": 31}}, status=400),
        JSONBody({"error": None}, status=400),
        JSONBody(["authorization_pending"], status=400),
        Status(404),
        HTML(),
        Truncated(),
        JSONBody({"message": "eyJhbGciOi-s3cr3t"}, status=400),
    ],
    ids=repr,
)
def test_an_answer_that_means_nothing(device: Device, clock: Clock, fault: Fault) -> None:
    """It ends at once, says what the server answered, and repeats none of its words."""
    ended = device.fail(fault)
    assert isinstance(ended, RefreshUnavailable)
    assert "token endpoint" in ended.cause
    assert "s3cr3t" not in str(ended)
    assert clock.sleeps == pauses(2)


def test_tokens_that_were_lost_on_the_way(device: Device, clock: Clock) -> None:
    """The code is used up then: it ends with the next poll."""
    ended = device.fail(DropAfter())
    assert "invalid_grant" in ended.cause
    assert clock.sleeps == pauses(2, 4)


def test_a_server_that_asks_for_more_time_than_the_code_has(device: Device, clock: Clock) -> None:
    """There is nothing to wait for, so nobody has to wait."""
    ended = device.fail(Status(503, retry_after=100_000))
    assert isinstance(ended, RefreshUnavailable)
    assert ended.cause.startswith("the code will have expired before the server may be asked")
    assert clock.sleeps == pauses(2)


ENDLESS: dict[str, Callable[[], Any]] = {
    "pending": lambda: error("authorization_pending"),
    "slow_down": lambda: error("slow_down"),
    "429": lambda: Status(429),
    "503": lambda: Status(503),
    "drop": Drop,
}


@pytest.mark.parametrize("make", ENDLESS.values(), ids=list(ENDLESS))
def test_an_answer_that_never_changes(
    device: Device, clock: Clock, make: Callable[[], Any]
) -> None:
    """It ends when the code does."""
    device.server.fail(make(), on=is_token_path, times=None)
    ended = device.fail()
    is_known = isinstance(ended, RefreshRejected)
    assert is_known == (make in (ENDLESS["pending"], ENDLESS["slow_down"]))
    assert "expired" in ended.cause
    assert sum(clock.sleeps) == pytest.approx(600, abs=1)
