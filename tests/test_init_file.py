"""init: what it writes into a file that has more in it, and what it leaves alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from requests_jwt_refresh.profiles.load import Profiles
from tests.support.command_line import API, INIT, needs_posix, user

if TYPE_CHECKING:
    from tests.support.command_line import CommandResult, User

__all__ = ["user"]  # a fixture

pytestmark = needs_posix

MADE = {"base_url": API, "refresh": {"preset": "directus"}}
TABLE = f"""\
[prod]
base_url = "{API}"

[prod.refresh]
preset = "directus"
"""


def init(user: User, text: str, *flags: str, name: str = "prod") -> CommandResult:
    """Run init on a file with this text."""
    user.file.write_bytes(text.encode())
    return user.run("init", name, *INIT[2:], "--preset", "directus", *flags)


def replace_profile(user: User, text: str) -> str:
    """Return what a file with this text holds after --replace."""
    assert init(user, text, "--replace").status == 0
    return user.file.read_bytes().decode()


# --- a new profile -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "between"),
    [
        ("", ""),
        ("\n", ""),
        ("\ufeff", ""),
        ("[a]\nb = 1 # c", "\n\n"),
        ("[a]\nb = 1\n", "\n"),
        ("[a]\nb = 1\n \n", ""),
        ("\ufeff# mine\n[a]\nb='1'\n", "\n"),
        ("[a]\nb = [\n  1,\n]\n# end", "\n\n"),
        ('[a]\nb = """\n[prod]\n"""\n', "\n"),
    ],
)
def test_a_new_profile_goes_to_the_end(user: User, text: str, between: str) -> None:
    """What was there stays byte for byte, a byte order mark included; a blank line between."""
    assert init(user, text).status == 0
    assert user.file.read_bytes().decode() == f"{text}{between}{TABLE}"


def test_a_new_profile_has_the_line_ends_of_the_file(user: User) -> None:
    """A file from Windows stays one."""
    assert init(user, "\ufeff[a]\r\nb = 1\r\n").status == 0
    made = TABLE.replace("\n", "\r\n")
    assert user.file.read_bytes().decode() == f"\ufeff[a]\r\nb = 1\r\n\r\n{made}"


def test_a_name_with_a_dot_is_one_name(user: User) -> None:
    """It is no table within another."""
    assert init(user, "[a]\nb = 1\n", name="a.b").status == 0
    assert init(user, user.file.read_text("utf-8"), "--replace", name="a.b").status == 0
    assert Profiles.read().content == {"a": {"b": 1}, "a.b": MADE}


# --- --replace -----------------------------------------------------------------------------------

OTHER = "# the other one\n[other]   # old\nbase_url = 'https://o.example.com'\n\n# how\n[other.x]\n"


@pytest.mark.parametrize(
    ("text", "after"),
    [
        (f"[prod]\na = 1\n\n{OTHER}", f"{TABLE}\n{OTHER}"),
        (f"# top\n\n# mine\n[prod] # x\na = 1\n{OTHER}", f"# top\n\n# mine\n{TABLE}{OTHER}"),
        (f"{OTHER}\n[prod]\na = 1", f"{OTHER}\n{TABLE}"),
        (f"{OTHER}\n[prod]\na = 1\n# end", f"{OTHER}\n{TABLE}# end"),
        (
            f"[prod]\na = 1\n\n[prod.b]\nc = 1\n\n[[prod.d]]\n[[ 'prod' . d ]]\n\n{OTHER}",
            f"{TABLE}\n{OTHER}",
        ),
        (
            f"[prod]\na = 1\n# a's\n{OTHER}b = 1\n# b's\n[prod.b]\nc = 1\n# c's\n[z]\n",
            f"{TABLE}# a's\n{OTHER}b = 1\n# b's\n# c's\n[z]\n",
        ),
        (f"x = 1 # one\n[prod.b]\nc = 1\n{OTHER}", f"x = 1 # one\n{TABLE}{OTHER}"),
        (f"[prod]\na = [\n  [1], # [x]\n]\n{OTHER}", f"{TABLE}{OTHER}"),
        (f"[[prod]]\na = 1\n[[prod]]\na = 2\n{OTHER}", f"{TABLE}{OTHER}"),
        (
            f"[prod]\na = 1\n\n[prods]\nn = nan\ni = 1\n{OTHER}",
            f"{TABLE}\n[prods]\nn = nan\ni = 1\n{OTHER}",
        ),
        (TABLE, TABLE),
    ],
)
def test_replace_keeps_all_that_is_not_the_profile(user: User, text: str, after: str) -> None:
    """Comments and blank lines below its tables may belong to the next one, so they stay."""
    assert replace_profile(user, text) == after


def test_replace_keeps_the_mark_and_the_line_ends(user: User) -> None:
    """Of a file from Windows."""
    text = f"\ufeff[prod]\na = 1\n{OTHER}".replace("\n", "\r\n")
    assert replace_profile(user, text) == f"\ufeff{TABLE}{OTHER}".replace("\n", "\r\n")


@pytest.mark.parametrize(
    ("text", "others"),
    [
        (f'[prod]\na = """\n[x]\n"""\n{OTHER}', {}),
        (f'[prod]\na = 1\n{OTHER}[z]\nb = """\n[prod.x]\n"""\n', {"z": {"b": "[prod.x]\n"}}),
        ("[prod]\na = [\n['x'],\n['y']\n]\n" + OTHER, {}),
        (f'prod.a = 1\nz = 1 # z\nprod.b.c = "x"\n{OTHER}', {"z": 1}),
        (f"prod.a.b = 1\nz = 1 # z\n[prod.c]\nd = 1\n{OTHER}", {"z": 1}),
        (f"prod = {{a = 1}}\nz = 1 # z\n{OTHER}", {"z": 1}),
        (f'prod = "x"\nz = 1 # z\n{OTHER}', {"z": 1}),
    ],
    ids=["header in a string", "in another's", "in a list", "dotted", "mixed", "inline", "string"],
)
def test_replace_where_reading_lines_does_not_do(
    user: User, text: str, others: dict[str, Any]
) -> None:
    """Whatever way it is written in: the profile is the new one, and the others say the same."""
    after = replace_profile(user, text)
    other = {"base_url": "https://o.example.com", "x": {}}
    assert Profiles.read().content == {"prod": MADE, "other": other, **others}
    assert "# z" in after or "z = 1" not in text


@pytest.mark.parametrize("error", ["", "refused"])
def test_replace_never_writes_anything_else(
    user: User, monkeypatch: pytest.MonkeyPatch, error: str
) -> None:
    """Where the result would say something else, the file stays as it is, and it says so."""
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    def parse(_text: str) -> dict[str, Any]:
        if error:
            raise TOMLKitError(error)
        return {}

    monkeypatch.setattr(tomlkit, "parse", parse)
    text = f'[prod]\na = """\n[x]\n"""\n{OTHER}'
    result = init(user, text, "--replace")
    cause, remedy = result.cause_and_remedy()
    assert result.status == 2
    assert cause.endswith("cannot be replaced automatically, and nothing was changed")
    assert remedy == "edit it by hand, or remove it and try again"
    assert user.file.read_text("utf-8") == text


# --- what is there already -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ['prod = "x"\n', "[[prod]]\na = 1\n", "prod = []\n", "prod.a = 1\n"]
)
def test_whatever_is_there_is_not_overwritten(user: User, text: str) -> None:
    """Without --replace, even if it is no profile."""
    result = init(user, text)
    cause, remedy = result.cause_and_remedy()
    assert (result.status, user.file.read_text("utf-8")) == (2, text)
    assert "exists already" in cause
    assert "--replace" in remedy
