"""login: no secret where others can see it, and those of clients in the keyring."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import pytest
import requests

from requests_jwt_refresh import JWTRefreshAdapter, StoreError
from requests_jwt_refresh.cli.console import ask
from requests_jwt_refresh.testing import AuthServer, Counters, Status
from requests_jwt_refresh.tokens import with_expiry
from tests.support.command_line import (
    JSON_REFRESH,
    OAUTH2_REFRESH,
    SCRIPT,
    WAIT,
    WITH_SECRET,
    CommandResult,
    Terminal,
    User,
    end,
    find_body,
    make_expired_token,
    needs_posix,
    shows_no_part_of,
    start,
    user,
)
from tests.support.keyrings import DictKeyring, use_keyring
from tests.support.logins import LOGIN, PASSWORD, SECRET_IN_KEYRING, describe_login, make_basic
from tests.support.secret_service import SecretService, running_secret_service, secret_service

__all__ = ["running_secret_service", "secret_service", "user"]  # fixtures

pytestmark = needs_posix


# --- Secrets as arguments ------------------------------------------------------------------------

SECRET = "eyJhbGciOi-s3cr3t"
needs_proc = pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="looks into /proc")
REFUSED: list[Any] = [
    ("login", "prod", "--refresh-token", SECRET),
    ("login", "prod", f"--refresh-token={SECRET}"),
    ("login", "prod", "--refresh", SECRET),
    ("login", "prod", f"--refresh={SECRET}"),
    ("login", "prod", "--client-secret", SECRET),
    ("login", "prod", f"--client-secret={SECRET}"),
    ("login", "prod", f"--refresh-token={SECRET}", "--client-secret", "-"),
    ("login", "prod", "--password", SECRET),
    ("login", "prod", f"--password={SECRET}"),
    ("login", "prod", "--refresh_token", SECRET),
    ("login", "prod", f"--refresh_token={SECRET}"),
    ("login", "prod", f"--refreshtoken={SECRET}"),
    ("login", "prod", f"-p{SECRET}"),
    ("login", "prod", "-p", SECRET),
    ("login", "prod", "bob", SECRET),
    ("login", "prod", "-u", "bob", SECRET),
    ("token", "prod", SECRET),
    ("init", "prod", "--client-secret", SECRET),
    ("init", "prod", f"--password={SECRET}"),
    ("logout", "prod", "--refresh-token", SECRET),
    ("token", "prod", "--seconds", SECRET),
    ("profiles", SECRET),
    *(
        pytest.param(case)
        for case in (
            ("--refresh-token", SECRET, "login", "prod"),
            ("--password", SECRET, "login", "prod"),
            ("login", "prod", f"--help={SECRET}"),
            ("login", f"--={SECRET}", "prod"),
            ("init", "prod", f"--client={SECRET}"),
            ("init", "prod", "--client-auth", SECRET),
            ("status", "prod", f"--json={SECRET}"),
            ("completion", SECRET),
        )
    ),
]


@pytest.mark.parametrize("arguments", REFUSED, ids=lambda case: " ".join(case).replace(SECRET, "X"))
def test_a_secret_as_an_argument(
    user: User, server: AuthServer, arguments: tuple[str, ...]
) -> None:
    """Refused with 2 and two lines, which do not repeat it; nothing is sent or stored."""
    user.describe(server, **LOGIN)
    result = user.run(*arguments, typed=f"bob\n{PASSWORD}\n")
    result.cause_and_remedy()
    assert (result.status, result.out) == (2, "")
    assert "s3cr3t" not in result.err
    assert (server.counters, user.token_file.exists()) == (Counters(), False)


def test_why_a_secret_is_no_argument(user: User, server: AuthServer) -> None:
    """The message says that it was seen, and that the secret must be replaced."""
    user.describe(server, **LOGIN)
    cause, _ = user.run("login", "prod", "--refresh-token", SECRET).cause_and_remedy()
    assert "only '-' can be given, for standard input" in cause
    assert "if that was a real secret, replace it" in cause


# --- A client's secret ---------------------------------------------------------------------------


@pytest.fixture
def client(user: User, server: AuthServer, secret_service: SecretService) -> User:
    """A user whose OAuth 2.0 client has a secret in the keyring; none is there yet."""
    secret_service.unlock()
    user.describe(server, SECRET_IN_KEYRING, login='url = "/auth/token"\nsend = "oauth2"')
    return user


def test_a_clients_secret_is_asked_for_once(client: User, server: AuthServer) -> None:
    """Before name and password; it stays in the keyring, and there alone."""
    result = client.run("login", "prod", typed=f"s3cr3t :%\nbob\n{PASSWORD}\n")
    assert result == describe_login(client, "bob")
    sent = server.requests[-1].headers["Authorization"]
    assert sent == make_basic("tv", "s3cr3t%20%3A%25")  # RFC 6749 §2.3.1
    assert client.run("login", "prod", typed=f"eve\n{PASSWORD}\n") == describe_login(client, "eve")
    assert client.run("refresh", "prod").status == 0
    assert [each.headers["Authorization"] for each in server.requests] == [sent] * 3
    files = {each.name for each in client.home.iterdir()}
    files -= {"token.json.doctor.lock"}
    assert files == {"profiles.toml", "token.json", "token.json.lock"}
    assert not any("s3cr3t" in (client.home / name).read_text("utf-8") for name in files)


def test_another_client_secret(client: User, server: AuthServer) -> None:
    """--client-secret - replaces the one in the keyring."""
    assert client.run("login", "prod", typed=f"old\nbob\n{PASSWORD}\n").status == 0
    typed = f"new\nbob\n{PASSWORD}\n"
    assert client.run("login", "prod", "--client-secret", "-", typed=typed) == describe_login(
        client, "bob"
    )
    assert server.requests[-1].headers["Authorization"] == make_basic("tv", "new")
    flags = ("--client-secret", "-", "--refresh-token", "-")
    typed = f"newest\n{client.stored_token.refresh}\n"
    assert client.run("login", "prod", *flags, typed=typed) == describe_login(client, "bob")
    assert server.requests[-1].headers["Authorization"] == make_basic("tv", "newest")


def test_without_the_clients_secret(client: User, server: AuthServer) -> None:
    """A refresh without it: exit status 4 or 5, no request, and how to give it."""
    client.save_token(make_expired_token(server))
    result = client.run("token", "prod")
    cause, remedy = result.cause_and_remedy()
    assert result.status in (4, 5)
    assert server.counters == Counters()
    assert "client secret" in cause
    assert "requests-jwt login prod" in cause + remedy


@pytest.mark.parametrize("typed", ["a\tb", "ünïcode", " s3cr3t", "Bearer s3cr3t"])
def test_what_cannot_be_a_client_secret(client: User, server: AuthServer, typed: str) -> None:
    """Exit status 2: it is the client secret that is at fault, and it is not repeated."""
    result = client.run("login", "prod", typed=f"{typed}\nbob\n{PASSWORD}\n")
    cause, remedy = result.cause_and_remedy()
    assert (result.status, result.out, server.counters) == (2, "", Counters())
    assert cause.startswith("the client secret ")
    assert remedy.startswith("give the secret alone")
    assert "token" not in result.err
    assert typed.strip() not in result.err


def test_no_client_secret_is_typed(client: User, server: AuthServer) -> None:
    """Standard input is empty: exit status 2, nothing is kept, so that it is asked for again."""
    assert client.run("login", "prod", typed="").status == 2
    assert client.run("login", "prod", typed=f"s3cr3t\nbob\n{PASSWORD}\n") == describe_login(
        client, "bob"
    )
    assert server.counters.logins == 1


@pytest.mark.parametrize(
    "refresh",
    [OAUTH2_REFRESH, WITH_SECRET, JSON_REFRESH],
    ids=["public", "file", "json"],
)
def test_a_client_secret_that_the_profile_has_no_use_for(
    user: User, server: AuthServer, refresh: str
) -> None:
    """Refused; in no case is the secret taken for something else."""
    (user.home / "secret.txt").write_text("s3cr3t\n", encoding="utf-8")
    user.describe(server, refresh, **LOGIN)
    typed = f"topsecret\nbob\n{PASSWORD}\n"
    result = user.run("login", "prod", "--client-secret", "-", typed=typed)
    assert not any(b"topsecret" in each.body for each in server.requests)
    assert result.status == 2


def test_a_secret_file_that_is_not_there(user: User, server: AuthServer) -> None:
    """client_secret_file: exit status 5, which file, and what belongs there; no request."""
    user.describe(server, WITH_SECRET, login='url = "/auth/token"\nsend = "oauth2"')
    result = user.run("login", "prod", typed=f"bob\n{PASSWORD}\n")
    cause, remedy = result.cause_and_remedy()
    assert (result.status, server.counters) == (5, Counters())
    assert str(user.home / "secret.txt") in cause
    assert remedy == "put the secret there, and nothing else"


def test_a_wrong_client_secret_is_given_anew(
    user: User, server: AuthServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """GitHub's error is no outage; the advice works where the profile has no login of its own."""
    use_keyring(monkeypatch, DictKeyring())
    refused = Status(200, body=b'{"error": "incorrect_client_credentials"}')
    user.describe(server, f'{OAUTH2_REFRESH}\nclient_auth = "post"')
    given = str(server.login("bob").refresh)
    server.fail(refused)
    result = user.run("login", "prod", "--refresh-token", "-", typed=f"wrong\n{given}\n")
    cause, remedy = result.cause_and_remedy()
    assert result.status == 2
    assert cause.endswith("200 incorrect_client_credentials: the set-up is at fault")
    advice = "requests-jwt login prod --client-secret -"
    assert advice in remedy
    assert remedy.endswith("; then: requests-jwt token prod")
    result = user.run(*advice.split()[1:], typed="right\n")
    assert (result.status, result.err) == (0, "")
    assert result.out == "The secret of prod is kept in the keyring.\n"
    assert user.run("token", "prod").status == 0
    assert b"client_secret=right" in server.requests[-1].body


# --- The value of a header -----------------------------------------------------------------------


@pytest.fixture
def gateway(user: User, server: AuthServer, monkeypatch: pytest.MonkeyPatch) -> User:
    """A user of an API that wants a key in a header, which is to be in the keyring."""
    use_keyring(monkeypatch, DictKeyring())
    user.describe(server, **LOGIN, headers='apikey = { keyring = true }\nX-Mode = "test"')
    return user


def read_key(server: AuthServer) -> str | None:
    """Return the key of a request that the profile's adapter sends."""
    with requests.Session() as session:
        adapter = JWTRefreshAdapter.from_profile("prod")
        for prefix in adapter.prefixes():
            session.mount(prefix, adapter)
        assert session.get("/api/x").status_code == 200
    headers = server.requests[-1].headers
    assert headers["X-Mode"] == "test"
    return headers.get("apikey")


def test_the_value_of_a_header_is_asked_for_once(gateway: User, server: AuthServer) -> None:
    """Before name and password; it goes with each API request, and is in no file."""
    result = gateway.run("login", "prod", typed=f"s3cr3t key\nbob\n{PASSWORD}\n")
    assert result == describe_login(gateway, "bob")
    assert read_key(server) == "s3cr3t key"
    assert gateway.run("login", "prod", typed=f"eve\n{PASSWORD}\n").status == 0
    assert read_key(server) == "s3cr3t key"
    for each in gateway.home.iterdir():
        assert "s3cr3t" not in each.read_text(encoding="utf-8")


def test_another_value_of_a_header(gateway: User, server: AuthServer) -> None:
    """--secret names it; a name that the profile does not have is refused."""
    assert gateway.run("login", "prod", typed=f"old\nbob\n{PASSWORD}\n").status == 0
    flags = ("--secret", "headers.apikey")
    assert gateway.run("login", "prod", *flags, typed=f"new\nbob\n{PASSWORD}\n").status == 0
    assert read_key(server) == "new"
    result = gateway.run("login", "prod", "--secret", "s3cr3t", typed=f"x\nbob\n{PASSWORD}\n")
    _, remedy = result.cause_and_remedy()
    assert (result.status, remedy) == (2, "give one of these: headers.apikey")
    assert "s3cr3t" not in result.err


def test_a_header_without_its_value(gateway: User, server: AuthServer) -> None:
    """Nothing is sent without it, and how to give it is said."""
    gateway.save_token(with_expiry(server.login()))
    with pytest.raises(StoreError) as caught:
        read_key(server)
    assert "there is no headers.apikey for profile 'prod' in the keyring" in caught.value.cause
    assert "requests-jwt login prod" in caught.value.remedy
    assert server.requests == []


# --- Where a secret could show -------------------------------------------------------------------


def find_process_tree(pid: int) -> set[int]:
    """Return a process and all its descendants."""
    found = {pid}
    for each in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in each.read_text().split():
            found |= find_process_tree(int(child))
    return found


def read_what_ps_shows(pid: int) -> str:
    """Return the arguments and environments of a process and its children, as `ps` shows them."""
    places = [
        f"/proc/{each}/{name}" for each in find_process_tree(pid) for name in ("cmdline", "environ")
    ]
    return "\n".join(Path(place).read_bytes().decode(errors="replace") for place in places)


@needs_proc
def test_no_secret_is_to_be_seen(user: User, server: AuthServer) -> None:
    """A password typed in a terminal: no echo, and in no argument, environment or profile."""
    user.describe(server, **LOGIN)
    with (
        server.gate(on="login") as gate,
        Terminal(SCRIPT, "login", "prod") as terminal,
    ):
        terminal.answer("User name: ", "bob")
        terminal.answer("Password of bob: ", PASSWORD)
        gate.wait_for(1, WAIT)  # the password has been sent, the answer not
        seen = read_what_ps_shows(terminal.process.pid)
        assert "requests-jwt\0login\0prod\0" in seen
        assert not user.token_file.exists()
        gate.open()
        assert terminal.end() == 0
    assert "Logged in to prod as bob." in terminal.shown
    token = user.stored_token
    everything = seen + terminal.shown + user.file.read_text(encoding="utf-8")
    assert PASSWORD not in everything
    assert shows_no_part_of(token, CommandResult(0, everything, ""))
    assert find_body(server, "login")["password"] == PASSWORD
    files = {each.name for each in user.home.iterdir()}
    files -= {"token.json.doctor.lock"}
    assert files == {"profiles.toml", "token.json", "token.json.lock"}
    assert PASSWORD not in user.token_file.read_text(encoding="utf-8")


@needs_proc
def test_no_piped_token_is_to_be_seen(user: User, server: AuthServer) -> None:
    """Nor one that is piped in, while it is being exchanged."""
    user.describe(server)
    given = server.login()
    with server.gate(on="refresh") as gate:
        process = start("login", "prod", "--refresh-token", "-")
        assert process.stdin is not None
        process.stdin.write(f"{given.refresh}\n")
        process.stdin.flush()
        gate.wait_for(1, WAIT)
        seen = read_what_ps_shows(process.pid)
        assert "--refresh-token\0-\0" in seen
        gate.open()
        result = end(process)
    assert (result.status, result.err) == (0, "")
    for token in (given, user.stored_token):
        assert shows_no_part_of(token, result)
        assert shows_no_part_of(token, CommandResult(0, seen, ""))


def test_secrets_are_not_echoed(
    user: User, server: AuthServer, secret_service: SecretService
) -> None:
    """A client secret and a refresh token typed in a terminal: asked for, and not shown."""
    secret_service.unlock()
    user.describe(server, SECRET_IN_KEYRING)
    given = server.login("bob")
    with Terminal(SCRIPT, "login", "prod", "--refresh-token", "-") as terminal:
        terminal.answer("Client secret: ", "topsecret")
        terminal.answer("Refresh token: ", str(given.refresh))
        assert terminal.end() == 0
    assert "Logged in to prod as bob." in terminal.shown
    assert "topsecret" not in terminal.shown
    assert shows_no_part_of(given, CommandResult(0, terminal.shown, ""))


@pytest.mark.parametrize(
    ("question", "flags"), [("User name: ", ()), ("Password of bob: ", ("-u", "bob"))]
)
@pytest.mark.parametrize(
    ("key", "status", "shown"),
    [
        (b"\x03", 130, ""),
        (b"\x04", 2, "requests-jwt: an answer is needed, but the input has ended\r\n"),
        (b"\xfc\n", 2, "requests-jwt: the input is not UTF-8 text\r\n"),
    ],
    ids=["ctrl-c", "ctrl-d", "latin-1"],
)
def test_no_answer_at_a_question(
    user: User,
    server: AuthServer,
    question: str,
    flags: tuple[str, ...],
    key: bytes,
    status: int,
    shown: str,
) -> None:
    """130 or 2, no traceback, on a line of its own; nothing is sent, the token of before stays."""
    user.describe(server, **LOGIN)
    before = user.save_token(with_expiry(server.login("old")))
    with Terminal(SCRIPT, "login", "prod", *flags) as terminal:
        terminal.expect(question)
        terminal.press(key)
        assert terminal.end() == status
    _, _, then = terminal.shown.partition(question)
    line, end_of_line, shown_text = then.partition("\r\n")
    assert end_of_line
    assert "requests-jwt" not in line
    assert shown_text.lstrip("\r\n").startswith(shown)
    assert "Traceback" not in shown_text
    assert "in a terminal" not in shown_text  # which is where they are
    assert (user.stored_token, server.counters) == (before, Counters())


class InterruptedScreen(io.StringIO):
    """A terminal whose user presses Ctrl-C as soon as a question is there."""

    has_interrupted = False

    def isatty(self) -> bool:
        return True

    def flush(self) -> None:
        if not self.has_interrupted:
            self.has_interrupted = True
            raise KeyboardInterrupt


def test_ctrl_c_right_after_a_question(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is said next begins on a line of its own then, too."""
    screen = InterruptedScreen()
    monkeypatch.setattr(sys, "stdin", screen)
    monkeypatch.setattr(sys, "stderr", screen)
    with pytest.raises(KeyboardInterrupt):
        ask("User name: ")
    assert screen.getvalue() == "User name: \n"
