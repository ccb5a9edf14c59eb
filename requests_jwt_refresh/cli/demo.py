"""The demo, for people who would rather look than read.

It starts an AuthServer, mounts the adapter on a plain Session and plays four scenes. Whatever it
shows is read from the server's own record and from what the callers got; nothing is told by heart.

From top to bottom: the page it is written on, the server's record, the stage, the scenes.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import secrets
import tempfile
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any, NamedTuple

import requests

from requests_jwt_refresh.endpoints import JSONEndpoint
from requests_jwt_refresh.matching import json_field, parse_json
from requests_jwt_refresh.mounting import mount
from requests_jwt_refresh.stores.memory import MemoryStore
from requests_jwt_refresh.testing import AuthServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import TextIO

    from requests_jwt_refresh.adapter import JWTRefreshAdapter
    from requests_jwt_refresh.errors import RefreshRejected
    from requests_jwt_refresh.testing import Answer, Counters, Exchange, SeenRequest
    from requests_jwt_refresh.tokens import Token

COLUMNS = 80
THREADS = 32
PATIENCE = 10.0  # seconds that one call may take; nothing here comes near it
FILE_BYTES = 1_000_000
FILE_START = 123_456  # where the upload begins


def run(stream: TextIO) -> bool:
    """Play the demo on `stream`; return whether all of it really happened."""
    page = Page(stream)
    with _stage(page) as stage:
        _introduce(stage)
        outcomes = [_play(scene, number, stage) for number, scene in enumerate(SCENES, 1)]
    _sum_up(page, outcomes)
    return all(outcome.is_good for outcome in outcomes)


class Check(NamedTuple):
    """Something that had to happen, and what happened."""

    what: str
    got: object
    expected: object

    @property
    def holds(self) -> bool:
        return self.got == self.expected

    def __str__(self) -> str:
        text = f"{self.what} {_said(self.got)}"
        return text if self.holds else f"{text} (expected {_said(self.expected)})"


class Outcome(NamedTuple):
    """A scene that has been played."""

    name: str
    checks: list[Check]

    @property
    def is_good(self) -> bool:
        return all(check.holds for check in self.checks)

    def __str__(self) -> str:
        """Say what happened; if something did not, say that alone."""
        told = [check for check in self.checks if self.is_good or not check.holds]
        return f"{self.name}: {'; '.join(map(str, told))}"


# --- The page ------------------------------------------------------------------------------------

_SIGNS, _ASCII_SIGNS = ("\N{CHECK MARK}", "\N{BALLOT X}"), ("[ok]", "[no]")
_STYLES = {"bold": "1", "green": "32", "yellow": "33", "red": "31"}  # ECMA-48 §8.3.117


class Page:
    """Paper of 80 columns: with colours on a terminal that has them, else plain.

    Anything but a terminal gets pure ASCII, whatever it says it could take.
    """

    def __init__(self, stream: TextIO) -> None:
        is_terminal = stream.isatty()
        self._stream = stream
        self._encoding = stream.encoding if is_terminal else "ascii"
        self._is_coloured = is_terminal and _wants_colour(os.environ)
        self._signs = _SIGNS if _can_write("".join(_SIGNS), self._encoding) else _ASCII_SIGNS

    def headline(self, text: str) -> None:
        self._line("")
        self._line(self._painted(text, "bold"))

    def paragraph(self, text: str, indent: str = "   ", first: str | None = None) -> None:
        """Write `text` in as many lines as it takes; `first` goes before it and may be coloured."""
        lines = textwrap.wrap(self._writable(text), COLUMNS - len(indent)) or [""]
        for number, line in enumerate(lines):
            self._line((indent if number or first is None else first) + line)

    def line(self, text: str) -> None:
        self._line(f"   {_cut(self._writable(text), COLUMNS - 3)}")

    def exchange(self, asked: str, status: int, answered: str) -> None:
        """Write one request and its answer."""
        left = f"   {_cut(self._writable(asked), 35):<35}  ->  "
        right = _cut(self._writable(answered), COLUMNS - len(left) - 4)
        colour = "green" if status < 400 else "yellow"  # noqa: PLR2004 - RFC 9110 §15.5
        self._line(f"{left}{self._painted(str(status), colour)} {right}".rstrip())

    def figure(self, what: str, value: object) -> None:
        """Write one figure of a table."""
        self._line(f"   {what:<54}{self._writable(_said(value)):>6}")

    def verdict(self, text: str, *, is_good: bool) -> None:
        """Write `text` after a check mark or a cross."""
        sign, colour = (self._signs[0], "green") if is_good else (self._signs[1], "red")
        indent = " " * (4 + len(sign))
        self.paragraph(text, indent, first=f"   {self._painted(sign, colour)} ")

    def blank(self) -> None:
        self._line("")

    def _painted(self, text: str, style: str) -> str:
        return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if self._is_coloured else text

    def _writable(self, text: str) -> str:
        # An error's text may be in any language.
        return text.encode(self._encoding, "backslashreplace").decode(self._encoding)

    def _line(self, text: str) -> None:
        self._stream.write(f"{text}\n")
        self._stream.flush()  # people watch


def _wants_colour(environment: Mapping[str, str]) -> bool:
    return not environment.get("NO_COLOR") and environment.get("TERM") != "dumb"  # no-color.org


def _can_write(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def _cut(text: str, columns: int) -> str:
    return text if len(text) <= columns else f"{text[: columns - 3]}..."


def _said(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(_said, value)) or "nothing"
    return f"{value:,}" if isinstance(value, int) else str(value)


# --- The server's record -------------------------------------------------------------------------


@dataclass(eq=False)
class Entry:
    """A request as the server got it, and the answer it gave."""

    seen: SeenRequest
    answer: Answer
    is_sent: bool = False


class Record:
    """What goes over the wire, from the server's side.

    To AuthServer it is a fault like any other, but one that answers as it should.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()  # guards the entries
        self._entries: list[Entry] = []

    def play(self, exchange: Exchange) -> None:
        """Answer a request, and write it down before the client can go on."""
        entry = Entry(exchange.seen, exchange.work())
        with self._changed:
            self._entries.append(entry)
        exchange.send(entry.answer)
        with self._changed:
            entry.is_sent = True
            self._changed.notify_all()

    def start_afresh(self) -> None:
        with self._changed:
            self._entries = []

    def entries(self) -> list[Entry]:
        with self._changed:
            return list(self._entries)

    def in_short(self) -> list[str]:
        return [f"{entry.seen.method} {entry.answer.status}" for entry in self.entries()]

    def wait_for(self, count: int) -> None:
        """Return when `count` answers have been sent. Raises TimeoutError."""
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

    def asked(self, seen: SeenRequest) -> str:
        """Return a request in words."""
        if seen.kind == "refresh":
            carried = self._name("refresh", _fields(seen.body).get("refresh_token"))
        else:
            carried = self._name("access", seen.bearer)
        return f"{seen.method:<4} {seen.path:<13}  {carried or 'no token'}"

    def answered(self, answer: Answer) -> str:
        """Return what an answer says besides its status."""
        fields = _fields(answer.body)
        given = [self._name(kind, fields.get(f"{kind}_token")) for kind in self._known]
        reason = fields.get("message") or fields.get("error") or ""
        return ", ".join(filter(None, given)) or str(reason)

    def _name(self, kind: str, secret: str | None) -> str | None:
        if secret is None:
            return None
        known = self._known[kind]
        if secret not in known:
            known.append(secret)
        return f"{kind} token {known.index(secret) + 1}"


def _fields(body: bytes) -> dict[str, Any]:
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
    record: Record = field(default_factory=Record)

    def log_in(self) -> Token:
        """Start a scene: with new tokens, and nothing on record."""
        self.record.start_afresh()
        token = self.server.login()
        self.adapter.set_token(token)
        return token

    def show_the_wire(self, token: Token) -> None:
        """Write what the server has on record since the login that gave `token`."""
        names = Names(token)
        for entry in self.record.entries():
            asked, answered = names.asked(entry.seen), names.answered(entry.answer)
            self.page.exchange(asked, entry.answer.status, answered)


@contextmanager
def _stage(page: Page) -> Iterator[Stage]:
    logouts: list[RefreshRejected] = []
    store = MemoryStore()
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
        stage = Stage(page, server, session, adapter, store, logouts)
        server.fail(stage.record, on=lambda _path: True, times=None)
        yield stage


def _introduce(stage: Stage) -> None:
    stage.page.headline("requests-jwt demo")
    stage.page.paragraph(
        f"A token server now runs at {stage.server.url}, for this demo alone. Its refresh tokens "
        "may be used once: a second use, and it logs everybody out. The adapter is mounted on a "
        "plain requests.Session. Tokens are numbered here, never shown.",
        indent="",
    )


class Scene(NamedTuple):
    name: str
    title: str
    sentence: str
    play: Callable[[Stage], Iterator[Check]]


def _play(scene: Scene, number: int, stage: Stage) -> Outcome:
    stage.page.headline(f"{number}. {scene.title}")
    stage.page.paragraph(scene.sentence)
    stage.page.blank()
    checks: list[Check] = []
    try:
        checks.extend(scene.play(stage))
    except (requests.RequestException, OSError) as error:
        failed = Check("the scene ended with", f"{type(error).__name__}: {error}", "no error")
        stage.page.verdict(str(failed), is_good=False)
        checks.append(failed)
    return Outcome(scene.name, checks)


def _sum_up(page: Page, outcomes: list[Outcome]) -> None:
    page.headline("Summary")
    for outcome in outcomes:
        page.verdict(str(outcome), is_good=outcome.is_good)
    checks = [check for outcome in outcomes for check in outcome.checks]
    failed = sum(not check.holds for check in checks)
    page.blank()
    if failed:
        page.line(f"{failed} of {len(checks)} checks failed: not all of it happened.")
    else:
        page.line(f"All of it really happened: {len(checks)} of {len(checks)} checks passed.")


# --- The scenes ----------------------------------------------------------------------------------


def _one_request(stage: Stage) -> Iterator[Check]:
    token = stage.log_in()
    stage.server.expire()
    response = stage.session.get("/api/users", timeout=PATIENCE)
    stage.page.line('session.get("/api/users")')
    stage.show_the_wire(token)
    stage.page.line(f"the caller sees one answer: {response.status_code}")
    yield Check("on the wire", stage.record.in_short(), ["GET 401", "POST 200", "GET 200"])
    yield Check("to the caller", response.status_code, 200)
    yield Check("new tokens stored:", _are_renewed(stage, token), True)


def _are_renewed(stage: Stage, old: Token) -> bool:
    """Whether both tokens are new, and the store holds those that are in use."""
    new = stage.store.load()
    if new is None or new != stage.adapter.token:
        return False
    return new.access not in (None, old.access) and new.refresh not in (None, old.refresh)


def _many_threads(stage: Stage) -> Iterator[Check]:
    token = stage.log_in()
    stage.server.expire()
    before = stage.server.counters
    with (
        ThreadPoolExecutor(THREADS) as pool,  # left last, when the gates are open
        stage.server.gate(on="api") as start,
        stage.server.gate(on="refresh") as refresh,
    ):
        calls = [pool.submit(_outcome, stage.session) for _ in range(THREADS)]
        start.wait_for(THREADS, PATIENCE)
        start.open()
        stage.record.wait_for(THREADS)
        early = _difference(before, stage.server.counters)
        refresh.open()
    answers = [call.result() for call in calls]
    counts = _difference(before, stage.server.counters)
    yield from _shown(
        stage.page,
        Check("401s before the refresh was answered:", early.unauthorized, THREADS),
        Check("refresh calls:", counts.refreshes, 1),
        Check("answers of 200:", answers.count("200"), THREADS),
        Check("refresh tokens used twice:", counts.reuse, 0),
        Check("still logged in:", stage.server.family_alive(token), True),
    )


def _shown(page: Page, *figures: Check) -> tuple[Check, ...]:
    for figure in figures:
        page.figure(figure.what, figure.got)
    return figures


def _outcome(session: requests.Session) -> str:
    try:
        return str(session.get("/api/users", timeout=PATIENCE).status_code)
    except requests.RequestException as error:
        return type(error).__name__


def _difference(before: Counters, after: Counters) -> Counters:
    earlier = dataclasses.asdict(before)
    grown = {name: count - earlier[name] for name, count in dataclasses.asdict(after).items()}
    return dataclasses.replace(after, **grown)


def _upload(stage: Stage) -> Iterator[Check]:
    token = stage.log_in()
    stage.server.expire()
    content = secrets.token_bytes(FILE_BYTES)
    with tempfile.TemporaryFile() as file:
        file.write(content)
        response = _upload_from(file, stage.session)
    stage.page.line(f'file.seek({FILE_START:_}); session.post("/api/files", data=file)')
    stage.show_the_wire(token)
    rest = content[FILE_START:]
    digest = hashlib.sha256(rest).hexdigest()
    stage.page.line(f"sha256 of the file from there on  {_short(digest)}  {len(rest):,} bytes")
    uploads = [entry for entry in stage.record.entries() if entry.seen.kind == "api"]
    for entry in uploads:
        arrived = f"{_short(entry.seen.sha256)}  {entry.seen.size or 0:,} bytes"
        stage.page.line(f"sha256 of what was answered {entry.answer.status}   {arrived}")
    taken = [entry.seen.sha256 for entry in uploads if entry.answer.status == requests.codes.ok]
    yield Check("on the wire", stage.record.in_short(), ["POST 401", "POST 200", "POST 200"])
    yield Check("to the caller", response.status_code, 200)
    yield Check("bytes taken:", [upload.seen.size for upload in uploads[-1:]], [len(rest)])
    yield Check("sha256 as that of the file:", taken == [digest], True)


def _upload_from(file: IO[bytes], session: requests.Session) -> requests.Response:
    file.seek(FILE_START)
    return session.post("/api/files", data=file, timeout=PATIENCE)


def _short(digest: str | None) -> str:
    return "nothing" if digest is None else f"{digest[:16]}..."


def _logout(stage: Stage) -> Iterator[Check]:
    token = stage.log_in()
    stage.logouts.clear()
    stage.server.expire()
    stage.server.revoke()
    response = stage.session.get("/api/users", timeout=PATIENCE)
    told = [type(error).__name__ for error in stage.logouts]
    stage.page.line('session.get("/api/users")')
    stage.show_the_wire(token)
    stage.page.line(f"the caller sees one answer: {response.status_code}")
    stage.page.line(f"on_logout was told: {_said(told)}")
    stage.page.line(f"the store holds: {_said(_held(stage.store))}")
    yield Check("on the wire", stage.record.in_short(), ["GET 401", "POST 400"])
    yield Check("to the caller", response.status_code, 401)
    yield Check("to on_logout", told, ["RefreshRejected"])
    yield Check("in the store", _held(stage.store), [])


def _held(store: MemoryStore) -> list[str]:
    """Return what a store holds, by name."""
    token = store.load()
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
        _one_request,
    ),
    Scene(
        f"{THREADS} threads",
        f"One expiry that hits {THREADS} threads at once",
        f"All {THREADS} get a 401 before any new token is there, one of them refreshes for all, "
        "and nobody is logged out by using the refresh token a second time.",
        _many_threads,
    ),
    Scene(
        "Upload",
        "A streamed upload that survives",
        "A file that is sent from its middle meets a 401 and is sent again from the same place, "
        "not from where the first sending has left it.",
        _upload,
    ),
    Scene(
        "Refusal",
        "A refused refresh logs out",
        "The server has revoked the refresh token: the caller gets the API's own 401, the store is "
        "emptied, and the program is told that a new login is needed.",
        _logout,
    ),
)
