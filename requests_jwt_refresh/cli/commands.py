"""The list of commands, and how each describes its options: the parser, its help and errors."""

from __future__ import annotations

import argparse
import re
from typing import TYPE_CHECKING, Any, Final, NoReturn

from requests_jwt_refresh.cli.console import Exit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

COMPLETE_PROFILES: Final = "_requests_jwt_names"
"""The function with which both shells complete the name of a profile."""

COMMANDS: Final = {
    "init": "write a profile: which API, and how its tokens are renewed",
    "profiles": "list the profiles",
    "login": "get a token and store it",
    "status": "show who is logged in, and for how long",
    "token": "print a valid access token, refreshed if needed",
    "refresh": "ask the server for a new token now",
    "logout": "forget the token",
    "run": "run a program, unmodified, with tokens",
    "doctor": "find out what is wrong, and what to do about it",
    "demo": "show what this library does, on a server of its own",
    "completion": "print a completion script for bash or zsh",
}
"""Each command and what it does, in the order of ``--help``."""

Subparsers = Any
"""What a command adds its parser to. The class is private to argparse."""

EXIT_STATUSES: Final = """

exit status:
  0  done
  1  it failed, for another reason than those below
  2  the arguments or the profile cannot be used
  3  not logged in, or the server refused: requests-jwt login NAME
  4  the server could not be asked: try again later, the tokens are kept
  5  the keyring, file or Redis cannot be read or written"""


class Parser(argparse.ArgumentParser):
    """An argparse parser that repeats no argument in an error: it may be a secret."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, formatter_class=_Help, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        """End the program with exit status 2 and two lines on stderr, without argument values."""
        cause = _hide_values(message)
        remedy = f"see the options with: {self.prog} --help"
        self.exit(Exit.USAGE, f"requests-jwt: {cause}\nrequests-jwt: {remedy}\n")

    def reject(self, unrecognized: Iterable[str]) -> NoReturn:
        """End the program because of `unrecognized`; suggest an option with a similar name."""
        import difflib

        known = [name for name in self._option_string_actions if name.startswith("--")]
        for argument in unrecognized:
            name = argument.partition("=")[0]
            close = name.startswith("-") and difflib.get_close_matches(name, known, 1)
            if close:
                self.error(f"unrecognized arguments: did you mean {close[0]}?")
        self.error("unrecognized arguments")


def _hide_values(message: str) -> str:
    """Return an error message of argparse without the values that were typed."""
    message = re.sub(r"invalid choice: .* \(choose from (.*)\)", r"must be one of \1", message)
    return re.sub(r"ignored explicit argument .*", "takes no value", message)


class _Help(argparse.HelpFormatter):
    """Help that fills its paragraphs, but leaves examples and tables as they are written."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return text if "\n" in text else super()._fill_text(text, width, indent)


def add_command(
    subparsers: Subparsers,
    name: str,
    run: Callable[[argparse.Namespace], int],
    **options: Any,
) -> Parser:
    """Add a command and return its parser; its description begins with what COMMANDS says."""
    summary = COMMANDS[name]
    description = options.pop("description", "")
    parser: Parser = subparsers.add_parser(
        name,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}. {description}".strip(),
        **options,
    )
    parser.set_defaults(run=run, parser=parser)
    return parser


def add_profile_name(parser: Parser) -> None:
    """Add the argument NAME, which shells complete."""
    name: Any = parser.add_argument("name", metavar="NAME", help="the profile")
    name.complete = dict.fromkeys(("bash", "zsh"), COMPLETE_PROFILES)


def examples(*pairs: tuple[str, str]) -> str:
    """Return the examples below a help text: commands, and what each is for."""
    lines = [f"  {command}\n      {purpose}" for command, purpose in pairs]
    return "\n".join(["examples:", *lines])
