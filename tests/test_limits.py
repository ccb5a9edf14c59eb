"""limits.py alone: the cooldown after a failed refresh, and the guard against a loop."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from requests_jwt_refresh import RefreshRejected, RefreshUnavailable, Token
from requests_jwt_refresh.refresh.limits import (
    FIRST_COOLDOWN,
    MAX_COOLDOWN,
    REFUSED_LIMIT,
    REFUSED_WINDOW,
    Cooldown,
    LoopGuard,
)

if TYPE_CHECKING:
    from requests_jwt_refresh.errors import JWTRefreshError
    from tests.support.clock import Clock


def unavailable(retry_after: float = 0.0) -> RefreshUnavailable:
    failure = RefreshUnavailable("down", "try later")
    failure.retry_after = retry_after
    return failure


# --- Cooldown ----------------------------------------------------------------------------------


def test_a_cooldown_ends_by_itself(clock: Clock) -> None:
    """It counts from the failure."""
    cooldown = Cooldown.after(unavailable(), None)
    assert cooldown.left() == pytest.approx(FIRST_COOLDOWN, abs=0.001)
    clock.advance(FIRST_COOLDOWN)
    assert cooldown.left() <= 0


def test_a_cooldown_doubles_up_to_its_limit(clock: Clock) -> None:
    """1, 2, 4, ... 60 s."""
    seconds, cooldown = list[float](), None
    for _ in range(8):
        cooldown = Cooldown.after(unavailable(), cooldown)
        clock.advance(cooldown.seconds)
        seconds.append(cooldown.seconds)
    assert seconds == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, MAX_COOLDOWN, MAX_COOLDOWN]


@pytest.mark.parametrize(("asked", "seconds"), [(0.5, 1.0), (10.0, 10.0), (3600.0, MAX_COOLDOWN)])
@pytest.mark.usefixtures("clock")
def test_a_server_may_ask_for_more(asked: float, seconds: float) -> None:
    """Retry-After is heeded (RFC 9110 §10.2.3), up to the limit."""
    assert Cooldown.after(unavailable(asked), None).seconds == seconds


@pytest.mark.usefixtures("clock")
def test_a_cooldown_of_an_early_refresh() -> None:
    """It holds back no refresh at the token's end, and that one's pauses begin anew.

    Unless the server has asked for it.
    """
    early = Cooldown.after(unavailable(), None, is_early=True)
    early = Cooldown.after(unavailable(), early, is_early=True)
    assert (early.seconds, early.is_early) == (2 * FIRST_COOLDOWN, True)
    late = Cooldown.after(unavailable(), early)
    assert (late.seconds, late.is_early) == (FIRST_COOLDOWN, False)
    assert not Cooldown.after(unavailable(10.0), None, is_early=True).is_early


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("failure", [unavailable(), RefreshRejected("no")])
def test_a_cooldown_keeps_no_traceback(failure: JWTRefreshError) -> None:
    """Its failure is shared for a while: frames of one request must not live as long."""
    with pytest.raises(type(failure)) as caught:
        raise failure
    kept = Cooldown.after(caught.value, None).failure
    assert (str(kept), kept.__traceback__) == (str(failure), None)


# --- Loop guard --------------------------------------------------------------------------------


def refused(*tokens: Token) -> LoopGuard:
    guard = LoopGuard()
    for token in tokens:
        guard = guard.note_refused(token)
    return guard


TOKENS = [Token(f"access-{n}") for n in range(REFUSED_LIMIT + 2)]
LAST = TOKENS[REFUSED_LIMIT - 1]


@pytest.mark.usefixtures("clock")
def test_a_guard_stops_after_some_refused_tokens() -> None:
    """Five fresh tokens in a row, each refused: one more would be, too."""
    assert not refused(*TOKENS[: REFUSED_LIMIT - 1]).is_looping(TOKENS[REFUSED_LIMIT - 2])
    assert refused(*TOKENS[:REFUSED_LIMIT]).is_looping(LAST)


@pytest.mark.usefixtures("clock")
def test_the_same_token_counts_once() -> None:
    """32 threads that were refused with it are one refusal."""
    assert not refused(*[TOKENS[0]] * 32).is_looping(TOKENS[0])


def test_a_guard_forgets(clock: Clock) -> None:
    """Refusals that are long ago hold nothing back."""
    guard = refused(*TOKENS[:REFUSED_LIMIT])
    clock.advance(REFUSED_WINDOW)
    assert not guard.is_looping(LAST)


@pytest.mark.usefixtures("clock")
def test_another_token_is_another_matter() -> None:
    """After a login the guard knows nothing against its token."""
    assert not refused(*TOKENS[:REFUSED_LIMIT]).is_looping(Token("from a login"))


def test_a_token_that_was_of_use_may_expire(clock: Clock) -> None:
    """Short-lived tokens are legitimate: one that an API call was answered with may be renewed."""
    *first, last = [Token(f"short-{n}", None, clock.time() + 2.0) for n in range(REFUSED_LIMIT)]
    guard = refused(*first, last)
    clock.advance(3.0)
    assert guard.is_looping(last)
    assert not guard.note_accepted(last).is_looping(last)


@pytest.mark.usefixtures("clock")
def test_values_stay_as_they_are() -> None:
    """Each note makes a new guard, so that a thread never sees half a note."""
    guard = refused(*TOKENS[:2])
    before = guard.refused
    guard.note_refused(TOKENS[2])
    guard.note_accepted(TOKENS[1])
    assert guard.refused is before
    assert guard.note_accepted(Token("unknown")) is guard
