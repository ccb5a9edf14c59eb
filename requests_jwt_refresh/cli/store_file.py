"""A file for the token where there is no keyring: what `init` and `login` offer."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests_jwt_refresh as library
from requests_jwt_refresh.cli.commands import COMPLETE_FILES
from requests_jwt_refresh.cli.console import UsageError, ask, fill_in, hanging_indent
from requests_jwt_refresh.profiles.home import NoHome, find_folder

if TYPE_CHECKING:
    from requests_jwt_refresh.cli.commands import Parser
    from requests_jwt_refresh.profiles.load import Profile

_KEYRING_PATIENCE = 5.0  # seconds for a keyring to answer, before a file is offered


def add_path_option(parser: Parser) -> None:
    """Add the option that names the file."""
    path: Any = parser.add_argument(
        "--path", metavar="PATH", help="path of the file store; one of its own if not given"
    )
    path.complete = COMPLETE_FILES


def find_keyring_problem(profile: Profile) -> str | None:
    """Return why the profile's keyring cannot be used; None if it can, or if it needs none."""
    from requests_jwt_refresh.stores.keyring import KeyringStore

    store = profile.probe_store
    if not isinstance(store, KeyringStore):
        return None
    try:
        replace(store, timeout=_KEYRING_PATIENCE).load()
    except library.StoreError as error:
        return error.cause
    return None


def choose_default_path(name: str) -> str:
    """Return the path of a token file of this user's. Raises UsageError if there is no home."""
    try:
        return str(find_folder("state") / f"{name}.json")
    except NoHome as error:
        problem = str(error)
    raise UsageError(f"there is no folder for the token: {problem}", "give one with --path PATH")


def ask_for_path(problem: str, name: str) -> str:
    """Offer a file in place of a keyring; return the path that is chosen. Raises EOFError."""
    default = choose_default_path(name)
    sys.stderr.write(f"{hanging_indent('No keyring: ', problem)}\n")
    return ask(f"File for the token [{default}]: ") or default


def move_to_file(profile: Profile, path: str) -> Profile:
    """Write into the profiles file that the token is in a file; return the profile as it is then.

    Raises UsageError if the profiles come from no file, ProfileError if it cannot be written.
    """
    from requests_jwt_refresh.profiles.edit import write_table
    from requests_jwt_refresh.profiles.load import Profiles

    if not (isinstance(profile.file, Path) and profile.file.is_file()):
        raise UsageError(
            f"{profile.file} is no file that could be changed",
            fill_in("write there: [NAME.store], and below it kind and path", profile.name),
        )
    write_table(profile.file, profile.name, "store", {"kind": "file", "path": path})
    account = None if profile.reference == profile.name else profile.account
    return Profiles.read(profile.file).profile(profile.name, account)
