"""`httpie cli plugins install`: HTTPie keeps plugins in a folder of its own.

It takes that folder off sys.path once they are loaded, and leaves its own packages as they are.
"""

from __future__ import annotations

import re
import sys
import sysconfig
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from packaging.requirements import Requirement

import requests_jwt_refresh
from tests.support.http_command import (
    Home,
    HTTPResult,
    home,
    needs_httpie,
    warm_command,
    warm_http,
)

if TYPE_CHECKING:
    from requests_jwt_refresh.testing import AuthServer

__all__ = ["home", "warm_command", "warm_http"]  # fixtures

pytestmark = needs_httpie

START = """
import sys
sys.path.append({host!r})
sys.argv[0] = "http"
from httpie.__main__ import main
sys.exit(main())
"""


def find_requirements(name: str, found: set[str]) -> set[str]:
    """Return all distributions that one needs, itself included."""
    if name not in found:
        found.add(name)
        for line in metadata.requires(name) or []:
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                find_requirements(requirement.name, found)
    return found


def install(names: set[str], folder: Path) -> None:
    """Put distributions into a folder, as links to what is installed here."""
    folder.mkdir(parents=True)
    for name in names:
        distribution = metadata.distribution(name)
        parts = {file.parts[0] for file in distribution.files or []}
        for part in parts - {"..", "__pycache__"}:
            link = folder / part
            if not link.exists():
                link.symlink_to(Path(str(distribution.locate_file(part))))
    package = Path(requests_jwt_refresh.__file__).parent
    if "requests-jwt-refresh" in names and not (folder / package.name).exists():
        (folder / package.name).symlink_to(package)  # installed here by `pip install -e`


class Plugins:
    """An HTTPie that finds this library in its folder of plugins alone."""

    def __init__(self, home: Home) -> None:
        self.home = home
        host = find_requirements("httpie", set())
        install(host, home.folder / "host")
        config = home.folder / "httpie"
        home.environment["HTTPIE_CONFIG_DIR"] = str(config)
        base = str(config / "plugins")
        plugins = Path(sysconfig.get_path("purelib", vars={"base": base}))
        install(find_requirements("requests-jwt-refresh", set()) - host, plugins)
        (config / "config.json").write_text('{"disable_update_warnings": true}')

    def http(self, *arguments: str, **environment: str) -> HTTPResult:
        code = START.format(host=str(self.home.folder / "host"))
        command = [sys.executable, "-S", "-c", code, "--ignore-stdin", *arguments]
        return self.home.run(command, **environment)


@pytest.fixture
def plugins(home: Home) -> Plugins:
    return Plugins(home)


def test_a_profile(plugins: Plugins, server: AuthServer) -> None:
    """What a refresh imports late is found: an expired token is refreshed, and nothing is said."""
    plugins.home.profile("alice", server.url)
    plugins.home.log_in("alice", server)
    server.expire()
    done = plugins.http("--body", f"{server.url}/users")
    assert (done.answer["user"], done.err) == ("alice", "")
    assert server.counters.rotated == 1


def test_the_keyring(plugins: Plugins, server: AuthServer) -> None:
    """keyring is found, with the list of its backends."""
    plugins.home.file.write_text(
        f'[alice]\nbase_url = "{server.url}"\nrefresh = {{kind = "json", url = "/r"}}\n'
    )
    done = plugins.http("--body", f"{server.url}/users", DBUS_SESSION_BUS_ADDRESS="unix:path=/x")
    assert "No token" in done.out
    assert "keyring" in done.err
    assert "ModuleNotFoundError" not in done.err
    assert "could not be loaded" not in done.err


@pytest.mark.parametrize("file", ["named", "the user's own"])
def test_no_profiles(file: str, plugins: Plugins, server: AuthServer) -> None:
    """Nothing is said where nothing has been set up."""
    del plugins.home.environment["REQUESTS_JWT_PROFILES"]
    if file == "named":
        plugins.home.environment["HOME"] = ""
    done = plugins.http("--body", f"{server.url}/users")
    assert ("No token" in done.out, done.err) == (True, "")


def test_no_package_of_httpies_is_replaced() -> None:
    """We take HTTPie's packages in versions that are in use: else pip would uninstall them."""
    bounds = {
        requirement.name: requirement.specifier
        for requirement in map(Requirement, metadata.requires("requests-jwt-refresh") or [])
        if not re.search("extra", str(requirement.marker))
    }
    host = find_requirements("httpie", set())
    in_use = {"requests": "2.32.3", "urllib3": "2.0.7"}  # of Debian 13 and Ubuntu 24.04
    assert bounds.keys() & host == in_use.keys()
    for name, version in in_use.items():
        assert bounds[name].contains(version)
