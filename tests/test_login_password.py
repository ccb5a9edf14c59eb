"""login by password: what is sent, what is kept, and what is said where it fails."""

from __future__ import annotations

import io
import stat
from typing import Any

import pytest

from requests_jwt_refresh.testing import HTML, AuthServer, Counters, JSONBody, Status
from requests_jwt_refresh.tokens import Token, with_expiry
from tests.support.command_line import (
    OAUTH2_REFRESH,
    WITH_SECRET,
    User,
    end,
    find_body,
    make_jwt,
    needs_posix,
    shorten_timeout,
    shows_no_part_of,
    start,
    strip_address,
    user,
)
from tests.support.logins import DEVICE, LOGIN, PASSWORD, describe_login, find_form, make_basic

__all__ = ["user"]  # fixtures

pytestmark = needs_posix


def test_password_as_json(user: User, server: AuthServer) -> None:
    """Two lines of standard input, one request, and the tokens are kept; nothing shows them."""
    user.describe(server, **LOGIN)
    result = user.run("login", "prod", typed=f"bob\n{PASSWORD}\n")
    assert result == describe_login(user, "bob")
    assert find_body(server, "login") == {"username": "bob", "password": PASSWORD}
    assert stat.S_IMODE(user.token_file.stat().st_mode) == 0o600
    assert shows_no_part_of(user.stored_token, result)
    assert server.counters == Counters(connections=1, requests=1, logins=1)
    assert user.run("token", "prod").out == f"{user.stored_token.access}\n"
    assert server.counters.requests == 1


def test_password_as_a_form(user: User, server: AuthServer) -> None:
    """send = "form": fields of the profile's own names, and its extra."""
    server.fail(JSONBody({"access_token": "a", "refresh_token": "r"}), on="login")
    fields = 'send = "form"\nusername_field = "user"\npassword_field = "pw"\nextra = {realm = "x"}'
    user.describe(server, login=f"{LOGIN['login']}\n{fields}")
    assert user.run("login", "prod", typed=f"bob\n{PASSWORD}\n").status == 0
    assert find_form(server) == {"user": "bob", "pw": PASSWORD, "realm": "x"}
    assert user.stored_token == Token("a", "r")


def test_password_as_basic(user: User, server: AuthServer) -> None:
    """send = "basic": in the Authorization header, as UTF-8 (RFC 7617 §2.1), and in no body."""
    user.describe(server, login=f'{LOGIN["login"]}\nsend = "basic"')
    assert user.run("login", "prod", typed=f"bob\n{PASSWORD}\n") == describe_login(user, "bob")
    (seen,) = server.requests
    assert (seen.headers["Authorization"], seen.body) == (make_basic("bob", PASSWORD), b"")


@pytest.mark.parametrize("secret", [False, True])
def test_password_grant(user: User, server: AuthServer, secret: bool) -> None:
    """send = "oauth2": RFC 6749 §4.3, with what says who the client is."""
    (user.home / "secret.txt").write_text("s3cr3t\n", encoding="utf-8")
    refresh = WITH_SECRET if secret else OAUTH2_REFRESH
    user.describe(server, refresh, login='url = "/auth/token"\nsend = "oauth2"')
    assert user.run("login", "prod", typed=f"bob\n{PASSWORD}\n") == describe_login(user, "bob")
    client = {} if secret else {"client_id": "tv"}
    form = {"grant_type": "password", "username": "bob", "password": PASSWORD}
    assert find_form(server) == form | client
    sent = server.requests[0].headers.get("Authorization")
    assert sent == (make_basic("tv", "s3cr3t") if secret else None)
    assert "s3cr3t" not in user.file.read_text(encoding="utf-8")


@pytest.mark.parametrize("flag", ["--username", "-u"])
def test_username_as_an_option(user: User, server: AuthServer, flag: str) -> None:
    """A user name is no secret; then standard input is the password alone."""
    user.describe(server, **LOGIN)
    result = user.run("login", "prod", flag, "bob", typed=PASSWORD)
    assert result == describe_login(user, "bob")
    assert find_body(server, "login")["password"] == PASSWORD


@pytest.mark.parametrize("line", [" a b ", "a\tb", "-", "a" * 5000])
@pytest.mark.parametrize("break_", ["", "\n", "\r\n", "\nanother line\n"])
def test_the_password_is_the_line(user: User, server: AuthServer, line: str, break_: str) -> None:
    """Its spaces belong to it, the line break does not, and nor does what follows."""
    user.describe(server, **LOGIN)
    assert user.run("login", "prod", "-u", "bob", typed=line + break_).status == 0
    assert find_body(server, "login")["password"] == line


@pytest.mark.parametrize("send", ["json", "basic", "oauth2"])
def test_a_wrong_password(user: User, server: AuthServer, send: str) -> None:
    """Exit status 3, the token of before is kept, and neither name nor password is repeated."""
    path = "token" if send == "oauth2" else "login"
    user.describe(server, OAUTH2_REFRESH, login=f'url = "/auth/{path}"\nsend = "{send}"')
    before = user.save_token(with_expiry(server.login("old")))
    result = user.run("login", "prod", typed="bob\nwrong\n")
    cause, _ = result.cause_and_remedy()
    assert (result.status, result.out, user.stored_token) == (3, "", before)
    assert cause.startswith("the login endpoint")
    assert "refused the user name or the password (4" in cause
    names = "; the request had the JSON fields 'username', 'password'"
    assert cause.endswith(names) == (send == "json")  # with "invalid_grant" it is not at fault
    assert "bob" not in result.err
    assert "wrong" not in result.err
    assert user.run("token", "prod").out == f"{before.access}\n"


def test_what_helps_against_a_wrong_password(user: User, server: AuthServer) -> None:
    """The remedy says something new."""
    user.describe(server, **LOGIN)
    _, remedy = user.run("login", "prod", typed="bob\nwrong\n").cause_and_remedy()
    assert remedy != "log in with: requests-jwt login prod"


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (HTML(), "the login endpoint answered 200, but its body is not JSON (text/html)"),
        (Status(500), "the login endpoint answered 500"),
        (Status(404), "the login endpoint answered 404"),
        (JSONBody({"token": PASSWORD}), "the login endpoint answered 200, but its JSON has no"),
        (JSONBody([PASSWORD]), "the login endpoint answered 200, but its JSON is a list"),
        (Status(307, headers={"Location": "/x"}), "the login endpoint redirects to /x (307)"),
        (Status(200), "the login endpoint answered 200, but its body is empty"),
        (None, "the login endpoint could not be reached"),
    ],
    ids=["html", "500", "404", "fields", "list", "redirect", "empty", "down"],
)
def test_no_answer_that_counts(user: User, server: AuthServer, fault: Any, expected: str) -> None:
    """The token of before is kept; nothing the server wrote is repeated.

    Exit status 4, but 2 for an answer that the profile does not expect: no cron job need try again.
    """
    user.describe(server, **LOGIN)
    before = user.save_token(with_expiry(server.login("old")))
    if fault is None:
        server.stop()
    else:
        server.fail(fault, on="login", times=None)
    result = user.run("login", "prod", typed=f"bob\n{PASSWORD}\n")
    cause, remedy = result.cause_and_remedy()
    is_set_up = expected.endswith(("404", "(307)", "its JSON has no", "its JSON is a list"))
    status = 2 if is_set_up else 4
    assert (result.status, result.out, user.stored_token) == (status, "", before)
    assert " at http://127.0.0.1:" in cause
    assert strip_address(cause).startswith(expected)
    assert "kept" not in remedy, "nothing was asked to give up the tokens of before"
    assert "url, send and access in [prod.login]" in remedy or fault != Status(404)
    assert PASSWORD not in result.err
    assert server.counters.logins == 0


@pytest.mark.parametrize("typed", ["", "bob", "bob\n", "bob\n\n"])
def test_an_input_that_ends_early(user: User, server: AuthServer, typed: str) -> None:
    """Standard input ends before the password: exit status 2, and no request."""
    user.describe(server, **LOGIN)
    result = user.run("login", "prod", typed=typed)
    cause, _ = result.cause_and_remedy()
    assert (result.status, cause) == (2, "an answer is needed, but the input has ended")
    assert server.counters == Counters()


def test_an_empty_user_name(user: User, server: AuthServer) -> None:
    """It is no answer either: exit status 2, and no request."""
    user.describe(server, **LOGIN)
    assert user.run("login", "prod", typed=f"\n{PASSWORD}\n").status == 2
    assert server.counters == Counters()


@pytest.mark.parametrize("send", ["json", "form", "basic"])
@pytest.mark.parametrize("errors", ["strict", "surrogateescape"])
def test_bytes_that_are_no_text(user: User, server: AuthServer, send: str, errors: str) -> None:
    """A password in another encoding than the locale's: two lines, no traceback, no request."""
    user.describe(server, login=f'{LOGIN["login"]}\nsend = "{send}"')
    typed = io.TextIOWrapper(io.BytesIO("hünter2\n".encode("latin-1")), "utf-8", errors=errors)
    result = user.run("login", "prod", "-u", "bob", typed=typed)
    assert result.cause_and_remedy()[0] == "the input is not UTF-8 text"
    assert (result.status, server.counters) == (2, Counters())


def test_no_way_to_log_in(user: User, server: AuthServer) -> None:
    """A profile that does not say how: exit status 2, and two ways out."""
    user.describe(server)
    result = user.run("login", "prod", typed=f"bob\n{PASSWORD}\n")
    cause, remedy = result.cause_and_remedy()
    assert (result.status, cause) == (2, "profile 'prod' does not say how to log in")
    assert "[prod.login]" in remedy
    assert "requests-jwt login prod --refresh-token -" in remedy
    user.describe(server, OAUTH2_REFRESH, **DEVICE)
    assert user.run("login", "prod", "-u", "bob", typed=PASSWORD).status == 2
    assert server.counters == Counters()


def test_a_login_cures_a_store_that_cannot_be_read(user: User, server: AuthServer) -> None:
    """ "Log in again" is what errors about such a file say; one that others can read is left."""
    user.describe(server, **LOGIN)
    for text in ("garbage", "{}"):
        user.token_file.write_text(text, encoding="utf-8")
        user.token_file.chmod(0o600)
        assert user.run("login", "prod", typed=f"bob\n{PASSWORD}\n") == describe_login(user, "bob")
        assert user.run("token", "prod").status == 0


def test_a_login_leaves_a_file_that_others_can_read(user: User, server: AuthServer) -> None:
    """Exit status 5 before the server is asked; what the remedy says helps."""
    user.describe(server, **LOGIN)
    user.token_file.touch(0o644)
    result = user.run("login", "prod", typed=f"bob\n{PASSWORD}\n")
    cause, remedy = result.cause_and_remedy()
    assert (result.status, server.counters) == (5, Counters())
    assert cause == f"others can read the file {user.token_file}, so it is not used"
    assert "if neither, delete it and log in again with: requests-jwt login prod" in remedy
    user.token_file.unlink()
    assert user.run("login", "prod", typed=f"bob\n{PASSWORD}\n") == describe_login(user, "bob")


def test_a_password_login_while_the_store_is_locked(user: User, server: AuthServer) -> None:
    """Exit status 5 before the server is asked for tokens that could not be kept."""
    user.describe(server, **LOGIN)
    shorten_timeout(user)
    with user.store.lock(5):
        result = user.run("login", "prod", typed=f"bob\n{PASSWORD}\n")
    _, remedy = result.cause_and_remedy()
    assert (result.status, result.out, server.counters) == (5, "", Counters())
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
    server.fail(JSONBody({"access_token": make_jwt(claims)}), on="login")
    result = user.run("login", "prod", typed=f"bob\n{PASSWORD}\n")
    who = f" as {name}" if name else ""
    assert result.out.splitlines()[0] == f"Logged in to prod{who}."


def test_a_name_that_stdout_has_no_signs_for(
    user: User, server: AuthServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is escaped: a login that has gone well does not end in a traceback."""
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    user.describe(server, **LOGIN)
    server.fail(JSONBody({"access_token": make_jwt({"sub": "Zoë→"})}), on="login")
    result = end(start("login", "prod", "-u", "bob"), typed="hunter2\n")
    assert (result.status, result.err) == (0, "")
    assert result.out.startswith("Logged in to prod as Zo\\xeb\\u2192.\n")


def test_a_name_cannot_steer_the_terminal(user: User, server: AuthServer) -> None:
    """Who is logged in is shown as printable text."""
    user.describe(server, **LOGIN)
    server.fail(JSONBody({"access_token": make_jwt({"name": "\x1b[2J\nroot" * 50})}), on="login")
    result = user.run("login", "prod", typed=f"bob\n{PASSWORD}\n")
    assert result.status == 0
    assert "\x1b" not in result.out
    assert len(result.out.splitlines()) == 2
