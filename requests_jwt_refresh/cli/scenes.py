"""The scenes of `requests-jwt demo`, each of which checks that what it shows has happened.

They share an AuthServer and a plain Session with the adapter on it. Everything they print comes
from the server's own record and from what the callers got; nothing is made up.

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

from requests_jwt_refresh.cli.page import Page, format_value
from requests_jwt_refresh.endpoints import JSONEndpoint
from requests_jwt_refresh.matching import json_field, parse_json
from requests_jwt_refresh.mounting import mount
from requests_jwt_refresh.stores.memory import MemoryStore
from requests_jwt_refresh.testing import AuthServer

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


def play_demo(stream: TextIO) -> bool:
    """Play all scenes on `stream`; return whether all of it really happened."""
    page = Page(stream)
    with _open_stage(page) as stage:
        page.write_headline("requests-jwt demo")
        page.write_paragraph(
            f"A token server now runs at {stage.server.url}, for this demo alone. Its refresh "
            "tokens may be used once: a second use, and it revokes the whole login. The adapter is "
            "mounted on a plain requests.Session. Tokens are numbered here, never shown.",
            indent="",
        )
        checks = {scene.name: _play(scene, number, stage) for number, scene in enumerate(SCENES, 1)}
    return _sum_up(page, checks)


class Check(NamedTuple):
    """What happened, and what had to happen."""

    what: str
    got: object
    expected: object

    @property
    def holds(self) -> bool:
        return self.got == self.expected

    def __str__(self) -> str:
        text = f"{self.what} {format_value(self.got)}"
        return text if self.holds else f"{text} (expected {format_value(self.expected)})"


class Scene(NamedTuple):
    name: str
    title: str
    sentence: str
    play: Callable[[Stage], Iterator[Check]]


def _play(scene: Scene, number: int, stage: Stage) -> list[Check]:
    stage.page.write_headline(f"{number}. {scene.title}")
    stage.page.write_paragraph(scene.sentence)
    stage.page.write_line()
    checks: list[Check] = []
    try:
        checks.extend(scene.play(stage))
    except (requests.RequestException, OSError) as error:
        failed = Check("the scene ended with", f"{type(error).__name__}: {error}", "no error")
        stage.page.write_verdict(str(failed), is_good=False)
        checks.append(failed)
    return checks


def _sum_up(page: Page, checks: dict[str, list[Check]]) -> bool:
    """Write one line per scene: what happened or, if something did not, that alone."""
    page.write_headline("Summary")
    for name, of_scene in checks.items():
        failed = [check for check in of_scene if not check.holds]
        page.write_verdict(f"{name}: {'; '.join(map(str, failed or of_scene))}", is_good=not failed)
    everything = [check for of_scene in checks.values() for check in of_scene]
    count, passed = len(everything), sum(check.holds for check in everything)
    page.write_line()
    if passed == count:
        page.write_line(f"All of it really happened: {passed} of {count} checks passed.")
    else:
        page.write_line(f"{count - passed} of {count} checks failed: not all of it happened.")
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
    server: AuthServer
    session: requests.Session
    adapter: JWTRefreshAdapter
    store: MemoryStore
    logouts: list[RefreshRejected]
    record: Record

    def begin(self) -> Token:
        """Begin a scene: with new tokens whose access token has expired, and nothing on record."""
        self.record.clear()
        self.logouts.clear()
        token = self.server.login()
        self.adapter.set_token(token)
        self.server.expire()
        return token

    def show_wire(self, call: str, token: Token, *expected: str) -> Check:
        """Write what a call with `token` put on the wire; return whether that was `expected`."""
        self.page.write_line(call)
        names, entries = Names(token), self.record.entries()
        for entry in entries:
            request = names.describe_request(entry.request)
            response = names.describe_response(entry.response)
            self.page.write_exchange(request, entry.response.status, response)
        return Check("on the wire", list(map(str, entries)), list(expected))


@contextmanager
def _open_stage(page: Page) -> Iterator[Stage]:
    store, record = MemoryStore(), Record()
    logouts: list[RefreshRejected] = []
    with AuthServer(rotate=True, detect_reuse=True) as server, requests.Session() as session:
        session.trust_env = False  # this machine's proxies and netrc have no part in it
        adapter = mount(
            session,
            server.url,
            JSONEndpoint("/auth/refresh"),
            store,
            when=json_field("message", "Invalid JWT"),
            on_logout=logouts.append,
            refresh_timeout=PATIENCE,
            pool_maxsize=THREADS,
        )
        server.fail(record, on=lambda _path: True, times=None)
        yield Stage(page, server, session, adapter, store, logouts, record)


# --- The scenes ----------------------------------------------------------------------------------


def _play_one_request(stage: Stage) -> Iterator[Check]:
    token = stage.begin()
    response = stage.session.get("/api/users", timeout=PATIENCE)
    call = 'session.get("/api/users")'
    yield stage.show_wire(call, token, "GET 401", "POST 200", "GET 200")
    yield _show_caller(stage.page, response, 200)
    yield Check("new tokens stored:", _are_renewed(stage, token), True)


def _show_caller(page: Page, response: requests.Response, expected: int) -> Check:
    page.write_line(f"the caller sees one answer: {response.status_code}")
    return Check("to the caller", response.status_code, expected)


def _are_renewed(stage: Stage, old: Token) -> bool:
    """Whether both tokens are new, and the store holds those that are in use."""
    new = stage.store.load()
    if new is None or new != stage.adapter.token:
        return False
    return new.access not in (None, old.access) and new.refresh not in (None, old.refresh)


def _play_threads(stage: Stage) -> Iterator[Check]:
    token = stage.begin()
    before = stage.server.counters
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
    checks = [
        Check("401s before the refresh was answered:", early, THREADS),
        Check("refresh calls:", after.refreshes - before.refreshes, 1),
        Check("answers of 200:", statuses.count("200"), THREADS),
        Check("refresh tokens used twice:", after.reuse - before.reuse, 0),
        Check("still logged in:", stage.server.family_alive(token), True),
    ]
    for check in checks:
        stage.page.write_figure(check.what, check.got)
    yield from checks


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
    digest = hashlib.sha256(rest).hexdigest()
    call = f'file.seek({FILE_START:_}); session.post("/api/files", data=file)'
    yield stage.show_wire(call, token, "POST 401", "POST 200", "POST 200")
    yield Check("to the caller", response.status_code, 200)
    _show_digest(stage.page, "the file from there on ", digest, len(rest))
    uploads = [entry for entry in stage.record.entries() if entry.request.kind == "api"]
    for each in uploads:
        what = f"what was answered {each.response.status}  "
        _show_digest(stage.page, what, each.request.sha256, each.request.size)
    taken = [each.request.sha256 for each in uploads if each.response.status == requests.codes.ok]
    yield Check("bytes taken:", [each.request.size for each in uploads[-1:]], [len(rest)])
    yield Check("sha256 as that of the file:", taken == [digest], True)


def _upload_from(file: IO[bytes], session: requests.Session) -> requests.Response:
    file.seek(FILE_START)
    return session.post("/api/files", data=file, timeout=PATIENCE)


def _show_digest(page: Page, what: str, digest: str | None, size: int | None) -> None:
    shown = "nothing" if digest is None else f"{digest[:16]}..."
    page.write_line(f"sha256 of {what} {shown}  {size or 0:,} bytes")


def _play_logout(stage: Stage) -> Iterator[Check]:
    token = stage.begin()
    stage.server.revoke()
    response = stage.session.get("/api/users", timeout=PATIENCE)
    error_names = [type(error).__name__ for error in stage.logouts]
    stored_parts = _list_parts(stage.store.load())
    yield stage.show_wire('session.get("/api/users")', token, "GET 401", "POST 400")
    yield _show_caller(stage.page, response, 401)
    stage.page.write_line(f"on_logout was called with: {format_value(error_names)}")
    stage.page.write_line(f"the store holds: {format_value(stored_parts)}")
    yield Check("to on_logout", error_names, ["RefreshRejected"])
    yield Check("in the store", stored_parts, [])


def _list_parts(token: Token | None) -> list[str]:
    """Return what a token holds, by name."""
    if token is None:
        return []
    names = {"an access token": token.access, "a refresh token": token.refresh}
    return [name for name, secret in names.items() if secret is not None]


SCENES = (
    Scene(
        "One request",
        "One request across an expiry, line by line",
        "The access token has just expired: the adapter has it refreshed and sends the same "
        "request again, and the caller notices nothing.",
        _play_one_request,
    ),
    Scene(
        f"{THREADS} threads",
        f"One expiry that hits {THREADS} threads at once",
        f"All {THREADS} get a 401 before any new token is there, one of them refreshes for all, "
        "and no refresh token is used a second time.",
        _play_threads,
    ),
    Scene(
        "Upload",
        "A streamed upload that survives",
        "A file that is sent from its middle meets a 401 and is sent again from the same place, "
        "not from where the first sending has left it.",
        _play_upload,
    ),
    Scene(
        "Refusal",
        "A refused refresh logs out",
        "The server has revoked the refresh token: the caller gets the API's own 401, the store is "
        "emptied, and the program is told that a new login is needed.",
        _play_logout,
    ),
)
