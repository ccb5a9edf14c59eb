"""The command line: ``requests-jwt COMMAND``.

Each command is a sub-parser whose `run` takes the parsed options and returns the exit status. What
a command does is in commands/, and imported when it runs.
"""

from __future__ import annotations

import argparse
import difflib
import errno
import importlib
import io
import os
import re
import sys
from typing import TYPE_CHECKING, Any, Final, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

FAULT = 1
USAGE = 2
INTERRUPTED = 128 + 2  # as a shell reports SIGINT
NOBODY_READS = 128 + 13  # as a shell reports SIGPIPE

_SHELLS = ("bash", "zsh")
_PRESETS = ("simplejwt", "flask-jwt-extended", "directus", "aspnetcore-identity", "express")
_KINDS = ("json", "oauth2", "bearer")

# How the two shells ask for the names of profiles.
_PREAMBLE = {
    "bash": """\
_requests_jwt_names() {
  local name
  while IFS= read -r name; do
    [[ $name == "$1"* ]] && printf '%s\\n' "$name"
  done < <(requests-jwt profiles --names 2>/dev/null)
}
""",
    "zsh": """\
_requests_jwt_names() {
  local -a names
  names=(${(f)"$(requests-jwt profiles --names 2>/dev/null)"})
  _describe 'profile' names
}
""",
}
_NAME_COMPLETION = {"bash": "_requests_jwt_names", "zsh": "_requests_jwt_names"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that `arguments` name, by default the program's, and return its exit status.

    Raises SystemExit after ``--help`` and for arguments that make no sense, as argparse does.
    """
    is_heard = sys.stdout is not None
    _repair_streams()
    try:
        try:
            return _run(sys.argv[1:] if arguments is None else list(arguments), is_heard=is_heard)
        finally:
            sys.stdout.flush()  # here, where a reader that has left can be told from a fault
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        _discard_output()
        return NOBODY_READS
    except OSError as error:
        if hasattr(error, "request"):  # one of requests', which has nothing to do with output
            raise
        _discard_output()
        reason = error.strerror or type(error).__name__
        sys.stderr.write(f"requests-jwt: what was to be said cannot be written ({reason})\n")
        sys.stderr.write("requests-jwt: make room there, or send it elsewhere\n")
        return FAULT


def _repair_streams() -> None:
    """See to it that whatever is said can be said, and that reading finds an end."""
    # In the order of their numbers, so that each gets its own; to the end of the program.
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # closed by whoever has started us
            setattr(sys, name, open(os.devnull, mode))  # noqa: PTH123, SIM115
    for stream in (sys.stdout, sys.stderr):
        # What the terminal's encoding does not have must not fail when the work has been done.
        # Whoever has set another way, such as for paths of any bytes, knows why.
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")


def _run(arguments: list[str], *, is_heard: bool) -> int:
    parser = _parser()
    arguments, command = _without_command(arguments)
    options = parser.parse_args(arguments)
    options.command = command
    if options.version:
        from importlib.metadata import version

        sys.stdout.write(f"{parser.prog} {version('requests-jwt-refresh')}\n")
        return 0
    if options.run is None:
        parser.print_help(sys.stderr)
        return USAGE
    if options.is_to_be_heard and not is_heard:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    # Brings requests, which --help does without.
    from requests_jwt_refresh.cli.exits import Complaint, complain, explain
    from requests_jwt_refresh.errors import JWTRefreshError

    try:
        return int(options.run(options))
    except JWTRefreshError as error:
        return explain(error, getattr(options, "name", None))
    except EOFError:
        where = "type it" if sys.stdin.isatty() else "run it in a terminal"
        complain("an answer is needed, and nobody gave one", f"{where}, or pipe it in")
    except Complaint as fault:
        complain(fault.cause, fault.remedy)
    return USAGE


def _without_command(arguments: list[str]) -> tuple[list[str], list[str]]:
    """Split off the program that `run NAME` is to start, whose options are none of ours."""
    if arguments[:1] != ["run"]:
        return arguments, []
    name = next((n for n, each in enumerate(arguments) if n and not each.startswith("-")), None)
    if name is None:
        return arguments, []
    command = arguments[name + 1 :]
    return arguments[: name + 1], command[1:] if command[:1] == ["--"] else command


class _Parser(argparse.ArgumentParser):
    """An argparse parser that repeats no argument in an error: it may be a secret."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        cause = _without_values(message)
        self.exit(
            USAGE, f"requests-jwt: {cause}\nrequests-jwt: see what is there: {self.prog} --help\n"
        )


def _without_values(message: str) -> str:
    """Return an error of argparse's without what was typed, unless that is a command misspelt."""
    if message.startswith("unrecognized arguments"):
        return "there are arguments too many, or misspelt ones"
    misspelt = re.match("argument COMMAND: invalid choice: '(.*?)'", message)
    if misspelt is not None:
        close = difflib.get_close_matches(misspelt[1], _COMMANDS, 1)
        return f"there is no such command: did you mean {close[0]!r}?" if close else _NO_COMMAND
    message = re.sub(r"invalid choice: .* \(choose from (.*)\)", r"it is one of \1", message)
    return re.sub(r"ignored explicit argument .*", "it takes no value", message)


_NO_COMMAND = "there is no such command"


class _Help(argparse.HelpFormatter):
    """Help that fills its paragraphs, but leaves examples and tables as they are written."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return text if "\n" in text else super()._fill_text(text, width, indent)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="requests-jwt",
        description="Short-lived JWTs for requests, solved.",
        epilog=_examples(
            ("requests-jwt demo", "watch access tokens expire, and callers not notice"),
            ("requests-jwt init prod", "describe your API, once"),
            ("requests-jwt login prod", "get a token, once"),
            ("requests-jwt run prod -- python job.py", "a script, unmodified"),
            ('curl -H "Authorization: Bearer $(requests-jwt token prod)" URL', "anything else"),
        ),
        formatter_class=_Help,
    )
    parser.add_argument("--version", action="store_true", help="show the version and exit")
    parser.set_defaults(run=None, is_to_be_heard=False)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", parser_class=_Parser)
    for add in _COMMANDS.values():
        add(commands)
    return parser


_Commands = Any  # argparse's own class for it is private


def _add(commands: _Commands, name: str, what: str, **more: Any) -> Any:
    """Add a command; the description starts with what the list of commands says of it."""
    description = more.pop("description", "")
    return commands.add_parser(
        name,
        help=what,
        description=f"{what[0].upper()}{what[1:]}. {description}".strip(),
        formatter_class=_Help,
        **more,
    )


def _add_name(parser: Any) -> None:
    name = parser.add_argument("name", metavar="NAME", help="the profile")
    name.complete = _NAME_COMPLETION


def _from(module: str, function: str) -> Callable[[argparse.Namespace], int]:
    """Return a function of commands/ that is imported when it is called."""

    def run(options: argparse.Namespace) -> int:
        found = getattr(importlib.import_module(f".{module}", __package__), function)
        return int(found(options))

    return run


def _examples(*examples: tuple[str, str]) -> str:
    """Return what stands below a help text: each command, and what it is for."""
    lines = [f"  {command}\n      {what}" for command, what in examples]
    return "\n".join(["examples:", *lines])


_EXIT_STATUSES = """

exit status:
  0  done
  1  it did not work, for another reason than those below
  2  the arguments, or the profile, make no sense
  3  not logged in, or the server refused: requests-jwt login NAME
  4  the server could not be asked: try again later, the tokens are kept
  5  the keyring, file or Redis cannot be read or written"""


_INIT_EXAMPLE = """\
requests-jwt init prod --base-url https://api.example.com/v1 \\
      --refresh-url /auth/refresh --login-url /auth/login \\
      --expired 'message=Invalid JWT'"""


def _add_init(commands: _Commands) -> None:
    init = _add(
        commands,
        "init",
        "write a profile: which API, and how its tokens are renewed",
        usage="requests-jwt init NAME [OPTIONS]",
        description="In a terminal it asks for what is missing.",
        epilog=_examples(
            ("requests-jwt init prod", "be asked"),
            (
                "requests-jwt init prod --base-url https://api.example.com --preset simplejwt",
                "djangorestframework-simplejwt, with its documented paths",
            ),
            (_INIT_EXAMPLE, "a server of its own kind; more in the file, see the README"),
        ),
    )
    init.add_argument("name", metavar="NAME", help="what to call it")
    init.add_argument("--base-url", metavar="URL", help="the API; its origin alone gets the token")
    kind = init.add_mutually_exclusive_group()
    kind.add_argument(
        "--preset",
        choices=_PRESETS,
        metavar="PRESET",
        help=f"a known server: {', '.join(_PRESETS)}",
    )
    kind.add_argument(
        "--kind",
        choices=_KINDS,
        metavar="KIND",
        help=f"how else to ask: {', '.join(_KINDS)}; json if not given",
    )
    init.add_argument("--refresh-url", metavar="URL", help="absolute, or below the base URL")
    init.add_argument("--client-id", metavar="ID", help="OAuth 2.0: the client's id")
    init.add_argument(
        "--client-auth",
        choices=("basic", "post", "none"),
        metavar="HOW",
        help="OAuth 2.0: basic, post or none; `login` asks for the secret",
    )
    init.add_argument("--device-url", metavar="URL", help="OAuth 2.0: for the device flow")
    init.add_argument("--scope", metavar="SCOPE", help="OAuth 2.0: what the device flow asks for")
    init.add_argument("--login-url", metavar="URL", help="takes a user name and a password")
    init.add_argument(
        "--login-send",
        choices=("json", "form", "basic", "oauth2"),
        metavar="HOW",
        help="json (if not given), form, basic or oauth2",
    )
    init.add_argument("--logout-url", metavar="URL", help="takes tokens back")
    init.add_argument(
        "--logout-send",
        choices=("json", "bearer", "oauth2"),
        metavar="HOW",
        help="json (if not given), bearer or oauth2",
    )
    init.add_argument(
        "--expired",
        metavar="FIELD=VALUE",
        type=_rule,
        help="what a 401 says of an expired token (any 401)",
    )
    init.add_argument(
        "--store",
        choices=("keyring", "file", "redis"),
        metavar="KIND",
        help="where the token lives: keyring (if not given), file or redis",
    )
    init.add_argument("--path", metavar="PATH", help="of the file store")
    init.add_argument("--redis", metavar="URL", help="of the Redis store, without a password")
    init.add_argument("--key", metavar="KEY", help="of the Redis store")
    init.add_argument(
        "--trusted-origin", metavar="ORIGIN", action="append", help="gets the token, too"
    )
    init.add_argument("--allow-http", action="store_true", help="send tokens unencrypted")
    init.add_argument("--replace", action="store_true", help="if there is such a profile already")
    init.set_defaults(run=_from("init", "init"))


def _add_profiles(commands: _Commands) -> None:
    profiles = _add(
        commands,
        "profiles",
        "list the profiles",
        description="The status is 2 if one of them is faulty.",
        epilog=_examples(
            ("$EDITOR $(requests-jwt profiles --path)", "edit the file"),
            ("for p in $(requests-jwt profiles --names); do ...", "each of them"),
        ),
    )
    how = profiles.add_mutually_exclusive_group()
    how.add_argument("--names", action="store_true", help="the names alone, one a line")
    how.add_argument("--path", action="store_true", help="the file's path alone")
    how.add_argument("--json", action="store_true", help="for programs")
    profiles.set_defaults(run=_from("init", "profiles"))


def _add_login(commands: _Commands) -> None:
    login = _add(
        commands,
        "login",
        "get a token and keep it",
        description="Asks for a user name and a password, or shows where to agree in a browser "
        "(OAuth 2.0 device flow), as the profile says. Secrets are typed, or come from standard "
        "input; never as arguments.",
        epilog=_examples(
            ("requests-jwt login prod", "be asked"),
            ("requests-jwt login prod --username alice < password.txt", "in a script"),
            ("pass api/refresh | requests-jwt login prod --refresh-token -", "a token you have"),
        )
        + _EXIT_STATUSES,
    )
    _add_name(login)
    login.add_argument("--username", "-u", metavar="NAME", help="whose password will be asked")
    for option, what in (("refresh-token", "a refresh token"), ("client-secret", "the secret")):
        login.add_argument(
            f"--{option}", metavar="-", type=_dash, help=f"take {what} from standard input"
        )
    login.set_defaults(run=_from("account", "login"))


def _rule(text: str) -> tuple[str, str]:
    field, _, value = text.partition("=")
    if not (field and value):
        raise argparse.ArgumentTypeError("it is FIELD=VALUE, such as 'message=Invalid JWT'")
    return field, value


def _dash(text: str) -> str:
    if text != "-":
        raise argparse.ArgumentTypeError(
            "only '-' can be given, for standard input. Arguments are seen by other users and stay "
            "in the shell's history: if that was a real secret, replace it"
        )
    return text


def _add_status(commands: _Commands) -> None:
    status = _add(
        commands,
        "status",
        "show who is logged in, and for how long",
        description="Asks no server and shows no token.",
        epilog=_examples(
            ("requests-jwt status prod", "for people"),
            ("requests-jwt status prod --json | jq .access_token.expires_in", "for programs"),
            ("requests-jwt status prod >/dev/null || requests-jwt login prod", "log in if need be"),
        )
        + _EXIT_STATUSES,
    )
    _add_name(status)
    status.add_argument("--json", action="store_true", help="for programs")
    status.set_defaults(run=_from("account", "status"))


def _add_token(commands: _Commands) -> None:
    token = _add(
        commands,
        "token",
        "print a valid access token, refreshed if need be",
        epilog=_examples(
            ('curl -H "Authorization: Bearer $(requests-jwt token prod)" URL', "a single call"),
            ("requests-jwt token prod --seconds 600", "one that lasts for ten minutes, if it can"),
        )
        + _EXIT_STATUSES,
    )
    _add_name(token)
    token.add_argument(
        "--seconds", type=_seconds, metavar="N", help="refresh it if less than N seconds are left"
    )
    token.set_defaults(run=_from("account", "token"), is_to_be_heard=True)


def _seconds(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < float("inf"):
        raise argparse.ArgumentTypeError("it is a number of seconds, such as 60")
    return number


def _add_refresh(commands: _Commands) -> None:
    refresh = _add(
        commands,
        "refresh",
        "ask the server for a new token now",
        epilog=_examples(("requests-jwt refresh prod", "after your rights have changed, say"))
        + _EXIT_STATUSES,
    )
    _add_name(refresh)
    refresh.set_defaults(run=_from("account", "refresh"))


def _add_logout(commands: _Commands) -> None:
    logout = _add(
        commands,
        "logout",
        "forget the token",
        description="Tells the server first, if the profile says how. The token is forgotten "
        "here even if the server cannot be told; the status is 4 then.",
        epilog=_examples(("requests-jwt logout prod", "done for today")) + _EXIT_STATUSES,
    )
    _add_name(logout)
    logout.add_argument("--local", action="store_true", help="do not tell the server")
    logout.set_defaults(run=_from("account", "logout"))


def _add_run(commands: _Commands) -> None:
    run = _add(
        commands,
        "run",
        "run a program, unmodified, with tokens",
        usage="requests-jwt run NAME[,NAME...] [--] COMMAND [ARGUMENTS...]",
        description="Every Session of requests in it, and in the programs that it starts, sends "
        "the tokens of these profiles to their origins. A script alone is run by the active "
        "environment's Python. The exit status is the program's own; 126 and 127 if there is no "
        "running it.",
        epilog=_examples(
            ("requests-jwt run prod -- python legacy.py --since monday", "a script"),
            ("requests-jwt run prod legacy.py --since monday", "the same"),
            ("requests-jwt run prod -m package", "a package"),
            ("requests-jwt run prod,billing -- ./nightly.sh", "several APIs, any program"),
        )
        + "\n\nnot reached: python -E, -I and -S, and programs started without the environment",
    )
    _add_name(run)
    run.set_defaults(run=_run_program)


def _run_program(options: argparse.Namespace) -> int:
    from requests_jwt_refresh.cli.exits import complain

    if not options.command:
        complain(
            "there is no program to run",
            f"give it after the profile: requests-jwt run {options.name} -- python script.py",
        )
        return USAGE
    from requests_jwt_refresh.cli import run as launch

    names = [name.strip() for name in options.name.split(",")]
    names = [name for name in names if name]
    if not names:
        complain("no profile is named", "name it: requests-jwt run NAME -- python script.py")
        return USAGE
    return launch.run(names, options.command)


def _add_doctor(commands: _Commands) -> None:
    doctor = _add(
        commands,
        "doctor",
        "find out what is wrong, and what to do about it",
        description="Checks the profile, the store (write, read, clear, beside the token's own "
        "entry), its lock, the token, the refresh endpoint (no token is sent), TLS and the "
        "clock. The status is 1 if there is a fault.",
        epilog=_examples(("requests-jwt doctor prod", "before you ask somebody")),
    )
    _add_name(doctor)
    doctor.set_defaults(run=_from("doctor", "doctor"))


def _add_demo(commands: _Commands) -> None:
    demo = _add(
        commands,
        "demo",
        "show what this library does, on a server of its own",
        description="Starts a token server on this machine, lets its access tokens expire, and "
        "shows what the server and the callers see of it. Needs no account, network or keyring. "
        "The exit status is 0 if all of it really happened, 1 if not.",
    )
    demo.set_defaults(run=_demo)


def _demo(_options: argparse.Namespace) -> int:
    from requests_jwt_refresh.cli import demo

    return 0 if demo.run(sys.stdout) else 1


def _add_completion(commands: _Commands) -> None:
    completion = _add(
        commands,
        "completion",
        "print what lets bash or zsh complete these commands",
        epilog=_examples(
            ('eval "$(requests-jwt completion bash)"', "in ~/.bashrc"),
            ("requests-jwt completion zsh > ~/.zfunc/_requests-jwt", "with ~/.zfunc in your fpath"),
        ),
    )
    completion.add_argument("shell", choices=_SHELLS, metavar="SHELL", help="bash or zsh")
    completion.set_defaults(run=_completion)


def _completion(options: argparse.Namespace) -> int:
    import shtab

    sys.stdout.write(
        shtab.complete(_parser(), shell=options.shell, preamble=_PREAMBLE[options.shell])
    )
    sys.stdout.write("\n")
    return 0


_COMMANDS: Final[Mapping[str, Callable[[_Commands], None]]] = {
    "init": _add_init,
    "profiles": _add_profiles,
    "login": _add_login,
    "status": _add_status,
    "token": _add_token,
    "refresh": _add_refresh,
    "logout": _add_logout,
    "run": _add_run,
    "doctor": _add_doctor,
    "demo": _add_demo,
    "completion": _add_completion,
}


def _discard_output() -> None:
    """Send the rest nowhere, so that Python's own flush at exit has nothing to complain of."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
