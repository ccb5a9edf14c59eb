"""demo: show what this library does, on a server of its own."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from requests_jwt_refresh.cli.commands import add_command
from requests_jwt_refresh.cli.console import Exit

if TYPE_CHECKING:
    import argparse

    from requests_jwt_refresh.cli.commands import Subparsers


def add_parser(subparsers: Subparsers) -> None:
    add_command(
        subparsers,
        "demo",
        run,
        description="Starts a token server on this machine, lets its access tokens expire, and "
        "shows what the server and the callers see of it. Needs no account, network or keyring. "
        "The exit status is 0 if all of it really happened, 1 if not.",
    )


def run(_options: argparse.Namespace) -> int:
    from requests_jwt_refresh.cli.scenes import play_demo
    from requests_jwt_refresh.inject.report import show_warnings

    show_warnings()
    return Exit.DONE if play_demo(sys.stdout) else Exit.FAULT
