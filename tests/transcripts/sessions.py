"""What is typed in each session. A session is a terminal's text, in colour; a story has several."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import parse_qs, urlsplit

from requests_jwt_refresh.testing import AuthServer
from tests.support.form_browser import FormBrowser
from tests.transcripts.computer import Computer
from tests.transcripts.stable import strip_colours

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_NOWHERE: Final = "http://nowhere.invalid"  # a redirect URI that no page leads to


class Story(NamedTuple):
    """Sessions that follow one another on one computer."""

    names: tuple[str, ...]
    """Those of its sessions, as pages have them."""
    play: Callable[[Computer], Iterator[list[str]]]
    """Yields what each session's commands show, one after another."""


def play(story: Story) -> dict[str, str]:
    """Return what each session of a story shows, by its name."""
    with Computer() as computer:
        sessions = ["\n\n".join(commands) for commands in story.play(computer)]
    return dict(zip(story.names, sessions, strict=True))


def _play_profile(computer: Computer) -> Iterator[list[str]]:
    with AuthServer() as server:
        questions = {
            "Base URL of the API": server.url,
            "Server [json]": "",
            "Refresh endpoint": "/auth/refresh",
            "access token in the response to a refresh": "",
            "refresh token in the response to a refresh": "",
            "refresh token in the request": "",
            "lifetime in seconds in the response to a refresh": "",
            "Login endpoint": "/auth/login",
            "user name in the login's request": "",
            "password in the login's request": "",
            "access token in the response to a login": "",
            "refresh token in the response to a login": "",
            "lifetime in seconds in the response to a login": "",
            "expired token [401]": "",
            "It says": "message=Invalid JWT",
            "Logout endpoint": "/auth/logout",
        }
        yield [
            computer.run("requests-jwt init prod", *questions.items()),
            computer.run("requests-jwt login prod", ("User name", "alice"), ("Password", "any")),
            computer.run("requests-jwt status prod"),
        ]
        yield [computer.run("requests-jwt doctor prod")]


def _play_demo(computer: Computer) -> Iterator[list[str]]:
    yield [computer.run("requests-jwt demo")]


def _play_server(computer: Computer) -> Iterator[list[str]]:
    command = "requests-jwt demo --serve"
    with computer.start(command) as server:
        server.expect("What the server is asked:")
        yield [computer.transcribe(command, server)]
        init, call = re.findall(
            r"^ +(requests-jwt .+)\r$", strip_colours(server.shown), re.MULTILINE
        )
        questions = ("right server?", "Register a client there?", "Log in now?")
        yield [
            computer.run(init, *((question, "") for question in questions)),
            computer.run(call),
        ]
        yield [_log_in_by_device(computer, "requests-jwt login demo")]
        yield [_log_in_by_pasting(computer, "requests-jwt login demo --no-browser", "alice")]
        _log_in_by_pasting(computer, "requests-jwt login demo --account bob --no-browser", "bob")
        yield [
            computer.run("requests-jwt accounts demo"),
            computer.run("requests-jwt switch demo --account bob"),
        ]


def _log_in_by_device(computer: Computer, command: str) -> str:
    with computer.start(command, remote=True) as terminal:
        terminal.expect("Ctrl-C")
        (page,) = re.findall(r"http://\S+user_code=[A-Z-]+", terminal.shown)
        with FormBrowser(_NOWHERE) as browser:
            browser.decide_device(page)
        return computer.finish(command, terminal)


def _log_in_by_pasting(computer: Computer, command: str, user: str) -> str:
    with computer.start(command) as terminal:
        terminal.expect("press Enter")
        (page,) = re.findall(r"http://\S+response_type=\S+", terminal.shown)
        (redirect_uri,) = parse_qs(urlsplit(page).query)["redirect_uri"]
        with FormBrowser(redirect_uri) as browser:
            address = browser.log_in(page, user=user).url
        terminal.type(address.replace("?", "/?", 1))  # as browsers show it
        return computer.finish(command, terminal)


STORIES: Final = (
    Story(("init", "doctor"), _play_profile),
    Story(("demo",), _play_demo),
    Story(("serve", "from", "device", "no-browser", "accounts"), _play_server),
)
