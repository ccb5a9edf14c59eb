"""login: what is piped in from other systems, with marks, line ends and encodings of their own."""

from __future__ import annotations

import codecs
import io
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from requests_jwt_refresh.cli.encoding import find_encoding
from tests.support.command_line import (
    SCRIPT,
    WAIT,
    CommandResult,
    User,
    find_body,
    needs_posix,
    user,
)
from tests.support.logins import LOGIN, PASSWORD, describe_login

if TYPE_CHECKING:
    from requests_jwt_refresh.testing import AuthServer

__all__ = ["user"]  # a fixture

pytestmark = needs_posix

MARKED = {
    "utf-8": codecs.BOM_UTF8,
    "utf-16-le": codecs.BOM_UTF16_LE,
    "utf-16-be": codecs.BOM_UTF16_BE,
    "utf-32-le": codecs.BOM_UTF32_LE,
    "utf-32-be": codecs.BOM_UTF32_BE,
}
ENCODINGS: list[Any] = [
    *(pytest.param(encoding, mark, id=f"{encoding} marked") for encoding, mark in MARKED.items()),
    *(pytest.param(encoding, b"", id=encoding) for encoding in ("utf-8", "utf-16-le", "utf-16-be")),
]
LINE_ENDS = pytest.mark.parametrize("end", ["", "\n", "\r\n"], ids=["none", "lf", "crlf"])


def pipe(content: bytes, *arguments: str) -> CommandResult:
    """Run a command as a program of its own, with these bytes on a pipe."""
    done = subprocess.run(
        [SCRIPT, *arguments], input=content, capture_output=True, timeout=WAIT, check=False
    )
    return CommandResult(done.returncode, done.stdout.decode(), done.stderr.decode())


def feed(user: User, content: bytes, *arguments: str) -> CommandResult:
    """Run a command in this process, with these bytes as its input."""
    return user.run(*arguments, typed=io.TextIOWrapper(io.BytesIO(content), "utf-8"))


@pytest.mark.parametrize(("encoding", "mark"), ENCODINGS)
@LINE_ENDS
def test_a_password_in_any_encoding(
    user: User, server: AuthServer, encoding: str, mark: bytes, end: str
) -> None:
    """The mark is no part of it, nor is the line's end."""
    user.describe(server, **LOGIN)
    content = mark + f"{PASSWORD}{end}".encode(encoding)
    assert feed(user, content, "login", "prod", "-u", "bob") == describe_login(user, "bob")
    assert find_body(server, "login")["password"] == PASSWORD


@pytest.mark.parametrize(("encoding", "mark"), ENCODINGS)
def test_several_lines_in_any_encoding(
    user: User, server: AuthServer, encoding: str, mark: bytes
) -> None:
    """Through a real pipe: the mark is before the first line, and all are read alike."""
    user.describe(server, **LOGIN)
    content = mark + f"bob\r\n{PASSWORD}\r\nanother line\r\n".encode(encoding)
    assert pipe(content, "login", "prod") == describe_login(user, "bob")
    assert find_body(server, "login") == {"username": "bob", "password": PASSWORD}


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_file_as_standard_input(user: User, server: AuthServer, encoding: str) -> None:
    """As with ``< password.txt``, which PowerShell's ``>`` has written."""
    user.describe(server, **LOGIN)
    file = user.home / "password.txt"
    file.write_text(f"{PASSWORD}\n", encoding=encoding)
    with file.open(encoding="utf-8") as stdin:
        result = user.run("login", "prod", "-u", "bob", typed=stdin)
    assert result == describe_login(user, "bob")
    assert find_body(server, "login")["password"] == PASSWORD


@pytest.mark.parametrize(("encoding", "mark"), ENCODINGS)
@LINE_ENDS
def test_a_refresh_token_in_any_encoding(
    user: User, server: AuthServer, encoding: str, mark: bytes, end: str
) -> None:
    """As a password is read."""
    user.describe(server)
    content = mark + f"{server.login('bob').refresh}{end}".encode(encoding)
    result = feed(user, content, "login", "prod", "--refresh-token", "-")
    assert result == describe_login(user, "bob")


@pytest.mark.parametrize(
    "content", [b"", codecs.BOM_UTF8, codecs.BOM_UTF16_LE, b"\n", b"\xef\xbb\xbf\r\n"], ids=repr
)
@pytest.mark.parametrize("options", [("-u", "bob"), ("--refresh-token", "-")], ids=str)
def test_an_input_with_nothing_in_it(
    user: User, server: AuthServer, content: bytes, options: tuple[str, ...]
) -> None:
    """A mark alone is nothing: exit status 2, and no request."""
    user.describe(server, **LOGIN)
    result = feed(user, content, "login", "prod", *options)
    assert result.cause_and_remedy()[0] == "an answer is needed, but the input has ended"
    assert (result.status, server.counters.requests) == (2, 0)


def test_a_text_that_is_cut_off(user: User, server: AuthServer) -> None:
    """Half a character is none: exit status 2, two lines, no request."""
    user.describe(server, **LOGIN)
    result = feed(user, codecs.BOM_UTF16_LE + b"p\0w", "login", "prod", "-u", "bob")
    assert result.cause_and_remedy()[0] == "the input is not UTF-8 text"
    assert (result.status, server.counters.requests) == (2, 0)


def test_an_input_that_stays_open(user: User, server: AuthServer) -> None:
    """Nothing is waited for but the lines that are needed."""
    user.describe(server, **LOGIN)
    process = subprocess.Popen(
        [SCRIPT, "login", "prod"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert process.stdin is not None
        process.stdin.write(f"bob\n{PASSWORD}\n".encode())
        process.stdin.flush()
        assert process.wait(WAIT) == 0
    finally:
        process.kill()
        process.communicate(timeout=WAIT)
    assert find_body(server, "login") == {"username": "bob", "password": PASSWORD}


@pytest.mark.parametrize("start", [b"", b"p", b"pw", b"\0", b"\0\0", b"\xff", b"\xfe", b"\xef\xbb"])
def test_bytes_that_show_nothing(start: bytes) -> None:
    """They are read as ever."""
    assert find_encoding(start) is None
