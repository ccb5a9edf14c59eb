"""Sliding sessions: an API hands out newer access tokens in its answers.

They are used at once, and saved in the background: what a store has is at most a tenth of a
lifetime behind, so that an answer costs no write to a keyring each time.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from requests_jwt_refresh import clock
from requests_jwt_refresh.authorization import Cookie, read_cookies
from requests_jwt_refresh.errors import InvalidToken, JWTRefreshError, RefreshRejected
from requests_jwt_refresh.frozen_json import freeze_object
from requests_jwt_refresh.refresh.client import read_set_cookies
from requests_jwt_refresh.refresh.memory import is_in_use
from requests_jwt_refresh.refresh.single_flight import Call
from requests_jwt_refresh.tokens import LONGEST_LIFETIME, Token, jwt_times, with_expiry, with_values
from requests_jwt_refresh.urls import origin_of, without_query

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from requests import PreparedRequest, Response

    from requests_jwt_refresh.authorization import Carrier, WirePlace
    from requests_jwt_refresh.refresh.memory import Memory
    from requests_jwt_refresh.refresh.single_flight import SingleFlight
    from requests_jwt_refresh.refresh.story import Story
    from requests_jwt_refresh.refresh.token_cache import TokenCache

logger = logging.getLogger("requests_jwt_refresh")

SAVE_WAIT: Final = (
    5.0  # seconds that a save waits for the store's lock; at exit, all saves together
)
SWEEP_INTERVAL: Final = 60.0  # seconds between two looks for tokens that other adapters have left


class Renewal:
    """Takes up the access tokens that an API hands out in its answers.

    `place` is where they are. `base_url` is the API's: no other origin is believed. `carrier` is
    what a token has to be fit for.
    """

    def __init__(
        self,
        place: WirePlace,
        base_url: str,
        carrier: Carrier,
        *,
        cache: TokenCache,
        flight: SingleFlight[Any],
        story: Story,
    ) -> None:
        self._place = place
        self._origin = origin_of(base_url)
        self._carrier = carrier
        self._cache = cache
        self._flight = flight
        self._story = story
        csrf = [each.csrf for each in (place, carrier) if isinstance(each, Cookie)]
        self._csrf_cookies = {each[0] for each in csrf if each is not None}

    def take_up(self, sent: Token | None, request: PreparedRequest, response: Response) -> None:
        """Use the newer access token in `response`, if there is one, from now on.

        `sent` is what `request` was sent with. Saves it if it is time to.
        """
        renewed = self._find(sent, request, response)
        if renewed is not None and sent is not None and self._cache.renew(sent, renewed):
            _unsaved[self._cache.memory] = self._cache
            url = without_query(request.url or "")
            self._story.tell(
                "renewed",
                f"renewed: {url} answered with a newer access token",
                url=url,
                status=response.status_code,
            )
        if _unsaved:
            _save_what_is_due(self._cache)

    def _find(
        self, sent: Token | None, request: PreparedRequest, response: Response
    ) -> Token | None:
        """Return the token in `response` that is to take the place of `sent`, None if none is."""
        if sent is None or sent.access is None or not 200 <= response.status_code < 300:  # noqa: PLR2004 - RFC 9110 §15.3
            return None
        set_cookies = read_set_cookies(response) if "Set-Cookie" in response.headers else ()
        secret = self._place.read(response.headers, set_cookies)
        if secret is None or secret == sent.access or origin_of(request.url) != self._origin:
            return None
        if not is_in_use(sent, self._cache.token) or self._flight.call is not None:
            return None  # a refresh, a login or a logout goes before
        return self._make_token(secret, sent, set_cookies)

    def _make_token(self, secret: str, sent: Token, set_cookies: Iterable[str]) -> Token | None:
        problem = self._carrier.find_problem(secret)
        try:
            bare = Token(secret)
        except InvalidToken as error:
            problem = error.cause
        if problem is not None:
            logger.debug("The API's answer has a token that is not fit: %s", problem)
            return None
        received = with_expiry(bare)
        expires_at = _find_end(received, sent)
        if expires_at is not None and sent.expires_at is not None and expires_at < sent.expires_at:
            return None
        return with_values(
            sent,
            access=secret,
            expires_at=expires_at,
            received_at=received.received_at,
            extra=self._with_csrf(sent, set_cookies),
        )

    def _with_csrf(self, sent: Token, set_cookies: Iterable[str]) -> Mapping[str, Any]:
        """Return the extra of `sent`, with the cookies of a double submit as they are now.

        They belong to the access token, and come and go with it.
        """
        found = read_cookies(set_cookies) if self._csrf_cookies else {}
        changed = {name: found[name] for name in self._csrf_cookies & found.keys()}
        if not changed:
            return sent.extra
        cookies = sent.extra.get("cookies")
        kept = cookies if isinstance(cookies, dict) else {}
        return freeze_object({**sent.extra, "cookies": {**kept, **changed}})


def _find_end(received: Token, sent: Token) -> float | None:
    """Return when a token `received` in place of `sent` expires; None if that is not known.

    What two JWTs of one server say of their ends is compared by that server's clock. One that keeps
    its ``iat``, that of the login, has no lifetime to be counted from its receipt.
    """
    issued, ends = jwt_times(received.access or "")
    issued_before, ended = jwt_times(sent.access or "")
    if ends is None or ended is None or sent.expires_at is None:
        return received.expires_at
    if issued != issued_before and ends >= ended and received.expires_at is not None:
        return received.expires_at
    moved = sent.expires_at + (ends - ended)
    return moved if moved <= clock.time() + LONGEST_LIFETIME else None


# --- Saving --------------------------------------------------------------------------------------

# Renewed tokens that no store has yet, kept until it has, though their adapters may be gone. No
# lock guards these two: each change is one step.
_unsaved: dict[Memory, TokenCache] = {}
_next_sweep = 0.0  # clock.monotonic()


def _save_what_is_due(mine: TokenCache) -> None:
    """Save the token of `mine`, and now and then those of others, if they may be saved again."""
    global _next_sweep  # noqa: PLW0603 - there is one for the process
    if mine.memory.is_renewal_due:
        _start_saving(mine)
    if clock.monotonic() < _next_sweep:
        return
    _next_sweep = clock.monotonic() + SWEEP_INTERVAL
    for memory, cache in list(_unsaved.items()):
        if not memory.renewed:
            _unsaved.pop(memory, None)
        elif memory.is_renewal_due:
            _start_saving(cache)


def _start_saving(cache: TokenCache) -> None:
    """Save in a thread, which the end of the program waits for."""

    def take_turn(_call: Call[None]) -> None:
        if cache.memory.take_renewal_turn():  # else another thread has
            _save(cache, SAVE_WAIT)

    Call(take_turn).start()


def _save(cache: TokenCache, seconds: float) -> None:
    try:
        cache.save_renewed(seconds)
    except RefreshRejected as error:
        logger.debug("The renewed token is not saved: %s", error.cause)
    except JWTRefreshError as error:
        level = logging.WARNING if cache.memory.notices.tell_renewal_unsaved() else logging.DEBUG
        logger.log(
            level,
            "The access token that the API has handed out could not be saved (%s). It is used, and "
            "will be saved with a later request",
            error,
        )
    _unsaved.pop(cache.memory, None)
    if cache.memory.renewed:
        _unsaved[cache.memory] = cache


def _save_at_exit() -> None:
    deadline = monotonic() + SAVE_WAIT
    for cache in list(_unsaved.values()):
        _save(cache, max(deadline - monotonic(), 0.0))


def _renew_locks_in_child() -> None:
    """Replace the locks in a forked child: the threads that held them do not exist there."""
    for memory in list(_unsaved):
        memory.mutex = threading.Lock()


atexit.register(_save_at_exit)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_locks_in_child)
