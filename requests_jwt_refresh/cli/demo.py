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
    parser = add_command(
        subparsers,
        "demo",
        run,
        description="Starts a token server on this machine, lets its access tokens expire, and "
        "shows what the server and the callers see of it. Needs no account, network or keyring. "
        "The exit status is 0 if all of it really happened, 1 if not.",
    )
    either = parser.add_mutually_exclusive_group()
    either.add_argument(
        "--verbose",
        action="store_true",
        help="also say what each part is about, and show all that went over the wire",
    )
    either.add_argument(
        "--serve",
        action="store_true",
        help="instead, run an API and an OpenID server until Ctrl-C, to try the other commands on",
    )


def run(options: argparse.Namespace) -> int:
    from requests_jwt_refresh.inject.report import show_warnings

    show_warnings()
    if options.serve:
        from requests_jwt_refresh.cli.serve import serve

        serve(sys.stdout)
        return Exit.DONE
    from requests_jwt_refresh.cli.scenes import play_demo

    return Exit.DONE if play_demo(sys.stdout, verbose=options.verbose) else Exit.FAULT
