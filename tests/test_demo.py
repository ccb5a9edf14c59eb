"""The demo: run as people run it, and on servers that do not play along."""

from __future__ import annotations

import io
import json
import os
import re
import select
import signal
import subprocess
import sys
import sysconfig
import time
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import pytest

from requests_jwt_refresh import Token, mount
from requests_jwt_refresh.cli import main as cli
from requests_jwt_refresh.cli import scenes
from requests_jwt_refresh.stores.memory import MemoryStore
from requests_jwt_refresh.testing import AuthServer, Counters, Drop, JSONBody, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import requests

    from requests_jwt_refresh import JWTRefreshAdapter
    from requests_jwt_refresh.testing import Fault, Kind

SCRIPT = [str(Path(sysconfig.get_path("scripts"), "requests-jwt")), "demo"]
MODULE = [sys.executable, "-m", "requests_jwt_refresh", "demo"]
SECONDS = 60
ESCAPE = "\x1b"
needs_pty = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")


def make_environment(**changes: str) -> dict[str, str]:
    """Return this environment without what decides about colours and encodings, and with changes.

    A warning, such as that of a socket left open, ends up on stderr.
    """
    decides = {"NO_COLOR", "TERM", "LC_ALL", "LANG", "LC_CTYPE", "PYTHONIOENCODING", "PYTHONUTF8"}
    kept = {name: value for name, value in os.environ.items() if name not in decides}
    return {**kept, "PYTHONWARNINGS": "error", "TERM": "xterm-256color", **changes}


def run_piped(command: list[str], **changes: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        capture_output=True,
        env=make_environment(**changes),
        encoding="ascii",  # anything else fails the test
        timeout=SECONDS,
        check=False,
    )


def run_on_terminal(**changes: str) -> str:
    """Run the demo on a pseudo-terminal, and return all that appears there."""
    import pty

    ours, theirs = pty.openpty()
    with subprocess.Popen(
        SCRIPT, stdin=theirs, stdout=theirs, stderr=theirs, env=make_environment(**changes)
    ) as process:
        os.close(theirs)
        try:
            shown = b"".join(_read_pieces(ours))
        finally:
            os.close(ours)
        assert process.wait(SECONDS) == 0
    return shown.decode()


def _read_pieces(terminal: int) -> Iterator[bytes]:
    deadline = time.monotonic() + SECONDS
    while select.select([terminal], [], [], max(deadline - time.monotonic(), 0))[0]:
        try:
            piece = os.read(terminal, 65_536)
        except OSError:  # Linux' way of saying that the other side is closed
            return
        if not piece:
            return
        yield piece
    raise TimeoutError("the demo did not come to an end")


def strip_colours(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def find_summary(text: str) -> str:
    """Return the summary on one line."""
    return " ".join(text[text.index("\nSummary\n") :].split())


class Screen(io.TextIOWrapper):
    """What the demo is played on, in this process."""

    def __init__(self, encoding: str, *, is_terminal: bool) -> None:
        self._bytes = io.BytesIO()
        super().__init__(self._bytes, encoding)
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal

    def text(self) -> str:
        self.flush()
        return self._bytes.getvalue().decode(self.encoding)


def play_on(screen: Screen, monkeypatch: pytest.MonkeyPatch | None = None, **changes: str) -> str:
    """Play the demo on a screen, with this in the environment, and return what it shows."""
    if monkeypatch is not None:
        monkeypatch.delenv("NO_COLOR", raising=False)
        for name, value in {"TERM": "xterm-256color", **changes}.items():
            monkeypatch.setenv(name, value)
    assert scenes.play_demo(screen)
    return screen.text()


@pytest.fixture(scope="module")
def transcript() -> str:
    """What the demo shows when all goes well."""
    page = io.StringIO()
    assert scenes.play_demo(page)
    return page.getvalue()


# --- As people run it ----------------------------------------------------------------------------


@pytest.mark.parametrize("command", [SCRIPT, MODULE], ids=["script", "module"])
def test_exit_status_0_when_all_of_it_happened(command: list[str]) -> None:
    """Both entry points play the four scenes, say so, leave nothing open and exit with 0."""
    done = run_piped(command)
    assert (done.returncode, done.stderr) == (0, "")
    headlines = re.findall(r"^\d\. .+$", done.stdout, re.MULTILINE)
    assert [line[:2] for line in headlines] == ["1.", "2.", "3.", "4."]
    summary = find_summary(done.stdout)
    assert (summary.count("[ok]"), summary.count("[no]")) == (4, 0)
    assert summary.endswith("All of it really happened: 16 of 16 checks passed.")


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1"])
def test_plain_when_piped(encoding: str) -> None:
    """Into a pipe goes pure ASCII, without colours, in 80 columns, whatever the locale."""
    shown = play_on(Screen(encoding, is_terminal=False))
    assert shown.isascii()
    assert ESCAPE not in shown
    assert max(map(len, shown.splitlines())) <= 80


@needs_pty
@pytest.mark.parametrize("no_color", [{}, {"NO_COLOR": ""}], ids=["unset", "empty"])
def test_coloured_on_a_terminal(no_color: dict[str, str]) -> None:
    """A terminal gets colours and real check marks, in 80 columns; an empty NO_COLOR is none."""
    shown = run_on_terminal(PYTHONIOENCODING="utf-8", **no_color)
    assert shown.count(f"{ESCAPE}[32m\N{CHECK MARK}{ESCAPE}[0m") == 4
    assert f"{ESCAPE}[33m401{ESCAPE}[0m Invalid JWT" in shown
    assert max(map(len, strip_colours(shown).splitlines())) <= 80


@pytest.mark.parametrize("changes", [{"NO_COLOR": "1"}, {"TERM": "dumb"}], ids=["NO_COLOR", "TERM"])
def test_colours_can_be_switched_off(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, str]
) -> None:
    """NO_COLOR and TERM=dumb count on a terminal as well."""
    shown = play_on(Screen("utf-8", is_terminal=True), monkeypatch, **changes)
    assert ESCAPE not in shown
    assert shown.count("\N{CHECK MARK}") == 4


def test_a_terminal_without_check_marks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal that can only write ASCII gets ASCII, in colour."""
    shown = play_on(Screen("ascii", is_terminal=True), monkeypatch)
    assert shown.isascii()
    assert shown.count(f"{ESCAPE}[32m[ok]{ESCAPE}[0m") == 4


def test_needs_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy in the environment, dead or alive, is not asked."""
    nowhere = "http://127.0.0.1:9"
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, nowhere)
    monkeypatch.setenv("NO_PROXY", "")
    assert scenes.play_demo(io.StringIO())


def test_needs_requests_and_nothing_else() -> None:
    """It runs on the standard library, requests and this package: no pytest, no keyring."""
    code = (
        "import sys, requests, idna\n"
        "def tops(): return {name.partition('.')[0] for name in sys.modules}\n"
        "before = tops()\n"
        "from requests_jwt_refresh.cli import main as cli\n"
        "status = cli.main(['demo'])\n"
        # Not every private module of CPython is in stdlib_module_names.
        "standard = sys.stdlib_module_names | {'_interpreters', '_xxsubinterpreters'}\n"
        "print(sorted(tops() - before - standard))\n"
        "sys.exit(status)\n"
    )
    done = run_piped([sys.executable, "-c", code])
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "['requests_jwt_refresh']"


def test_importing_the_test_server_brings_no_pytest() -> None:
    """requests_jwt_refresh.testing needs no pytest either."""
    code = "import sys, requests_jwt_refresh.testing; sys.exit('pytest' in sys.modules)"
    assert run_piped([sys.executable, "-c", code]).returncode == 0


def test_waits_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no sleep in it: tokens expire because the server says so."""

    def sleep(_seconds: float) -> None:
        raise AssertionError("it sleeps")

    monkeypatch.setattr(time, "sleep", sleep)
    assert scenes.play_demo(io.StringIO())


def test_interrupted_in_the_middle() -> None:
    """Ctrl-C while 32 threads wait for a refresh: 130, nothing on stderr, and an end."""
    # A shell's background jobs, and so their children, start with SIGINT ignored.
    code = (
        "import signal, sys\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from requests_jwt_refresh.cli import main as cli, scenes\n"
        "scenes.Record.wait_for = lambda *_: signal.raise_signal(signal.SIGINT)\n"
        "sys.exit(cli.main(['demo']))\n"
    )
    done = run_piped([sys.executable, "-c", code])
    assert (done.returncode, done.stderr) == (128 + signal.SIGINT, "")
    assert "\n2. " in done.stdout
    assert "\n3. " not in done.stdout


# --- What it shows -------------------------------------------------------------------------------


def test_one_request_line_by_line(transcript: str) -> None:
    """The first scene is the wire as the server saw it: 401, refresh, 200."""
    wire = """\
   GET  /api/users     access token 1   ->  401 Invalid JWT
   POST /auth/refresh  refresh token 1  ->  200 access token 2, refresh token 2
   GET  /api/users     access token 2   ->  200
   the caller sees one answer: 200
"""
    assert wire in transcript.partition("\n2. ")[0]


def test_the_wire_is_not_canned(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that gives no new refresh token is shown to give none."""

    monkeypatch.setattr(scenes, "AuthServer", NotRotating)
    page = io.StringIO()
    assert not scenes.play_demo(page)
    assert "refresh token 1  ->  200 access token 2\n" in page.getvalue()


def test_the_figures_of_32_threads(transcript: str) -> None:
    """The second scene has 32 answers of 401, one refresh, 32 answers of 200 and a family alive."""
    scene = transcript.partition("\n2. ")[2].partition("\n3. ")[0]
    figures = re.findall(r"^   (.+):\s+(\w+)$", scene, re.MULTILINE)
    assert figures == [
        ("401s before the refresh was answered", "32"),
        ("refresh calls", "1"),
        ("answers of 200", "32"),
        ("refresh tokens used twice", "0"),
        ("still logged in", "yes"),
    ]


def test_the_digests_of_the_upload(transcript: str) -> None:
    """The third scene shows one digest three times: of the file, and of what arrived twice."""
    scene = transcript.partition("\n3. ")[2].partition("\n4. ")[0]
    line = re.compile(r"^   sha256 of .+ ([0-9a-f]{16})\.\.\.  876,544 bytes$", re.MULTILINE)
    digests = line.findall(scene)
    assert len(digests) == 3
    assert len(set(digests)) == 1


def test_the_logout(transcript: str) -> None:
    """The fourth scene: the API's own 401, an empty store, and on_logout called with the reason."""
    assert """\
   POST /auth/refresh  refresh token 1  ->  400 invalid_grant
   the caller sees one answer: 401
   on_logout was called with: RefreshRejected
   the store holds: nothing
""" in transcript.partition("\n4. ")[2]


def test_no_token_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """None of the tokens that were given or used is on the page, nor half of one, nor any JWT."""
    tokens: set[str | None] = set()

    class RecordingTokens(AuthServer):
        def login(self, user: str = "alice") -> Token:
            token = super().login(user)
            tokens.update((token.access, token.refresh))
            return token

        def stop(self) -> None:
            for seen in self.requests:
                carried = json.loads(seen.body or b"{}") if seen.kind == "refresh" else {}
                tokens.update((seen.bearer, carried.get("refresh_token")))
            super().stop()

    monkeypatch.setattr(scenes, "AuthServer", RecordingTokens)
    page = io.StringIO()
    assert scenes.play_demo(page)
    secrets = [secret for secret in tokens if secret is not None]
    assert len(secrets) == 4 + 4 + 3  # four logins, and the three new access tokens in use
    shown = page.getvalue()
    assert not [1 for secret in secrets if secret[: len(secret) // 2] in shown]
    assert not [1 for secret in secrets if secret[len(secret) // 2 :] in shown]
    assert "eyJ" not in shown


# --- What it shows when something is wrong -------------------------------------------------------


class NeverExpiring(AuthServer):
    def expire(self) -> None:
        pass


class NeverRevoking(AuthServer):
    def revoke(self) -> None:
        pass


class NotRotating(AuthServer):
    def __post_init__(self) -> None:
        super().__post_init__()
        self.rotate = False


class CountingTwice(AuthServer):
    """Finds two refreshes where there was one."""

    @property
    def counters(self) -> Counters:
        counters = super().counters
        return replace(counters, refreshes=2 * counters.refreshes)


class CountingReuse(AuthServer):
    """Finds a reuse in every refresh."""

    @property
    def counters(self) -> Counters:
        counters = super().counters
        return replace(counters, reuse=counters.rotated)


class DenyingLogins(AuthServer):
    def family_alive(self, token: Token) -> bool:
        return not super().family_alive(token)


class KeepingAll(MemoryStore):
    def clear(self) -> None:
        pass


def make_failing(fault: Fault, on: Kind = "refresh") -> type[AuthServer]:
    class Failing(AuthServer):
        def start(self) -> None:
            super().start()
            self.fail(fault, on=on, times=None)

    return Failing


def mount_without_on_logout(
    *args: Any, on_logout: Callable[..., object], **options: Any
) -> JWTRefreshAdapter:
    del on_logout
    return mount(*args, **options)


def send_generator(file: IO[bytes], session: requests.Session) -> requests.Response:
    """Send an upload that cannot be sent again."""
    file.seek(scenes.FILE_START)
    return session.post("/api/files", data=iter([file.read()]))


def send_from_start(file: IO[bytes], session: requests.Session) -> requests.Response:
    file.seek(0)
    return session.post("/api/files", data=file)


REFUSED = Status(400, body=b'{"error": "invalid_grant"}')
BOGUS = JSONBody({"access_token": "bogus", "refresh_token": "bogus"})


@pytest.mark.parametrize(
    ("name", "replacement", "cross"),
    [
        (
            "AuthServer",
            make_failing(REFUSED),
            "One request: on the wire GET 401 (expected GET 401, ",
        ),
        ("AuthServer", make_failing(REFUSED), "to the caller 401 (expected 200)"),
        ("AuthServer", make_failing(REFUSED), "32 threads: answers of 200: 0 (expected 32)"),
        ("AuthServer", make_failing(BOGUS), "to the caller 401 (expected 200)"),
        ("AuthServer", NeverExpiring, "on the wire GET 200 (expected GET 401, POST 200, GET 200)"),
        ("AuthServer", NeverExpiring, "401s before the refresh was answered: 0 (expected 32)"),
        ("AuthServer", NeverRevoking, "Refusal: on the wire GET 401, POST 200, GET 200 (expected"),
        ("AuthServer", NeverRevoking, "to on_logout nothing (expected RefreshRejected)"),
        ("AuthServer", NotRotating, "One request: new tokens stored: no (expected yes)"),
        ("AuthServer", CountingTwice, "32 threads: refresh calls: 2 (expected 1)"),
        ("AuthServer", CountingReuse, "32 threads: refresh tokens used twice: 1 (expected 0)"),
        ("AuthServer", DenyingLogins, "32 threads: still logged in: no (expected yes)"),
        ("MemoryStore", KeepingAll, "in the store an access token, a refresh token (expected noth"),
        (
            "mount",
            mount_without_on_logout,
            "Refusal: to on_logout nothing (expected RefreshRejected)",
        ),
        (
            "_upload_from",
            send_generator,
            "Upload: on the wire POST 401, POST 200 (expected POST 401, ",
        ),
        ("_upload_from", send_from_start, "Upload: bytes taken: 1,000,000 (expected 876,544); sha"),
        ("_upload_from", send_from_start, "sha256 as that of the file: no (expected yes)"),
    ],
)
def test_exit_status_1_when_something_did_not_happen(
    name: str,
    replacement: Any,
    cross: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Whatever did not happen has a cross and is named, and the exit status is 1."""
    monkeypatch.setattr(scenes, name, replacement)
    assert cli.main(["demo"]) == 1
    shown = capsys.readouterr().out
    assert "[no]" in shown
    assert cross in find_summary(shown)
    assert "not all of it happened" in shown
    assert max(map(len, shown.splitlines())) <= 80


@pytest.mark.parametrize(
    ("server", "cross"),
    [
        (make_failing(Status(503)), "Refusal: the scene ended with RefreshUnavailable: "),
        (make_failing(Drop(), on="api"), "32 threads: the scene ended with TimeoutError: "),
        (make_failing(Drop(), on="api"), "Refusal: the scene ended with ConnectionError: "),
    ],
)
def test_exit_status_1_when_there_are_no_answers(
    server: type[AuthServer],
    cross: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What ends a scene early is shown without a traceback, after PATIENCE seconds at the most."""
    monkeypatch.setattr(scenes, "PATIENCE", 1.0)
    monkeypatch.setattr(scenes, "AuthServer", server)
    assert cli.main(["demo"]) == 1
    output = capsys.readouterr()
    assert cross in find_summary(output.out)
    assert max(map(len, output.out.splitlines())) <= 80
    assert output.err == ""


def test_every_scene_is_played(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A scene that breaks off does not spoil the next ones."""
    monkeypatch.setattr(
        scenes, "_upload_from", lambda *_: (_ for _ in ()).throw(OSError("no disk"))
    )
    assert cli.main(["demo"]) == 1
    summary = find_summary(capsys.readouterr().out)
    assert (summary.count("[ok]"), summary.count("[no]")) == (3, 1)
    assert "Upload: the scene ended with OSError: no disk (expected no error)" in summary


def test_an_error_in_any_language(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the system says in its own language stays ASCII in a pipe."""
    failure = OSError("Kein Speicherplatz verf\N{LATIN SMALL LETTER U WITH DIAERESIS}gbar")
    monkeypatch.setattr(scenes, "_upload_from", lambda *_: (_ for _ in ()).throw(failure))
    assert cli.main(["demo"]) == 1
    shown = capsys.readouterr().out
    assert shown.isascii()
    assert r"verf\xfcgbar" in shown
