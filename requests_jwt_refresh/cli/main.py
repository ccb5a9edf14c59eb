"""The command line: ``requests-jwt COMMAND``.

Each command's module has `add_parser`, which adds its options and names its action; `account` has
one for each of its commands. Only the module of the command that was typed is imported, for
completion all of them. What an action needs (requests, tomlkit, a server) is imported within it.
"""

from __future__ import annotations

import errno
import importlib
import io
import os
import sys
from typing import TYPE_CHECKING, Final

import requests_jwt_refresh as library
from requests_jwt_refresh.cli.console import Exit, UsageError, complain, report
from requests_jwt_refresh.cli.options import COMMANDS, Parser, examples

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from requests_jwt_refresh.cli.options import Subparsers

_ACCOUNT: Final = dict.fromkeys(("status", "token", "refresh", "logout"), "account")
_MODULES: Final = {name: name for name in COMMANDS} | _ACCOUNT  # where each command is


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that `arguments` name, by default the program's; return its exit status.

    Raises SystemExit after ``--help`` and for arguments that cannot be used, as argparse does.
    """
    has_output = sys.stdout is not None
    _repair_streams()
    try:
        try:
            return _run(sys.argv[1:] if arguments is None else list(arguments), has_output)
        finally:
            sys.stdout.flush()  # here, where a reader that has left can be told from a fault
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except BrokenPipeError:
        _discard_output()
        return Exit.BROKEN_PIPE
    except OSError as error:
        if hasattr(error, "request"):  # one of requests', which has nothing to do with output
            raise
        _discard_output()
        reason = error.strerror or type(error).__name__
        complain(
            f"the output cannot be written ({reason})",
            "make room there, or send it elsewhere",
        )
        return Exit.FAULT


def _repair_streams() -> None:
    """Make every stream usable, so that output never fails and reading finds an end."""
    # In the order of their numbers, so that each gets its own; to the end of the program.
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # the parent process closed it
            setattr(sys, name, open(os.devnull, mode))  # noqa: PTH123, SIM115
    for stream in (sys.stdout, sys.stderr):
        # What the terminal's encoding does not have must not fail when the work has been done.
        # Another way than "strict" was chosen on purpose, such as for paths of any bytes.
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")


def _run(arguments: list[str], has_output: bool) -> int:
    arguments, program = _split_off_program(arguments)
    command = next((each for each in arguments if not each.startswith("-")), "")
    parser = _parser(command)
    if command and command not in COMMANDS:
        import difflib

        close = difflib.get_close_matches(command, COMMANDS, 1)
        hint = f": did you mean {close[0]!r}?" if close else ""
        parser.error(f"there is no such command{hint}")
    options, unrecognized = parser.parse_known_args(arguments)
    if unrecognized:
        options.parser.reject(unrecognized)
    if options.version:
        from importlib.metadata import version

        sys.stdout.write(f"{parser.prog} {version('requests-jwt-refresh')}\n")
        return Exit.DONE
    if options.run is None:
        parser.print_help(sys.stderr)
        return Exit.USAGE
    if options.needs_output and not has_output:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    options.program = program
    return _act(options)


def _act(options: argparse.Namespace) -> int:
    """Run a command, and turn its errors into two lines and an exit status."""
    try:
        return int(options.run(options))
    except EOFError:
        where = "type it" if sys.stdin.isatty() else "run it in a terminal"
        complain("an answer is needed, but the input has ended", f"{where}, or pipe it in")
    except UsageError as error:
        complain(error.cause, error.remedy)
    except library.JWTRefreshError as error:  # imported now, if it was not needed before
        return report(error, getattr(options, "name", None))
    return Exit.USAGE


def _split_off_program(arguments: list[str]) -> tuple[list[str], list[str]]:
    """Split off the program that `run NAME` starts, whose options are none of ours."""
    if arguments[:1] != ["run"]:
        return arguments, []
    name = next((n for n, each in enumerate(arguments) if n and not each.startswith("-")), None)
    if name is None:
        return arguments, []
    program = arguments[name + 1 :]
    return arguments[: name + 1], program[1:] if program[:1] == ["--"] else program


def _parser(command: str) -> Parser:
    """Return the parser of one command, or of all where that one is not enough."""
    parser = Parser(
        prog="requests-jwt",
        description="Short-lived JWTs for requests, solved.",
        epilog=examples(
            ("requests-jwt demo", "watch access tokens expire, and callers not notice"),
            ("requests-jwt init prod", "describe your API, once"),
            ("requests-jwt login prod", "get a token, once"),
            ("requests-jwt run prod -- python job.py", "a script, unmodified"),
            ('curl -H "Authorization: Bearer $(requests-jwt token prod)" URL', "anything else"),
        ),
    )
    parser.add_argument("--version", action="store_true", help="show the version and exit")
    parser.set_defaults(run=None, needs_output=False, parser=parser, root=parser)
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", parser_class=Parser)
    if command not in COMMANDS:  # no more is needed for help, and for a mistake
        for name, summary in COMMANDS.items():
            subparsers.add_parser(name, help=summary)
    for name in COMMANDS if command == "completion" else {command} & COMMANDS.keys():
        _add(subparsers, name)
    return parser


def _add(subparsers: Subparsers, command: str) -> None:
    """Add the parser of one command."""
    module = importlib.import_module(f".{_MODULES[command]}", __package__)
    add = f"add_{command}" if command in _ACCOUNT else "add_parser"
    getattr(module, add)(subparsers)


def _discard_output() -> None:
    """Send the rest nowhere, so that Python's own flush at exit has nothing to complain of."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
