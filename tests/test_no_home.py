"""No home folder: HOME unset, empty or odd, and a user that the system does not know."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

from requests_jwt_refresh.errors import ProfileError
from requests_jwt_refresh.profiles.home import NoHome, expand_user, find_folder
from requests_jwt_refresh.profiles.load import Profiles, is_set_up
from tests.support.command_line import API, INIT, CommandResult, User, needs_posix, user
from tests.support.home import set_home

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["user"]  # a fixture

pytestmark = needs_posix

UNKNOWN = ", and the system knows no home of this user"
HOMES = {
    "unset": (None, f"HOME is not set{UNKNOWN}"),
    "empty": ("", f"HOME is empty{UNKNOWN}"),
    "a sign": ("~", f"HOME is not an absolute path{UNKNOWN}"),
    "relative": ("home", f"HOME is not an absolute path{UNKNOWN}"),
}
COMMANDS = (
    (*INIT, "--preset", "simplejwt"),
    ("init", "prod"),
    ("profiles",),
    ("profiles", "--names"),
    ("profiles", "--path"),
    ("login", "prod"),
    ("status", "prod"),
    ("status",),
    ("token", "prod"),
    ("refresh", "prod"),
    ("logout", "prod"),
)


@pytest.fixture(params=list(HOMES.values()), ids=list(HOMES))
def problem(
    user: User, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[str]:
    """A user without a home, who works in an empty folder; how that is said."""
    home, problem = request.param
    folder = user.home / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for name in ("REQUESTS_JWT_PROFILES", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    if home is not None:
        monkeypatch.setenv("HOME", home)
    set_home(monkeypatch, None)
    yield problem
    assert list(folder.iterdir()) == [], "something was written where nobody looks for it"


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_without_a_home_a_command_says_so(
    user: User, problem: str, arguments: tuple[str, ...]
) -> None:
    """Exit status 2, cause and remedy, and no folder called "~"."""
    result = user.run(*arguments)
    cause, remedy = result.cause_and_remedy()
    assert (result.status, result.out) == (2, "")
    assert cause == f"there is no folder for the profiles: {problem}"
    assert remedy.endswith("or name a file in REQUESTS_JWT_PROFILES")


def test_doctor_finds_that_there_is_no_home(user: User, problem: str) -> None:
    """It is the fault that doctor is asked for."""
    result = user.run("doctor", "prod")
    assert (result.status, result.err) == (1, "")
    assert problem in result.out


def test_the_remedy_for_no_home_works(
    user: User, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a file in the variable all is well, the token's file at a whole path included."""
    assert problem
    monkeypatch.setenv("REQUESTS_JWT_PROFILES", str(user.file))
    flags = ("--preset", "simplejwt", "--store", "file", "--path", str(user.token_file))
    assert user.run(*INIT, *flags).status == 0
    result = user.run("status", "prod")
    assert (result.status, result.cause_and_remedy()[0]) == (
        3,
        "profile 'prod' is not logged in",
    )


@pytest.mark.parametrize("path", ["~/t.json", "~"])
def test_a_store_below_a_home_that_is_none(
    user: User, problem: str, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """The profile is at fault, by the name of its key."""
    store = f'store = {{kind = "file", path = "{path}"}}'
    refresh = 'refresh = {preset = "simplejwt"}'
    user.file.write_text(f'[prod]\nbase_url = "{API}"\n{refresh}\n{store}\n', encoding="utf-8")
    monkeypatch.setenv("REQUESTS_JWT_PROFILES", str(user.file))
    result = user.run("status", "prod")
    cause, remedy = result.cause_and_remedy()
    assert result.status == 2
    assert cause.endswith(f"store.path {path!r} names a home folder, but {problem}")
    assert remedy == "name another path"


def test_a_profiles_file_below_a_home_that_is_none(
    user: User, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The variable's own ``~`` is not taken literally either."""
    monkeypatch.setenv("REQUESTS_JWT_PROFILES", "~/p.toml")
    result: CommandResult = user.run(*INIT, "--preset", "simplejwt")
    cause, remedy = result.cause_and_remedy()
    assert (result.status, cause) == (2, f"~/p.toml: {problem}")
    assert remedy.startswith("give the whole path")


def test_without_a_home_nothing_is_set_up(problem: str) -> None:
    """Plugins ask that on every start, and must not fail."""
    assert problem
    assert not is_set_up()


def test_profiles_without_a_home_raise_a_profile_error(problem: str) -> None:
    """The library's own error, in Python as well."""
    with pytest.raises(ProfileError, match=problem):
        Profiles.read()


# --- homes that are some -------------------------------------------------------------------------


def test_a_user_without_a_name_may_have_a_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in most containers: HOME alone is enough."""
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setenv("HOME", "/app")
    set_home(monkeypatch, None)
    assert expand_user("~/t") == Path("/app/t")
    assert Path("/app") in find_folder("config").parents
    assert expand_user("t") == Path("t")


@pytest.mark.parametrize("home", [None, "", "~", "home"])
@pytest.mark.parametrize("chosen", [None, "", "conf", "~/.config"])
def test_the_system_may_know_a_home(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, home: str | None, chosen: str | None
) -> None:
    """Without a HOME that can be used, as under cron or systemd; XDG's as XDG says."""
    for name, value in (("HOME", home), ("XDG_CONFIG_HOME", chosen), ("XDG_STATE_HOME", chosen)):
        monkeypatch.delenv(name, raising=False)
        if value is not None:
            monkeypatch.setenv(name, value)
    set_home(monkeypatch, tmp_path)
    assert expand_user("~/t") == tmp_path / "t"
    kinds: tuple[Literal["config", "state"], ...] = ("config", "state")
    for kind in kinds:
        assert tmp_path in find_folder(kind).parents


def test_a_folder_of_its_own_needs_no_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """XDG_CONFIG_HOME says where."""
    monkeypatch.setenv("HOME", "")
    monkeypatch.setenv("XDG_CONFIG_HOME", "/etc/xdg")
    set_home(monkeypatch, None)
    assert find_folder("config") == Path("/etc/xdg/requests-jwt-refresh")


def test_a_user_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """``~user`` is not taken literally."""
    monkeypatch.setenv("HOME", "/app")
    with pytest.raises(NoHome, match="there is no user 'nobody-at-all'"):
        expand_user("~nobody-at-all/t")


# --- homes that cannot be used -------------------------------------------------------------------


@pytest.mark.skipif(os.path.isdir("/proc/1") is False, reason="needs /proc")  # noqa: PTH112
@pytest.mark.parametrize("home", ["/proc/none", "/dev/null"])
def test_a_home_that_cannot_be_made(user: User, monkeypatch: pytest.MonkeyPatch, home: str) -> None:
    """Exit status 2, the path, and what to do; for root as well."""
    for name in ("REQUESTS_JWT_PROFILES", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", home)
    for arguments in ((*INIT, "--preset", "simplejwt"), ("profiles",), ("status",)):
        result = user.run(*arguments)
        cause, remedy = result.cause_and_remedy()
        assert (result.status, result.out) == (2, "")
        assert cause.startswith(home)
        assert "requests-jwt init" in remedy or "REQUESTS_JWT_PROFILES" in remedy
