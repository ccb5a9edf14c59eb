"""How an error becomes two lines and an exit status, and how times and texts are shown."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from requests_jwt_refresh import JSONEndpoint, errors, json_field
from requests_jwt_refresh.cli.console import (
    Exit,
    complain,
    format_duration,
    format_expiry,
    hanging_indent,
    report,
    sanitize,
)
from tests.support.endpoints import make_response

if TYPE_CHECKING:
    from tests.support.clock import Clock

FOLDERS = [
    "/home/My. Documents, old",
    "C:\\Users\\A. B\\x",
    "/srv/Dr. No/a. The Great: one, two",
    "/x. Use it, y. If so. It is: z. Log, in. `a. Is it. Nothing: at all",
    "/home/Name. Put, it. Make one. Install, it",
]

# --- errors --------------------------------------------------------------------------------------


def lines_on_stderr(capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    """Return the two lines of a complaint."""
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("requests-jwt: ")
    assert second.startswith("requests-jwt: ")
    return first.removeprefix("requests-jwt: "), second.removeprefix("requests-jwt: ")


@pytest.mark.parametrize("folder", FOLDERS)
def test_cause_and_remedy_are_shown_as_they_are(
    capsys: pytest.CaptureFixture[str], folder: str
) -> None:
    """Whatever a path looks like: nothing is parsed, nothing is cut."""
    cause, remedy = f"{folder}/p.toml: it cannot be read", f"`chmod 600 {folder}`, then try again"
    report(errors.ProfileError(cause, remedy), "prod")
    assert lines_on_stderr(capsys) == (cause, remedy)


@pytest.mark.parametrize("remedy", ["make a first profile", "D-Bus is needed", "KWallet, or `x`"])
def test_no_letter_of_a_remedy_changes(capsys: pytest.CaptureFixture[str], remedy: str) -> None:
    """It may be a name, or something to type."""
    report(errors.ProfileError("cause", remedy), "prod")
    assert lines_on_stderr(capsys) == ("cause", remedy)


@pytest.mark.parametrize(
    ("error", "status", "remedy"),
    [
        (errors.ProfileError, 2, "list all profiles with: requests-jwt profiles; or edit that"),
        (errors.InvalidToken, 2, "give the token alone"),
        (errors.RefreshRejected, 3, "log in, or try again, with: requests-jwt login prod"),
        (errors.RefreshUnavailable, 4, "the tokens are kept; try again later, or look closer"),
        (errors.StoreError, 5, "nothing was changed; look closer with: requests-jwt doctor prod"),
        (errors.LockTimeout, 5, "nothing was changed; look closer with: requests-jwt doctor prod"),
        (errors.InvalidURL, 1, "look closer with: requests-jwt doctor prod"),
        (errors.JWTRefreshError, 1, "look closer with: requests-jwt doctor prod"),
    ],
)
def test_an_error_without_a_remedy(
    capsys: pytest.CaptureFixture[str],
    error: type[errors.JWTRefreshError],
    status: int,
    remedy: str,
) -> None:
    """Each class has an exit status, and something to do if the error itself names nothing."""
    assert report(error("cause"), "prod") == status
    cause, shown = lines_on_stderr(capsys)
    assert cause == "cause"
    assert shown.startswith(remedy)


@pytest.mark.parametrize(
    "keep",
    [
        "use FileStore or MemoryStore instead",
        'keep the token in a file: FileStore("~/.local/state/myapp/token.json")',
    ],
)
@pytest.mark.parametrize(
    ("name", "shown"), [("a b; c", "NAME"), (None, "NAME"), ("a.b", "a.b"), ("prod", "prod")]
)
def test_a_store_is_named_in_the_words_of_a_profile(
    capsys: pytest.CaptureFixture[str], keep: str, name: str | None, shown: str
) -> None:
    """A command that works as it stands; a name that is none is not shown."""
    report(errors.StoreError("there is no keyring", f"install one, or {keep}"), name)
    _, remedy = lines_on_stderr(capsys)
    command = f"requests-jwt login {shown} --store file"
    assert remedy == f"install one, or keep the token in a file, with: {command}"


@pytest.mark.parametrize(("name", "shown"), [("a.b", '"a.b"'), ("prod", "prod"), (None, "NAME")])
def test_a_table_is_named_as_it_is_written(
    capsys: pytest.CaptureFixture[str], name: str | None, shown: str
) -> None:
    """A name with a dot needs quotes in a table's header."""
    use = "accept this one with allow_plaintext=True"
    report(errors.StoreError("there is no keyring", use), name)
    _, remedy = lines_on_stderr(capsys)
    assert remedy == f"accept this one with allow_plaintext = true in [{shown}.store]"


def test_a_rule_is_written_as_in_a_profile(capsys: pytest.CaptureFixture[str]) -> None:
    """It is to be copied into the file."""
    with pytest.raises(errors.RefreshUnavailable) as caught:
        JSONEndpoint("/r").read(make_response(200, {"error": "session_dead"}))
    assert "give rejected=json_field('error', 'session_dead')" in caught.value.remedy
    report(caught.value, "prod")
    rule = 'write rejected = { json_field = "error", value = "session_dead" } in [prod.refresh]'
    assert rule in lines_on_stderr(capsys)[1]


def test_a_rule_beside_another_is_written_as_in_a_profile(
    capsys: pytest.CaptureFixture[str],
) -> None:
    endpoint = JSONEndpoint("/r", rejected=json_field("error", "gone"))
    with pytest.raises(errors.RefreshUnavailable) as caught:
        endpoint.read(make_response(400, {"error": "session_dead"}))
    report(caught.value, "prod")
    rules = 'any_of = [{ ... }, { json_field = "error", value = "session_dead" }]'
    assert (
        f"write rejected = {{ {rules} }} in [prod.refresh], with what stands there now in place of "
        "the dots, if that is a refusal"
    ) in lines_on_stderr(capsys)[1]


def test_a_name_that_is_none_is_not_put_into_a_remedy(capsys: pytest.CaptureFixture[str]) -> None:
    """There it would be typed."""
    report(errors.StoreError("something"), "a b; c")
    assert lines_on_stderr(capsys)[1].endswith(": requests-jwt doctor NAME")


@pytest.mark.parametrize(
    ("remedy", "shown"),
    [
        ("log in again", "log in again with: requests-jwt login prod"),
        ("log in again, as another user", "log in again, as another user"),
        ("try again later", "try again later, or look closer with: requests-jwt doctor prod"),
        ("make a profile with: requests-jwt init NAME", None),
    ],
)
def test_an_advice_names_its_command(
    capsys: pytest.CaptureFixture[str], remedy: str, shown: str | None
) -> None:
    """The library says what to do; the command line says with which command."""
    report(errors.JWTRefreshError("cause", remedy), "prod")
    assert lines_on_stderr(capsys)[1] == (shown or remedy.replace("NAME", "prod"))


def test_two_lines_stay_two_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever is in a path, it cannot steer the terminal."""
    complain("/a\nb\x1b[31m", "é")
    assert capsys.readouterr().err == "requests-jwt: /a\\nb\\x1b[31m\nrequests-jwt: é\n"


def test_no_status_is_another_ones() -> None:
    """A script can tell them apart."""
    assert len({int(each) for each in Exit}) == len(Exit) == len(list(Exit))


# --- times ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.9, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (272, "4 min 32 s"),
        (3605, "1 h 5 s"),
        (90061, "1 d 1 h"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    """In the two largest units that there are."""
    assert format_duration(seconds) == text


@pytest.mark.parametrize(
    ("left", "text"),
    [
        (272.5, "expires in 4 min 32 s ("),
        (-125, "expired 2 min 5 s ago"),
        (0, "expired 0 s ago"),
        (1e300, "does not expire"),
        (float("inf"), "does not expire"),
        (float("nan"), "does not expire"),
        (-1e300, "expired long ago"),
    ],
)
def test_expiries(clock: Clock, left: float, text: str) -> None:
    """Whatever number a server gives, it is a plain sentence."""
    end = clock.time() + left
    shown = format_expiry(end)
    if text.endswith("("):
        text += f"{time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(end))})"
    assert shown == text


# --- layout --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("columns", "widest"), [("", 80), ("60", 60), ("1000", 1000), ("wide", 80), ("0", 80)]
)
def test_lines_are_as_long_as_columns_says(
    monkeypatch: pytest.MonkeyPatch, columns: str, widest: int
) -> None:
    """80 if it says nothing that makes sense; further lines begin below the first one's text."""
    monkeypatch.setenv("COLUMNS", columns)
    lines = hanging_indent("ok    store     ", "word " * 40).split("\n")
    assert max(map(len, lines)) <= widest
    assert (len(lines) == 1) == (widest == 1000)
    assert all(line.startswith(" " * 16 + "word") for line in lines[1:])


def test_words_are_left_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths and URLs are there to be copied, however long they are."""
    monkeypatch.setenv("COLUMNS", "10")
    assert "x" * 100 in hanging_indent("store          ", f"file {'x' * 100} is-whole")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("alice", "alice"),
        (7, "7"),
        ("a\x1b[2J\nb", "a?[2J?b"),
        ("x" * 60, "x" * 60),
        ("x" * 61, "x" * 57 + "..."),
    ],
)
def test_what_a_server_wrote_is_made_harmless(value: object, text: str) -> None:
    """It cannot steer the terminal, and fits in."""
    assert sanitize(value) == text
