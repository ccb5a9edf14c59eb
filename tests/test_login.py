"""login: by password, by refresh token, by device; and no secret where others can see it."""

from __future__ import annotations

import base64
import os
import re
import signal
import stat
from concurrent.futures import wait
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import pytest

from requests_jwt_refresh.errors import LockTimeout, StoreError
from requests_jwt_refresh.refresh import refresher
from requests_jwt_refresh.stores.file import FileStore
from requests_jwt_refresh.testing import (
    HTML,
    AuthServer,
    Counters,
    Drop,
    Hang,
    JSONBody,
    Redirect,
    Status,
)
from requests_jwt_refresh.tokens import Token, with_expiry
from tests.support.plain_requests import wait_for_faults
from tests.support.secret_service import running_secret_service, secret_service
from tests.test_commands import (
    JSON_REFRESH,
    OAUTH2_REFRESH,
    SCRIPT,
    WAIT,
    WITH_SECRET,
    Said,
    Terminal,
    User,
    body_of,
    end,
    expired,
    impatient,
    jwt,
    no_part_of,
    pytestmark,
    start,
    user,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.secret_service import SecretService

__all__ = ["pytestmark", "running_secret_service", "secret_service", "user"]  # fixtures, skips

LOGIN = {"login": 'url = "/auth/login"'}
DEVICE = {"device": 'url = "/auth/device"\ntoken_url = "/auth/token"'}
SECRET_IN_KEYRING = f'{OAUTH2_REFRESH}\nclient_auth = "basic"'
PASSWORD = "hunter2-Ünïcode"


def good(user: User, name: str = "alice") -> Said:
    """Return what a login says that has gone well."""
    kept = f"The token is kept in the file {user.token_file}.\n"
    return Said(0, f"Logged in to prod as {name}.\n{kept}", "")


def form_of(server: AuthServer, kind: str = "login") -> dict[str, str]:
    """Return the form of the last request of this kind."""
    seen = [each for each in server.requests if each.kind == kind][-1]
    fields = parse_qs(seen.body.decode(), strict_parsing=True)
    assert all(len(values) == 1 for values in fields.values())
    return {name: values[0] for name, values in fields.items()}


def basic(name: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{name}:{password}'.encode()).decode()}"


def is_token_path(path: str) -> bool:
    return path == "/auth/token"


# --- By password ---------------------------------------------------------------------------------


def test_password_as_json(user: User, server: AuthServer) -> None:
    """Two lines of standard input, one request, and the tokens are kept; nothing shows them."""
    user.describe(server, **LOGIN)
    said = user.run("login", "prod", typed=f"bob\n{PASSWORD}\n")
    assert said == good(user, "bob")
    assert body_of(server, "login") == {"username": "bob", "password": PASSWORD}
    assert stat.S_IMODE(user.token_file.stat().st_mode) == 0o600
    assert no_part_of(user.held, said)
    assert server.counters == Counters(connections=1, requests=1, logins=1)
    assert user.run("token", "prod").out == f"{user.held.access}\n"
    assert server.counters.requests == 1


def test_password_as_a_form(user: User, server: AuthServer) -> None:
    """send = "form": fields of the profile's own names, and its extra."""
    server.fail(JSONBody({"access_token": "a", "refresh_token": "r"}), on="login")
    fields = 'send = "form"\nusername_field = "user"\npassword_field = "pw"\nextra = {realm = "x"}'
    user.describe(server, login=f"{LOGIN['login']}\n{fields}")
    assert user.run("login", "prod", typed=f"bob\n{PASSWORD}\n").status == 0
    assert form_of(server) == {"user": "bob", "pw": PASSWORD, "realm": "x"}
    assert user.held == Token("a", "r")


def test_password_as_basic(user: User, server: AuthServer) -> None:
    """send = "basic": in the Authorization header, as UTF-8 (RFC 7617 §2.1), and in no body."""
    user.describe(server, login=f'{LOGIN["login"]}\nsend = "basic"')
    assert user.run("login", "prod", typed=f"bob\n{PASSWORD}\n") == good(user, "bob")
    (seen,) = server.requests
    assert (seen.headers["Authorization"], seen.body) == (basic("bob", PASSWORD), b"")


@pytest.mark.parametrize("secret", [False, True])
def test_password_grant(user: User, server: AuthServer, secret: bool) -> None:
    """send = "oauth2": RFC 6749 §4.3, with what says who the client is."""
    (user.home / "secret.txt").write_text("s3cr3t\n", encoding="utf-8")
    refresh = WITH_SECRET if secret else OAUTH2_REFRESH
    user.describe(server, refresh, login='url = "/auth/token"\nsend = "oauth2"')
    assert user.run("login", "prod", typed=f"bob\n{PASSWORD}\n") == good(user, "bob")
    client = {} if secret else {"client_id": "tv"}
    form = {"grant_type": "password", "username": "bob", "password": PASSWORD}
    assert form_of(server) == form | client
    sent = server.requests[0].headers.get("Authorization")
    assert sent == (basic("tv", "s3cr3t") if secret else None)
    assert "s3cr3t" not in user.file.read_text(encoding="utf-8")


@pytest.mark.parametrize("flag", ["--username", "-u"])
def test_username_as_an_option(user: User, server: AuthServer, flag: str) -> None:
    """A user name is no secret; then standard input is the password alone."""
    user.describe(server, **LOGIN)
    said = user.run("login", "prod", flag, "bob", typed=PASSWORD)
    assert said == good(user, "bob")
    assert body_of(server, "login")["password"] == PASSWORD


@pytest.mark.parametrize("line", [" a b ", "a\tb", "-", "a" * 5000])
@pytest.mark.parametrize("break_", ["", "\n", "\r\n", "\nanother line\n"])
def test_the_password_is_the_line(user: User, server: AuthServer, line: str, break_: str) -> None:
    """Its spaces belong to it, the line break does not, and nor does what follows."""
    user.describe(server, **LOGIN)
    assert user.run("login", "prod", "-u", "bob", typed=line + break_).status == 0
    assert body_of(server, "login")["password"] == line


@pytest.mark.parametrize("send", ["json", "basic", "oauth2"])
def test_a_wrong_password(user: User, server: AuthServer, send: str) -> None:
    """Exit status 3, the token of before is kept, and neither name nor password is repeated."""
    path = "token" if send == "oauth2" else "login"
    user.describe(server, OAUTH2_REFRESH, login=f'url = "/auth/{path}"\nsend = "{send}"')
    before = user.holds(with_expiry(server.login("old")))
    said = user.run("login", "prod", typed="bob\nwrong\n")
    cause, _ = said.cause_and_remedy()
    assert (said.status, said.out, user.held) == (3, "", before)
    assert cause.startswith("the server refused the user name or the password (4")
    assert "bob" not in said.err
    assert "wrong" not in said.err
    assert user.run("token", "prod").out == f"{before.access}\n"


def test_what_helps_against_a_wrong_password(user: User, server: AuthServer) -> None:
    """The remedy says something new."""
    user.describe(server, **LOGIN)
    _, remedy = user.run("login", "prod", typed="bob\nwrong\n").cause_and_remedy()
    assert remedy != "log in with: requests-jwt login prod"


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (HTML(), "the login endpoint answered 200, but its body is not JSON (text/html)"),
        (Status(500), "the login endpoint answered 500"),
        (Status(404), "the login endpoint answered 404: check its URL and options"),
        (JSONBody({"token": PASSWORD}), "the login endpoint answered 200, but its JSON has no"),
        (JSONBody([PASSWORD]), "the login endpoint answered 200, but its JSON is a list"),
        (Status(307, headers={"Location": "/x"}), "the login endpoint redirects to /x (307)"),
        (Status(200), "the login endpoint answered 200, but its body is empty"),
        (None, "the login endpoint at http://127.0.0.1:"),
    ],
    ids=["html", "500", "404", "fields", "list", "redirect", "empty", "down"],
)
def test_no_answer_that_counts(user: User, server: AuthServer, fault: Any, told: str) -> None:
    """Exit status 4, and the token of before is kept; nothing the server wrote is repeated."""
    user.describe(server, **LOGIN)
    before = user.holds(with_expiry(server.login("old")))
    if fault is None:
        server.stop()
    else:
        server.fail(fault, on="login", times=None)
    said = user.run("login", "prod", typed=f"bob\n{PASSWORD}\n")
    cause, remedy = said.cause_and_remedy()
    assert (said.status, said.out, user.held) == (4, "", before)
    assert cause.startswith(told)
    assert remedy
    assert PASSWORD not in said.err
    assert server.counters.logins == 0


@pytest.mark.parametrize("typed", ["", "bob", "bob\n", "bob\n\n"])
def test_nobody_types(user: User, server: AuthServer, typed: str) -> None:
    """Standard input ends before the password: exit status 2, and no request."""
    user.describe(server, **LOGIN)
    said = user.run("login", "prod", typed=typed)
    cause, _ = said.cause_and_remedy()
    assert (said.status, cause) == (2, "an answer is needed, and nobody gave one")
    assert server.counters == Counters()


def test_an_empty_user_name(user: User, server: AuthServer) -> None:
    """It is no answer either: exit status 2, and no request."""
    user.describe(server, **LOGIN)
    assert user.run("login", "prod", typed=f"\n{PASSWORD}\n").status == 2
    assert server.counters == Counters()


@pytest.mark.parametrize("send", ["json", "form", "basic"])
@pytest.mark.parametrize("errors", ["strict", "surrogateescape"])
def test_bytes_that_are_no_text(
    user: User, server: AuthServer, send: str, errors: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A password in another encoding than the locale's: two lines, no traceback, no request."""
    monkeypatch.setenv("PYTHONIOENCODING", f"utf-8:{errors}")  # as in one locale or another
    user.describe(server, login=f'{LOGIN["login"]}\nsend = "{send}"')
    typed = user.home / "password.txt"
    typed.write_bytes("hünter2\n".encode("latin-1"))
    with typed.open(encoding="latin-1") as file:
        said = end(start("login", "prod", "-u", "bob", stdin=file))
    said.cause_and_remedy()
    assert (said.status, server.counters) == (2, Counters())


def test_no_way_to_log_in(user: User, server: AuthServer) -> None:
    """A profile that does not say how: exit status 2, and two ways out."""
    user.describe(server)
    said = user.run("login", "prod", typed=f"bob\n{PASSWORD}\n")
    cause, remedy = said.cause_and_remedy()
    assert (said.status, cause) == (2, "profile 'prod' does not say how to log in")
    assert "[prod.login]" in remedy
    assert "requests-jwt login prod --refresh-token -" in remedy
    user.describe(server, OAUTH2_REFRESH, **DEVICE)
    assert user.run("login", "prod", "-u", "bob", typed=PASSWORD).status == 2
    assert server.counters == Counters()


def test_a_login_cures_a_store_that_cannot_be_read(user: User, server: AuthServer) -> None:
    """ "Log in again" is what errors about such a file say."""
    user.describe(server, **LOGIN)
    for text, mode in (("garbage", 0o600), ("{}", 0o644)):
        user.token_file.write_text(text, encoding="utf-8")
        user.token_file.chmod(mode)
        assert user.run("login", "prod", typed=f"bob\n{PASSWORD}\n") == good(user, "bob")
        assert user.run("token", "prod").status == 0


def test_a_password_login_while_the_store_is_locked(user: User, server: AuthServer) -> None:
    """Exit status 5 before the server is asked for tokens that nobody could keep."""
    user.describe(server, **LOGIN)
    impatient(user)
    with user.store.lock(5):
        said = user.run("login", "prod", typed=f"bob\n{PASSWORD}\n")
    _, remedy = said.cause_and_remedy()
    assert (said.status, said.out, server.counters) == (5, "", Counters())
    assert remedy.startswith("nothing was changed")


@pytest.mark.parametrize(
    ("claims", "name"),
    [
        ({"preferred_username": None, "sub": "alice"}, "alice"),
        ({"preferred_username": "", "username": " ", "sub": "alice"}, "alice"),
        ({"name": True, "email": ["a"], "sub": {"a": 1}, "user_id": 7}, "7"),
        ({"username": 0, "sub": "alice"}, "0"),
        ({"sub": None}, ""),
    ],
)
def test_who_is_logged_in(
    user: User, server: AuthServer, claims: dict[str, object], name: str
) -> None:
    """The first claim that is a name: a text that is not blank, or a number."""
    user.describe(server, **LOGIN)
    server.fail(JSONBody({"access_token": jwt(claims)}), on="login")
    said = user.run("login", "prod", typed=f"bob\n{PASSWORD}\n")
    who = f" as {name}" if name else ""
    assert said.out.splitlines()[0] == f"Logged in to prod{who}."


def test_a_name_that_stdout_has_no_signs_for(
    user: User, server: AuthServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is escaped: a login that has gone well does not end in a traceback."""
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    user.describe(server, **LOGIN)
    server.fail(JSONBody({"access_token": jwt({"sub": "Zoë→"})}), on="login")
    said = end(start("login", "prod", "-u", "bob"), typed="hunter2\n")
    assert (said.status, said.err) == (0, "")
    assert said.out.startswith("Logged in to prod as Zo\\xeb\\u2192.\n")


def test_a_name_cannot_steer_the_terminal(user: User, server: AuthServer) -> None:
    """Who is logged in is shown as printable text."""
    user.describe(server, **LOGIN)
    server.fail(JSONBody({"access_token": jwt({"name": "\x1b[2J\nroot" * 50})}), on="login")
    said = user.run("login", "prod", typed=f"bob\n{PASSWORD}\n")
    assert said.status == 0
    assert "\x1b" not in said.out
    assert len(said.out.splitlines()) == 2


# --- By refresh token ----------------------------------------------------------------------------


def test_by_refresh_token(user: User, server: AuthServer) -> None:
    """From standard input; exchanged at once, so that it is known to be good."""
    user.describe(server)
    given = str(server.login("bob").refresh)
    said = user.run("login", "prod", "--refresh-token", "-", typed=f"{given}\n")
    assert said == good(user, "bob")
    assert (user.held.refresh != given, user.held.access is not None) == (True, True)
    assert server.counters == Counters(connections=1, requests=1, refreshes=1, rotated=1)


def test_a_refused_refresh_token(user: User, server: AuthServer) -> None:
    """Exit status 3; the login of before is there again, and good."""
    user.describe(server)
    before = user.holds(with_expiry(server.login("old")))
    said = user.run("login", "prod", "--refresh-token", "-", typed="stolen-or-stale\n")
    cause, _ = said.cause_and_remedy()
    assert (said.status, said.out, user.held) == (3, "", before)
    assert user.held.received_at == before.received_at
    assert cause == "the server refused the refresh token (400)"
    assert "stolen" not in said.err
    assert user.run("refresh", "prod").status == 0


def test_a_first_refresh_token_that_is_refused(user: User, server: AuthServer) -> None:
    """Exit status 3, and nothing is kept."""
    user.describe(server)
    assert user.run("login", "prod", "--refresh-token", "-", typed="stale\n").status == 3
    assert not user.token_file.exists()


def test_a_refresh_token_that_cannot_be_tried(user: User, server: AuthServer) -> None:
    """The server is down: exit status 4; the token is stored, and good when it is up again."""
    user.describe(server)
    given = str(server.login("bob").refresh)
    server.stop()
    said = user.run("login", "prod", "--refresh-token", "-", typed=given)
    cause, remedy = said.cause_and_remedy()
    assert (said.status, said.out, user.held) == (4, "", Token(None, given))
    assert cause.startswith("the token is stored, but could not be tried: the refresh endpoint at ")
    assert "try again later" in remedy
    server.start()
    assert user.run("token", "prod").status == 0


def test_a_refresh_token_while_the_store_is_locked(user: User, server: AuthServer) -> None:
    """It is not sent, as what comes of it could not be kept: exit status 4, and good later on."""
    user.describe(server)
    given = str(server.login("bob").refresh)
    impatient(user)
    with user.store.lock(5):
        said = user.run("login", "prod", "--refresh-token", "-", typed=given)
    assert (said.status, said.out, server.counters) == (4, "", Counters())
    assert said.cause_and_remedy()[1] == "nothing was stored; try again later"
    user.describe(server)
    assert user.run("login", "prod", "--refresh-token", "-", typed=given) == good(user, "bob")


@pytest.mark.parametrize("kind", ["login", "refresh"])
def test_the_store_is_locked_from_before_the_server_is_asked(
    user: User, server: AuthServer, kind: Any
) -> None:
    """Nobody can come in between the server's answer and the save."""
    user.describe(server, **LOGIN)
    given = str(server.login("bob").refresh)
    flags = ("--refresh-token", "-") if kind == "refresh" else ("--username", "bob")
    with server.gate(on=kind) as gate:
        process = start("login", "prod", *flags)
        assert process.stdin is not None
        process.stdin.write(f"{given}\n")
        process.stdin.flush()
        gate.wait_for(1, WAIT)
        with pytest.raises(LockTimeout), user.store.lock(0):
            pass
        gate.open()
        assert end(process) == good(user, "bob")


ODD_ANSWERS = [Status(404), Status(422), Status(500), HTML(), Redirect("/x")]


@pytest.mark.parametrize("fault", ODD_ANSWERS, ids=repr)
def test_an_odd_answer_to_a_refresh_token(
    user: User, server: AuthServer, fault: Status | HTML | Redirect
) -> None:
    """It is kept where there is none, and never takes the place of another one."""
    user.describe(server)
    server.fail(fault, times=None)
    said = user.run("login", "prod", "--refresh-token", "-", typed="given")
    assert (said.status, user.held) == (4, Token(None, "given"))
    assert "the token is stored, but could not be tried" in said.cause_and_remedy()[0]
    before = user.holds(with_expiry(server.login("bob")))
    said = user.run("login", "prod", "--refresh-token", "-", typed="mistyped")
    assert (said.status, user.held) == (4, before)
    assert said.cause_and_remedy()[1].startswith("nothing was stored: there is a token of before")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_before_a_refresh_token_has_been_tried(
    user: User, server: AuthServer, number: signal.Signals
) -> None:
    """Who breaks off finds the token of before, whatever the server does."""
    user.describe(server)
    user.file.write_text(
        user.file.read_text().replace("refresh_timeout = 10", "refresh_timeout = 2")
    )
    before = user.holds(with_expiry(server.login("bob")))
    server.fail(Hang())
    process = start("login", "prod", "--refresh-token", "-")
    assert process.stdin is not None
    process.stdin.write("mistyped\n")
    process.stdin.flush()
    wait_for_faults(server)
    process.send_signal(number)
    end(process)
    assert user.held == before


def test_an_exchange_that_takes_longer_than_the_adapter_waits(
    user: User, server: AuthServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command waits for it all the same, and says what has become of it."""
    user.describe(server)
    given = str(server.login("bob").refresh)
    with server.gate(on="refresh") as gate:

        def lose_patience(futures: Any, _timeout: float) -> Any:
            gate.wait_for(1, WAIT)
            landed = wait(futures, 0)
            gate.open()
            return landed

        monkeypatch.setattr(refresher, "wait", lose_patience)
        said = user.run("login", "prod", "--refresh-token", "-", typed=given)
    assert (said.status, said.err, server.counters.rotated) == (0, "", 1)
    assert user.held.access is not None


def test_ctrl_c_while_a_refresh_token_is_exchanged(user: User, server: AuthServer) -> None:
    """It has been rotated by then, so what came of it is kept."""
    user.describe(server)
    given = str(server.login("bob").refresh)
    with server.gate(on="refresh") as gate:
        process = start("login", "prod", "--refresh-token", "-")
        assert process.stdin is not None
        process.stdin.write(f"{given}\n")
        process.stdin.flush()
        gate.wait_for(1, WAIT)
        process.send_signal(signal.SIGINT)
        gate.open()
        said = end(process)
    assert said.status in (0, 130)  # 0 if it was the faster one, or SIGINT is ignored here
    assert (said.err, user.held.access is not None) == ("", True)
    assert user.run("refresh", "prod").status == 0


def save_on_a_full_disk(_store: FileStore, token: Token) -> None:
    if token.access != "requests-jwt-login":
        raise StoreError("the disk is full. Nothing was changed; make room")


def test_a_token_of_no_rotation_that_cannot_be_saved(
    user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same refresh token serves again, so nobody is told to find another."""
    with AuthServer(rotate=False) as server:
        user.describe(server)
        given = str(server.login("bob").refresh)
        monkeypatch.setattr(FileStore, "save", save_on_a_full_disk)
        said = user.run("login", "prod", "--refresh-token", "-", typed=given)
    assert said.status == 5
    assert said.cause_and_remedy() == ("the disk is full", "nothing was changed; make room")


def test_a_new_token_that_cannot_be_saved(
    user: User, server: AuthServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk has become full just now: exit status 5, and nobody hears that nothing changed."""
    user.describe(server)
    given = str(server.login("bob").refresh)

    monkeypatch.setattr(FileStore, "save", save_on_a_full_disk)
    said = user.run("login", "prod", "--refresh-token", "-", typed=given)
    cause, remedy = said.cause_and_remedy()
    assert (said.status, said.out, server.counters.rotated) == (5, "", 1)
    assert cause.endswith("gave another, which could not be saved: the disk is full")
    assert "another refresh token" in remedy
    assert "othing was changed" not in said.err


@pytest.mark.parametrize("typed", ["", "\n"])
def test_no_refresh_token(user: User, server: AuthServer, typed: str) -> None:
    """Standard input is empty: exit status 2, and the login of before stays."""
    user.describe(server)
    before = user.holds(with_expiry(server.login("old")))
    said = user.run("login", "prod", "--refresh-token", "-", typed=typed)
    said.cause_and_remedy()
    assert (said.status, user.held, server.counters) == (2, before, Counters())


@pytest.mark.parametrize("typed", ["two words\tand a tab", "Bearer x", " mine ", "ünïcode"])
def test_what_cannot_be_a_refresh_token(user: User, server: AuthServer, typed: str) -> None:
    """It is not sent, not stored and not repeated; the login of before stays."""
    user.describe(server)
    before = user.holds(with_expiry(server.login("old")))
    said = user.run("login", "prod", "--refresh-token", "-", typed=f"{typed}\n")
    cause, _ = said.cause_and_remedy()
    assert said.status in (1, 2)
    assert (said.out, user.held, server.counters) == ("", before, Counters())
    assert cause.startswith("the refresh token ")
    assert typed.strip() not in said.err


def test_what_helps_against_what_cannot_be_a_refresh_token(user: User, server: AuthServer) -> None:
    """The remedy is to type something else."""
    user.describe(server)
    said = user.run("login", "prod", "--refresh-token", "-", typed="a\tb\n")
    assert said.status == 2
    assert "doctor" not in said.err


def test_the_store_is_full_of_something_else(user: User, server: AuthServer) -> None:
    """The login of before cannot be read, so it could not be put back: exit status 5."""
    user.describe(server)
    user.token_file.write_text("garbage", encoding="utf-8")
    user.token_file.chmod(0o600)
    given = str(server.login().refresh)
    said = user.run("login", "prod", "--refresh-token", "-", typed=given)
    said.cause_and_remedy()
    assert (said.status, server.counters) == (5, Counters())


# --- Secrets as arguments ------------------------------------------------------------------------

SECRET = "eyJhbGciOi-s3cr3t"
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
    said = user.run(*arguments, typed=f"bob\n{PASSWORD}\n")
    said.cause_and_remedy()
    assert (said.status, said.out) == (2, "")
    assert "s3cr3t" not in said.err
    assert (server.counters, user.token_file.exists()) == (Counters(), False)


def test_why_a_secret_is_no_argument(user: User, server: AuthServer) -> None:
    """Whoever has done it learns that it was seen, and that the secret must be replaced."""
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
    said = client.run("login", "prod", typed=f"s3cr3t :%\nbob\n{PASSWORD}\n")
    assert said == good(client, "bob")
    sent = server.requests[-1].headers["Authorization"]
    assert sent == basic("tv", "s3cr3t+%3A%25")  # RFC 6749 §2.3.1
    assert client.run("login", "prod", typed=f"eve\n{PASSWORD}\n") == good(client, "eve")
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
    assert client.run("login", "prod", "--client-secret", "-", typed=typed) == good(client, "bob")
    assert server.requests[-1].headers["Authorization"] == basic("tv", "new")
    flags = ("--client-secret", "-", "--refresh-token", "-")
    typed = f"newest\n{client.held.refresh}\n"
    assert client.run("login", "prod", *flags, typed=typed) == good(client, "bob")
    assert server.requests[-1].headers["Authorization"] == basic("tv", "newest")


def test_without_the_clients_secret(client: User, server: AuthServer) -> None:
    """A refresh without it: exit status 4 or 5, no request, and how to give it."""
    client.holds(expired(server))
    said = client.run("token", "prod")
    cause, remedy = said.cause_and_remedy()
    assert said.status in (4, 5)
    assert server.counters == Counters()
    assert "client secret" in cause
    assert "requests-jwt login prod" in cause + remedy


@pytest.mark.parametrize("typed", ["a\tb", "ünïcode", " s3cr3t", "Bearer s3cr3t"])
def test_what_cannot_be_a_client_secret(client: User, server: AuthServer, typed: str) -> None:
    """Exit status 2: it is the client secret that is at fault, and it is not repeated."""
    said = client.run("login", "prod", typed=f"{typed}\nbob\n{PASSWORD}\n")
    cause, remedy = said.cause_and_remedy()
    assert (said.status, said.out, server.counters) == (2, "", Counters())
    assert cause.startswith("the client secret ")
    assert remedy.startswith("put the secret there alone")
    assert "token" not in said.err
    assert typed.strip() not in said.err


def test_no_client_secret_is_typed(client: User, server: AuthServer) -> None:
    """Standard input is empty: exit status 2, nothing is kept, so that it is asked for again."""
    assert client.run("login", "prod", typed="").status == 2
    assert client.run("login", "prod", typed=f"s3cr3t\nbob\n{PASSWORD}\n") == good(client, "bob")
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
    said = user.run("login", "prod", "--client-secret", "-", typed=typed)
    assert not any(b"topsecret" in each.body for each in server.requests)
    assert said.status == 2


def test_a_secret_file_that_is_not_there(user: User, server: AuthServer) -> None:
    """client_secret_file: exit status 5, which file, and what belongs there; no request."""
    user.describe(server, WITH_SECRET, login='url = "/auth/token"\nsend = "oauth2"')
    said = user.run("login", "prod", typed=f"bob\n{PASSWORD}\n")
    cause, remedy = said.cause_and_remedy()
    assert (said.status, server.counters) == (5, Counters())
    assert str(user.home / "secret.txt") in cause
    assert remedy == "put the secret there, alone"


# --- By device -----------------------------------------------------------------------------------

CODE = re.compile(r"type the code ([A-Z]{4}-[A-Z]{4})")


@dataclass
class Patience:
    """A clock for both sides that only sleeping moves, and what is done while somebody sleeps."""

    now: float = 1e6
    sleeps: list[float] = field(default_factory=list)
    steps: list[Callable[[], object]] = field(default_factory=list)

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.sleeps.append(seconds)
        assert len(self.sleeps) < 1000, "it never ends"
        if self.steps:
            self.steps.pop(0)()


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> Patience:
    patience = Patience()
    clock = SimpleNamespace(monotonic=patience.monotonic, sleep=patience.sleep)
    monkeypatch.setattr("requests_jwt_refresh.grants.sign_in.time", clock)
    monkeypatch.setattr("requests_jwt_refresh.clock.monotonic", patience.monotonic)  # AuthServer's
    return patience


@pytest.fixture
def person(user: User, server: AuthServer, capsys: pytest.CaptureFixture[str]) -> Person:
    """The person with the browser, for a profile that logs in by device."""
    user.describe(server, OAUTH2_REFRESH, **DEVICE)
    return Person(server, capsys)


class Person:
    """Reads the code from stderr and decides."""

    def __init__(self, server: AuthServer, capsys: pytest.CaptureFixture[str]) -> None:
        self._server, self._capsys = server, capsys
        self.told = ""

    def read(self) -> str:
        out, err = self._capsys.readouterr()
        assert out == "", "stdout is for what comes of it"
        self.told += err
        found = CODE.search(self.told)
        assert found is not None
        return found[1]

    def approve(self) -> None:
        self._server.approve(self.read(), "bob")

    def deny(self) -> None:
        self._server.deny(self.read())


def nothing() -> None:
    """Let a poll come too early."""


def test_by_device(user: User, server: AuthServer, patience: Patience, person: Person) -> None:
    """URL and code on stderr, polls at the interval, tokens once somebody has agreed."""
    patience.steps = [nothing, nothing, person.approve]
    assert user.run("login", "prod") == good(user, "bob")
    assert patience.sleeps == [5, 5, 5]
    code = person.read()
    assert person.told == (
        f"To log in, open\n\n    {server.url}/public/device\n\nand type the code {code}\n"
        f"(or open {server.url}/public/device?user_code={code})\n"
        "Waiting for up to 10 min; Ctrl-C gives up.\n"
    )
    form = form_of(server)
    assert form.pop("device_code") not in person.told
    assert form == {
        "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
        "client_id": "tv",
    }
    assert (server.counters.requests, server.counters.logins) == (4, 1)
    assert user.run("refresh", "prod").status == 0


def test_what_a_device_asks_for(user: User, server: AuthServer, patience: Patience) -> None:
    """RFC 8628 §3.1: the client's id and the scope; a client with a secret proves who it is."""
    (user.home / "secret.txt").write_text("s3cr3t\n", encoding="utf-8")
    user.describe(server, WITH_SECRET, device=f'{DEVICE["device"]}\nscope = "a b"')
    server.device_lifetime = 1
    assert user.run("login", "prod").status == 3
    assert patience.sleeps == [1]
    assert form_of(server, "device") == {"client_id": "tv", "scope": "a b"}
    assert server.requests[0].headers["Authorization"] == basic("tv", "s3cr3t")


def test_a_device_and_a_store_that_cannot_be_written(
    user: User, server: AuthServer, patience: Patience, person: Person
) -> None:
    """Exit status 5 before anybody is sent to a browser."""
    (user.home / "token.json.doctor").mkdir()
    said = user.run("login", "prod")
    said.cause_and_remedy()
    assert (said.status, said.out, server.counters, patience.sleeps) == (5, "", Counters(), [])
    assert person.told == ""


def test_a_device_waits_without_the_lock(
    user: User, server: AuthServer, patience: Patience, person: Person
) -> None:
    """A person may take an hour, and other programs have to refresh meanwhile."""

    def refresh() -> None:
        with user.store.lock(0):
            pass

    patience.steps = [refresh, person.approve]
    assert user.run("login", "prod") == good(user, "bob")
    assert server.counters.logins == 1


def test_a_device_that_is_turned_away(
    user: User, server: AuthServer, patience: Patience, person: Person
) -> None:
    """Exit status 3 at once, and the token of before is kept."""
    before = user.holds(with_expiry(server.login("old")))
    patience.steps = [nothing, person.deny]
    said = user.run("login", "prod")
    assert said.cause_and_remedy()[0] == "the request was refused in the browser"
    assert (said.status, said.out, user.held, patience.sleeps) == (3, "", before, [5, 5])


@pytest.mark.parametrize("says", ["nothing", "expired_token"])
def test_a_device_code_that_has_expired(
    user: User, server: AuthServer, patience: Patience, person: Person, says: str
) -> None:
    """By our clock or the server's word: exit status 3, and nobody is asked for ever."""
    server.device_lifetime = 12
    patience.steps = [person.read]
    if says == "expired_token":
        fault = JSONBody({"error": "expired_token"}, status=400)
        server.fail(fault, on=is_token_path)
    said = user.run("login", "prod")
    cause, _ = said.cause_and_remedy()
    assert (said.status, cause) == (3, "the code has expired: nobody has agreed in time")
    assert patience.sleeps == ([5, 5, 2] if says == "nothing" else [5])


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (Status(500), "the token endpoint answered 500"),
        (Status(408), "the token endpoint answered 408"),
        (Drop(), "the token endpoint at http://127.0.0.1:"),
    ],
    ids=["500", "408", "drop"],
)
def test_a_server_that_is_down_until_the_code_expires(
    user: User, server: AuthServer, patience: Patience, person: Person, fault: Any, told: str
) -> None:
    """Exit status 4, and why: whether somebody has agreed is not known."""
    server.device_lifetime = 7
    patience.steps = [person.read]
    server.fail(JSONBody({"error": "authorization_pending"}, status=400), on=is_token_path)
    server.fail(fault, on=is_token_path, times=None)
    said = user.run("login", "prod")
    cause, remedy = said.cause_and_remedy()
    assert (said.status, patience.sleeps) == (4, [5, 2])
    assert cause.startswith(f"the code has expired, and nobody could be asked: {told}")
    assert "try again later" in remedy


@pytest.mark.parametrize("says", ["authorization_pending", "slow_down", "expired_token"])
def test_a_server_that_has_been_down(
    user: User, server: AuthServer, patience: Patience, person: Person, says: str
) -> None:
    """It is what it says at last that counts: exit status 3."""
    server.device_lifetime = 7
    patience.steps = [person.read]
    server.fail(Status(500), on=is_token_path)
    server.fail(JSONBody({"error": says}, status=400), on=is_token_path)
    said = user.run("login", "prod")
    cause, _ = said.cause_and_remedy()
    assert (said.status, cause) == (3, "the code has expired: nobody has agreed in time")


def test_slow_down(user: User, server: AuthServer, patience: Patience, person: Person) -> None:
    """RFC 8628 §3.5: five seconds more from then on, each time that it is said."""
    patience.steps = [nothing, nothing, nothing, nothing, person.approve]
    for _ in range(2):
        server.fail(JSONBody({"error": "slow_down"}, status=400), on=is_token_path)
    assert user.run("login", "prod") == good(user, "bob")
    assert patience.sleeps == [5, 10, 15, 15, 15]


def test_a_real_slow_down(user: User, server: AuthServer, patience: Patience) -> None:
    """A server that really counts the interval never has to say it twice."""
    user.describe(server, OAUTH2_REFRESH, **DEVICE)
    server.device_lifetime = 60
    hurry = JSONBody(
        {"device_code": "x", "user_code": "y", "verification_uri": "http://127.0.0.1/"}
    )
    server.fail(hurry, on="device")  # no interval: five seconds (§3.2)
    said = user.run("login", "prod")
    assert (said.status, patience.sleeps) == (4, [5])
    assert "invalid_grant" in said.err


def test_a_server_in_trouble_while_somebody_agrees(
    user: User, server: AuthServer, patience: Patience, person: Person
) -> None:
    """Pending, then 500, 503 and no answer at all, then a yes: it is waited for."""
    server.fail(JSONBody({"error": "authorization_pending"}, status=400), on=is_token_path)
    server.fail(Status(500), on=is_token_path)
    server.fail(Status(503), on=is_token_path, times=4)  # the first one and three retries
    server.fail(Drop(), on=is_token_path, times=4)
    patience.steps = [nothing, nothing, nothing, nothing, person.approve]
    assert user.run("login", "prod") == good(user, "bob")
    assert patience.sleeps == [5, 5, 5, 5, 10]  # an exponential backoff for no answer (§3.5)


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (Status(404), "the device authorization endpoint answered 404: check its URL, client_id"),
        (Status(500), "the device authorization endpoint answered 500"),
        (Status(408), "the device authorization endpoint answered 408"),
        (
            Status(307, headers={"Location": "/x"}),
            "the device authorization endpoint redirects to /x (307)",
        ),
        (HTML(), "the device authorization endpoint answered 200, but without all of "),
        (JSONBody({"error": SECRET}, status=400), "the device authorization endpoint answered 400"),
        (
            JSONBody({"device_code": "d", "user_code": "u", "verification_uri": "javascript:1"}),
            "the device authorization endpoint named no page to go to: ",
        ),
        (None, "the device authorization endpoint at http://127.0.0.1:"),
    ],
    ids=["404", "500", "408", "redirect", "html", "error", "page", "down"],
)
def test_a_device_endpoint_that_gives_no_code(
    user: User, server: AuthServer, fault: Any, told: str
) -> None:
    """Exit status 4, and what it answered."""
    user.describe(server, OAUTH2_REFRESH, **DEVICE)
    if fault is None:
        server.stop()
    else:
        server.fail(fault, on="device")
    said = user.run("login", "prod")
    cause, _ = said.cause_and_remedy()
    assert (said.status, said.out) == (4, "")
    assert cause.startswith(told)
    assert "s3cr3t" not in said.err


def test_what_helps_where_a_device_endpoint_is_down(user: User, server: AuthServer) -> None:
    """To wait; there is nothing in the profile to check."""
    user.describe(server, OAUTH2_REFRESH, **DEVICE)
    server.fail(Status(500), on="device")
    said = user.run("login", "prod")
    assert "try again later" in said.cause_and_remedy()[1]
    assert "check" not in said.err


@pytest.mark.parametrize(
    "complete",
    ["", "/device?code=y", "javascript:1", "https://me:x@h/", f"https://h/{'y' * 200}", 7, None],
    ids=["empty", "relative", "script", "user", "long", "number", "null"],
)
def test_a_complete_url_that_cannot_be_shown(
    user: User, server: AuthServer, patience: Patience, complete: object
) -> None:
    """It is optional (RFC 8628 §3.2), so it is left out, and never cut."""
    user.describe(server, OAUTH2_REFRESH, **DEVICE)
    codes = {"device_code": "d", "user_code": "y", "verification_uri": "https://h/"}
    content = {**codes, "verification_uri_complete": complete, "expires_in": 1}
    server.fail(JSONBody(content), on="device")
    said = user.run("login", "prod")
    assert (said.status, patience.sleeps) == (3, [1])
    assert "    https://h/\n" in said.err
    assert "(or open " not in said.err


def test_a_hostile_code(user: User, server: AuthServer, patience: Patience) -> None:
    """What is shown of the server's answer cannot steer the terminal."""
    user.describe(server, OAUTH2_REFRESH, **DEVICE)
    content = {
        "device_code": "d",
        "user_code": "A\x1b[2J\n\u202eB",
        "verification_uri": "https://h/\x1b[31m",
        "verification_uri_complete": "https://h/\x1b[31m\nrm",
        "expires_in": 1,
    }
    server.fail(JSONBody(content), on="device")
    said = user.run("login", "prod")
    assert (said.status, patience.sleeps) == (3, [1])
    assert all(line.isprintable() for line in said.err.split("\n"))
    assert "and type the code A[2JB\n" in said.err


def test_by_device_in_a_process_of_its_own(user: User, server: AuthServer) -> None:
    """The code is on stderr, unbuffered, while the program waits; approved, it goes on."""
    server.device_interval = 0.05
    user.describe(server, OAUTH2_REFRESH, **DEVICE)
    process = start("login", "prod")
    assert process.stderr is not None
    try:
        lines = iter(process.stderr.readline, "")
        found = next(found for line in lines if (found := CODE.search(line)))
        server.approve(found[1], "bob")
        said = end(process)
    finally:
        process.kill()
    assert (said.status, said.out) == good(user, "bob")[:2]


# --- Where a secret could show -------------------------------------------------------------------


def family(pid: int) -> set[int]:
    """Return a process and all its descendants."""
    found = {pid}
    for each in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in each.read_text().split():
            found |= family(int(child))
    return found


def what_others_see(pid: int) -> str:
    """Return the arguments and environments of a process and its children, as `ps` shows them."""
    places = [f"/proc/{each}/{name}" for each in family(pid) for name in ("cmdline", "environ")]
    return "\n".join(Path(place).read_bytes().decode(errors="replace") for place in places)


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="looks into /proc")  # noqa: PTH112
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
        seen = what_others_see(terminal.process.pid)
        assert "requests-jwt\0login\0prod\0" in seen
        assert not user.token_file.exists()
        gate.open()
        assert terminal.end() == 0
    assert "Logged in to prod as bob." in terminal.shown
    token = user.held
    everything = seen + terminal.shown + user.file.read_text(encoding="utf-8")
    assert PASSWORD not in everything
    assert no_part_of(token, Said(0, everything, ""))
    assert body_of(server, "login")["password"] == PASSWORD
    files = {each.name for each in user.home.iterdir()}
    files -= {"token.json.doctor.lock"}
    assert files == {"profiles.toml", "token.json", "token.json.lock"}
    assert PASSWORD not in user.token_file.read_text(encoding="utf-8")


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="looks into /proc")  # noqa: PTH112
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
        seen = what_others_see(process.pid)
        assert "--refresh-token\0-\0" in seen
        gate.open()
        said = end(process)
    assert (said.status, said.err) == (0, "")
    for token in (given, user.held):
        assert no_part_of(token, said)
        assert no_part_of(token, Said(0, seen, ""))


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
    assert no_part_of(given, Said(0, terminal.shown, ""))


@pytest.mark.parametrize(
    ("question", "flags"), [("User name: ", ()), ("Password of bob: ", ("-u", "bob"))]
)
@pytest.mark.parametrize(
    ("key", "status", "shown"),
    [
        (b"\x03", 130, ""),
        (b"\x04", 2, "requests-jwt: an answer is needed, and nobody gave one\r\n"),
        (b"\xfc\n", 2, "requests-jwt: what came in is not UTF-8 text\r\n"),
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
    before = user.holds(with_expiry(server.login("old")))
    with Terminal(SCRIPT, "login", "prod", *flags) as terminal:
        terminal.expect(question)
        terminal.press(key)
        assert terminal.end() == status
    _, _, then = terminal.shown.partition(question)
    line, end_of_line, told = then.partition("\r\n")
    assert end_of_line
    assert "requests-jwt" not in line
    assert told.lstrip("\r\n").startswith(shown)
    assert "Traceback" not in told
    assert "in a terminal" not in told  # which is where they are
    assert (user.held, server.counters) == (before, Counters())
