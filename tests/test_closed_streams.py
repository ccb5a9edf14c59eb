"""Streams that are closed or full, or cannot show what is said."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from requests_jwt_refresh.testing import Counters
from tests.support.command_line import (
    OAUTH2_REFRESH,
    SCRIPT,
    WAIT,
    CommandResult,
    User,
    end,
    make_expired_token,
    needs_posix,
    run_with_closed_stream,
    start,
    user,
)

if TYPE_CHECKING:
    from requests_jwt_refresh.testing import AuthServer

__all__ = ["user"]  # a fixture

pytestmark = needs_posix


def test_without_standard_input(user: User, server: AuthServer) -> None:
    """<&- is an input that has nothing: exit status 2, two lines."""
    user.describe(server, login='url = "/auth/login"')
    for command in (("login", "prod"), ("init", "new")):
        result = run_with_closed_stream("0", *command)
        result.cause_and_remedy()
        assert (result.status, result.out) == (2, "")
    assert server.counters == Counters()


def test_without_standard_error(user: User, server: AuthServer) -> None:
    """2>&-: no message can be seen, but what is done and the exit status are the same."""
    device = 'url = "/auth/device"\ntoken_url = "/auth/token"'
    server.device_lifetime = 0.01
    user.describe(server, OAUTH2_REFRESH, device=device)
    assert run_with_closed_stream("2", "login", "prod") == CommandResult(3, "", "")
    assert server.counters.requests == 2
    assert run_with_closed_stream("2", "status", "prod").status == 3
    assert run_with_closed_stream("2", "nonsense") == CommandResult(2, "", "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
@pytest.mark.usefixtures("user")
def test_errors_that_cannot_be_written() -> None:
    """Errors that cannot be written change no exit status."""
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" 2>/dev/full', "sh", SCRIPT, "status", "prod"],
        capture_output=True,
        timeout=WAIT,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, b"")


def test_a_token_that_goes_nowhere(user: User, server: AuthServer) -> None:
    """>&- is a fault where the output is all that is wanted: exit status 1, and no request."""
    user.describe(server)
    user.save_token(make_expired_token(server))
    result = run_with_closed_stream("1", "token", "prod")
    cause, _ = result.cause_and_remedy()
    assert (result.status, server.counters) == (1, Counters())
    assert cause.startswith("the output cannot be written")
    assert run_with_closed_stream("1", "refresh", "prod") == CommandResult(0, "", "")


def test_a_path_that_stdout_has_no_signs_for(
    user: User, server: AuthServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is escaped, and not the end of the program."""
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    user.describe(server, store='kind = "file"\npath = "Zoë.json"')
    result = end(start("status", "prod"))
    assert (result.status, "Zo\\xeb.json" in result.out) == (3, True)
    result.cause_and_remedy()
