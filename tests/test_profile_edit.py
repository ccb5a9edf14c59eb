"""Writing a profile into a file that has more in it: whatever else is there stays as it is."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest

from requests_jwt_refresh.errors import LockTimeout, ProfileError
from requests_jwt_refresh.profiles.edit import write_profile
from requests_jwt_refresh.profiles.load import Profiles
from requests_jwt_refresh.stores.locking import file_lock, user_lock_path
from tests.support.profiles import file, no_profiles_in_the_environment

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["file", "no_profiles_in_the_environment"]  # fixtures

CONTENT = {"base_url": "https://h", "refresh": {"preset": "directus"}}
TABLE = '[prod]\nbase_url = "https://h"\n\n[prod.refresh]\npreset = "directus"\n'
REST = "# about z\n[z] # here\nn = nan # not a number\n\n[[z.list]]\na.b = 1\n# the end"


def replace_prod(file: Path, text: str) -> str:
    """Return what becomes of a file with this text."""
    file.write_bytes(text.encode())
    write_profile(file, "prod", CONTENT, replace=True)
    assert Profiles.read(file).content["prod"] == CONTENT
    return file.read_bytes().decode()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(f"[prod]\na = 1\n{REST}", f"{TABLE}{REST}", id="table"),
        pytest.param(f"['prod'] # mine\na = 1\n{REST}", f"{TABLE}{REST}", id="quoted"),
        pytest.param(f"[prod.a]\nb = 1\n{REST}", f"{TABLE}{REST}", id="super-table"),
        pytest.param(f"[[prod]]\na = 1\n# a\n[[prod]]\n{REST}", f"{TABLE}# a\n{REST}", id="list"),
        pytest.param(f'[prod]\na = """\n[z]\n"""\n{REST}', f"{TABLE}{REST}", id="text"),
        pytest.param(f"[prod]\na = [\n  1, # one\n]\n{REST}", f"{TABLE}{REST}", id="array"),
        pytest.param(
            f"[prod]\na.b = 1\n# c\na.d = 2\n{REST}", f"{TABLE}{REST}", id="dotted-inside"
        ),
        pytest.param(
            f"[prod]\n[prod.a]\n# of a\n[y]\n[prod.b]\n# of b\n{REST}",
            f"{TABLE}# of a\n[y]\n# of b\n{REST}",
            id="in-pieces",
        ),
        pytest.param(
            f"# top\nprod.a = 1\n# of y\ny = 1 # y\nprod.b = 2\n{REST}",
            f"# top\n# of y\ny = 1 # y\n{REST}\n\n{TABLE}",
            id="dotted",
        ),
        pytest.param(
            f"# top\nprod = {{a = 1}} # mine\n# of y\ny = 1\n{REST}",
            f"# top\n# of y\ny = 1\n{REST}\n\n{TABLE}",
            id="inline",
        ),
        pytest.param(f"prod = 1\ny = 2\n{REST}", f"y = 2\n{REST}\n\n{TABLE}", id="value"),
    ],
)
@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["plain", "mark"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"], ids=["lf", "crlf"])
def test_all_else_stays_byte_for_byte(
    file: Path, before: str, after: str, mark: str, line_end: str
) -> None:
    """However the profile was written, with a byte order mark or not, in either line ends."""
    text = replace_prod(file, mark + before.replace("\n", line_end))
    assert text == mark + after.replace("\n", line_end)


def test_a_file_and_its_folder_are_made_for_the_owner_alone(tmp_path: Path) -> None:
    """0600 in 0700; a mode that the owner has given an existing file stays."""
    path = tmp_path / "new" / "p.toml"
    write_profile(path, "prod", CONTENT, replace=False)
    assert path.read_text("utf-8") == TABLE
    assert [stat.S_IMODE(each.stat().st_mode) for each in (path, path.parent)] == [0o600, 0o700]
    path.chmod(0o640)
    write_profile(path, "prod", CONTENT, replace=True)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert [each.name for each in path.parent.iterdir()] == ["p.toml"]


def test_a_profile_that_is_there_stays_unless_told_otherwise(file: Path) -> None:
    """The error says how."""
    file.write_text(TABLE)
    with pytest.raises(ProfileError) as caught:
        write_profile(file, "prod", {}, replace=False)
    assert caught.value.cause == f"{file}: profile 'prod' exists already"
    assert caught.value.remedy == "edit it there, or replace it with --replace"
    assert file.read_text("utf-8") == TABLE


def test_two_programs_never_write_at_once(file: Path) -> None:
    """The second one waits, for a bounded time, and then changes nothing."""
    with file_lock(user_lock_path("profiles", str(file)), 5), pytest.raises(LockTimeout):
        write_profile(file, "prod", CONTENT, replace=False, lock_timeout=0.01)
    assert not file.exists()


def test_a_file_that_cannot_be_written_is_named(file: Path) -> None:
    """With what the system says."""
    file.write_text("")
    with pytest.raises(ProfileError) as caught:
        write_profile(file / "below" / "p.toml", "prod", CONTENT, replace=False)
    assert caught.value.cause.startswith(f"{file}/below/p.toml cannot be written (")
    assert caught.value.remedy == "make it writable, or name another file in REQUESTS_JWT_PROFILES"
