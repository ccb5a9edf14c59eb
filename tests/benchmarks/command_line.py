"""What the command line takes over an interpreter that does nothing: `token`, and `run`."""

from __future__ import annotations

import sys
import sysconfig
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Final

from requests_jwt_refresh import FileStore, Token
from tests.benchmarks.measuring import Samples, compiled_modules, run_command, time_command
from tests.benchmarks.table import Figure, Row, Table, at_most

NAME: Final = "bench"
_PROFILE: Final = f"""\
[{NAME}]
base_url = "https://api.example.com"
refresh = {{kind = "json", url = "/auth/refresh"}}
store = {{kind = "file", path = "token.json"}}
"""
_PASS: Final = "python -c pass"
_REQUESTS: Final = "python -c 'import requests'"
_TOKEN: Final = "requests-jwt token, from a file"
_RUN: Final = "requests-jwt run python -c pass"
_GOALS: Final = {_TOKEN: 100.0, _RUN: 50.0}  # ms
_TITLE: Final = f"Command line: from start to end, and what is over `{_PASS}` in the same round"


def measure(*, quick: bool) -> list[Table]:
    """Return one table, with a row for each command."""
    with tempfile.TemporaryDirectory() as folder, compiled_modules() as compiled:
        profiles = Path(folder, "profiles.toml")
        profiles.write_text(_PROFILE, encoding="utf-8")
        token = Token("access", "refresh", time.time() + 3600)
        FileStore(Path(folder, "token.json")).save(token)
        environment = {**compiled, "REQUESTS_JWT_PROFILES": str(profiles)}
        commands = _list_commands()
        printed = run_command(commands[_TOKEN], environment).strip()
        assert printed == token.access, "the command prints another token"
        works = {
            name: partial(time_command, command, environment) for name, command in commands.items()
        }
        samples = Samples.take(works, 1 if quick else 31)
    return [Table(_TITLE, [_make_row(name, samples) for name in commands])]


def _list_commands() -> dict[str, list[str]]:
    script = str(Path(sysconfig.get_path("scripts"), "requests-jwt"))
    nothing = [sys.executable, "-c", "pass"]
    return {
        _PASS: nothing,
        _REQUESTS: [sys.executable, "-c", "import requests"],
        _TOKEN: [script, "token", NAME],
        _RUN: [script, "run", NAME, "--", *nothing],
    }


def _make_row(name: str, samples: Samples) -> Row:
    added = samples.added(name, _PASS, "ms")
    figures: dict[str, Figure | None] = {
        "in all": samples.median(name, "ms"),
        "over pass": None if name == _PASS else added,
    }
    return Row(name, figures, (at_most(added, _GOALS[name]),) if name in _GOALS else ())
