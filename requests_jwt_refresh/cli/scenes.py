"""The scenes of `requests-jwt demo`, each of which checks that what it shows has happened.

They share an AuthServer and a plain Session with the adapter on it. Everything they print comes
from the server's own record and from what the callers got; nothing is made up. All of it fits in a
terminal of 80 columns and 40 lines, unless more was asked for.

From top to bottom: what is checked, the server's record, the stage, the scenes.
"""

from __future__ import annotations

import hashlib
import secrets
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, NamedTuple

import requests

from requests_jwt_refresh import clock
from requests_jwt_refresh.cli.page import Page, format_value
from requests_jwt_refresh.endpoints import JSONEndpoint
from requests_jwt_refresh.matching import json_field, parse_json
from requests_jwt_refresh.mounting import mount
from requests_jwt_refresh.profiles.own_command import spell_out
from requests_jwt_refresh.stores.memory import MemoryStore
from requests_jwt_refresh.testing import AuthServer
from requests_jwt_refresh.tokens import with_values

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TextIO

    from requests_jwt_refresh.adapter import JWTRefreshAdapter
    from requests_jwt_refresh.errors import RefreshRejected
    from requests_jwt_refresh.testing import Exchange, RecordedRequest, ServerResponse
    from requests_jwt_refresh.tokens import Token

THREADS = 32
PATIENCE = 10.0  # seconds that one call may take; nothing here comes near it
FILE_BYTES = 1_000_000
FILE_START = 123_456  # where the upload begins
LIFETIME = 300.0  # seconds of an access token
SECONDS_LEFT = 30.0  # of one that is about to expire
DIGEST_LENGTH = 12  # hexadecimal digits of a SHA-256, as they are shown


def play_demo(stream: TextIO, *, verbose: bool = False) -> bool:
    """Play all scenes on `stream`; return whether all of it really happened.

    With `verbose` there is a sentence about each, and what its requests put on the wire.
    """
    page = Page(stream)
    with _open_stage(page, is_verbose=verbose) as stage:
        page.write_paragraph(
            f"A token server of this demo's own runs at {stage.server.url}. A refresh token works "
            "once: used a second time, it ends the login. The adapter is mounted on a plain "
            "requests.Session. Each number is measured as you watch.",
            indent="",
        )
        checks = {scene.name: _play(scene, number, stage) for number, scene in enumerate(SCENES, 1)}
    return _sum_up(page, checks)


class Check(NamedTuple):
    """What happened, and what had to happen."""

    what: str
    got: object
    expected: object
    is_quiet: bool = False
    """Whether there is a row about it only if it fails, since the page shows it otherwise."""

    @property
    def holds(self) -> bool:
        return self.got == self.expected


class Scene(NamedTuple):
    name: str
    title: str
    sentence: str
    play: Callable[[Stage], Iterator[Check]]


def _play(scene: Scene, number: int, stage: Stage) -> list[Check]:
    stage.page.write_headline(f"{number}. {scene.title}")
    if stage.is_verbose:
        stage.page.write_paragraph(scene.sentence)
    checks: list[Check] = []
    try:
        for check in scene.play(stage):
            checks.append(check)
            _write_check(stage.page, check)
    except (requests.RequestException, OSError) as error:
        checks.append(Check("it ended with", f"{type(error).__name__}: {error}", "no error"))
        _write_check(stage.page, checks[-1])
    return checks


def _write_check(page: Page, check: Check) -> None:
    if not check.holds:
        value = f"{format_value(check.got)} (expected {format_value(check.expected)})"
        page.write_result(check.what, value, is_good=False)
    elif not check.is_quiet:
        page.write_result(check.what, check.got, is_good=True)


def _sum_up(page: Page, checks: dict[str, list[Check]]) -> bool:
    """Write how many checks passed, and which scenes have others."""
    everything = [check for of_scene in checks.values() for check in of_scene]
    count, passed = len(everything), sum(check.holds for check in everything)
    page.write_line()
    if passed == count:
        page.write_verdict(f"All of it happened: {count} of {count} checks passed.", is_good=True)
    else:
        names = [name for name, of_scene in checks.items() if not all(c.holds for c in of_scene)]
        text = f"Not all of it happened: {count - passed} of {count} checks failed"
        page.write_verdict(f"{text} ({', '.join(names)}).", is_good=False)
    more = "In detail: requests-jwt demo --verbose. Your own API: requests-jwt init"
    page.write_paragraph(spell_out(more))
    return passed == count


# --- The server's record -------------------------------------------------------------------------


@dataclass(eq=False)
class Entry:
    """A request as the server got it, and the response it gave."""

    request: RecordedRequest
    response: ServerResponse
    is_sent: bool = False

    def __str__(self) -> str:
        return f"{self.request.method} {self.response.status}"


class Record:
    """What goes over the wire, from the server's side.

    To AuthServer it is a fault like any other, but one that responds as it should.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()  # guards the entries
        self._entries: list[Entry] = []

    def play(self, exchange: Exchange) -> None:
        """Respond to a request, and write it down before the client can go on."""
        entry = Entry(exchange.request, exchange.work())
        with self._changed:
            self._entries.append(entry)
        exchange.send(entry.response)
        with self._changed:
            entry.is_sent = True
            self._changed.notify_all()

    def clear(self) -> None:
        with self._changed:
            self._entries = []

    def entries(self) -> list[Entry]:
        with self._changed:
            return list(self._entries)

    def wait_for(self, count: int) -> None:
        """Return when `count` responses have been sent. Raises TimeoutError."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._count_sent() >= count, PATIENCE):
                raise TimeoutError(f"the server has sent {self._count_sent()} of {count} answers")

    def _count_sent(self) -> int:
        return sum(entry.is_sent for entry in self._entries)


class Names:
    """Tells tokens apart without showing them: "access token 1", "access token 2"."""

    def __init__(self, first: Token) -> None:
        self._known: dict[str, list[str]] = {"access": [], "refresh": []}
        self._name("access", first.access)
        self._name("refresh", first.refresh)

    def describe_request(self, request: RecordedRequest) -> str:
        if request.kind == "refresh":
            token = self._name("refresh", _parse_fields(request.body).get("refresh_token"))
        else:
            token = self._name("access", request.bearer)
        return f"{request.method:<4} {request.path:<13}  {token or 'no token'}"

    def describe_response(self, response: ServerResponse) -> str:
        """Return what a response says besides its status."""
        fields = _parse_fields(response.body)
        tokens = [self._name(kind, fields.get(f"{kind}_token")) for kind in self._known]
        reason = fields.get("message") or fields.get("error") or ""
        return ", ".join(filter(None, tokens)) or str(reason)

    def _name(self, kind: str, secret: str | None) -> str | None:
        if secret is None:
            return None
        known = self._known[kind]
        if secret not in known:
            known.append(secret)
        return f"{kind} token {known.index(secret) + 1}"


def _parse_fields(body: bytes) -> dict[str, Any]:
    document = parse_json(body)
    return document if isinstance(document, dict) else {}


# --- The stage -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Stage:
    """Everything the scenes play with. They share one session, as one program would."""

    page: Page
    is_verbose: bool
    server: AuthServer
    session: requests.Session
    adapter: JWTRefreshAdapter
    store: MemoryStore
    renewed: threading.Event
    logouts: list[RefreshRejected]
    record: Record

    def begin(self, *, seconds_left: float = 0.0) -> Token:
        """Begin a scene with a new login, whose access token has so long to live, and no record."""
        self.record.clear()
        self.renewed.clear()
        self.logouts.clear()
        token = self.server.login()
        if seconds_left:
            age = LIFETIME - seconds_left
            token = with_values(token, received_at=clock.time() - age)
        else:
            self.server.expire()
        self.adapter.set_token(token)
        return token

    def show_wire(self, call: str, token: Token, *expected: str, always: bool = True) -> Check:
        """Write what a call with `token` put on the wire; return whether that was `expected`."""
        entries = self.record.entries()
        if self.is_verbose:
            self.page.write_line(call)
        if self.is_verbose or always:
            names = Names(token)
            for entry in entries:
                request = names.describe_request(entry.request)
                response = names.describe_response(entry.response)
                self.page.write_exchange(request, entry.response.status, response)
        return Check("on the wire", list(map(str, entries)), list(expected), is_quiet=True)


def _start_server() -> AuthServer:
    return AuthServer(rotate=True, detect_reuse=True, lifetime=LIFETIME)


@contextmanager
def _open_stage(page: Page, *, is_verbose: bool) -> Iterator[Stage]:
    store, record, renewed = MemoryStore(), Record(), threading.Event()
    logouts: list[RefreshRejected] = []
    with _start_server() as server, requests.Session() as session:
        session.trust_env = False  # this machine's proxies and netrc have no part in it
        adapter = mount(
            session,
            server.url,
            JSONEndpoint("/auth/refresh"),
            store,
            when=json_field("message", "Invalid JWT"),
            on_refresh=lambda _token: renewed.set(),
            on_logout=logouts.append,
            refresh_timeout=PATIENCE,
            pool_maxsize=THREADS,
        )
        server.fail(record, on=lambda _path: True, times=None)
        yield Stage(page, is_verbose, server, session, adapter, store, renewed, logouts, record)


# --- The scenes ----------------------------------------------------------------------------------


def _play_one_request(stage: Stage) -> Iterator[Check]:
    token = stage.begin()
    response = stage.session.get("/api/users", timeout=PATIENCE)
    call = 'session.get("/api/users")'
    yield stage.show_wire(call, token, "GET 401", "POST 200", "GET 200")
    yield Check("the caller sees", response.status_code, 200)
    yield Check("the new tokens are stored", _are_renewed(stage, token), True)


def _are_renewed(stage: Stage, old: Token) -> bool:
    """Whether both tokens are new, and the store holds those that are in use."""
    new = stage.store.load()
    if new is None or new != stage.adapter.token:
        return False
    return new.access not in (None, old.access) and new.refresh not in (None, old.refresh)


def _play_threads(stage: Stage) -> Iterator[Check]:
    token, before = stage.begin(), stage.server.counters
    with (
        ThreadPoolExecutor(THREADS) as pool,  # left last, when the gates are open
        stage.server.gate(on="api") as start,
        stage.server.gate(on="refresh") as refresh,
    ):
        calls = [pool.submit(_get_status, stage.session) for _ in range(THREADS)]
        start.wait_for(THREADS, PATIENCE)
        start.open()
        stage.record.wait_for(THREADS)
        early = stage.server.counters.unauthorized - before.unauthorized
        refresh.open()
    statuses = [call.result() for call in calls]
    after = stage.server.counters
    yield Check("answered 401, before any new token", early, THREADS)
    yield Check("refreshes", after.refreshes - before.refreshes, 1)
    yield Check("answered 200", statuses.count("200"), THREADS)
    yield Check("refresh tokens used twice", after.reuse - before.reuse, 0)
    yield Check("still logged in", stage.server.family_alive(token), True)


def _play_ahead(stage: Stage) -> Iterator[Check]:
    token, before = stage.begin(seconds_left=SECONDS_LEFT), stage.server.counters
    with (
        ThreadPoolExecutor(THREADS) as pool,
        stage.server.gate(on="refresh") as refresh,
    ):
        calls = [pool.submit(_get_status, stage.session) for _ in range(THREADS)]
        refresh.wait_for(1, PATIENCE)
        early = [call.result() for call in calls]  # while the refresh waits for its answer
        refresh.open()
        stage.renewed.wait(PATIENCE)
    status, after = _get_status(stage.session), stage.server.counters
    yield Check("answered 200, before the new token", early.count("200"), THREADS)
    yield Check("answered 401", after.unauthorized - before.unauthorized, 0)
    yield Check("refreshes", after.refreshes - before.refreshes, 1)
    carried = stage.record.entries()[-1].request.bearer
    is_new = status == "200" and carried not in (None, token.access)
    yield Check("the next request has the new token", is_new, True)


def _get_status(session: requests.Session) -> str:
    try:
        return str(session.get("/api/users", timeout=PATIENCE).status_code)
    except requests.RequestException as error:
        return type(error).__name__


def _play_upload(stage: Stage) -> Iterator[Check]:
    token = stage.begin()
    content = secrets.token_bytes(FILE_BYTES)
    with tempfile.TemporaryFile() as file:
        file.write(content)
        response = _upload_from(file, stage.session)
    rest = content[FILE_START:]
    in_file = _describe_bytes(hashlib.sha256(rest).hexdigest(), len(rest))
    call = f'file.seek({FILE_START:_}); session.post("/api/files", data=file)'
    yield stage.show_wire(call, token, "POST 401", "POST 200", "POST 200", always=False)
    stage.page.write_result("in the file", in_file)
    for each in stage.record.entries():
        if each.request.kind == "api":
            arrived = _describe_bytes(each.request.sha256, each.request.size)
            yield Check(f"arrived ({each.response.status})", arrived, in_file)
    yield Check("the caller sees", response.status_code, 200, is_quiet=True)


def _upload_from(file: IO[bytes], session: requests.Session) -> requests.Response:
    file.seek(FILE_START)
    return session.post("/api/files", data=file, timeout=PATIENCE)


def _describe_bytes(digest: str | None, size: int | None) -> str:
    shown = "no bytes" if digest is None else f"sha256 {digest[:DIGEST_LENGTH]}"
    return f"{shown}, {size or 0:,} bytes"


def _play_logout(stage: Stage) -> Iterator[Check]:
    token = stage.begin()
    stage.server.revoke()
    response = stage.session.get("/api/users", timeout=PATIENCE)
    yield stage.show_wire('session.get("/api/users")', token, "GET 401", "POST 400")
    yield Check("the caller sees", response.status_code, 401)
    error_names = [type(error).__name__ for error in stage.logouts]
    yield Check("on_logout was called with", error_names, ["RefreshRejected"])
    yield Check("the store holds", _list_parts(stage.store.load()), [])


def _list_parts(token: Token | None) -> list[str]:
    """Return what a token holds, by name."""
    if token is None:
        return []
    names = {"an access token": token.access, "a refresh token": token.refresh}
    return [name for name, secret in names.items() if secret is not None]


SCENES = (
    Scene(
        "One request",
        "One request, after its access token has expired",
        "The adapter has the access token refreshed and sends the same request again, and the "
        "caller notices nothing.",
        _play_one_request,
    ),
    Scene(
        f"{THREADS} threads",
        f"{THREADS} threads at once, after their access token has expired",
        f"All {THREADS} get a 401 before any new token is there, one of them refreshes for all, "
        "and no refresh token is used a second time.",
        _play_threads,
    ),
    Scene(
        "Refresh ahead",
        f"{THREADS} threads at once, {SECONDS_LEFT:.0f} s before their token expires: nobody waits",
        "One of them starts a refresh in the background. The server holds its answer back until "
        f"all {THREADS} have theirs.",
        _play_ahead,
    ),
    Scene(
        "Upload",
        f"A file, uploaded from its byte {FILE_START:,} on, meets a 401",
        "It is sent again from the same place, not from where the first sending has left it.",
        _play_upload,
    ),
    Scene(
        "Refusal",
        "The server has revoked the refresh token: a logout that is told",
        "The caller gets the API's own 401, the store is emptied, and the program is told that a "
        "new login is needed.",
        _play_logout,
    ),
)
