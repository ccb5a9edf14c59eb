"""The list of commands, and how each describes its options: the parser, its help and errors."""

from __future__ import annotations

import argparse
import re
from typing import TYPE_CHECKING, Any, Final, NoReturn

from requests_jwt_refresh.cli.console import Exit, complain
from requests_jwt_refresh.profiles.kinds import FEW_CHOICES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

COMPLETE_PROFILES: Final = "_requests_jwt_names"
"""The function with which both shells complete the name of a profile."""

COMPLETE_ACCOUNTS: Final = "_requests_jwt_accounts"
"""The function with which both shells complete the name of an account."""

COMPLETE_FILES: Final = {"bash": "_shtab_compgen_files", "zsh": "_files"}
"""The functions with which each shell completes the name of a file (shtab's own)."""

COMMANDS: Final = {
    "init": "write a profile: which API, and how its tokens are renewed",
    "profiles": "list the profiles",
    "login": "get a token and store it",
    "accounts": "list the accounts of each profile",
    "switch": "choose the profile and account that are used if none is named",
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
  2  the arguments or the profile cannot be used, or do not fit the server
  3  not logged in, or the server refused: requests-jwt login NAME
  4  the server could not be asked: try again later, the tokens are kept
  5  the keyring, file or Redis cannot be read or written"""

LOGOUT_STATUSES: Final = EXIT_STATUSES.replace(
    "the server could not be asked: try again later, the tokens are kept",
    "the server could not be told; the token is forgotten here anyway",
)
"""The same for `logout`, which keeps nothing."""


# What an option is called, if no secret has that form.
_OPTION_NAME: Final = re.compile(r"-[A-Za-z]|--[a-z]{2,12}(?:[-_][a-z]{1,12}){0,2}")


class Parser(argparse.ArgumentParser):
    """An argparse parser that repeats no argument in an error: it may be a secret."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, formatter_class=_Help, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        """End the program with exit status 2 and two lines on stderr, without argument values."""
        complain(_hide_values(message), f"see the options with: {self.prog} --help")
        self.exit(Exit.USAGE)

    def reject(self, unrecognized: Iterable[str]) -> NoReturn:
        """End the program because of `unrecognized`; name the nearest option there is."""
        options = [each.partition("=")[0] for each in unrecognized if each.startswith("-")]
        problems = [self._describe_unrecognized(each) for each in options]
        # One that can be named, or for which there is a similar one, says most.
        self.error(max(problems, key=len, default="unrecognized arguments"))

    def _describe_unrecognized(self, option: str) -> str:
        import difflib

        what = f"option {option}" if _OPTION_NAME.fullmatch(option) else "arguments"
        known = [name[2:] for name in self._option_string_actions if name.startswith("--")]
        close = difflib.get_close_matches(option.lstrip("-"), known, 1)
        return f"unrecognized {what}{f': did you mean --{close[0]}?' if close else ''}"


def _hide_values(message: str) -> str:
    """Return an error message of argparse without the values that were typed."""
    message = re.sub(r"invalid choice: (.*) \(choose from (.*)\)", _suggest_choice, message)
    return re.sub(r"ignored explicit argument .*", "takes no value", message)


def _suggest_choice(found: re.Match[str]) -> str:
    """Return the choice that is nearest to what was typed; alone, unless there are but a few."""
    from requests_jwt_refresh.profiles.schema import suggest_choice

    choices = re.findall(r"[\w-]+", found[2])
    listed = f"must be one of {', '.join(choices)}"
    nearest = suggest_choice(found[1].strip("'\""), choices)
    if not nearest:
        return listed
    unknown = f"there is no such name: {nearest}"
    return f"{unknown} It {listed}" if len(choices) <= FEW_CHOICES else unknown


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


def add_profile_name(
    parser: Parser,
    *,
    is_optional: bool = False,
    has_account: bool = True,
    left_out: str = "the only one, or the one of requests-jwt switch",
) -> None:
    """Add the argument NAME, which shells complete; one that is optional has --account beside it.

    Both are None if they are left out: `Profiles.choose` and `Profiles.choose_account` know what
    that means. `left_out` says it for people.
    """
    options: dict[str, Any] = {"nargs": "?"} if is_optional else {}
    only = f"; {left_out} if it is left out" if is_optional else ""
    if is_optional and has_account:
        add_account_option(parser, "whose token; see requests-jwt accounts")
    name: Any = parser.add_argument("name", metavar="NAME", help=f"the profile{only}", **options)
    name.complete = dict.fromkeys(("bash", "zsh"), COMPLETE_PROFILES)


def add_account_option(parser: Parser, what: str) -> None:
    """Add the option --account, which shells complete; `what` is its help."""
    account: Any = parser.add_argument("--account", metavar="ACCOUNT", help=what)
    account.complete = dict.fromkeys(("bash", "zsh"), COMPLETE_ACCOUNTS)


def examples(*pairs: tuple[str, str]) -> str:
    """Return the examples below a help text: commands, and what each is for."""
    lines = [f"  {command}\n      {purpose}" for command, purpose in pairs]
    return "\n".join(["examples:", *lines])
