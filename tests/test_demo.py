"""The demo: run as people run it, and on servers that do not play along."""

from __future__ import annotations

import io
import json
import re
import signal
import sys
import time
from dataclasses import replace
from typing import IO, TYPE_CHECKING, Any

import pytest

from requests_jwt_refresh import Token, mount
from requests_jwt_refresh.cli import main as cli
from requests_jwt_refresh.cli import scenes
from requests_jwt_refresh.stores.memory import MemoryStore
from requests_jwt_refresh.testing import AuthServer, Counters, Drop, JSONBody, Status
from tests.support.demo import CHECKS, MODULE, SCENES, SCRIPT, run_piped

if TYPE_CHECKING:
    from collections.abc import Callable

    import requests

    from requests_jwt_refresh import JWTRefreshAdapter
    from requests_jwt_refresh.testing import Fault, Kind


def find_rows(text: str, name: str) -> list[str]:
    """Return the lines of the scene whose headline begins so, with one space where more are."""
    (scene,) = (each for each in re.split(r"\n\n\d\. ", text) if each.startswith(name))
    return [" ".join(each.split()) for each in scene.partition("\n\n")[0].splitlines()[1:]]


def find_crosses(text: str) -> list[str]:
    """Return what has a cross before it, each on one line and without dots to the value."""
    rows = re.findall(r"^   \[no\] (.+(?:\n {8}.+)*)", text, re.MULTILINE)
    return [" ".join(re.sub(r" \.+ ", ": ", each).split()) for each in rows]


@pytest.fixture(scope="module")
def transcript() -> str:
    """What the demo shows when all goes well."""
    page = io.StringIO()
    assert scenes.play_demo(page)
    return page.getvalue()


# --- As people run it ----------------------------------------------------------------------------


@pytest.mark.parametrize("command", [SCRIPT, MODULE], ids=["script", "module"])
def test_exit_status_0_when_all_of_it_happened(command: list[str]) -> None:
    """Both entry points play the scenes, say so, leave nothing open and exit with 0."""
    done = run_piped(command)
    assert (done.returncode, done.stderr) == (0, "")
    headlines = re.findall(r"^\d\. .+$", done.stdout, re.MULTILINE)
    assert [line[:2] for line in headlines] == [f"{each}." for each in range(1, SCENES + 1)]
    assert "[no]" not in done.stdout
    assert f"[ok] All of it happened: {CHECKS} of {CHECKS} checks passed.\n" in done.stdout


def test_it_fits_a_terminal(transcript: str) -> None:
    """Of 80 columns and 40 lines, with the command above it and the next prompt below."""
    lines = transcript.splitlines()
    assert max(map(len, lines)) <= 80
    assert len(lines) + 2 <= 40


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


WIRE = """\
   GET  /api/users     access token 1   ->  401 Invalid JWT
   POST /auth/refresh  refresh token 1  ->  200 access token 2, refresh token 2
   GET  /api/users     access token 2   ->  200
"""


def test_one_request_line_by_line(transcript: str) -> None:
    """The first scene is the wire as the server saw it: 401, refresh, 200."""
    assert f"\n1. One request, after its access token has expired\n{WIRE}" in transcript


def test_the_wire_is_not_canned(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that gives no new refresh token is shown to give none."""

    monkeypatch.setattr(scenes, "AuthServer", NotRotating)
    page = io.StringIO()
    assert not scenes.play_demo(page)
    assert "refresh token 1  ->  200 access token 2\n" in page.getvalue()


def list_figures(transcript: str, name: str) -> list[tuple[str, str]]:
    """Return the results of a scene."""
    row = re.compile(r"\[ok\] (.+) \.{2,} (.+)")
    return [row.fullmatch(each).groups() for each in find_rows(transcript, name)]  # type: ignore[union-attr,misc]


def test_the_figures_of_32_threads(transcript: str) -> None:
    """32 answers of 401, one refresh, 32 answers of 200 and a login that is alive."""
    assert list_figures(transcript, "32 threads at once, after") == [
        ("answered 401, before any new token", "32"),
        ("refreshes", "1"),
        ("answered 200", "32"),
        ("refresh tokens used twice", "0"),
        ("still logged in", "yes"),
    ]


def test_nobody_waits(transcript: str) -> None:
    """Shortly before the end, one refresh in the background, and no request waits for it."""
    assert list_figures(transcript, "32 threads at once, 30 s before") == [
        ("answered 200, before the new token", "32"),
        ("answered 401", "0"),
        ("refreshes", "1"),
        ("the next request has the new token", "yes"),
    ]


def test_the_digests_of_the_upload(transcript: str) -> None:
    """One digest and size, three times: of the file, and of what arrived twice."""
    rows = find_rows(transcript, "A file")
    found = [re.fullmatch(r"(.+?) \.+ sha256 ([0-9a-f]{12}), 876,544 bytes", row) for row in rows]
    digests = {each[1]: each[2] for each in found if each is not None}
    assert list(digests) == ["in the file", "[ok] arrived (401)", "[ok] arrived (200)"]
    assert len(set(digests.values())) == 1


def test_the_logout(transcript: str) -> None:
    """The API's own 401, an empty store, and on_logout called with the reason."""
    rows = [re.sub(r" \.+ ", " ", each) for each in find_rows(transcript, "The server has revoked")]
    assert rows[1:] == [
        "POST /auth/refresh refresh token 1 -> 400 invalid_grant",
        "[ok] the caller sees 401",
        "[ok] on_logout was called with RefreshRejected",
        "[ok] the store holds nothing",
    ]


def test_in_detail() -> None:
    """With --verbose, a sentence about each scene, and the wire of the upload, too."""
    done = run_piped([*SCRIPT, "--verbose"])
    assert (done.returncode, done.stderr) == (0, "")
    shown = " ".join(done.stdout.split())
    assert all(scene.sentence in shown for scene in scenes.SCENES)
    upload = WIRE.replace("GET ", "POST").replace("/api/users", "/api/files")
    assert f'session.post("/api/files", data=file)\n{upload}' in done.stdout
    assert done.stdout.count('\n   session.get("/api/users")\n') == 2


def test_there_is_no_more_to_say_of_a_server(capsys: pytest.CaptureFixture[str]) -> None:
    """--serve plays no scenes, so --verbose beside it is a mistake."""
    with pytest.raises(SystemExit) as left:
        cli.main(["demo", "--serve", "--verbose"])
    assert left.value.code == 2
    assert "--verbose" in capsys.readouterr().err


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
    assert len(secrets) == 5 + 5 + 4  # five logins, and the four new access tokens in use
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


def mount_without(name: str) -> Callable[..., JWTRefreshAdapter]:
    return mount_with(**{name: None})


def mount_with(**changes: Any) -> Callable[..., JWTRefreshAdapter]:
    return lambda *args, **options: mount(*args, **{**options, **changes})


def send_generator(file: IO[bytes], session: requests.Session) -> requests.Response:
    """Send an upload that cannot be sent again."""
    file.seek(scenes.FILE_START)
    return session.post("/api/files", data=iter([file.read()]))


def send_from_start(file: IO[bytes], session: requests.Session) -> requests.Response:
    file.seek(0)
    return session.post("/api/files", data=file)


REFUSED = Status(400, body=b'{"error": "invalid_grant"}')
BOGUS = JSONBody({"access_token": "bogus", "refresh_token": "bogus"})
WIRE_OF_GET = "GET 401, POST 200, GET 200"


@pytest.mark.parametrize(
    ("name", "replacement", "scene", "cross"),
    [
        ("AuthServer", make_failing(REFUSED), "One request", "on the wire: GET 401 (expected GE"),
        ("AuthServer", make_failing(REFUSED), "One request", "the caller sees: 401 (expected 200)"),
        ("AuthServer", make_failing(REFUSED), "32 threads", "answered 200: 0 (expected 32)"),
        ("AuthServer", make_failing(REFUSED), "Refresh ahead", "has the new token: no (expected y"),
        ("AuthServer", make_failing(BOGUS), "Upload", "the caller sees: 401 (expected 200)"),
        ("AuthServer", NeverExpiring, "One request", f"GET 200 (expected {WIRE_OF_GET})"),
        ("AuthServer", NeverExpiring, "32 threads", "before any new token: 0 (expected 32)"),
        ("AuthServer", NeverRevoking, "Refusal", f"{WIRE_OF_GET} (expected GET 401, POST 400)"),
        ("AuthServer", NeverRevoking, "Refusal", "called with: nothing (expected RefreshRejected)"),
        ("AuthServer", NotRotating, "One request", "new tokens are stored: no (expected yes)"),
        ("AuthServer", CountingTwice, "32 threads", "refreshes: 2 (expected 1)"),
        ("AuthServer", CountingTwice, "Refresh ahead", "refreshes: 2 (expected 1)"),
        ("AuthServer", CountingReuse, "32 threads", "tokens used twice: 1 (expected 0)"),
        ("AuthServer", DenyingLogins, "32 threads", "still logged in: no (expected yes)"),
        ("MemoryStore", KeepingAll, "Refusal", "an access token, a refresh token (expected noth"),
        ("mount", mount_without("on_logout"), "Refusal", "called with: nothing (expected RefreshR"),
        ("mount", mount_with(refresh_ahead=0), "Refresh ahead", "ended with: TimeoutError: "),
        ("_upload_from", send_generator, "Upload", "on the wire: POST 401, POST 200 (expected PO"),
        ("_upload_from", send_from_start, "Upload", ", 1,000,000 bytes (expected sha256 "),
    ],
)
def test_exit_status_1_when_something_did_not_happen(
    name: str,
    replacement: Any,
    scene: str,
    cross: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Whatever did not happen has a cross, its scene is named, and the exit status is 1."""
    monkeypatch.setattr(scenes, "PATIENCE", 2.0)
    monkeypatch.setattr(scenes, name, replacement)
    assert cli.main(["demo"]) == 1
    shown = capsys.readouterr().out
    *crosses, last = find_crosses(shown)
    assert any(cross in each for each in crosses), crosses
    assert last.startswith("Not all of it happened: ")
    assert scene in last
    assert max(map(len, shown.splitlines())) <= 80


@pytest.mark.parametrize(
    ("server", "scene", "cross"),
    [
        (make_failing(Status(503)), "Refusal", "it ended with: RefreshUnavailable: "),
        (make_failing(Drop(), on="api"), "32 threads", "it ended with: TimeoutError: "),
        (make_failing(Drop(), on="api"), "Refusal", "it ended with: ConnectionError: "),
    ],
)
def test_exit_status_1_when_there_are_no_answers(
    server: type[AuthServer],
    scene: str,
    cross: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What ends a scene early is shown without a traceback, after PATIENCE seconds at the most."""
    monkeypatch.setattr(scenes, "PATIENCE", 1.0)
    monkeypatch.setattr(scenes, "AuthServer", server)
    assert cli.main(["demo"]) == 1
    output = capsys.readouterr()
    *crosses, last = find_crosses(output.out)
    assert any(each.startswith(cross) for each in crosses), crosses
    assert scene in last
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
    crosses = find_crosses(capsys.readouterr().out)
    count = CHECKS - 4 + 1
    assert crosses == [
        "it ended with: OSError: no disk (expected no error)",
        f"Not all of it happened: 1 of {count} checks failed (Upload).",
    ]


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
