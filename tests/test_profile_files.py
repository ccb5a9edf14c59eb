"""Where the profiles are, and what is said of a file that cannot be read."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from requests_jwt_refresh.adapter import JWTRefreshAdapter
from requests_jwt_refresh.errors import ProfileError
from requests_jwt_refresh.profiles.load import Profiles, default_path, is_set_up
from tests.support.profiles import (
    GOOD,
    JSON,
    PROD,
    SECRET,
    STORE,
    catch_fault,
    file,
    no_profiles_in_the_environment,
    profile,
)

if TYPE_CHECKING:
    from pathlib import Path


__all__ = ["file", "no_profiles_in_the_environment"]  # fixtures


# --- where the profiles are ----------------------------------------------------------------------


def write_prod(file: Path, host: str) -> Path:
    """Write a profile `prod` whose base URL tells which file it is from."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f'[prod]\nbase_url = "https://{host}"\n{JSON}')
    return file


def host_of_prod(path: Path | str | None = None) -> str:
    return JWTRefreshAdapter.from_profile("prod", path).base_url.removeprefix("https://")[:-1]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere, not XDG says where")
def test_the_file_is_in_the_users_own_folder_of_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unless something says otherwise."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    path = tmp_path / "config" / "requests-jwt-refresh" / "profiles.toml"
    assert default_path() == path
    with pytest.raises(ProfileError) as caught:
        Profiles.read()
    assert str(caught.value).startswith(f"{path}: there is no such file.")
    write_prod(path, "own")
    assert host_of_prod() == "own"


def test_what_is_nearest_to_the_call_says_where_the_profiles_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The argument, then the text in the environment, then the path in it, then the user's own."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    write_prod(tmp_path / "requests-jwt-refresh" / "profiles.toml", "own")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    write_prod(tmp_path / "variable.toml", "variable")
    monkeypatch.setenv("REQUESTS_JWT_PROFILES", "~/variable.toml")
    assert default_path() == tmp_path / "variable.toml"
    assert host_of_prod() == "variable"
    text = write_prod(tmp_path / "text.toml", "text").read_text()
    monkeypatch.setenv("REQUESTS_JWT_PROFILES_TOML", text)
    assert host_of_prod() == "text"
    argument = write_prod(tmp_path / "argument.toml", "argument")
    assert host_of_prod(argument) == host_of_prod("~/argument.toml") == "argument"
    monkeypatch.setenv("REQUESTS_JWT_PROFILES_TOML", "")
    assert host_of_prod() == "variable", "an empty variable is none"


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere, not XDG says where")
def test_profiles_are_set_up_by_a_variable_or_by_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A variable counts even if there is no such file: it was meant to be there."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert is_set_up() is False
    for name in ("REQUESTS_JWT_PROFILES", "REQUESTS_JWT_PROFILES_TOML"):
        with monkeypatch.context() as context:
            context.setenv(name, "")
            assert is_set_up() is False
            context.setenv(name, "/no/such/file")
            assert is_set_up() is True
    write_prod(tmp_path / "requests-jwt-refresh" / "profiles.toml", "own")
    assert is_set_up() is True


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere, not XDG says where")
def test_an_empty_path_in_the_environment_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would be the current folder."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("REQUESTS_JWT_PROFILES", "")
    write_prod(tmp_path / "requests-jwt-refresh" / "profiles.toml", "own")
    assert host_of_prod() == "own"


def test_faults_of_profiles_in_a_variable_name_the_variable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """There is no file to look into."""
    for text, expected in (
        (f"{PROD}{JSON}colour = 1", "profile 'prod': refresh.colour is not known"),
        (GOOD, "there is no profile 'prod'"),
        ("[prod", "it is not valid TOML: "),
        (f"a = {'[' * 20000}", "it is not valid TOML: it is nested too deeply"),
    ):
        monkeypatch.setenv("REQUESTS_JWT_PROFILES_TOML", text)
        with pytest.raises(ProfileError) as caught:
            Profiles.read().profile("prod")
        assert str(caught.value).startswith(f"REQUESTS_JWT_PROFILES_TOML: {expected}")


def test_a_key_outside_of_any_profile_spoils_none(file: Path) -> None:
    """It is told only to who takes it for one."""
    assert profile(file, f"stray = 1\n{PROD}{JSON}").name == "prod"


def test_a_file_that_cannot_be_read_is_named(file: Path, tmp_path: Path) -> None:
    """With what to do about it, if there is none."""
    with pytest.raises(ProfileError) as caught:
        Profiles.read(file)
    assert str(caught.value) == (
        f"{file}: there is no such file. Make a first profile with: requests-jwt init NAME"
    )
    with pytest.raises(ProfileError) as caught:
        Profiles.read(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path}: it cannot be read: ")
    file.write_bytes(PROD.encode("utf-16"))
    with pytest.raises(ProfileError) as caught:
        Profiles.read(file)
    assert (
        str(caught.value) == f"{file}: it is not UTF-8 text, as TOML must be. Convert it to UTF-8"
    )
    assert caught.value.__context__ is None, "it holds the text"


@pytest.mark.skipif(sys.platform == "win32", reason="no folder in use can be deleted")
def test_a_relative_path_in_a_folder_that_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A ProfileError like any other, for the profiles' own path and for those in a profile."""
    folder = tmp_path / "gone"
    folder.mkdir()
    monkeypatch.chdir(folder)
    folder.rmdir()
    text = f'{STORE}kind = "file"\npath = "t"\n'
    for variable, value in (("REQUESTS_JWT_PROFILES", "p"), ("REQUESTS_JWT_PROFILES_TOML", text)):
        monkeypatch.setenv(variable, value)
        with pytest.raises(ProfileError, match=r"was deleted\. Go to a folder that exists"):
            Profiles.read().profile("prod")


def test_a_file_that_is_no_toml_is_named(file: Path) -> None:
    """With the line, as for the text in a variable."""
    file.write_text(f'[prod]\nbase_url = "https://h"\npassword = {SECRET}\n')
    result = str(catch_fault(file).value)
    assert result.startswith(f"{file}: it is not valid TOML: ")
    assert "line 3" in result
    assert SECRET not in result
