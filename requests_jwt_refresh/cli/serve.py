"""demo --serve: a server of its own, in the foreground, to type the first commands against."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import requests_jwt_refresh as library
from requests_jwt_refresh import clock
from requests_jwt_refresh.cli.console import sanitize
from requests_jwt_refresh.cli.page import Page
from requests_jwt_refresh.matching import parse_json
from requests_jwt_refresh.profiles.own_command import spell_out
from requests_jwt_refresh.testing import AuthServer
from requests_jwt_refresh.testing.values import json_response

if TYPE_CHECKING:
    from typing import TextIO

    from requests_jwt_refresh.testing import Exchange, RecordedRequest, ServerResponse

_HELLO: Final = "/hello"
_LIFETIME: Final = 60.0  # seconds of an access token: its end can be waited for
_POLL_INTERVAL: Final = 1.0  # seconds between two questions of a device that waits
_NAP: Final = 3600.0  # seconds; a Ctrl-C ends it on every system

_CALL_PURPOSE: Final = (
    "calls the API from a program that knows nothing of tokens. Call again after "
    f"{_LIFETIME:.0f} s, when its token has expired: it is refreshed by itself, as is shown here"
)

# What was done for a request that was not refused.
_DONE: Final = {
    "discovery": "what the server says of itself",
    "register": "a client was registered",
    "device": "a device asks to be approved",
    "authorize": "the browser",
    "login": "tokens of a new login",
    "refresh": "a new access token",
    "logout": "a token was revoked",
    "end_session": "the browser was logged out",
}


def serve(stream: TextIO) -> None:
    """Run an API and its OpenID server until Ctrl-C; write on `stream` what to type next."""
    page = Page(stream)
    auth_server = AuthServer(openid=True, lifetime=_LIFETIME, device_interval=_POLL_INTERVAL)
    with suppress(KeyboardInterrupt), auth_server as server:
        server.fail(_Witness(page), on=lambda _path: True, times=None)
        _introduce(page, server.url)
        while True:
            clock.sleep(_NAP)
    page.write_line()
    page.write_paragraph(
        spell_out("Stopped. To forget the token: requests-jwt logout demo --local"), indent=""
    )


def _introduce(page: Page, url: str) -> None:
    """Write where the server is, and the commands to type next; they can be copied whole."""
    page.write_headline("requests-jwt demo --serve")
    page.write_paragraph(
        f"An API, and the OpenID server that gives tokens for it, now run at {url}, until you "
        "press Ctrl-C here. Any user name will do, and any password but 'wrong'.",
        indent="",
    )
    page.write_headline("Type this in another terminal:")
    for command, purpose in _list_commands(url):
        page.write_line()
        page.write_command(spell_out(command))
        page.write_paragraph(purpose, indent="      ", first="      ")
    page.write_headline("What the server is asked:")


def _list_commands(url: str) -> tuple[tuple[str, str], ...]:
    """Return the commands to type next, and what each is for."""
    again = " --replace" if _has_old_profile() else ""
    python = next(filter(shutil.which, ("python", "python3")), None)
    start = f"{python} -c" if python else "-c"  # `run` knows a Python
    call = f"import requests; print(requests.get('{url}{_HELLO}').text)"
    return (
        (
            f"requests-jwt init demo --from {url}{again}",
            "finds the server by the API, registers a client there, and asks to log in",
        ),
        (f'requests-jwt run demo -- {start} "{call}"', _CALL_PURPOSE),
    )


def _has_old_profile() -> bool:
    """Whether there is a profile of an earlier server of this kind, whose port was another."""
    from requests_jwt_refresh.profiles.load import Profiles

    try:
        found = Profiles.read().content.get("demo")
    except library.ProfileError:  # `init` says so
        return False
    base_url = found.get("base_url") if isinstance(found, Mapping) else None
    return str(base_url).startswith("http://127.0.0.1:")


class _Witness:
    """Writes a line about each request. To AuthServer it is a fault, but one that responds well."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._mutex = threading.Lock()  # guards the page: each connection has a thread

    def play(self, exchange: Exchange) -> None:
        response = _greet(exchange.request, exchange.work())
        with self._mutex, suppress(OSError):  # a closed terminal stops no server
            self._write(exchange.request, response)
        exchange.send(response)

    def _write(self, request: RecordedRequest, response: ServerResponse) -> None:
        path = urlsplit(request.path).path  # without the query: it may hold a code
        line = sanitize(f"{request.method} {path}")
        self._page.write_exchange(line, response.status, _describe(request, response))


def _greet(request: RecordedRequest, response: ServerResponse) -> ServerResponse:
    """Return `response`, or a greeting if it is that of the one path that has one."""
    if urlsplit(request.path).path != _HELLO or not _is_good(response):
        return response
    user = _read_fields(response).get("user")
    return replace(response, body=json_response(200, {"message": f"Hello, {user}!"}).body)


def _describe(request: RecordedRequest, response: ServerResponse) -> str:
    """Return what happened, in a few words without secrets."""
    fields = _read_fields(response)
    if not _is_good(response):
        return str(fields.get("error") or fields.get("message") or "")
    return _DONE.get(request.kind) or str(fields.get("message") or "")


def _is_good(response: ServerResponse) -> bool:
    return response.status < 400  # noqa: PLR2004 - RFC 9110 §15.5


def _read_fields(response: ServerResponse) -> dict[str, Any]:
    found = parse_json(response.body)
    return found if isinstance(found, dict) else {}
