"""The state of an OpenID provider: what waits for a person, codes, sessions, and their logins."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from requests_jwt_refresh import clock
from requests_jwt_refresh.testing.devices import GrantRefused

if TYPE_CHECKING:
    from collections.abc import Callable

_CODE_SECONDS: Final = 60.0  # a code lives; RFC 6749 §4.1.2 allows ten minutes


@dataclass(frozen=True, repr=False)
class AuthorizationRequest:
    """What a client has asked for, checked (OpenID Connect Core §3.1.2.1)."""

    client_id: str
    redirect_uri: str
    scope: tuple[str, ...]
    response_mode: str
    challenge: str
    """The S256 one (RFC 7636 §4.2)."""
    prompt: tuple[str, ...] = ()
    state: str | None = None
    nonce: str | None = None


@dataclass(frozen=True, repr=False)
class Login:
    """Whose tokens a family has, and what they are good for."""

    client_id: str
    scope: tuple[str, ...]
    nonce: str | None = None


@dataclass(eq=False, repr=False)
class _Code:
    request: AuthorizationRequest
    user: str
    expires_at: float  # by clock.monotonic()
    family: str | None = None  # the one that it was traded for


@dataclass(frozen=True, repr=False)
class Session:
    """A browser in which a person has logged in."""

    user: str
    consents: set[tuple[str, tuple[str, ...]]] = field(default_factory=set)
    """The clients that the person has let in, each with the scope."""


class CodeReused(GrantRefused):
    """A code that was traded in before, for the tokens of `family`."""

    def __init__(self, family: str) -> None:
        super().__init__("invalid_grant")
        self.family = family


class Authorizations:
    """Everything that lies between an authorization request and its tokens."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards all below, and what is in it
        self._waiting: dict[str, AuthorizationRequest] = {}
        self._codes: dict[str, _Code] = {}
        self._sessions: dict[str, Session] = {}
        self._logins: dict[str, Login] = {}  # by family
        self._devices: dict[str, Login] = {}  # by device code

    # --- The person -----------------------------------------------------------------------------

    def wait(self, request: AuthorizationRequest) -> str:
        """Return the ticket by which the page names the request that it is about."""
        ticket = secrets.token_urlsafe(16)
        with self._lock:
            self._waiting[ticket] = request
        return ticket

    def find_waiting(self, ticket: str) -> AuthorizationRequest | None:
        with self._lock:
            return self._waiting.get(ticket)

    def decide(self, ticket: str) -> AuthorizationRequest | None:
        """Return the request of a ticket, which is used up by it; None if there is none."""
        with self._lock:
            return self._waiting.pop(ticket, None)

    def start_session(self, user: str) -> str:
        """Return the cookie of a new session."""
        cookie = secrets.token_urlsafe(16)
        with self._lock:
            self._sessions[cookie] = Session(user)
        return cookie

    def find_session(self, cookie: str) -> Session | None:
        with self._lock:
            return self._sessions.get(cookie)

    def remember_consent(self, cookie: str, request: AuthorizationRequest) -> None:
        with self._lock:
            if cookie in self._sessions:
                self._sessions[cookie].consents.add((request.client_id, request.scope))

    def end_session(self, cookie: str) -> bool:
        """Whether there was a session to end."""
        with self._lock:
            return self._sessions.pop(cookie, None) is not None

    # --- Codes ----------------------------------------------------------------------------------

    def give_code(self, request: AuthorizationRequest, user: str) -> str:
        code = secrets.token_urlsafe(32)
        with self._lock:
            self._codes[code] = _Code(request, user, clock.monotonic() + _CODE_SECONDS)
        return code

    def trade(
        self,
        code: str,
        *,
        client_id: str,
        redirect_uri: str,
        verifier: str,
        log_in: Callable[[str, Login], str],
    ) -> None:
        """Have `log_in` give tokens to the user of a code (RFC 6749 §4.1.3, RFC 7636 §4.6).

        It is called under the lock, so that of many that hand in one code one gets tokens, and
        returns their family. Raises CodeReused, and GrantRefused for every other code that is not
        good. One that is not good here and now stays good for its own client.
        """
        with self._lock:
            found = self._codes.get(code)
            if found is None or found.request.client_id != client_id:
                raise GrantRefused("invalid_grant")
            if found.family is not None:
                raise CodeReused(found.family)
            if clock.monotonic() >= found.expires_at:
                raise GrantRefused("invalid_grant")
            request = found.request
            is_right = hmac.compare_digest(make_challenge(verifier), request.challenge)
            if redirect_uri != request.redirect_uri or not is_right:
                raise GrantRefused("invalid_grant")
            login = Login(client_id, request.scope, request.nonce)
            found.family = log_in(found.user, login)
            self._logins[found.family] = login

    # --- Devices and logins ---------------------------------------------------------------------

    def note_device(self, code: str, login: Login) -> None:
        """Remember what the device of this code has asked for."""
        with self._lock:
            self._devices[code] = login

    def find_device(self, code: str) -> Login | None:
        with self._lock:
            return self._devices.get(code)

    def note_login(self, family: str, login: Login) -> None:
        with self._lock:
            self._logins[family] = login

    def find_login(self, family: str) -> Login | None:
        with self._lock:
            return self._logins.get(family)


def make_challenge(verifier: str) -> str:
    """Return the code challenge of a verifier, by S256 (RFC 7636 §4.2)."""
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
