"""The recipes of .github/guide/recipes.md for other clients and for recorders."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import re
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

import aiohttp
import httpx
import pytest
import requests
import yaml

from requests_jwt_refresh import (
    FileStore,
    JSONEndpoint,
    MemoryStore,
    RefreshRejected,
    StoreError,
    Token,
    anonymous,
    mount,
)
from requests_jwt_refresh.testing import AuthServer, Status
from tests.support.pages import Page, check_links
from tests.test_pytest_plugin import run_pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FIRST: Final = "How to try this page"
UPLOADS: Final = "Upload what can be read once"
RUN: Final = [
    UPLOADS,
    "httpx",
    "aiohttp",
    "A library that takes only auth",
    "vcrpy",
    "betamax",
    "Jupyter",
]


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> Iterator[Page]:
    """The page, with the server and the session that it begins with."""
    monkeypatch.setenv("NO_PROXY", "*")
    with Page("recipes.md") as page:
        run(page, FIRST)
        yield page
        for name in ("adapter", "alone"):
            if name in page.names:
                page.names[name].close()


@pytest.fixture
def server(page: Page) -> AuthServer:
    found: AuthServer = page.names["server"]
    return found


@pytest.fixture
def other_host() -> Iterator[AuthServer]:
    """A host that no token is for."""
    with AuthServer() as other:
        yield other


def run(page: Page, section: str) -> list[str]:
    """Run the programs of a section; return the lines that they print."""
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        for block in page.blocks(section):
            page.run(block)
    return printed.getvalue().splitlines()


def list_promised(page: Page, section: str) -> list[str]:
    """Return what the comments beside print() say that it prints."""
    programs = "".join(page.blocks(section))
    return [
        each.split(",")[0] for each in re.findall(r"print\(.*\)  # (.*)", programs, re.MULTILINE)
    ]


class OnlyRead:
    """A body as of requests-toolbelt's MultipartEncoder: it is read, and has a length."""

    def __init__(self, text: str) -> None:
        self._file = io.BytesIO(text.encode())
        self.len = len(text)

    def read(self, size: int) -> bytes:
        return self._file.read(size)


def make_pipe(text: str) -> IO[bytes]:
    end, beginning = os.pipe()
    os.write(beginning, text.encode())
    os.close(beginning)
    return os.fdopen(end, "rb")


@pytest.mark.parametrize(
    "make",
    [
        str,
        str.encode,
        lambda text: bytearray(text.encode()),
        lambda text: memoryview(text.encode()),
        lambda text: iter([text[:3], text[3:]]),
        lambda text: iter([text.encode()]),
        lambda text: io.BytesIO(text.encode()),
        OnlyRead,
        make_pipe,
    ],
    ids=["text", "bytes", "bytearray", "memoryview", "texts", "parts", "file", "read", "pipe"],
)
def test_a_client_that_is_given_bodies_sends_each_whole(
    page: Page, server: AuthServer, make: Callable[[str], Any]
) -> None:
    run(page, UPLOADS)
    with page.names["Client"]() as client:
        refreshes = server.counters.refreshes
        endpoint = JSONEndpoint("/auth/refresh")
        mount(client, server.url, endpoint, MemoryStore(server.login()))
        server.expire()
        with contextlib.ExitStack() as stack:
            body = make("a row of text")
            if isinstance(body, io.BufferedReader):
                stack.enter_context(body)
            answer = client.put("/api/rows", data=body)
        assert answer.json()["size"] == len("a row of text")
        assert server.counters.refreshes == refreshes + 1


@pytest.mark.parametrize("section", RUN)
def test_a_recipe_prints_what_it_says(page: Page, section: str) -> None:
    """Its programs run after the first one of the page, and recover from each expiry."""
    assert run(page, section) == list_promised(page, section) != []


# --- Other clients -------------------------------------------------------------------------------


def test_httpx_and_its_threads_share_one_refresh_for_each_expiry(
    page: Page, server: AuthServer
) -> None:
    """Eight requests at once, too."""
    run(page, "httpx")
    assert (server.counters.refreshes, server.counters.reuse) == (2, 0)


def test_httpx_gives_no_token_to_another_host(page: Page, other_host: AuthServer) -> None:
    run(page, "httpx")
    auth = page.names["JWTAuth"](page.names["adapter"])
    with httpx.Client(auth=auth) as client:
        assert client.get(f"{other_host.url}/api/x").status_code == 401
    assert [each.bearer for each in other_host.requests] == [None]


def test_httpx_tells_that_a_login_is_needed(page: Page, server: AuthServer) -> None:
    """As the page says, by an error of this library."""
    run(page, "httpx")
    server.expire()
    server.revoke()
    auth = page.names["JWTAuth"](page.names["adapter"])
    with httpx.Client(auth=auth) as client, pytest.raises(RefreshRejected):
        client.get(f"{server.url}/api/x")


def test_aiohttp_shares_one_refresh(page: Page, server: AuthServer) -> None:
    run(page, "aiohttp")
    assert (server.counters.refreshes, server.counters.reuse) == (1, 0)


def test_aiohttp_gives_no_token_to_another_host(page: Page, other_host: AuthServer) -> None:
    run(page, "aiohttp")

    async def ask() -> int:
        middleware = page.names["keep_fresh"](page.names["adapter"])
        async with (
            aiohttp.ClientSession(middlewares=[middleware]) as client,
            client.get(f"{other_host.url}/api/x") as response,
        ):
            return response.status

    assert asyncio.run(ask()) == 401
    assert [each.bearer for each in other_host.requests] == [None]


def test_a_websocket_is_opened_with_another_token(page: Page, server: AuthServer) -> None:
    """After the first one was refused, although it seemed to be valid."""
    assert run(page, "websockets") == ["hello"]
    assert server.counters.refreshes == 1
    page.names["websocket_server"].shutdown()


def test_an_auth_object_gives_no_token_to_another_host(
    page: Page, server: AuthServer, other_host: AuthServer
) -> None:
    """Neither at once nor along a redirect, and its 401 is not asked again."""
    run(page, "A library that takes only auth")
    auth = page.names["auth"]
    target = f"{other_host.url}/api/x"
    assert requests.get(target, auth=auth, timeout=30).status_code == 401
    redirect = f"{server.url}/redirect?to={target}"
    assert requests.get(redirect, auth=auth, timeout=30).status_code == 401
    assert [each.bearer for each in other_host.requests] == [None, None]


def test_an_auth_object_sends_no_file_again(page: Page, server: AuthServer) -> None:
    """It is not sent empty: the 401 is returned, and the next request has a new token."""
    run(page, "A library that takes only auth")
    auth, url = page.names["auth"], f"{server.url}/api/x"
    server.expire()
    assert requests.post(url, data=io.BytesIO(b"1"), auth=auth, timeout=30).status_code == 401
    assert requests.post(url, data=b"123", auth=auth, timeout=30).json()["size"] == 3


def test_an_auth_object_on_a_mounted_session_is_left_alone(page: Page, server: AuthServer) -> None:
    """As the page says: do not do that."""
    run(page, "A library that takes only auth")
    before = server.counters.refreshes
    server.expire()
    page.names["session"].get("/api/x", auth=page.names["auth"])
    assert page.names["alone"].token != page.names["adapter"].token
    assert server.counters.refreshes == before + 1


# --- Tests and recorders -------------------------------------------------------------------------


def test_the_tests_shown_pass(tmp_path: Path, page: Page) -> None:
    """With the fixture `jwt_server`."""
    (tmp_path / "test_client.py").write_text(page.block("pytest", "# test_client.py"))
    done = run_pytest(tmp_path)
    assert "2 passed" in done.stdout, done.stdout


def use_every_secret(session: requests.Session, server: AuthServer) -> None:
    """Let a token, a password and a cookie travel in each way that the recipe filters."""
    server.fail(Status(200, headers={"Set-Cookie": "sid=cookie-secret"}), on="api")
    session.get("/api/cookies")
    session.get("/api/with-cookie")
    session.post("/api/form", data={"password": "hunter2", "name": "alice"})
    session.get("/api/query", params={"access_token": "query-secret"})
    server.expire()
    session.get("/api/after-expiry")
    login = {"username": "alice", "password": "hunter2"}
    assert session.post("/auth/login", json=login, auth=anonymous).status_code == 200


def list_secrets(server: AuthServer, *tokens: Token | None) -> set[str]:
    """Return all tokens that the server has seen, and those given."""
    seen = {each.bearer for each in server.requests}
    held = {secret for each in tokens if each for secret in (each.access, each.refresh)}
    found = {each for each in seen | held if each}
    return found | {"cookie-secret", "hunter2", "eyJ"}  # the last is how each JWT begins


def test_no_secret_is_in_a_cassette_of_vcrpy(page: Page, server: AuthServer) -> None:
    """Not of headers, cookies, forms or URLs, and none of a refresh or login."""
    run(page, "vcrpy")
    recorder, session = page.names["recorder"], page.names["session"]
    first = page.names["adapter"].token
    with recorder.use_cassette("secrets.yaml"):
        use_every_secret(session, server)
    text = (Path(recorder.cassette_library_dir) / "secrets.yaml").read_text()
    recorded = yaml.safe_load(text)["interactions"]
    paths = {each["request"]["uri"].rpartition("/")[2] for each in recorded}
    # The URL's own secret is out of it; the body echoes it, as this server does.
    assert paths == {"cookies", "with-cookie", "form", "query", "after-expiry"}
    secrets = list_secrets(server, first, page.names["adapter"].token)
    assert {each for each in secrets if each in text} == set()


def test_no_secret_is_in_a_cassette_of_betamax(page: Page, server: AuthServer) -> None:
    """Not of headers or cookies, and none of a refresh or login."""
    run(page, "betamax")
    betamax = page.names["betamax"]
    with requests.Session() as session:
        with betamax.Betamax(session).use_cassette("secrets"):
            store = MemoryStore(server.login())
            adapter = mount(session, server.url, JSONEndpoint("/auth/refresh"), store)
            first = adapter.token
            server.fail(Status(200, headers={"Set-Cookie": "sid=cookie-secret"}), on="api")
            session.get("/api/cookies")
            session.get("/api/with-cookie")
            server.expire()
            session.get("/api/after-expiry")
        folder = Path(page.names["config"].CASSETTE_LIBRARY_DIR)
        text = (folder / "secrets.json").read_text()
    assert "after-expiry" in text
    secrets = list_secrets(server, first, adapter.token)
    assert {each for each in secrets if each in text} == set()


# --- Machines ------------------------------------------------------------------------------------


def test_a_lambda_keeps_its_token_between_events(
    page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Events with an expiry in between: one token for each life."""
    with AuthServer(like="client-credentials") as cloud:
        monkeypatch.setenv("API", cloud.url)
        monkeypatch.setenv("TOKEN_URL", cloud.refresh_url)
        run(page, "AWS Lambda")
        handler = page.names["handler"]
        assert [handler({}, None), handler({}, None)] == [200, 200]
        cloud.expire()
        assert handler({}, None) == 200
        assert cloud.counters.refreshes == 2
        page.names["lambda_session"].close()


def test_a_projected_token_is_read_each_time(page: Page, tmp_path: Path) -> None:
    """Kubernetes writes another one into the file; the next exchange hands that in."""
    run(page, "Kubernetes")
    file = tmp_path / "api"
    page.names["SERVICE_ACCOUNT"] = file
    exchange = page.names["exchange"]
    handed_in = []
    for token in ("first", "second"):
        file.write_text(f"{token}\n")
        handed_in.append(exchange.ask(exchange.url).data["subject_token"])
    assert handed_in == ["first", "second"]


def test_a_volume_of_a_group_takes_a_token_in_a_subfolder(tmp_path: Path) -> None:
    """As `fsGroup` makes it; in the volume's own folder a token is refused."""
    volume = tmp_path / "state"
    volume.mkdir()
    volume.chmod(0o2775)
    FileStore(volume / "report" / "token.json").save(Token("access"))
    with pytest.raises(StoreError, match="others can change the folder"):
        FileStore(volume / "token.json").save(Token("access"))


def test_the_manifest_mounts_the_folder_above_the_tokens(page: Page) -> None:
    (text,) = page.blocks("Kubernetes", "yaml")
    (container,) = yaml.safe_load(text)["spec"]["template"]["spec"]["containers"]
    (mounted,) = container["volumeMounts"]
    assert Path(container["env"][0]["value"]).parents[1] == Path(mounted["mountPath"])
    assert "subPath" not in mounted


def test_a_credential_of_systemd_logs_in_once(
    page: Page, server: AuthServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second start has a token already, and leaves the credential alone."""
    run(page, "systemd")
    adapter, log_in_once = page.names["adapter"], page.names["log_in_once"]
    (tmp_path / "refresh").write_text(f"{server.login('bob').refresh}\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    adapter.clear_token()
    log_in_once(adapter)
    assert page.names["session"].get("/api/x").json()["user"] == "bob"
    held = adapter.token
    log_in_once(adapter)
    assert adapter.token == held


def test_every_link_leads_somewhere(page: Page) -> None:
    check_links(page)
