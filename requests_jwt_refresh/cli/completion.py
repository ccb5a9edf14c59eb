"""completion: a script with which bash or zsh completes these commands."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from requests_jwt_refresh.cli.commands import (
    COMPLETE_ACCOUNTS,
    COMPLETE_PROFILES,
    add_command,
    examples,
)
from requests_jwt_refresh.cli.console import Exit

if TYPE_CHECKING:
    import argparse

    from requests_jwt_refresh.cli.commands import Subparsers

# What completes a kind of names: a command that prints them, one per line.
_COMMANDS: Final = {
    COMPLETE_PROFILES: "requests-jwt profiles --names",
    COMPLETE_ACCOUNTS: "requests-jwt accounts --names",
}

# How each shell asks for names.
_FUNCTIONS: Final = {
    "bash": """\
{function}() {{
  local name
  while IFS= read -r name; do
    [[ $name == "$1"* ]] && printf '%s\\n' "$name"
  done < <({command} 2>/dev/null)
}}
""",
    "zsh": """\
{function}() {{
  local -a names
  names=(${{(f)"$({command} 2>/dev/null)"}})
  _describe 'name' names
}}
""",
}

# What the script says of one name, and what it has to say of both.
_SECOND_NAME: Final = {
    "bash": {
        "-F _shtab_requests_jwt requests-jwt": "-F _shtab_requests_jwt requests-jwt{,-refresh}"
    },
    "zsh": {
        "#compdef requests-jwt\n": "#compdef requests-jwt requests-jwt-refresh\n",
        "_shtab_requests_jwt -N requests-jwt\n": "_shtab_requests_jwt -N requests-jwt{,-refresh}\n",
    },
}


def add_parser(subparsers: Subparsers) -> None:
    parser = add_command(
        subparsers,
        "completion",
        run,
        epilog=examples(
            ('eval "$(requests-jwt completion bash)"', "in ~/.bashrc"),
            ("requests-jwt completion zsh > ~/.zfunc/_requests-jwt", "with ~/.zfunc in your fpath"),
        ),
    )
    parser.add_argument("shell", choices=tuple(_FUNCTIONS), metavar="SHELL", help="bash or zsh")


def run(options: argparse.Namespace) -> int:
    """Print the script. `options.root` is the parser that knows all commands."""
    import shtab

    template = _FUNCTIONS[options.shell]
    preamble = "".join(
        template.format(function=name, command=each) for name, each in _COMMANDS.items()
    )
    script = shtab.complete(options.root, shell=options.shell, preamble=preamble)
    # The same program has two names.
    for before, after in _SECOND_NAME[options.shell].items():
        script = script.replace(before, after)
    sys.stdout.write(f"{script}\n")
    return Exit.DONE
