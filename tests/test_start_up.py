"""What the commands that scripts call often have to import: no more than they use."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from requests_jwt_refresh import FileStore, Token

if TYPE_CHECKING:
    from pathlib import Path

PACKAGE = "requests_jwt_refresh"
NEVER = {
    *("keyring", "redis", "joserfc", "cryptography", "tomlkit", "shtab"),
    *("asyncio", "http.server", "multiprocessing", "unittest", "webbrowser"),
    *(
        f"{PACKAGE}.{name}"
        for name in ("jose", "signing_keys", "token_grants", "testing", "httpie")
    ),
    *(f"{PACKAGE}.grants.{name}" for name in ("password", "device", "revocation")),
    *(f"{PACKAGE}.stores.{name}" for name in ("redis", "redis_lock")),
    *(f"{PACKAGE}.profiles.edit", f"{PACKAGE}.cli.init", f"{PACKAGE}.cli.doctor"),
}
"""What neither command has a use for, where the token is in a file and the server speaks JSON."""

SENDING = {
    *(f"{PACKAGE}.{name}" for name in ("adapter", "outgoing", "relative_urls", "arguments")),
    *(f"{PACKAGE}.refresh.{name}" for name in ("refresher", "client", "transport", "token_server")),
    *(f"{PACKAGE}.inject.{name}" for name in ("adapter", "proxy")),
    "filelock",
}
"""What sends requests, which the launcher of `run` does not."""


@pytest.fixture
def profiles(tmp_path: Path) -> Path:
    """A profile that is logged in, whose token is in a file."""
    file, store = tmp_path / "profiles.toml", tmp_path / "token.json"
    file.write_text(
        '[prod]\nbase_url = "https://api.example.com"\n'
        'refresh = { kind = "json", url = "/auth/refresh" }\n'
        f"store = {{ kind = \"file\", path = '{store}' }}\n"
    )
    FileStore(store).save(Token("opaque", "again"))
    return file


def list_imports(profiles: Path, *arguments: str) -> set[str]:
    """Return the modules that a command has imported when it ends, or becomes a program."""
    code = (
        "import os, sys\n"
        "def show(*_): print(*sys.modules, file=sys.stderr); sys.stderr.flush(); os._exit(0)\n"
        "os.execve = show\n"
        "from requests_jwt_refresh.cli.main import main\n"
        "main() or show()\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={"REQUESTS_JWT_PROFILES": str(profiles), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return set(ended.stderr.split())


def list_all(modules: set[str], unwanted: set[str]) -> set[str]:
    """Return those of `modules` that are unwanted, or parts of what is."""
    return {
        each
        for each in modules
        if any(each == one or each.startswith(f"{one}.") for one in unwanted)
    }


def test_a_valid_token_is_printed_with_what_that_takes(profiles: Path) -> None:
    """No other store, kind of server or login, and nothing that signs or writes TOML."""
    modules = list_imports(profiles, "token", "prod")
    assert f"{PACKAGE}.stores.file" in modules
    assert list_all(modules, NEVER) == set()


@pytest.mark.skipif(sys.platform == "win32", reason="a program is not replaced there")
def test_a_program_is_started_with_what_that_takes(profiles: Path) -> None:
    """`run` reads the profile and looks into its store; the program sends, if it does."""
    modules = list_imports(profiles, "run", "prod", sys.executable, "-c", "pass")
    assert f"{PACKAGE}.stores.file" in modules
    assert list_all(modules, NEVER | SENDING) == set()


@pytest.mark.parametrize(
    "arguments", [["--version"], ["token", "--help"], ["run", "--help"], ["completion", "bash"]]
)
def test_help_costs_nothing(profiles: Path, arguments: list[str]) -> None:
    """No profile is read, and requests is not imported."""
    code = (
        "import atexit, sys\n"
        "atexit.register(lambda: print('requests' in sys.modules))\n"
        "from requests_jwt_refresh.cli.main import main\n"
        "main()\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={"REQUESTS_JWT_PROFILES": str(profiles)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ended.stdout.splitlines()[-1] == "False"


def test_a_program_that_never_imports_requests_pays_for_two_small_modules(profiles: Path) -> None:
    """Under `run`, what Python itself has at its start is all that is there beside these."""
    code = "import sys; print(*sys.modules)"
    plain, ours = (
        set(
            subprocess.run(
                [*before, sys.executable, "-c", code],
                env={"REQUESTS_JWT_PROFILES": str(profiles)},
                capture_output=True,
                text=True,
                check=True,
                timeout=60,
            ).stdout.split()
        )
        for before in ([], [sys.executable, "-m", PACKAGE, "run", "prod", "--"])
    )
    extra = ours - plain - {"sitecustomize"}
    assert len(extra) <= 2, extra
