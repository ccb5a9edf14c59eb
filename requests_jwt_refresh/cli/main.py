"""The command line: ``requests-jwt COMMAND``.

Each command's module has `add_parser`, which adds its options and names its action; `accounts` has
one for each of its two commands. Only the module of the command that was typed is imported, for
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
from requests_jwt_refresh.cli.commands import COMMANDS, Parser, examples
from requests_jwt_refresh.cli.console import Exit, UsageError, complain, report

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from requests_jwt_refresh.cli.commands import Subparsers

_SHARED: Final = dict.fromkeys(("accounts", "switch"), "accounts")
_MODULES: Final = {name: name for name in COMMANDS} | _SHARED  # where each command is

_OWN_OPTIONS: Final = ("-h", "--help", "--version")  # all others belong to a command


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
            sys.stdout.flush()  # here, where a closed pipe can be told from other faults
    except KeyboardInterrupt:
        if sys.stderr.isatty():
            sys.stderr.write("\n")  # the prompt goes below the ^C
        return Exit.INTERRUPTED
    except BrokenPipeError:
        _discard_output()
        return Exit.BROKEN_PIPE
    except OSError as error:
        if hasattr(error, "request"):  # an error of requests, which is not about the output
            raise
        _discard_output()
        reason = error.strerror or type(error).__name__
        complain(
            f"the output cannot be written ({reason})",
            "free some space, or send the output elsewhere",
        )
        return Exit.FAULT


def _repair_streams() -> None:
    """Give a closed stream a device in its place, and let no character fail to be written."""
    # In the order of their numbers, so that each device gets the number of its stream.
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # the parent process closed it
            setattr(sys, name, open(os.devnull, mode))  # noqa: PTH123, SIM115 - a device, to the end
    for stream in (sys.stdout, sys.stderr):
        # A character that the terminal's encoding lacks must not fail a command whose work is done.
        # Other ways than "strict" were chosen by the user, such as for paths of any bytes.
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")


def _run(arguments: list[str], has_output: bool) -> int:
    arguments, program = _split_off_program(_put_command_first(arguments))
    command = next((each for each in arguments if not each.startswith("-")), "")
    parser = _make_parser(command)
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
    return _run_action(options)


def _run_action(options: argparse.Namespace) -> int:
    """Run a command, and turn its errors into two lines and an exit status."""
    try:
        return int(options.run(options))
    except EOFError:
        where = "type it" if sys.stdin.isatty() else "run it in a terminal"
        complain("an answer is needed, but the input has ended", f"{where}, or pipe it in")
    except UsageError as error:
        complain(error.cause, error.remedy)
    except library.JWTRefreshError as error:  # imported now, if it was not needed before
        name = getattr(options, "name", None)
        return report(error, getattr(options, "reference", name))
    return Exit.USAGE


def _put_command_first(arguments: list[str]) -> list[str]:
    """Return the arguments with the command before the options that were typed before it."""
    if not arguments or not arguments[0].startswith("-") or arguments[0] in _OWN_OPTIONS:
        return arguments
    place = next((n for n, each in enumerate(arguments) if each in COMMANDS), 0)
    return [arguments[place], *arguments[:place], *arguments[place + 1 :]]


def _split_off_program(arguments: list[str]) -> tuple[list[str], list[str]]:
    """Split off the program that `run NAME` starts: its options are not for argparse."""
    if arguments[:1] != ["run"]:
        return arguments, []
    own, program = arguments[:1], arguments[1:]
    has_name = False
    while program and program[0] != "--":
        is_option = program[0].startswith("-")
        if has_name and program[0].partition("=")[0] != "--account":
            break
        has_name = has_name or not is_option
        count = 2 if program[0] == "--account" else 1  # with its value
        own, program = own + program[:count], program[count:]
    return own, program[1:] if program[:1] == ["--"] else program


def _make_parser(command: str) -> Parser:
    """Return the parser of one command, or of all where that one is not enough."""
    parser = Parser(
        prog="requests-jwt",
        description="Short-lived JWTs for requests, solved.",
        epilog=examples(
            ("requests-jwt demo", "see access tokens expire without the callers noticing"),
            ("requests-jwt init prod", "describe your API, once"),
            ("requests-jwt login prod", "get a token, once"),
            ("requests-jwt run prod -- python job.py", "run an unmodified script"),
            (
                'curl -H "Authorization: Bearer $(requests-jwt token prod)" URL',
                "use a token in any other program",
            ),
        ),
    )
    parser.add_argument("--version", action="store_true", help="show the version and exit")
    parser.set_defaults(run=None, needs_output=False, parser=parser, root=parser)
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", parser_class=Parser)
    if command not in COMMANDS:  # no more is needed for help, and for a mistake
        for name, summary in COMMANDS.items():
            subparsers.add_parser(name, help=summary)
    for name in COMMANDS if command == "completion" else {command} & COMMANDS.keys():
        _add_parser(subparsers, name)
    return parser


def _add_parser(subparsers: Subparsers, command: str) -> None:
    """Add the parser of one command."""
    module = importlib.import_module(f".{_MODULES[command]}", __package__)
    add = f"add_{command}" if command in _SHARED else "add_parser"
    getattr(module, add)(subparsers)


def _discard_output() -> None:
    """Discard what is still buffered, so that Python's own flush at exit does not fail."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
