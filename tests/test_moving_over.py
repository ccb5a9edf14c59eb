"""The programs of .github/guide/moving-over.md, before and after: what each does at an expiry."""

from __future__ import annotations

import contextlib
import gc
import io
import json
import re
import subprocess
import sys
from subprocess import PIPE
from typing import TYPE_CHECKING, Final

import pytest
import requests
from requests_toolbelt.sessions import BaseUrlSession

from requests_jwt_refresh import FileStore, InvalidURL, JSONEndpoint, MemoryStore, Token, mount
from requests_jwt_refresh.testing import AuthServer
from tests.support.crowd import Crowd
from tests.support.pages import Page, check_links
from tests.support.waits import WAIT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PAGE: Final = Page("moving-over.md")
PROGRAMS: Final = [
    (section, block.split("\n", 1)[0].removeprefix("# "))
    for section in PAGE.sections
    for block in PAGE.blocks(section)
    if block.startswith("# ")
]
AFTER: Final = [(section, kind) for section, kind in PROGRAMS if kind != "before"]
ROTATION: Final = [
    "From a function that refreshes",
    "From a Session subclass that retries",
    "From an AuthBase that refreshes",
    "From a Session with a base URL",
    "From requests-oauthlib",
    "From Authlib",
    "From google-auth, for a user",
]
BY_THE_CLOCK: Final = ["From requests-oauthlib", "From Authlib", "From requests-auth", "From MSAL"]
THREADS: Final = 8
LATER: Final = "session.token = {**saved, 'expires_at': 1.0}"  # as one of these two sees it


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> Iterator[Page]:
    """The page, with its servers and whatever else its programs need."""
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")  # put back afterwards
    monkeypatch.setenv("NO_PROXY", "*")
    with Page("moving-over.md") as page:
        for section in page.sections:
            for block in page.blocks(section):
                if ".start()" in block:
                    page.run(block)
        yield page


class Program:
    """One program of the page, which has run to its end."""

    def __init__(self, page: Page, section: str, kind: str) -> None:
        self.names = page.names
        self.names.pop("get", None)  # of another program
        self.printed = run(page, page.block(section, f"# {kind}\n"))
        self.path = "users" if "base URL" in section else "/api/users"
        self.server: AuthServer = self.names[find_server(section)]

    def call(self, _number: int = 0) -> requests.Response:
        """Ask the API as the program does."""
        get: Callable[[str], requests.Response] = self.names.get("get") or self.names["session"].get
        whole = self.path if self.path == "users" else self.server.url + self.path
        return get(whole)

    def storm(self, refreshes: int, later: str = "") -> Crowd:
        """Let the token expire under requests of eight threads; return when all have answers.

        The refreshes are answered when so many of them have arrived. With `later` the threads begin
        after the end of the token, which the client knows.
        """
        with self.server.gate(on="refresh") as refreshing:
            if later:
                self.server.expire()
                exec(later, self.names)
                crowd = Crowd(THREADS, self.call)
            else:
                with self.server.gate(on="api") as calling:
                    crowd = Crowd(THREADS, self.call)
                    calling.wait_for(THREADS)
                    self.server.expire()
            refreshing.wait_for(refreshes)
        return crowd


def run(page: Page, block: str) -> list[str]:
    """Run a block, and return the lines that it prints."""
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        page.run(block)
    return printed.getvalue().splitlines()


def find_server(section: str) -> str:
    if section in {"From google-auth, for a service account", "From requests-auth"}:
        return "google"
    return "entra" if section == "From MSAL" else "server"


@pytest.mark.parametrize(("section", "kind"), PROGRAMS)
def test_every_program_runs(page: Page, section: str, kind: str) -> None:
    """Before or after: with a token that expires in the middle each prints 200 twice."""
    if kind == "after" and section == "From MSAL":
        run(page, page.block(section, "# before"))  # whose cache it takes over
    elif kind == "or":
        run(page, page.block(section, "# before"))
    assert Program(page, section, kind).printed == ["200", "200"]


@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")  # what they leave open
@pytest.mark.parametrize("section", ROTATION)
def test_before_threads_end_the_login(page: Page, section: str) -> None:
    """Each thread uses the same refresh token, which is what the page warns of."""
    program = Program(page, section, "before")
    seen = program.server.counters
    later = LATER if section in BY_THE_CLOCK else ""
    crowd = program.storm(THREADS, later)
    assert crowd.statuses().count(200) <= 1
    assert program.server.counters.reuse > seen.reuse
    del crowd
    gc.collect()  # here, where the warnings are let pass


@pytest.mark.parametrize(("section", "kind"), AFTER)
def test_after_threads_share_one_refresh(page: Page, section: str, kind: str) -> None:
    """All get their answer, and no refresh token is used twice."""
    if section == "From MSAL":
        run(page, page.block(section, "# before"))
    program = Program(page, section, kind)
    seen = program.server.counters
    crowd = program.storm(1)
    assert crowd.statuses() == [200] * THREADS
    counters = program.server.counters
    assert (counters.refreshes - seen.refreshes, counters.reuse - seen.reuse) == (1, 0)


@pytest.mark.parametrize("section", BY_THE_CLOCK[:3])
def test_before_a_token_that_ends_early_is_a_401(page: Page, section: str) -> None:
    """Who goes by the clock alone does not see it, as the page says."""
    program = Program(page, section, "before")
    program.server.expire()
    assert program.call().status_code == 401


def test_before_an_upload_is_sent_again_empty(page: Page) -> None:
    """By google-auth, as the page says; and reported as a success."""
    program = Program(page, "From google-auth, for a user", "before")
    program.server.expire()
    answer = program.names["session"].post(f"{program.server.url}/api/x", data=io.BytesIO(b"123"))
    assert (answer.status_code, answer.json()["size"]) == (200, 0)


def test_after_an_upload_is_sent_again_whole(page: Page) -> None:
    program = Program(page, "From google-auth, for a user", "after")
    program.server.expire()
    answer = program.names["session"].post(f"{program.server.url}/api/x", data=io.BytesIO(b"123"))
    assert (answer.status_code, answer.json()["size"]) == (200, 3)


def test_a_forgotten_header_does_no_harm(page: Page) -> None:
    """The old token among the session's headers is replaced, as the page says."""
    program = Program(page, "From a Session subclass that retries", "after")
    program.names["session"].headers["Authorization"] = "Bearer of-old"
    assert program.call().status_code == 200
    assert "of-old" not in {each.access for each in program.server.requests}


def test_the_login_moves_over_and_back(page: Page) -> None:
    """Nobody logs in again: not on the way there, at a second start, or on the way back."""
    there = page.block("The login that you have", "import json")
    assert run(page, there) == ["200", "200"]
    assert not page.names["old"].exists()
    assert json.loads((page.names["folder"] / "token.json").read_text())
    page.run(page.block("The way back", "token ="))
    assert page.names["adapter"].token is None
    handed_back = page.names["tokens"]["refresh_token"]
    server: AuthServer = page.names["server"]
    answer = requests.post(server.refresh_url, json={"refresh_token": handed_back}, timeout=30)
    assert answer.status_code == 200


def test_a_refused_refresh_is_an_answer(page: Page) -> None:
    """As "What changes" says, and the tokens are gone."""
    program = Program(page, "From a function that refreshes", "after")
    program.server.revoke()
    program.server.expire()
    assert program.call().status_code == 401
    assert program.names["adapter"].token is None


@pytest.mark.parametrize("row", re.findall(r"^\| (`https:.*) \|$", PAGE.text, re.MULTILINE))
def test_urls_are_joined_as_the_table_says(row: str) -> None:
    """By BaseUrlSession and by the adapter."""
    base, url, theirs, ours = (each.strip("`") for each in row.split(" | "))
    with BaseUrlSession(base) as other, requests.Session() as session:
        mount(session, base, JSONEndpoint("/refresh"), MemoryStore(Token("access", "refresh")))
        assert other.prepare_request(requests.Request("GET", url)).url == theirs
        if ours == "an error":
            with pytest.raises(InvalidURL):
                session.prepare_request(requests.Request("GET", url))
        else:
            assert session.prepare_request(requests.Request("GET", url)).url == ours


def test_every_link_leads_somewhere() -> None:
    check_links(PAGE)


def test_programs_that_start_at_once_take_a_login_over_once(tmp_path: Path) -> None:
    """They wait for the store's lock, which is held here until all of them have come to it."""
    lines = PAGE.block("The login that you have", "import json").splitlines()
    first = next(n for n, line in enumerate(lines) if line.startswith("store = "))
    last = next(n for n, line in enumerate(lines) if line.startswith("print("))
    with AuthServer() as server:
        program = [
            *(line for line in lines if line.startswith(("import ", "from "))),
            f"API, folder = {server.url!r}, Path({str(tmp_path)!r})",
            "old = folder / 'old.json'",
            "print('ready', flush=True)",
            *lines[first:last],
            "print(session.get('/api/users').status_code)",
        ]
        login = server.login()
        saved = {"access_token": login.access, "refresh_token": login.refresh}
        (tmp_path / "old.json").write_text(json.dumps(saved))
        server.expire()
        command = [sys.executable, "-c", "\n".join(program)]
        with contextlib.ExitStack() as stack:
            with FileStore(tmp_path / "token.json").lock(WAIT):
                programs = [
                    stack.enter_context(subprocess.Popen(command, stdout=PIPE, text=True))
                    for _ in range(4)
                ]
                said = [each.stdout.readline() for each in programs if each.stdout]
                assert (tmp_path / "old.json").exists()
            answers = [each.communicate(timeout=WAIT)[0] for each in programs]
        assert said == ["ready\n"] * 4
        assert answers == ["200\n"] * 4
        assert (server.counters.refreshes, server.counters.reuse) == (1, 0)
    assert not (tmp_path / "old.json").exists()
