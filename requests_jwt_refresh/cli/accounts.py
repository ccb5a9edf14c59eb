"""accounts, switch: several logins of one profile, and which is used if none is named."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import requests_jwt_refresh as library
from requests_jwt_refresh.cli.account import (
    describe_user,
    is_logged_in,
    make_unknown_account_error,
)
from requests_jwt_refresh.cli.commands import (
    EXIT_STATUSES,
    add_account_option,
    add_command,
    add_profile_name,
    examples,
)
from requests_jwt_refresh.cli.console import (
    Exit,
    UsageError,
    complain,
    report,
    sanitize,
    write_json,
    write_step,
)

if TYPE_CHECKING:
    import argparse

    from requests_jwt_refresh.cli.commands import Subparsers
    from requests_jwt_refresh.profiles.accounts import Choices
    from requests_jwt_refresh.profiles.load import Profile, Profiles

# --- accounts ------------------------------------------------------------------------------------


def add_accounts(subparsers: Subparsers) -> None:
    parser = add_command(
        subparsers,
        "accounts",
        accounts,
        description="A star marks the one that is used if none is named. Asks no server.",
        epilog=examples(
            ("requests-jwt login prod --account bob", "add one"),
            ("requests-jwt accounts", "of all profiles"),
            ("requests-jwt accounts prod --json", "of one, for programs"),
        )
        + EXIT_STATUSES,
    )
    add_profile_name(parser, is_optional=True, has_account=False, left_out="all profiles")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--names", action="store_true", help="print only the names, one per line")
    form.add_argument("--json", action="store_true", help="print JSON, for programs")


def accounts(options: argparse.Namespace) -> int:
    from requests_jwt_refresh.profiles.accounts import Choices
    from requests_jwt_refresh.profiles.load import Profiles

    profiles = Profiles.read()
    choices = Choices.read(profiles.file)
    names = profiles.names if options.name is None else [options.name]
    if options.names:
        known = (each for name in names for each in choices.list_accounts(name))
        sys.stdout.writelines(f"{each}\n" for each in dict.fromkeys(known))
        return Exit.DONE
    faults: list[tuple[str, library.JWTRefreshError]] = []
    rows = [row for name in names for row in _make_rows(profiles, choices, name, faults)]
    if options.json:
        write_json({"file": str(profiles.file), "accounts": rows})
    else:
        _write_table(profiles, rows)
    statuses = [report(error, reference) for reference, error in faults]
    return next(iter(statuses), Exit.DONE)


def _write_table(profiles: Profiles, rows: list[dict[str, Any]]) -> None:
    widths = [max([len(sanitize(row[key])) for row in rows], default=0) for key in _COLUMNS]
    for row in rows:
        profile, account = (
            f"{sanitize(row[key]):<{width}}" for key, width in zip(_COLUMNS, widths, strict=True)
        )
        sign = "*" if row["current"] else " "
        sys.stdout.write(f"{sign} {profile}  {account}  {_describe(row)}\n")
    if not rows:
        sys.stdout.write(f"No profiles in {profiles.file}\n")


_COLUMNS = ("profile", "account")


def _make_rows(
    profiles: Profiles,
    choices: Choices,
    name: str,
    faults: list[tuple[str, library.JWTRefreshError]],
) -> list[dict[str, Any]]:
    """Return what there is to say about each account of a profile, and note what is wrong.

    Raises ProfileError if there is no such profile.
    """
    if name not in profiles.names:
        profiles.profile(name)  # raises, and says which name is near
    accounts = choices.list_accounts(name)
    return [_make_row(profiles, choices, name, each, faults) for each in accounts]


def _make_row(
    profiles: Profiles,
    choices: Choices,
    name: str,
    account: str,
    faults: list[tuple[str, library.JWTRefreshError]],
) -> dict[str, Any]:
    row: dict[str, Any] = {
        "profile": name,
        "account": account,
        "current": account == choices.find_current(name),
        "logged_in": False,
        "user": None,
        "store": None,
        "environment": None,
        "fault": None,
    }
    try:
        profile = profiles.profile(name, account)
        row["store"] = profile.store_label
        row["environment"] = profile.environment and profile.environment.variable
        token = profile.store.load()
    except library.JWTRefreshError as error:
        row["fault"] = error.cause
        if all(error.cause != known.cause for _, known in faults):
            faults.append((f"{name} --account {account}", error))
    else:
        row["logged_in"] = is_logged_in(profile, token)
        row["user"] = (describe_user(token) or None) if token is not None else None
    return row


def _describe(row: dict[str, Any]) -> str:
    if row["fault"]:
        return "cannot be used, see below"
    if row["environment"]:
        return f"not used: the token comes from {row['environment']}"
    if not row["logged_in"]:
        return "not logged in"
    return f"logged in as {row['user']}" if row["user"] else "logged in"


# --- switch --------------------------------------------------------------------------------------


def add_switch(subparsers: Subparsers) -> None:
    parser = add_command(
        subparsers,
        "switch",
        switch,
        description="With NAME, that is the profile of commands that name none. With --account, "
        "that is the profile's account if none is named; without both, the other one of two. "
        "Programs that are running keep the account they began with.",
        epilog=examples(
            ("requests-jwt switch prod", "requests-jwt status then means prod"),
            ("requests-jwt switch prod --account bob", "be bob from now on"),
            ("requests-jwt switch --account default", "back to the login without a name"),
        )
        + EXIT_STATUSES,
    )
    add_profile_name(parser, is_optional=True, has_account=False)
    add_account_option(parser, "the account to use from now on")


def switch(options: argparse.Namespace) -> int:
    from requests_jwt_refresh.profiles.accounts import Choices, choose_account, choose_profile
    from requests_jwt_refresh.profiles.load import Profiles

    profiles = Profiles.read()
    is_named = options.name is not None
    options.name = name = profiles.choose(options.name)
    if name not in profiles.names:
        profiles.profile(name)  # raises, and says which name is near
    choices = Choices.read(profiles.file)
    account = options.account
    if account is None and not is_named:
        account = _find_other(choices, name)
    if account is not None:
        account = _check_known(profiles, choices, name, account)
        choose_account(profiles.file, name, account)
        sys.stdout.write(f"The account of {name} is {account} from now on.\n")
    if is_named and len(profiles.names) > 1:
        choose_profile(profiles.file, name)
        sys.stdout.write(f"Commands that name no profile use {name} from now on.\n")
    elif account is None:
        sys.stdout.write(f"{name} is the only profile: it need not be named.\n")
    _warn_of_variable()
    return Exit.DONE


def _find_other(choices: Choices, name: str) -> str:
    """Return the account that is not in use, of two. Raises UsageError if there are not two."""
    known, current = choices.list_accounts(name), choices.find_current(name)
    others = [each for each in known if each != current]
    if len(others) == 1:
        return others[0]
    if others:
        raise UsageError(
            f"profile {name!r} has several accounts, and none was named",
            f"name one with --account: {', '.join(others)}",
        )
    raise UsageError(
        f"profile {name!r} has one account, {current!r}",
        f"add another with: requests-jwt login {name} --account ACCOUNT",
    )


def _check_known(profiles: Profiles, choices: Choices, name: str, account: str) -> str:
    """Return the account as it is kept. Raises UsageError if it has never logged in."""
    from requests_jwt_refresh.profiles.accounts import check_account

    account = check_account(account, "what was given")
    known = choices.list_accounts(name)
    if account in known or profiles.profile(name, account).store.load() is not None:
        return account
    raise make_unknown_account_error(name, account, known)


def _warn_of_variable() -> None:
    import os

    from requests_jwt_refresh.profiles.accounts import ACCOUNT_VARIABLE

    if os.environ.get(ACCOUNT_VARIABLE, "").strip():
        sys.stderr.write(
            f"requests-jwt: {ACCOUNT_VARIABLE} is set, and goes before what is switched to\n"
        )


# --- after a login or logout ---------------------------------------------------------------------


def note_login(profile: Profile, *, was_alone: bool) -> None:
    """Remember the account that has logged in, and say how it is used.

    It is used without being named from now on if `was_alone`: no other could be meant.
    """
    from requests_jwt_refresh.profiles.accounts import DEFAULT

    if profile.account == DEFAULT:
        return
    try:
        _note_login(profile, was_alone=was_alone)
    except library.JWTRefreshError as error:  # the login itself has gone well
        complain(f"the account is not listed: {error.cause}", error.remedy)


def _note_login(profile: Profile, *, was_alone: bool) -> None:
    from requests_jwt_refresh.profiles.accounts import Choices, choose_account, note_account

    note_account(profile.file, profile.name, profile.account)
    if Choices.read(profile.file).find_current(profile.name) == profile.account:
        return
    if was_alone:
        choose_account(profile.file, profile.name, profile.account)
        sys.stdout.write(f"The account of {profile.name} is {profile.account} from now on.\n")
        return
    write_step(f"To use it without --account: requests-jwt switch {profile.reference}")


def is_alone(profiles: Profiles, profile: Profile) -> bool:
    """Whether a new account is the first: nobody has logged in, and none was switched to."""
    from requests_jwt_refresh.profiles.accounts import DEFAULT, Choices

    if profile.account == DEFAULT:
        return False
    choices = Choices.read(profile.file)
    if profile.name in choices.current or profile.name in choices.known:
        return False
    try:
        return profiles.profile(profile.name, DEFAULT).store.load() is None
    except library.JWTRefreshError:
        return False
