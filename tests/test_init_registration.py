"""init registers a client when nothing else can fail, and loses nothing of what comes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from requests_jwt_refresh.cli.console import Exit
from requests_jwt_refresh.profiles.load import Profiles
from tests.support.command_line import SCRIPT, CommandResult, Terminal, User, needs_posix, user
from tests.support.document_server import OPENID, Page, run_document_server
from tests.support.keyrings import (
    DictKeyring,
    fail_backend,
    null_backend,
    use_keyring,
    use_working_keyring,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.document_server import DocumentServer

__all__ = ["user"]  # a fixture

pytestmark = needs_posix

SECRET = {"client_id": "me", "client_secret": "s3cret"}


@pytest.fixture(autouse=True)
def state(user: User, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A keyring that works, and the folder where files of this user's are by default."""
    use_keyring(monkeypatch, DictKeyring())
    use_working_keyring(monkeypatch)
    monkeypatch.setenv("XDG_STATE_HOME", str(user.home / "state"))
    return user.home / "state" / "requests-jwt-refresh"


@pytest.fixture
def server() -> Iterator[DocumentServer]:
    with run_document_server() as server:
        server.describe(
            authorization_endpoint=f"{server.url}/authorize",
            registration_endpoint=f"{server.url}/register",
            token_endpoint_auth_methods_supported=["client_secret_post", "none"],
        )
        server.pages["/register"] = Page({"client_id": "me"}, 201)
        yield server


def list_options(server: DocumentServer, *more: str) -> tuple[str, ...]:
    return ("init", "prod", "--issuer", server.url, "--base-url", server.url, *more)


def init(user: User, server: DocumentServer, *more: str) -> CommandResult:
    return user.run(*list_options(server, "--yes", *more))


def read_refresh(user: User) -> Any:
    return Profiles.read(user.file).content["prod"]["refresh"]


# --- Before: nothing is registered for nothing ---------------------------------------------------


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--trusted-origin", "nonsense"),
        ("--refresh-url", "ftp://h/token"),
        ("--redirect-uri", "http://127.0.0.1:0/"),
        ("--attach-header", "Host"),
        ("--set", "color=red"),
    ],
)
def test_options_are_looked_at_first(
    user: User, server: DocumentServer, option: str, value: str
) -> None:
    """What makes no profile needs no client."""
    done = init(user, server, option, value)
    assert done.status == 2
    assert "these options make no usable profile" in done.err
    assert server.paths == [OPENID]


def test_a_profile_that_is_there_is_seen_before_anything_is_asked(
    user: User, server: DocumentServer
) -> None:
    """The server hears nothing; --replace registers another client."""
    assert init(user, server).status == 0
    before = list(server.paths)
    assert "exists already" in init(user, server).err
    assert server.paths == before
    server.pages["/register"] = Page({"client_id": "another"}, 201)
    assert init(user, server, "--replace").status == 0
    assert read_refresh(user)["client_id"] == "another"


def test_a_file_that_cannot_be_written_is_seen_first(
    user: User, server: DocumentServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its folder is none."""
    folder = user.home / "file"
    folder.write_text("")
    monkeypatch.setenv("REQUESTS_JWT_PROFILES", str(folder / "profiles.toml"))
    done = init(user, server)
    assert done.status == Exit.USAGE
    assert "cannot be written (Not a directory)" in done.err
    assert server.paths == [OPENID]


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="a folder where root writes nothing")
def test_a_folder_that_takes_no_file_is_seen_first(
    user: User, server: DocumentServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is there, and looks as any other."""
    monkeypatch.setenv("REQUESTS_JWT_PROFILES", "/proc/self/profiles.toml")
    done = init(user, server)
    assert done.status == Exit.USAGE
    assert "cannot be written" in done.err
    assert server.paths == [OPENID]


def test_where_the_token_goes_is_asked_first(
    server: DocumentServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C at that question leaves no client behind."""
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")
    with Terminal(SCRIPT, *list_options(server)) as terminal:
        terminal.answer("Is this the right server? [Y/n] ", "")
        terminal.answer("Register a client there? [Y/n] ", "")
        terminal.expect("File for the token [")
        assert server.paths == [OPENID]
        terminal.answer(": ", "")
        terminal.expect("Registered a client: me")
        terminal.answer("Log in now? [Y/n] ", "n")
        assert terminal.end() == 0, terminal.shown
    assert server.paths == [OPENID, "/register"]


def test_only_what_will_be_used_is_registered(user: User, server: DocumentServer) -> None:
    """No login in a browser, so no redirect URI."""
    server.describe(
        authorization_endpoint=f"{server.url}/authorize",
        require_pushed_authorization_requests=True,
        device_authorization_endpoint=f"{server.url}/device",
        registration_endpoint=f"{server.url}/register",
    )
    done = init(user, server)
    assert done.status == 0, done.err
    asked = json.loads(server.received[-1].body)
    device = "urn:ietf:params:oauth:grant-type:device_code"
    assert asked["grant_types"] == ["refresh_token", device]
    assert (asked["redirect_uris"], asked["response_types"]) == ([], [])
    assert "does not register the redirect URI" not in done.err


def test_a_client_that_is_registered_needs_no_word_about_secrets(
    user: User, server: DocumentServer
) -> None:
    """Whatever the server lists: it comes with what it needs."""
    server.describe(
        authorization_endpoint=f"{server.url}/authorize",
        registration_endpoint=f"{server.url}/register",
        token_endpoint_auth_methods_supported=["client_secret_basic"],
    )
    done = init(user, server)
    assert (done.status, "Note:" in done.err) == (0, False), done.err


# --- After: nothing that came is lost ------------------------------------------------------------


@pytest.mark.parametrize("make_backend", [fail_backend, null_backend])
def test_a_secret_without_a_keyring_goes_into_a_file(
    user: User,
    server: DocumentServer,
    state: Path,
    monkeypatch: pytest.MonkeyPatch,
    make_backend: Any,
) -> None:
    """Of its own, for this user alone: it comes once, and only the profile knows where it is."""
    use_keyring(monkeypatch, make_backend())
    server.pages["/register"] = Page(SECRET, 201)
    done = init(user, server)
    assert done.status == 0, done.err
    file = state / "prod.secret"
    assert read_refresh(user)["client_secret_file"] == str(file)
    assert Profiles.read(user.file).profile("prod").secrets["client secret"].read() == "s3cret"
    assert file.stat().st_mode & 0o777 == 0o600
    assert "s3cret" not in user.file.read_text() + done.out + done.err
    assert f"The client's secret is in {file}" in done.err


def test_a_secret_that_cannot_be_kept_is_said_to_be_lost(
    user: User, server: DocumentServer, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is no profile that could not be used."""
    use_keyring(monkeypatch, fail_backend())
    server.pages["/register"] = Page(SECRET, 201)
    state.parent.write_text("")
    done = init(user, server)
    assert done.status == Exit.STORE
    assert "the client's secret is lost" in done.err
    assert done.err.endswith("make it writable, and register another client\n")
    assert "s3cret" not in done.err
    assert not user.file.exists()


@dataclass(frozen=True)
class RacingPage(Page):
    """Another program writes such a profile while a client is registered."""

    user: User | None = None

    def body(self) -> bytes:
        assert self.user is not None
        self.user.file.write_text('[prod]\nbase_url = "https://h"\nrefresh = {preset = "dex"}\n')
        return super().body()


def test_a_client_without_a_profile_is_named(user: User, server: DocumentServer) -> None:
    """It need not be registered again; its secret is in the keyring by then."""
    server.pages["/register"] = RacingPage(SECRET, 201, user=user)
    done = init(user, server)
    assert done.status == Exit.USAGE
    assert "exists already" in done.err
    assert "the client is registered already: go on with --client-id me --client-auth" in done.err
    remedy = done.err.splitlines()[-1].partition("go on with ")[2].split()
    assert init(user, server, *remedy, "--replace").status == 0
    assert Profiles.read(user.file).profile("prod").secrets["client secret"].read() == "s3cret"
    assert server.paths.count("/register") == 1


@pytest.mark.parametrize(
    ("answer", "note"),
    [
        (
            {"registration_access_token": "r3gistration", "registration_client_uri": "https://h"},
            "(registration_access_token) was not kept",
        ),
        ({"client_secret_expires_at": 4102444800}, "secret expires on 2100-01-01"),
        ({"redirect_uris": ["http://localhost:3000/cb"]}, "did not register the redirect URI"),
    ],
)
def test_what_ends_with_a_registration_is_noted(
    user: User, server: DocumentServer, answer: dict[str, Any], note: str
) -> None:
    """Once, as nobody asks the server again; no secret is shown."""
    server.pages["/register"] = Page({**SECRET, **answer}, 201)
    done = init(user, server)
    assert done.status == 0, done.err
    assert note in done.err
    assert "r3gistration" not in done.err + done.out + user.file.read_text()


@pytest.mark.parametrize(
    "answer",
    [
        {"client_secret_expires_at": 0, "redirect_uris": ["http://127.0.0.1"]},
        {"client_secret_expires_at": "never", "redirect_uris": None},
        {"client_secret_expires_at": 10**30, "registration_access_token": ""},
    ],
)
def test_nothing_else_is_noted(user: User, server: DocumentServer, answer: dict[str, Any]) -> None:
    """0 is never (RFC 7591 §3.2.1)."""
    server.pages["/register"] = Page({**SECRET, **answer}, 201)
    done = init(user, server)
    assert done.status == 0, done.err
    assert "Note:" not in done.err


# --- A server that registers nobody --------------------------------------------------------------


@pytest.mark.parametrize("status", [401, 403, 404, 400, 302, 500])
def test_a_person_gives_another_client_after_a_refusal(
    user: User, server: DocumentServer, status: int
) -> None:
    """Many servers name a registration that only administrators may use."""
    server.pages["/register"] = Page({}, status)
    with Terminal(SCRIPT, *list_options(server)) as terminal:
        terminal.answer("Is this the right server? [Y/n] ", "")
        terminal.answer("Register a client there? [Y/n] ", "")
        terminal.expect("Not registered: ")
        terminal.answer("Client id: ", "mine")
        terminal.answer("Log in now? [Y/n] ", "n")
        assert terminal.end() == 0, terminal.shown
    assert read_refresh(user)["client_id"] == "mine"
    assert "client_auth" not in read_refresh(user)


def test_another_client_authenticates_as_the_server_wants(
    user: User, server: DocumentServer
) -> None:
    """As where its id was given at once."""
    server.describe(
        authorization_endpoint=f"{server.url}/authorize",
        registration_endpoint=f"{server.url}/register",
        token_endpoint_auth_methods_supported=["client_secret_basic"],
    )
    server.pages["/register"] = Page({}, 403)
    with Terminal(SCRIPT, *list_options(server)) as terminal:
        terminal.answer("Is this the right server? [Y/n] ", "")
        terminal.answer("Register a client there? [Y/n] ", "")
        terminal.answer("Client id: ", "mine")
        terminal.answer("Log in now? [Y/n] ", "n")
        assert terminal.end() == 0, terminal.shown
    assert read_refresh(user)["client_auth"] == "basic"


def test_without_another_client_nothing_is_written(user: User, server: DocumentServer) -> None:
    """The refusal is the error."""
    server.pages["/register"] = Page({}, 403)
    with Terminal(SCRIPT, *list_options(server)) as terminal:
        terminal.answer("Is this the right server? [Y/n] ", "")
        terminal.answer("Register a client there? [Y/n] ", "")
        terminal.answer("Client id: ", "")
        terminal.expect("give its id with --client-id")
        assert terminal.end() == 1, terminal.shown
    assert not user.file.exists()
