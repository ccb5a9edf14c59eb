"""The command line: ``requests-jwt COMMAND``.

Each command is a sub-parser whose `run` takes the parsed options and returns the exit status. What
a command needs is imported when it runs.
"""

from __future__ import annotations

import argparse
import os
import sys
from importlib.metadata import version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

USAGE = 2
INTERRUPTED = 128 + 2  # as a shell reports SIGINT
NOBODY_READS = 128 + 13  # as a shell reports SIGPIPE

_EXAMPLE = """\
example:
  requests-jwt demo     watch access tokens expire, and callers not notice
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that `arguments` name, by default the program's, and return its exit status.

    Raises SystemExit after ``--help`` and for arguments that make no sense, as argparse does.
    """
    try:
        try:
            return _run(_parser(), arguments)
        finally:
            sys.stdout.flush()  # here, where a reader that has left can be told from a fault
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        _discard_output()
        return NOBODY_READS


def _run(parser: argparse.ArgumentParser, arguments: Sequence[str] | None) -> int:
    options = parser.parse_args(arguments)
    if options.version:
        sys.stdout.write(f"{parser.prog} {version('requests-jwt-refresh')}\n")
        return 0
    if options.run is None:
        parser.print_help(sys.stderr)
        return USAGE
    status: int = options.run(options)
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="requests-jwt",
        description="Short-lived JWTs for requests, solved.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="store_true", help="show the version and exit")
    parser.set_defaults(run=None)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    _add_demo(commands)
    return parser


def _add_demo(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    demo = commands.add_parser(
        "demo",
        help="show what this library does, on a server of its own",
        description="Start a token server on this machine, let its access tokens expire, and show "
        "what the server and the callers see of it. Needs no account, network or keyring. The exit "
        "status is 0 if all of it really happened, 1 if not.",
    )
    demo.set_defaults(run=_demo)


def _demo(_options: argparse.Namespace) -> int:
    from . import demo  # noqa: PLC0415 - it brings a server, which other commands do without

    return 0 if demo.run(sys.stdout) else 1


def _discard_output() -> None:
    """Send the rest nowhere, so that Python's own flush at exit has nothing to complain of."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
