"""A real token server on 127.0.0.1: rotation, reuse detection, faults on demand, exact counters.

    with AuthServer(lifetime=2.0) as server:
        token = server.login()                         # tokens, as after a login
        server.expire()                                # the API says 401 from now on
        server.fail(Status(503, retry_after=1))        # the next refresh fails
        with server.gate(on="refresh") as gate:        # the next ones wait here
            gate.wait_for(32)
        assert server.counters.rotated == 1

It speaks HTTP/1.1 with keep-alive and needs the standard library only. What it plays is RFC 6749
§6 (refreshing), §10.4 (rotation and reuse detection) and RFC 6750 (bearer tokens); access tokens
are JWTs (RFC 7519) signed with HS256, whose expiry the server judges by its own clock.

From top to bottom: what it says and saw (values), faults and gates, the ledger of tokens, the
routes, the connection, and AuthServer, which is all that most tests need.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import hmac
import http.client
import json
import math
import secrets
import socket
import socketserver
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Literal, Protocol, get_args
from urllib.parse import parse_qs, parse_qsl, urlsplit

from requests_jwt_refresh.tokens import Token

if TYPE_CHECKING:
    from typing_extensions import Self

Kind = Literal["refresh", "login", "logout", "public", "api"]
"""What a request is for. "api" is everything that needs an access token."""

Place = Kind | Callable[[str], bool]
"""Which requests a fault or gate is for: a kind, or a predicate on the path (without query).

A predicate is called under a lock: let it look at the path and do nothing else.
"""

_KEPT_BYTES = 65_536  # of each request's body
_PIECE_BYTES = 65_536
_JOIN_SECONDS = 5.0
_POLL_SECONDS = 0.02  # how often the listener looks whether it is to stop


# --- What the server says, and what it saw -------------------------------------------------------


@dataclass(frozen=True)
class Answer:
    """A whole answer. Content-Length is filled in unless `headers` has one."""

    status: int
    body: bytes = field(default=b"", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)


def _json_answer(status: int, content: object, headers: Mapping[str, str] | None = None) -> Answer:
    body = json.dumps(content).encode()
    return Answer(status, body, {"Content-Type": "application/json", **(headers or {})})


class Headers(Mapping[str, str]):
    """Header fields by their name in any case. The repr shows the names only."""

    def __init__(self, fields: Iterable[tuple[str, str]]) -> None:
        self._fields: dict[str, str] = {}
        for name, value in fields:
            earlier = self._fields.get(name.lower())
            self._fields[name.lower()] = value if earlier is None else f"{earlier}, {value}"

    def __getitem__(self, name: str) -> str:
        return self._fields[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def __repr__(self) -> str:
        return f"<Headers {', '.join(self._fields)}>"


@dataclass(frozen=True)
class SeenRequest:
    """A request as it arrived."""

    method: str
    path: str
    """With its query."""
    kind: Kind
    connection: int
    """The connection it came on; the server numbers them from 1."""
    headers: Headers
    size: int | None = None
    """Bytes of the body; None if it was left unread (see AuthServer.read_body_first)."""
    sha256: str | None = None
    body: bytes = field(default=b"", repr=False)
    """The body's first 64 KiB."""

    @property
    def bearer(self) -> str | None:
        """The token in ``Authorization: Bearer``. The scheme is case-sensitive here."""
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        return token if scheme == "Bearer" else None


@dataclass(frozen=True)
class Counters:
    """How often what has happened, at one moment."""

    connections: int = 0
    requests: int = 0
    """All of them, of any kind."""
    refreshes: int = 0
    """POSTs that reached the refresh endpoint, whatever became of them."""
    rotated: int = 0
    """Refreshes that gave new tokens."""
    repeated: int = 0
    """Refreshes within the grace time, which gave the family's newest tokens once more."""
    refused: int = 0
    """Refreshes that were told no."""
    reuse: int = 0
    """Uses of an already rotated refresh token outside the grace time; refused as well."""
    logins: int = 0
    """POSTs to the login endpoint that gave tokens; AuthServer.login() is not among them."""
    logouts: int = 0
    answered: int = 0
    """API requests that got their 200."""
    unauthorized: int = 0
    """API requests without a good access token."""
    families_revoked: int = 0
    faults: int = 0
    """Requests, of any kind, that met a fault."""


# --- Faults --------------------------------------------------------------------------------------


class Fault(Protocol):
    """How to answer a request badly. Any object with this method is one."""

    def play(self, exchange: Exchange) -> None:
        """Answer the request, or fail to."""


class Exchange:
    """One request, and the means to answer it."""

    def __init__(self, connection: _Connection, seen: SeenRequest, healed: threading.Event) -> None:
        self.seen = seen
        self._connection = connection
        self._healed = healed

    def work(self) -> Answer:
        """Do what the request asks for (rotate, say) and return the answer, unsent."""
        return self._connection.server.routes.answer(self.seen)

    def send(self, answer: Answer) -> None:
        """Send an answer in one write."""
        head, body = self.encode(answer)
        self.send_bytes(head + body)

    def encode(self, answer: Answer) -> tuple[bytes, bytes]:
        """Return the answer's header section and its body as they go over the wire."""
        fields = {"Date": self._connection.date_time_string(), **answer.headers}
        is_bodyless = answer.status in (204, 304)  # RFC 9110 §6.4.1, §8.6
        if not is_bodyless:
            fields.setdefault("Content-Length", str(len(answer.body)))
        if self._connection.close_connection:
            fields.setdefault("Connection", "close")
        reason = http.client.responses.get(answer.status, "")
        lines = [f"HTTP/1.1 {answer.status} {reason}"]
        lines += [f"{name}: {value}" for name, value in fields.items()]
        head = "\r\n".join([*lines, "", ""]).encode("latin-1")
        return head, b"" if is_bodyless or self.seen.method == "HEAD" else answer.body

    def send_bytes(self, data: bytes) -> None:
        """Send bytes as they are."""
        self._connection.connection.sendall(data)

    def pause(self, seconds: float | None) -> None:
        """Wait `seconds`, None for ever; heal() ends the wait.

        Raises ConnectionAbortedError if it was the server's stop that ended it.
        """
        self._healed.wait(seconds)
        self._connection.server.traffic.check_open()

    def drop(self) -> None:
        """Close the connection once the fault has been played."""
        self._connection.close_connection = True

    def client_has_gone(self) -> bool:
        """Whether the client has closed its side."""
        sock = self._connection.connection
        sock.setblocking(False)
        try:
            return not sock.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        finally:
            sock.setblocking(True)


class _Reply:
    """A fault that is an answer. What the request asked for is not done."""

    def answer(self) -> Answer:
        raise NotImplementedError

    def play(self, exchange: Exchange) -> None:
        exchange.send(self.answer())


@dataclass(frozen=True)
class Status(_Reply):
    """Any status, with any body. `retry_after` is seconds, or a date as a string."""

    status: int
    retry_after: float | str | None = None
    body: bytes = field(default=b"", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)

    def answer(self) -> Answer:
        """Return the answer; a body is called JSON unless `headers` says otherwise."""
        fields = {"Content-Type": "application/json"} if self.body else {}
        if self.retry_after is not None:
            fields["Retry-After"] = str(self.retry_after)
        return Answer(self.status, self.body, {**fields, **self.headers})


@dataclass(frozen=True)
class JSONBody(_Reply):
    """Any JSON: a list, a number, the wrong fields."""

    content: Any = field(repr=False)
    status: int = 200

    def answer(self) -> Answer:
        return _json_answer(self.status, self.content)


@dataclass(frozen=True)
class HTML(_Reply):
    """A web page, as a captive portal or a proxy sends it."""

    status: int = 200

    def answer(self) -> Answer:
        page = b"<!doctype html><title>Sign in to the network</title><p>Welcome.\n"
        return Answer(self.status, page, {"Content-Type": "text/html; charset=utf-8"})


@dataclass(frozen=True)
class Redirect(_Reply):
    """A redirect to `url`."""

    url: str
    status: int = 307

    def answer(self) -> Answer:
        return Answer(self.status, headers={"Location": self.url})


@dataclass(frozen=True)
class Huge(_Reply):
    """Well-formed JSON of `bytes` bytes."""

    bytes: int = 10_000_000

    def answer(self) -> Answer:
        start, end = '{"access_token": "', '"}'
        filling = "a" * (self.bytes - len(start) - len(end))
        return Answer(200, f"{start}{filling}{end}".encode(), {"Content-Type": "application/json"})


@dataclass(frozen=True)
class Truncated(_Reply):
    """JSON cut short. `short`: Content-Length promises more, and the connection closes."""

    short: bool = False

    def answer(self) -> Answer:
        body = b'{"access_token": "eyJhbGciOi'
        fields = {"Content-Type": "application/json"}
        if self.short:
            fields["Content-Length"] = str(2 * len(body))
        return Answer(200, body, fields)

    def play(self, exchange: Exchange) -> None:
        super().play(exchange)
        if self.short:
            exchange.drop()


@dataclass(frozen=True)
class Delay:
    """The right answer, `seconds` late. Nothing is done for a client that has left by then."""

    seconds: float

    def play(self, exchange: Exchange) -> None:
        exchange.pause(self.seconds)
        if exchange.client_has_gone():
            exchange.drop()
        else:
            exchange.send(exchange.work())


@dataclass(frozen=True)
class Hang:
    """No answer at all. The connection is dropped when the server heals or stops."""

    def play(self, exchange: Exchange) -> None:
        exchange.pause(None)
        exchange.drop()


@dataclass(frozen=True)
class Drop:
    """The connection is closed without an answer, and nothing is done."""

    def play(self, exchange: Exchange) -> None:
        exchange.drop()


@dataclass(frozen=True)
class DropAfter:
    """A lost answer: the work is done (the tokens are rotated), but the answer never arrives."""

    def play(self, exchange: Exchange) -> None:
        exchange.work()
        exchange.drop()


@dataclass(frozen=True)
class Trickle:
    """The right answer, byte by byte, from its first byte or from that of its body.

    The work is done before the first byte goes out. After heal() the rest comes at once.
    """

    seconds_per_byte: float = 0.05
    part: Literal["header", "body"] = "body"

    def play(self, exchange: Exchange) -> None:
        head, body = exchange.encode(exchange.work())
        if self.part == "body":
            exchange.send_bytes(head)
        for byte in body if self.part == "body" else head + body:
            exchange.pause(self.seconds_per_byte)
            exchange.send_bytes(bytes([byte]))


# --- Gates, and who meets which fault ------------------------------------------------------------


class Gate:
    """Where requests wait, after they were read and counted, before anything is done for them."""

    def __init__(self, on: Place, removed: Callable[[Gate], None]) -> None:
        self.on = on
        self._removed = removed
        self._changed = threading.Condition()  # guards the two below
        self._arrived = 0
        self._is_open = False

    def wait_for(self, count: int, timeout: float = 10.0) -> None:
        """Return as soon as at least `count` requests have arrived here.

        Raises TimeoutError after `timeout` seconds.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._arrived >= count, timeout):
                raise TimeoutError(
                    f"{self._arrived} of {count} requests were at the gate after {timeout} s"
                )

    def open(self) -> None:
        """Let everybody through, now and later."""
        with self._changed:
            self._is_open = True
            self._changed.notify_all()

    def pass_through(self) -> None:
        """Wait here until the gate is open."""
        with self._changed:
            self._arrived += 1
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._is_open)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._removed(self)
        self.open()


@dataclass
class _PlannedFault:
    fault: Fault
    on: Place
    left: int | None  # None: no end

    def is_for(self, seen: SeenRequest) -> bool:
        return self.left != 0 and _is_at(self.on, seen)


class _Traffic:
    """What stands in a request's way."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards all below; never held while anybody waits
        self._is_open = True
        self._gates: list[Gate] = []
        self._plan: list[_PlannedFault] = []
        self._healed = threading.Event()  # a new one after each heal()

    def admit(self, seen: SeenRequest) -> tuple[Fault | None, threading.Event]:
        """Wait at the gates; return the request's fault, and what tells that it is over."""
        with self._lock:
            gates = [gate for gate in self._gates if _is_at(gate.on, seen)]
        for gate in gates:
            gate.pass_through()
        self.check_open()
        with self._lock:
            return self._take(seen), self._healed

    def _take(self, seen: SeenRequest) -> Fault | None:
        planned = next((each for each in self._plan if each.is_for(seen)), None)
        if planned is None:
            return None
        if planned.left is not None:
            planned.left -= 1
        return planned.fault

    def check_open(self) -> None:
        with self._lock:
            if not self._is_open:
                raise ConnectionAbortedError("the server has been stopped")

    def plan(self, planned: _PlannedFault) -> None:
        with self._lock:
            self._plan.append(planned)

    def add_gate(self, on: Place) -> Gate:
        gate = Gate(on, self._remove_gate)
        with self._lock:
            self._gates.append(gate)
        return gate

    def _remove_gate(self, gate: Gate) -> None:
        with self._lock, contextlib.suppress(ValueError):  # a stop has removed it already
            self._gates.remove(gate)

    def heal(self) -> None:
        with self._lock:
            self._plan.clear()
            self._healed.set()
            self._healed = threading.Event()

    def start(self) -> None:
        with self._lock:
            self._is_open = True

    def stop(self) -> None:
        with self._lock:
            self._is_open = False
            gates, self._gates = self._gates, []
        for gate in gates:
            gate.open()
        self.heal()


def _is_at(on: Place, seen: SeenRequest) -> bool:
    return seen.kind == on if isinstance(on, str) else on(urlsplit(seen.path).path)


def _checked(on: Place) -> Place:
    if not callable(on) and on not in get_args(Kind):
        raise ValueError(f"on={on!r}: give one of {', '.join(get_args(Kind))}, or a predicate")
    return on


# --- The ledger of tokens ------------------------------------------------------------------------


@dataclass(eq=False)
class _Family:
    """Everything that descends from one login."""

    user: str
    name: str = field(default_factory=lambda: secrets.token_hex(8))
    access: str = ""  # the newest
    refresh: str = ""  # the newest
    is_refreshable: bool = True
    is_usable: bool = True


@dataclass(eq=False)
class _Access:
    family: _Family
    ends: float  # by the monotonic clock


@dataclass(frozen=True, repr=False)
class _Grant:
    access: str
    refresh: str | None  # None: the one already known stays good
    seconds: float


class _Ledger:
    """Which tokens were given, which are good, and what was counted."""

    def __init__(self, rules: AuthServer) -> None:
        self._rules = rules
        self._lock = threading.Lock()  # guards all below; held for look-ups, never for I/O
        self._counts: Counter[str] = Counter()
        self._seen: list[SeenRequest] = []
        self._families: list[_Family] = []
        self._accesses: dict[str, _Access] = {}
        self._refreshes: dict[str, _Family] = {}
        self._rotated: dict[str, float] = {}  # refresh token: when it was replaced, monotonic

    def count(self, name: str) -> int:
        with self._lock:
            self._counts[name] += 1
            return self._counts[name]

    def note(self, seen: SeenRequest) -> None:
        with self._lock:
            self._seen.append(seen)
            self._counts["requests"] += 1
            if seen.kind == "refresh" and seen.method == "POST":
                self._counts["refreshes"] += 1

    def counters(self) -> Counters:
        with self._lock:
            return Counters(**self._counts)

    def seen(self) -> list[SeenRequest]:
        with self._lock:
            return list(self._seen)

    def login(self, user: str) -> _Grant:
        family = _Family(user)
        with self._lock:
            self._families.append(family)
            self._give_refresh(family)
            return self._grant(family, with_refresh=True)

    def exchange(self, refresh: str | None) -> _Grant | None:
        """Return tokens for a refresh token, or None for a no."""
        with self._lock:
            grant = self._exchange(refresh)
            if grant is None:
                self._counts["refused"] += 1
            return grant

    def _exchange(self, refresh: str | None) -> _Grant | None:
        family = self._refreshes.get(refresh or "")
        if refresh is None or family is None:
            return None
        if self._is_reuse(refresh):
            self._counts["reuse"] += 1
            if self._rules.detect_reuse:
                self._revoke(family)
            return None
        if not family.is_refreshable:
            return None
        return self._repeat(family) if refresh in self._rotated else self._rotate(family)

    def _is_reuse(self, refresh: str) -> bool:
        rotated = self._rotated.get(refresh)
        return rotated is not None and time.monotonic() - rotated >= self._rules.grace

    def _rotate(self, family: _Family) -> _Grant:
        self._counts["rotated"] += 1
        if self._rules.rotate:
            self._rotated[family.refresh] = time.monotonic()
            self._give_refresh(family)
        return self._grant(family, with_refresh=self._rules.rotate)

    def _repeat(self, family: _Family) -> _Grant:
        self._counts["repeated"] += 1
        left = self._accesses[family.access].ends - time.monotonic()
        if left <= 0:
            return self._grant(family, with_refresh=True)
        return _Grant(family.access, family.refresh, round(left, 3))

    def _give_refresh(self, family: _Family) -> None:
        family.refresh = secrets.token_urlsafe(32)
        self._refreshes[family.refresh] = family

    def _grant(self, family: _Family, *, with_refresh: bool) -> _Grant:
        seconds = self._rules.lifetime
        family.access = secrets.token_urlsafe(32) if self._rules.opaque else self._jwt(family)
        self._accesses[family.access] = _Access(family, time.monotonic() + seconds)
        return _Grant(family.access, family.refresh if with_refresh else None, seconds)

    def _jwt(self, family: _Family) -> str:
        now = time.time() + self._rules.clock_skew
        issued = round(now, 3) if self._rules.lifetime % 1 else math.floor(now)
        claims = {
            "iat": issued,
            "exp": _short(round(issued + self._rules.lifetime, 3)),
            "sub": family.user,
            "jti": secrets.token_hex(8),
            "family": family.name,
        }
        return _sign(claims, self._rules.signing_key)

    def user_of(self, access: str) -> str | None:
        """Return whose good access token it is, or None."""
        with self._lock:
            known = self._accesses.get(access)
            if known is None or not known.family.is_usable or known.ends <= time.monotonic():
                return None
            if self._rules.revoke_old_access and known.family.access != access:
                return None
            return known.family.user

    def is_family_alive(self, refresh: str | None) -> bool:
        with self._lock:
            family = self._refreshes.get(refresh or "")
        if family is None:
            raise ValueError("this server never gave that refresh token")
        return family.is_refreshable

    def logout(self, refresh: str | None) -> None:
        with self._lock:
            self._counts["logouts"] += 1
            family = self._refreshes.get(refresh or "")
            if family is not None:
                self._revoke(family)

    def expire(self) -> None:
        with self._lock:
            for access in self._accesses.values():
                access.ends = -math.inf

    def revoke_refresh_tokens(self) -> None:
        with self._lock:
            for family in self._families:
                self._revoke(family, access_too=False)

    def _revoke(self, family: _Family, *, access_too: bool = True) -> None:
        if family.is_refreshable:
            self._counts["families_revoked"] += 1
        family.is_refreshable = False
        if access_too:
            family.is_usable = False


def _sign(claims: Mapping[str, object], key: bytes) -> str:
    """Return a JWT signed with HS256 (RFC 7515 §3.1, RFC 7518 §3.2)."""
    header = {"alg": "HS256", "typ": "JWT"}
    signed = f"{_base64url_json(header)}.{_base64url_json(claims)}"
    signature = hmac.digest(key, signed.encode(), "sha256")
    return f"{signed}.{_base64url(signature)}"


def _base64url_json(content: Mapping[str, object]) -> str:
    return _base64url(json.dumps(content, separators=(",", ":")).encode())


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _short(number: float) -> float:
    """Return a whole number as an int, as most servers write it."""
    return int(number) if number % 1 == 0 else number


# --- The routes ----------------------------------------------------------------------------------


class _Routes:
    """What each kind of request gets."""

    def __init__(self, rules: AuthServer, ledger: _Ledger) -> None:
        self._rules = rules
        self._ledger = ledger

    def kind(self, target: str) -> Kind:
        path = urlsplit(target).path
        if path == self._rules.refresh_path:
            return "refresh"
        if path == "/auth/login":
            return "login"
        if path == "/auth/logout":
            return "logout"
        return "public" if path.startswith("/public/") else "api"

    def answer(self, seen: SeenRequest) -> Answer:
        if seen.kind in ("refresh", "login", "logout") and seen.method != "POST":
            return _json_answer(405, {"message": "Use POST"}, {"Allow": "POST"})
        by_kind: dict[Kind, Callable[[SeenRequest], Answer]] = {
            "refresh": self._refresh,
            "login": self._login,
            "logout": self._logout,
            "public": _echo,
            "api": self._api,
        }
        return by_kind[seen.kind](seen)

    def _refresh(self, seen: SeenRequest) -> Answer:
        grant = self._ledger.exchange(self._refresh_token(seen))
        if grant is None:
            return _json_answer(400, {"error": self._error(seen)})
        if self._rules.bare:
            return _json_answer(self._rules.status, grant.access)
        return self._tokens(grant)

    def _refresh_token(self, seen: SeenRequest) -> str | None:
        token = _fields(seen).get(self._rules.request_field, seen.bearer)
        return token if isinstance(token, str) and _is_refresh_grant(seen) else None

    def _error(self, seen: SeenRequest) -> str:
        """Return the code of a refusal (RFC 6749 §5.2)."""
        if not _is_refresh_grant(seen):
            return "unsupported_grant_type"
        return "invalid_request" if self._refresh_token(seen) is None else "invalid_grant"

    def _tokens(self, grant: _Grant) -> Answer:
        rules = self._rules
        content: dict[str, object] = {rules.access_field: grant.access, "token_type": "Bearer"}
        if rules.expires_field is not None:
            content[rules.expires_field] = _short(grant.seconds)
        if grant.refresh is not None:
            content[rules.refresh_field] = grant.refresh
        no_store = {"Cache-Control": "no-store"}  # RFC 6749 §5.1
        return _json_answer(rules.status, content, no_store)

    def _login(self, seen: SeenRequest) -> Answer:
        user, password = _credentials(seen)
        if not user or not password or password == "wrong":  # noqa: S105 - the one that is
            challenge = {"WWW-Authenticate": 'Basic realm="login"'}
            return _json_answer(401, {"message": "Bad credentials"}, challenge)
        self._ledger.count("logins")
        return self._tokens(self._ledger.login(user))

    def _logout(self, seen: SeenRequest) -> Answer:
        self._ledger.logout(self._refresh_token(seen))
        return Answer(204)

    def _api(self, seen: SeenRequest) -> Answer:
        user = self.user(seen)
        if user is None:
            self._ledger.count("unauthorized")
            return self._refusal(seen)
        answer = _api_answer(seen, user)
        if answer.status == 200:  # noqa: PLR2004 - the number is the name
            self._ledger.count("answered")
        return answer

    def user(self, seen: SeenRequest) -> str | None:
        return None if seen.bearer is None else self._ledger.user_of(seen.bearer)

    def _refusal(self, seen: SeenRequest) -> Answer:
        if seen.bearer is not None:
            return self._rules.expired.answer()
        # No error code where no bearer token was shown (RFC 6750 §3.1).
        return _json_answer(401, {"message": "No token"}, {"WWW-Authenticate": "Bearer"})


def _api_answer(seen: SeenRequest, user: str) -> Answer:
    url = urlsplit(seen.path)
    if url.path == "/redirect":
        return _redirect(url.query)
    if url.path.startswith("/status/"):
        return _status(url.path.removeprefix("/status/"))
    return _echo(seen, user)


def _echo(seen: SeenRequest, user: str | None = None) -> Answer:
    url = urlsplit(seen.path)
    content = {
        "method": seen.method,
        "path": url.path,
        "query": url.query,
        "size": seen.size,
        "sha256": seen.sha256,
        "user": user,
    }
    return _json_answer(200, content)


def _redirect(query: str) -> Answer:
    asked = parse_qs(query)
    try:
        return Redirect(asked["to"][0], int(asked.get("status", ["302"])[0])).answer()
    except (KeyError, ValueError):
        return _json_answer(400, {"message": "Use /redirect?to=URL&status=302"})


def _status(digits: str) -> Answer:
    if len(digits) != 3 or digits[0] not in "2345" or not digits.isdecimal():  # noqa: PLR2004 - RFC 9110 §15
        return _json_answer(400, {"message": "Use /status/200 to /status/599"})
    status = int(digits)
    return _json_answer(status, {"message": http.client.responses.get(status, "Unnamed")})


def _fields(seen: SeenRequest) -> dict[str, Any]:
    """Return the fields of a form or of a JSON object, {} for anything else."""
    try:
        if seen.headers.get("Content-Type", "").startswith("application/x-www-form-urlencoded"):
            return dict(parse_qsl(seen.body.decode()))
        content = json.loads(seen.body)
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _is_refresh_grant(seen: SeenRequest) -> bool:
    return bool(_fields(seen).get("grant_type", "refresh_token") == "refresh_token")


def _credentials(seen: SeenRequest) -> tuple[str, str]:
    scheme, _, encoded = seen.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "basic":
        with contextlib.suppress(binascii.Error, UnicodeDecodeError):
            user, _, password = base64.b64decode(encoded).decode().partition(":")
            return user, password
    fields = _fields(seen)
    return str(fields.get("username") or ""), str(fields.get("password") or "")


# --- The connection ------------------------------------------------------------------------------


class _Connection(BaseHTTPRequestHandler):
    """A client's connection, in its own thread."""

    server: _Listener
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        self.number = self.server.ledger.count("connections")

    def log_message(self, *_args: object) -> None:
        """Say nothing."""

    def _serve(self) -> None:
        seen = self._head()
        unread = self._is_refused_unread(seen)
        try:
            seen = seen if unread else self._with_body(seen)
        except ValueError:
            self.send_error(400)
            return
        self._answer(seen)
        if unread:
            self._hang_up_late(seen)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _serve  # noqa: N815 - the names http.server looks for

    def _head(self) -> SeenRequest:
        kind = self.server.routes.kind(self.path)
        headers = Headers(self.headers.items())
        return SeenRequest(self.command, self.path, kind, self.number, headers)

    def _is_refused_unread(self, seen: SeenRequest) -> bool:
        if self.server.rules.read_body_first or seen.kind != "api" or not _has_body(seen):
            return False
        return self.server.routes.user(seen) is None

    def _with_body(self, seen: SeenRequest) -> SeenRequest:
        start, size, digest = bytearray(), 0, hashlib.sha256()
        for piece in self._pieces(seen):
            start += piece[: _KEPT_BYTES - len(start)]
            size += len(piece)
            digest.update(piece)
        return replace(seen, size=size, sha256=digest.hexdigest(), body=bytes(start))

    def _pieces(self, seen: SeenRequest) -> Iterator[bytes]:
        if "Transfer-Encoding" not in seen.headers:
            yield from self._exactly(int(seen.headers.get("Content-Length", "0")))
            return
        while size := int(self.rfile.readline().partition(b";")[0], 16):  # RFC 9112 §7.1
            yield from self._exactly(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass  # trailer fields

    def _exactly(self, size: int) -> Iterator[bytes]:
        while size > 0:
            piece = self.rfile.read(min(size, _PIECE_BYTES))
            if not piece:
                raise ConnectionAbortedError("the client left in the middle of its request")
            size -= len(piece)
            yield piece

    def _answer(self, seen: SeenRequest) -> None:
        self.server.ledger.note(seen)
        fault, healed = self.server.traffic.admit(seen)
        exchange = Exchange(self, seen, healed)
        if fault is None:
            exchange.send(exchange.work())
            return
        self.server.ledger.count("faults")
        fault.play(exchange)

    def _hang_up_late(self, seen: SeenRequest) -> None:
        """Close at the worst moment: when the next request arrives on this connection."""
        for _ in self._pieces(seen):
            pass  # or a client that sends it all before it reads would see a reset
        self.rfile.read(1)
        self.close_connection = True


def _has_body(seen: SeenRequest) -> bool:
    return "Transfer-Encoding" in seen.headers or seen.headers.get("Content-Length", "0") != "0"


class _Listener(ThreadingHTTPServer):
    """The listening socket, and the connections made through it."""

    request_queue_size = 256

    def __init__(
        self, address: tuple[str, int], rules: AuthServer, ledger: _Ledger, traffic: _Traffic
    ) -> None:
        self.rules = rules
        self.ledger = ledger
        self.traffic = traffic
        self.routes = _Routes(rules, ledger)
        self._lock = threading.Lock()  # guards the two below; nobody closes a socket without it
        self._open: set[socket.socket] = set()
        self._running: list[threading.Thread] = []
        super().__init__(address, _Connection)

    def server_bind(self) -> None:
        socketserver.TCPServer.server_bind(self)  # HTTPServer's would ask the DNS for our name

    # What `request` is, only socketserver knows; over TCP it is the socket.
    def process_request(self, request: Any, client_address: object) -> None:  # noqa: ANN401
        with self._lock:
            self._open.add(request)
            self._running = [thread for thread in self._running if thread.is_alive()]
            self._running.append(_started(self.process_request_thread, request, client_address))

    def shutdown_request(self, request: Any) -> None:  # noqa: ANN401
        with self._lock:
            self._open.discard(request)
            super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: object) -> None:  # noqa: ANN401
        """Say nothing of clients that leave, but show what is wrong here or in a predicate."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)

    def stop(self) -> None:
        """Close everything and wait for the threads. The traffic has been stopped before."""
        self.shutdown()
        self.server_close()
        with self._lock:
            for sock in self._open:
                with contextlib.suppress(OSError):  # the client was faster
                    sock.shutdown(socket.SHUT_RDWR)  # wakes the thread, which closes it
            running = list(self._running)
        for thread in running:
            thread.join(_JOIN_SECONDS)


def _started(target: Callable[..., None], *arguments: object) -> threading.Thread:
    thread = threading.Thread(target=target, args=arguments, name="AuthServer", daemon=True)
    thread.start()
    return thread


# --- The server ----------------------------------------------------------------------------------

_INVALID_JWT = Status(
    401,
    body=b'{"message": "Invalid JWT"}',
    headers={"WWW-Authenticate": 'Bearer error="invalid_token"'},  # RFC 6750 §3
)


@dataclass(kw_only=True, eq=False, repr=False)
class AuthServer:
    """A token server and the API it guards, on a free port of 127.0.0.1, until the block ends.

    POST /auth/login    JSON {"username", "password"} or Basic; "wrong" is the wrong password
    POST /auth/refresh  the refresh token as JSON, as a form or in ``Authorization: Bearer``
    POST /auth/logout   revokes the refresh token's family
    /public/...         echoes the request, no token needed
    /status/NNN         that status; needs a token, as all that follows
    /redirect?to=URL    redirects, with ``&status=302`` or another
    /api/..., the rest  echoes the request: method, path, query, the body's size and sha256, user

    Options are attributes, and may be changed between requests.
    """

    lifetime: float = 300.0
    """Seconds an access token lives. 0 gives tokens that have expired already."""
    rotate: bool = True
    """Whether a refresh replaces the refresh token too."""
    detect_reuse: bool = True
    """Whether the second use of a rotated refresh token revokes its whole family."""
    grace: float = 0.0
    """Seconds in which a second use is answered with the family's newest tokens instead."""
    revoke_old_access: bool = False
    """Whether an access token dies the moment its family is given a newer one."""
    opaque: bool = False
    """Whether access tokens are random strings instead of JWTs."""
    clock_skew: float = 0.0
    """Seconds by which the clock that writes iat and exp is ahead of ours."""
    read_body_first: bool = True
    """If False, an upload without a good token is answered unread. Keep-alive is promised, and the
    connection closed at the worst moment: when the next request arrives on it."""
    expired: Status = _INVALID_JWT
    """What the API says to an access token that is not, or no longer, good."""
    refresh_path: str = "/auth/refresh"
    request_field: str = "refresh_token"
    """The field of the refresh request that holds the refresh token."""
    access_field: str = "access_token"
    refresh_field: str = "refresh_token"
    expires_field: str | None = "expires_in"
    """None: the answer does not say how long the token lives."""
    status: int = 200
    """Of an answer that gives tokens."""
    bare: bool = False
    """Whether a refresh is answered with the access token alone, as a JSON string."""
    signing_key: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    """The key of the JWTs' HS256."""

    def __post_init__(self) -> None:
        self._ledger = _Ledger(self)
        self._traffic = _Traffic()
        self._address = ("127.0.0.1", 0)
        self._listener: _Listener | None = None
        self._thread: threading.Thread | None = None

    def __repr__(self) -> str:
        state = "stopped" if self._listener is None else self.url
        return f"<AuthServer {state}>"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stop()

    def start(self) -> None:
        """Listen; after a stop, on the same port and with the same tokens as before."""
        if self._listener is not None:
            return
        self._traffic.start()
        self._listener = _Listener(self._address, self, self._ledger, self._traffic)
        self._address = ("127.0.0.1", self._listener.server_address[1])
        self._thread = _started(self._listener.serve_forever, _POLL_SECONDS)

    def stop(self) -> None:
        """Close every socket and join every thread, whatever hangs or waits at a gate.

        Faults and gates are gone after it; tokens and counters stay.
        """
        if self._listener is None or self._thread is None:
            return
        self._traffic.stop()
        self._listener.stop()
        self._thread.join()
        self._listener = self._thread = None

    close = stop

    @property
    def url(self) -> str:
        """Return where the server listens, without a slash at the end."""
        host, port = self._address
        if port == 0:
            raise RuntimeError("the server was never started: use `with AuthServer() as server:`")
        return f"http://{host}:{port}"

    def login(self, user: str = "alice") -> Token:
        """Return the tokens of a new family, without HTTP, and as strings alone: no expires_at."""
        grant = self._ledger.login(user)
        return Token(grant.access, grant.refresh)

    def expire(self) -> None:
        """Let every access token given so far expire now."""
        self._ledger.expire()

    def revoke(self) -> None:
        """Refuse every refresh token given so far. Access tokens live until they expire."""
        self._ledger.revoke_refresh_tokens()

    def family_alive(self, token: Token) -> bool:
        """Whether the refresh token's family has not been revoked.

        It may be any refresh token of the family. Raises ValueError for one never given.
        """
        return self._ledger.is_family_alive(token.refresh)

    @property
    def counters(self) -> Counters:
        """Return what was counted until now."""
        return self._ledger.counters()

    @property
    def requests(self) -> list[SeenRequest]:
        """Return what was received until now, oldest first."""
        return self._ledger.seen()

    def fail(self, fault: Fault, on: Place = "refresh", times: int | None = 1) -> None:
        """Give the next `times` requests `fault`; None: all of them, until heal().

        Faults planned for the same requests are played one after the other.
        """
        if times is not None and times < 1:
            raise ValueError(f"times={times}: give a positive number, or None for no end")
        self._traffic.plan(_PlannedFault(fault, _checked(on), times))

    def heal(self) -> None:
        """Forget all faults, and end those that are being played."""
        self._traffic.heal()

    def gate(self, on: Place = "refresh") -> Gate:
        """Return a gate at which requests wait from now until the ``with`` block ends."""
        return self._traffic.add_gate(_checked(on))
