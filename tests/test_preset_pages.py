"""The docstring of a preset is the page of its server: its script runs, its command is right."""

from __future__ import annotations

import inspect
import re
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import responses

import requests_jwt_refresh
from requests_jwt_refresh import JWTRefreshAdapter, MemoryStore, Token, mount, presets
from requests_jwt_refresh.presets.base import RUN

if TYPE_CHECKING:
    from pathlib import Path

NAMES = list(presets.PRESET_MODULES)
ANYTHING = {"access_token": "new", "accessToken": "new", "refreshToken": "new"}
each_name = pytest.mark.parametrize("name", NAMES)


def read_page(name: str) -> str:
    return inspect.getdoc(presets.load(name).endpoint) or ""


def read_script(name: str) -> str:
    scripts: list[str] = re.findall(
        r"^```python\n(.*?)^```$", read_page(name), re.MULTILINE | re.DOTALL
    )
    assert len(scripts) == 1
    return scripts[0]


@each_name
def test_each_page_says_what_a_person_needs(name: str) -> None:
    """What to have first, what expired and refused look like, and what goes wrong."""
    page = " ".join(read_page(name).split())
    title = page.partition("```")[0]
    assert " in Python" in title, "what people search for"
    assert "requests" in title
    for part in ("**To have first:**", "**Expired", "efused", "**What goes wrong:**"):
        assert part in page


ORDER = [
    "```python",
    "Without Python: ",
    "**To have first:** ",
    "**Expired",
    "efused** ",
    "**How long the tokens live:** ",
    "**What goes wrong:** ",
]
LIFETIME = r"\blives? (?:\d+|an?) (?:hour|minute|day|month)|\bworks? once\b"


@each_name
def test_each_page_says_the_same_things_in_the_same_order(name: str) -> None:
    """So that who knows one page finds their way on the next."""
    page = " ".join(read_page(name).split())
    found = [page.find(part) for part in ORDER]
    assert -1 not in found
    assert found == sorted(found)
    assert [page.count(part) for part in ORDER] == [1] * len(ORDER)


@each_name
def test_each_page_says_in_one_place_how_long_tokens_live(name: str) -> None:
    """What becomes of the refresh token, or that there is none; and nothing of that elsewhere."""
    before, _, rest = read_page(name).partition("**How long the tokens live:** ")
    lives, _, after = rest.partition("\n\n")
    assert "refresh token" in " ".join(lives.split())
    elsewhere = " ".join(f"{before} {after}".split())
    assert re.findall(LIFETIME, elsewhere) == []


@each_name
def test_each_page_says_what_is_below_the_base_url(name: str) -> None:
    """Where its paths begin with what people put into a base URL, such as /api or /auth."""
    preset = presets.load(name)
    url: Any = preset.endpoint.__dataclass_fields__["url"].default  # type: ignore[attr-defined]
    paths = (url, preset.login.get("url"), preset.logout.get("url"))
    folders = {path.split("/")[1] for path in paths if isinstance(path, str) and path[:1] == "/"}
    may_repeat = folders - {"login", "logout", "refresh"}
    page = " ".join(read_page(name).split())
    assert "below the base URL" in page or not may_repeat


@each_name
def test_each_page_says_where_it_comes_from(name: str) -> None:
    """Whether anybody here has tried it."""
    last = re.split(r"\n\nArgs:", read_page(name))[0].strip().splitlines()[-1]
    if presets.load(name).note == RUN:
        assert last.endswith("run against the real server.")
    else:
        assert last.endswith("rom documentation, not run.")


@each_name
def test_each_page_shows_the_way_without_python(name: str) -> None:
    """By a profile, with the preset's own name."""
    page = " ".join(read_page(name).split())
    shown = re.search(rf"requests-jwt init \w+ --preset {name} --base-url https?://", page)
    assert shown


@pytest.mark.parametrize("has_token", [False, True], ids=["first time", "later"])
@each_name
def test_the_script_runs_as_pasted(
    name: str, *, has_token: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With a password or a token typed in, and never again; the API answers everything."""
    script = read_script(name)
    store = MemoryStore(Token("a", "r") if has_token else None)
    typed: list[str] = []

    def type_in(prompt: str = "") -> str:
        typed.append(prompt)
        return "typed"

    monkeypatch.chdir(tmp_path)
    write_key(tmp_path / "dpop-key.pem")
    monkeypatch.setattr("getpass.getpass", type_in)
    monkeypatch.setattr(JWTRefreshAdapter, "log_in", log_in, raising=False)
    monkeypatch.setattr(requests_jwt_refresh, "mount", partial(mount_with, store))
    with responses.RequestsMock(assert_all_requests_are_fired=False) as network:
        for method in ("GET", "POST"):
            network.add(method, re.compile(".*"), json=ANYTHING)
        exec(compile(script, name, "exec"), {})
        assert network.calls
    assert store.load() is not None
    assert not (has_token and typed and name != "fastapi-template")


def log_in(adapter: JWTRefreshAdapter, username: str, password: str) -> Token:
    """Stand in for a login at the documented URL, which tests/test_preset_servers.py tries."""
    assert (bool(username), password) == (True, "typed")
    adapter.set_token(Token("a", "r"))
    return Token("a", "r")


def mount_with(
    store: MemoryStore, session: Any, base_url: str, refresh: Any, **options: Any
) -> JWTRefreshAdapter:
    """Mount with a store that the test can look into, in place of the keyring."""
    return mount(session, base_url, refresh, store, **options)


def write_key(file: Path) -> None:
    """Write the private key of a login with DPoP, where the extra for it is installed."""
    with suppress(ImportError):
        from joserfc.jwk import ECKey

        file.write_text(ECKey.generate_key("P-256").as_pem(private=True).decode())
