"""`requests-jwt run`: start an unmodified program that then sends tokens."""

from __future__ import annotations

import contextlib
import errno
import os
import queue
import shutil
import signal
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import requests_jwt_refresh as library
from requests_jwt_refresh.cli import missing_command
from requests_jwt_refresh.cli.account import describe_missing_login, is_logged_in
from requests_jwt_refresh.cli.commands import add_command, add_profile_name, examples
from requests_jwt_refresh.cli.console import UsageError, complain, fill_in

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Mapping, Sequence

    from requests_jwt_refresh.cli.commands import Subparsers
    from requests_jwt_refresh.errors import JWTRefreshError
    from requests_jwt_refresh.profiles.load import Profiles

_Problem = tuple[str, str]
"""What is wrong, and what to do."""

SITE: Final = Path(__file__).parent.parent / "inject" / "site"
_LIBRARY: Final = "REQUESTS_JWT_LIBRARY"
_SHARED_PACKAGES: Final = ("requests_jwt_refresh", "keyring", "filelock", "platformdirs", "tomlkit")
_PATIENCE = 1.0  # seconds for all stores together; then the program starts, and finds out itself
_ISOLATING: Final = frozenset("EIS")  # options of Python that make it ignore PYTHONPATH or site


def add_parser(subparsers: Subparsers) -> None:
    parser = add_command(
        subparsers,
        "run",
        run,
        usage="requests-jwt run NAME[,NAME...] [--account ACCOUNT] -- COMMAND [ARGS...]\n"
        "       requests-jwt run [--account ACCOUNT] -- COMMAND [ARGS...]",
        description="Every Session of requests in it, and in the programs that it starts, sends "
        "the tokens of these profiles to their origins. A .py file or a folder is run by the "
        "active environment's Python. The exit status is the program's own; 126 if it cannot be "
        "run and 127 if it is not found.",
        epilog=examples(
            ("requests-jwt run prod -- python legacy.py --since monday", "a script"),
            ("requests-jwt run prod legacy.py --since monday", "the same"),
            ("requests-jwt run prod -m package", "a package"),
            ("requests-jwt run prod --account bob -- ./nightly.sh", "as bob"),
            ("requests-jwt run prod,billing -- ./nightly.sh", "several APIs, any program"),
        )
        + "\n\nnot reached: python -E, -I and -S, and programs started without the environment",
    )
    add_profile_name(parser, is_optional=True)


def run(options: argparse.Namespace) -> int:
    """Run `options.program`: what main has split off behind the name.

    Raises ProfileError for a name that is not among the profiles, or none where there are several.
    """
    if not options.program:
        raise _make_no_program_error(options.name, options.account)
    if options.name is None:
        return launch(None, options.program, options.account)
    names = [name.strip() for name in options.name.split(",")]
    names = [name for name in names if name]
    if not names:
        raise UsageError(
            "no profile is named", "give one: requests-jwt run NAME -- python script.py"
        )
    return launch(names, options.program, options.account)


def launch(names: Sequence[str] | None, command: Sequence[str], account: str | None = None) -> int:
    """Replace this process by `command`, with the tokens of the profiles `names`.

    If `names` is None, with those of the only profile. `account` is whose tokens those are; the
    program keeps it, with all that it starts. Returns an exit status only if that fails.
    Faulty profiles are reported on stderr, and the program runs as it would without us.

    Raises ProfileError for a name that is not among the profiles, or none where there are several.
    """
    from requests_jwt_refresh.inject.report import ALL, LOGGED_IN_VARIABLE, REPORTED_VARIABLE

    arguments = _resolve_command(command)
    found = shutil.which(arguments[0])
    if found is None:
        _check_for_forgotten_dashes(names, command, account)
        return _report_not_runnable(arguments, names, account)
    profiles = _read_profiles()
    if profiles is not None:
        names = _choose_names(profiles, names, command, account)
    accounts = _choose_accounts(profiles, names or (), account)
    environment = {**os.environ, **_extra_variables(names or (), profiles), **accounts}
    found_out = {REPORTED_VARIABLE: [ALL], LOGGED_IN_VARIABLE: list[str]()}
    if profiles is not None:
        sound, faulty = _report_faulty(profiles, names or (), account)
        found_out = {REPORTED_VARIABLE: faulty, LOGGED_IN_VARIABLE: sound}
    for variable, those in found_out.items():
        environment.pop(variable, None)
        environment |= {variable: ",".join(those)} if those else {}
    _warn_of_isolation(arguments)
    if sys.platform == "win32":  # exec returns to the shell at once there
        import subprocess

        return subprocess.run(arguments, env=environment, check=False).returncode  # noqa: S603 - the user's own command
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:  # closed by our parent process
            stream.flush()
    _restore_signals()
    return _replace_process(found, arguments, environment)


def _replace_process(found: str, arguments: list[str], environment: Mapping[str, str]) -> int:
    try:
        try:
            os.execve(found, arguments, environment)  # noqa: S606 - the user's own command
        except OSError as error:
            if error.errno != errno.ENOEXEC:
                raise
            # A script whose first line names no interpreter is run by sh, as shells do.
            os.execve("/bin/sh", ["sh", found, *arguments[1:]], environment)  # noqa: S606 - likewise
    except OSError as error:
        complain(
            f"{found} cannot be run ({error.strerror})",
            "if it is a script, check that the interpreter in its first line exists",
        )
    return missing_command.CANNOT_RUN


def _restore_signals() -> None:
    """Undo what Python does to signals at its start, which exec would pass on."""
    for name in ("SIGPIPE", "SIGXFZ", "SIGXFSZ"):
        number = getattr(signal, name, None)
        if number is not None:
            signal.signal(number, signal.SIG_DFL)


def _resolve_command(command: Sequence[str]) -> list[str]:
    """Return the whole command: Python goes before options, scripts and folders."""
    first = command[0]
    if first.startswith("-"):
        return [_find_python(), *command]
    is_folder = os.path.isdir(first)  # noqa: PTH112 - Path raises for one that cannot be read
    if shutil.which(first) is None and (is_folder or missing_command.is_script(first)):
        return [_find_python(), *command]
    return list(command)


def _find_python() -> str:
    """Return the active environment's Python, or our own."""
    active = os.environ.get("VIRTUAL_ENV")
    if active:
        folder = "Scripts" if sys.platform == "win32" else "bin"
        found = shutil.which("python", path=str(Path(active) / folder))
        if found is not None:
            return found
    return sys.executable


def _choose_names(
    profiles: Profiles,
    names: Sequence[str] | None,
    command: Sequence[str],
    account: str | None,
) -> Sequence[str]:
    if names is None:
        return [profiles.choose(None)]
    forgotten = missing_command.explain_forgotten_dashes(profiles, names, command, account)
    if forgotten is not None:
        raise forgotten
    for name in names:
        if name not in profiles.names:
            profiles.profile(name)  # raises, and says which name is near
    return names


def _choose_accounts(
    profiles: Profiles | None, names: Sequence[str], account: str | None
) -> dict[str, str]:
    """Return the variable that keeps the program on the accounts it begins with.

    Raises ProfileError for what cannot be the name of an account.
    """
    from requests_jwt_refresh.profiles.accounts import ACCOUNT_VARIABLE, check_account

    if account is not None:
        account = check_account(account, "what was given")
    from requests_jwt_refresh.profiles.load import is_name

    chosen = {}
    for name in filter(is_name, names):
        if profiles is None:
            break
        with contextlib.suppress(library.ProfileError):  # _report_faulty() says so
            chosen[name] = profiles.choose_account(name, account)
    pairs = ",".join(f"{name}={each}" for name, each in chosen.items())
    return {ACCOUNT_VARIABLE: pairs} if pairs else {}


def _extra_variables(names: Sequence[str], profiles: Profiles | None) -> dict[str, str]:
    """Return what the program's environment gets beyond ours: names and paths, no secret."""
    from requests_jwt_refresh.inject.report import NAMES_VARIABLE
    from requests_jwt_refresh.profiles.load import PATH_VARIABLE, default_path
    from requests_jwt_refresh.profiles.own_command import COMMAND_VARIABLE, find_command

    before = os.environ.get("PYTHONPATH")
    path = f"{SITE}{os.pathsep}{before}" if before else str(SITE)
    added = {
        "PYTHONPATH": path,
        NAMES_VARIABLE: ",".join(names),
        _LIBRARY: os.pathsep.join(_find_libraries()),
        COMMAND_VARIABLE: find_command(),
    }
    with contextlib.suppress(Exception):  # _read_profiles() has said so
        file = default_path()
        # The program may change its folder or its HOME.
        if os.environ.get(PATH_VARIABLE) or file.exists():
            added[PATH_VARIABLE] = str(file)
        if profiles is not None and profiles.file == file and not file.is_file():
            added.update(_hand_over(names, profiles))
    return added


def _hand_over(names: Sequence[str], profiles: Profiles) -> dict[str, str]:
    """Return the profiles as a variable: they came from a pipe, which can be read only once.

    Only what has been checked is in it, for a faulty profile may hold a secret.
    """
    import tomlkit

    from requests_jwt_refresh.profiles.load import TEXT_VARIABLE

    sound = {}
    for name in names:
        with contextlib.suppress(Exception):  # _report_faulty() says what is wrong with it
            profiles.profile(name)
            sound[name] = profiles.content[name]
    return {TEXT_VARIABLE: tomlkit.dumps(sound) or "# none"}


def _find_libraries() -> list[str]:
    """Return the folders of this library and what it needs, for a Python that lacks them."""
    import importlib.util

    origins = [getattr(importlib.util.find_spec(name), "origin", None) for name in _SHARED_PACKAGES]
    return list(dict.fromkeys(str(Path(each).parent.parent) for each in origins if each))


def _read_profiles() -> Profiles | None:
    """Return the profiles, or None after a report on stderr that they cannot be read."""
    from requests_jwt_refresh.profiles.load import Profiles

    try:
        return Profiles.read()
    except library.JWTRefreshError as error:
        _complain_about(error, None)
    except Exception as error:  # noqa: BLE001 - the program must not suffer
        _complain(f"the profiles cannot be read ({_describe(error)})")
    return None


def _report_faulty(
    profiles: Profiles, names: Sequence[str], account: str | None
) -> tuple[list[str], list[str]]:
    """Report on stderr which profiles give no token and why; return which do, and which do not.

    Before the program starts, so that it is reported once, however many processes that has. A store
    that takes long to answer is left to the program.
    """
    problems: queue.SimpleQueue[tuple[str, _Problem | None]] = queue.SimpleQueue()

    def look() -> None:
        for name in names:
            problems.put((name, _find_problem(profiles, name, account)))

    try:  # a daemon ends with this process, or at its exec: a keyring may hang for ever
        threading.Thread(target=look, daemon=True).start()
    except RuntimeError:  # no more threads for this user
        look()
    end = time.monotonic() + _PATIENCE
    sound, faulty = list[str](), list[str]()
    with contextlib.suppress(queue.Empty):
        for _ in names:
            name, problem = problems.get(timeout=max(end - time.monotonic(), 0.0))
            if problem is not None:
                complain(*problem)
            (sound if problem is None else faulty).append(name)
    return sound, faulty


def _find_problem(profiles: Profiles, name: str, account: str | None) -> _Problem | None:
    reference = name
    try:
        profile = profiles.profile(name, account)
        reference = profile.reference
        token = profile.store.load()
        if profile.environment is not None:  # it may be sent all the same: clocks may be wrong
            is_valid = is_logged_in(profile, token)
            return None if is_valid else describe_missing_login(profile, profiles)
        if token is not None or not profile.needs_login:
            return None
        if profile.password is not None and profile.password.load() is not None:
            return None
    except library.JWTRefreshError as error:
        return _without_tokens(error.cause, fill_in(error.remedy, reference))
    except Exception as error:  # noqa: BLE001 - the program must not suffer
        return _without_tokens(f"profile {name!r} cannot be used ({_describe(error)})")
    return describe_missing_login(profile, profiles)


def _describe(error: BaseException) -> str:
    """Return the kind of an error, and what a missing module is called."""
    kind = type(error).__name__
    return f"{kind}: {error}" if isinstance(error, ImportError) else kind


def _complain_about(error: JWTRefreshError, name: str | None) -> None:
    _complain(error.cause, fill_in(error.remedy, name))


def _complain(cause: str, remedy: str = "") -> None:
    complain(*_without_tokens(cause, remedy))


def _without_tokens(cause: str, remedy: str = "") -> _Problem:
    from requests_jwt_refresh.inject.report import WITHOUT_TOKENS

    return cause, f"{WITHOUT_TOKENS}; {remedy}" if remedy else WITHOUT_TOKENS


def _warn_of_isolation(arguments: Sequence[str]) -> None:
    if not Path(arguments[0]).name.startswith("python"):
        return
    isolating = next((each for each in _read_flags(arguments[1:]) if each in _ISOLATING), None)
    if isolating is not None:
        _complain(f"Python's -{isolating} disables what `run` relies on")


def _read_flags(arguments: Sequence[str]) -> Iterator[str]:
    """Yield the letters of Python's own options, up to the script, ``-c`` or ``-m``."""
    left = iter(arguments)
    for argument in left:
        if argument.startswith("--"):
            continue
        if not argument.startswith("-"):
            return
        for place, letter in enumerate(argument[1:], 2):
            if letter in "cm":
                return
            if letter in "WX":
                if len(argument) == place:
                    next(left, None)  # its value is an argument of its own
                break
            yield letter


def _make_no_program_error(name: str | None, account: str | None) -> UsageError:
    from requests_jwt_refresh.profiles.load import is_name

    names = [] if name is None else name.split(",")
    _check_for_forgotten_dashes(names, (), account)
    is_profile = bool(names) and all(map(is_name, names))
    if any(map(missing_command.is_program, names)) or not is_profile:
        name = "NAME"
    return UsageError(
        "there is no program to run",
        f"give it after the profile: requests-jwt run {name} -- python script.py",
    )


def _check_for_forgotten_dashes(
    names: Sequence[str] | None, command: Sequence[str], account: str | None
) -> None:
    """Raise UsageError if the program itself stands where the profile's name should be."""
    from requests_jwt_refresh.profiles.load import Profiles

    forgotten = None
    with contextlib.suppress(library.ProfileError):  # there are other faults to be told of
        forgotten = missing_command.explain_forgotten_dashes(
            Profiles.read(), names or (), command, account
        )
    if forgotten is not None:
        raise forgotten


def _report_not_runnable(
    command: Sequence[str], names: Sequence[str] | None, account: str | None
) -> int:
    before = missing_command.write_start(names, account)
    *problem, status = missing_command.describe(command, before, _find_python())
    complain(*problem)
    return status
