"""profiles: what it lists; and what every command says of a profile that cannot be used."""

from __future__ import annotations

import json

import pytest

from tests.support.command_line import API, OTHER_API, TWO, CommandResult, User, needs_posix, user

__all__ = ["user"]  # a fixture

pytestmark = needs_posix

FAULTY = f'{TWO}\n[bad]\nbase_url = "https://c.example.com"\n'


def test_profiles(user: User) -> None:
    """Name, API and store, a line each, in the file's order; the file itself below."""
    user.file.write_text(TWO, encoding="utf-8")
    result = user.run("profiles")
    assert (result.status, result.err) == (0, "")
    assert result.out.splitlines() == [
        f"good         {API}/  (file /tmp/t.json)",
        f"longer-name  {OTHER_API}/  (keyring, entry '{OTHER_API} (longer-name)')",
        f"in {user.file}",
    ]


def test_profiles_for_programs(user: User) -> None:
    """--names, --path and --json say one thing each."""
    user.file.write_text(TWO, encoding="utf-8")
    assert user.run("profiles", "--names") == CommandResult(0, "good\nlonger-name\n", "")
    assert user.run("profiles", "--path") == CommandResult(0, f"{user.file}\n", "")
    result = user.run("profiles", "--json")
    assert (result.status, result.err) == (0, "")
    shown = json.loads(result.out)
    assert shown["file"] == str(user.file)
    assert shown["profiles"][0] == {
        "name": "good",
        "base_url": f"{API}/",
        "store": "file /tmp/t.json",
        "fault": None,
    }
    assert len(shown["profiles"]) == 2


def test_a_faulty_one_among_profiles(user: User) -> None:
    """It is listed as such, the others all the same; the status is 2 and stderr says why."""
    user.file.write_text(FAULTY, encoding="utf-8")
    result = user.run("profiles")
    cause, remedy = result.cause_and_remedy()
    assert result.status == 2
    assert "bad          faulty, see below\n" in result.out
    assert f"good         {API}/" in result.out
    assert cause.startswith(f"{user.file}: profile 'bad': refresh is missing")
    assert remedy == "add it; an API without a refresh needs [login]"
    result = user.run("profiles", "--json")
    result.cause_and_remedy()
    faults = [each["fault"] for each in json.loads(result.out)["profiles"]]
    assert (result.status, faults) == (2, [None, None, cause])
    assert user.run("profiles", "--names") == CommandResult(0, "good\nlonger-name\nbad\n", "")


def test_a_file_without_profiles(user: User) -> None:
    """Nothing to list is no fault."""
    user.file.write_text("# later\n", encoding="utf-8")
    assert user.run("profiles") == CommandResult(0, f"No profiles in {user.file}\n", "")
    assert user.run("profiles", "--names") == CommandResult(0, "", "")
    assert json.loads(user.run("profiles", "--json").out)["profiles"] == []


def test_no_file_of_profiles(user: User) -> None:
    """Exit status 2, and how to make a first one; --path says where it would be."""
    for flags in ((), ("--names",), ("--json",)):
        result = user.run("profiles", *flags)
        assert (result.status, result.out) == (2, "")
        assert result.cause_and_remedy() == (
            f"{user.file}: there is no such file",
            "make a first profile with: requests-jwt init NAME",
        )
    assert user.run("profiles", "--path") == CommandResult(0, f"{user.file}\n", "")


def test_names_with_control_characters(user: User) -> None:
    """What stands in the file cannot steer the terminal, nor look like two names."""
    user.file.write_text('["a\\u001b[31m"]\nx = 1\n["b\\nc"]\nx = 1\n', encoding="utf-8")
    for flags in ((), ("--names",), ("--json",)):
        result = user.run("profiles", *flags)
        assert "\x1b" not in result.out + result.err
        assert "c" not in result.out.splitlines()


# --- a profile that cannot be used ---------------------------------------------------------------

COMMANDS: list[tuple[str, ...]] = [
    ("status",),
    ("status", "--json"),
    ("token",),
    ("refresh",),
    ("logout",),
    ("logout", "--local"),
    ("login",),
    ("login", "--username", "alice"),
    ("login", "--refresh-token", "-"),
]
FILES = {
    "unknown": (TWO, "there is no profile 'prod'"),
    "none yet": ("", "there is no profile 'prod'"),
    "no TOML": ("[prod\n", "it is not valid TOML"),
    "no text": ("[prod]\n# \udcff", "it is not UTF-8 text"),
    "no refresh": (f'[prod]\nbase_url = "{API}"\n', "refresh is missing"),
    "a secret": (f'[prod]\nbase_url = "{API}"\npassword = "hunter2"\n', "looks like a secret"),
    "no table": ("prod = 1\n", "is outside of any profile"),
    "no file": (None, "there is no such file"),
}


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize(("text", "problem"), FILES.values(), ids=FILES)
def test_a_profile_that_cannot_be_used(
    user: User, command: tuple[str, ...], text: str | None, problem: str
) -> None:
    """Exit status 2; stderr has the file and what is wrong in one line, what helps in the other."""
    if text is not None:
        user.file.write_bytes(text.encode(errors="surrogateescape"))
    name, *flags = command
    result = user.run(name, "prod", *flags, typed="hunter2\nhunter2\n")
    cause, remedy = result.cause_and_remedy()
    assert (result.status, result.out) == (2, "")
    assert cause.startswith(f"{user.file}: ")
    assert problem in cause
    assert remedy
    assert "hunter2" not in result.err


def test_a_folder_with_a_full_stop(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths are shown whole."""
    folder = user.home / "Dr. No"
    folder.mkdir()
    monkeypatch.setenv("REQUESTS_JWT_PROFILES", str(folder / "p.toml"))
    cause, _ = user.run("status", "prod").cause_and_remedy()
    assert cause == f"{folder / 'p.toml'}: there is no such file"


def test_a_faulty_profile_in_a_variable(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable is named, and no file."""
    monkeypatch.setenv("REQUESTS_JWT_PROFILES_TOML", "[prod]\n")
    cause, remedy = user.run("profiles").cause_and_remedy()
    assert cause.startswith("REQUESTS_JWT_PROFILES_TOML: profile 'prod': base_url is missing")
    assert remedy == "add it"
