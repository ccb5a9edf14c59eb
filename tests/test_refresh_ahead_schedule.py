"""When a token is refreshed ahead: a share of its life with jitter, and a leeway before its end."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from requests_jwt_refresh import Token
from requests_jwt_refresh.refresh.ahead import Schedule, gains_nothing, make_schedule
from requests_jwt_refresh.tokens import with_values

if TYPE_CHECKING:
    from tests.support.clock import Clock

DAY = 86_400.0


def plan(
    clock: Clock, lifetime: float, seconds: float | None = None, exchange: float = 0.0
) -> tuple[float, float]:
    """Return how long before the end of a token that has just come each part begins."""
    now = clock.time()
    token = with_values(Token("a", "r", now + lifetime), received_at=now)
    schedule = make_schedule(token, seconds, exchange)
    return now + lifetime - schedule.background, now + lifetime - schedule.leeway


@pytest.mark.parametrize(
    ("lifetime", "least", "most", "leeway"),
    [
        (1.0, 0.133, 0.2, 0.05),
        (60.0, 8.0, 12.0, 3.0),
        (3600.0, 200.0, 300.0, 5.0),
        (30 * DAY, 200.0, 300.0, 5.0),
    ],
)
def test_a_share_of_the_lifetime(
    clock: Clock, lifetime: float, least: float, most: float, leeway: float
) -> None:
    """Drawn anew each time: a fleet does not refresh in step."""
    plans = [plan(clock, lifetime) for _ in range(200)]
    assert all(least <= round(ahead, 3) <= most for ahead, _ in plans)
    assert len({ahead for ahead, _ in plans}) > 100
    assert all(each == pytest.approx(leeway, rel=1e-3) for _, each in plans)


def test_a_slow_server_is_asked_earlier(clock: Clock) -> None:
    """Tokens of 2 s and a refresh of 300 ms: the next one is there before the server's own end."""
    for _ in range(100):
        ahead, leeway = plan(clock, 2.0, exchange=0.3)
        assert leeway == pytest.approx(0.3)
        assert 0.9 <= round(ahead, 3) <= 1.0


def test_a_refresh_that_takes_as_long_as_a_token_lives(clock: Clock) -> None:
    """Then half of the life is used at least, or it would never end."""
    ahead, leeway = plan(clock, 1.0, exchange=5.0)
    assert ahead == pytest.approx(0.5)
    assert leeway == pytest.approx(0.25)


def test_unknown_lives(clock: Clock) -> None:
    assert make_schedule(Token("a", "r"), None, 1.0) == Schedule(math.inf, math.inf)
    now = clock.time()
    schedule = make_schedule(Token("a", "r", now + 1000), None, 0.0)
    assert 40 <= round(now + 1000 - schedule.background) <= 60
    assert make_schedule(Token("a", "r", 0.0), None, 0.0).first <= now


def test_what_gains_nothing(clock: Clock) -> None:
    """The same token, or one that ends with the session: asked for once, not ever faster."""
    now = clock.time()
    old = with_values(Token("a", "r", now + 100), received_at=now)
    assert gains_nothing(Token("a", "r", now + 100), old)
    assert not gains_nothing(Token("a", "r", now + 200), old)  # Vault
    assert gains_nothing(Token("a", "r"), old)
    assert gains_nothing(Token("b", "r", now + 104), old)
    assert not gains_nothing(Token("b", "r", now + 106), old)
    assert not gains_nothing(Token("b", "r"), old)
