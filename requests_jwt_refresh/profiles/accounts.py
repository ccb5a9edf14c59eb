"""Several accounts of one profile, and which account and profile are used if none is named.

The latter is what `requests-jwt switch` writes: a file of this user's state, apart from the
profiles, which may be shared or under version control. It holds names and no secret.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from requests_jwt_refresh.errors import ProfileError, StoreError
from requests_jwt_refresh.profiles.home import NoHome, find_folder
from requests_jwt_refresh.stores import disk_errors, private_file

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

DEFAULT: Final = "default"
"""The account of a login that names none: the profile's store as the profile describes it."""

ACCOUNT_VARIABLE: Final = "REQUESTS_JWT_ACCOUNT"  # BOB, or PROFILE=BOB,PROFILE=ALICE
SWITCH: Final = "requests-jwt switch"  # what has chosen an account, as ACCOUNT_VARIABLE may have
_OWN_FOLDER: Final = (
    "use a state folder that is this user's alone, as XDG_STATE_HOME, or name the account in "
    f"{ACCOUNT_VARIABLE}"
)
_LOCK_TIMEOUT: Final = 10.0  # seconds
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_.@+-]{0,99}")
_TAKEN_ENDINGS: Final = (".lock", ".doctor", ".")  # of files beside a token's; Windows drops a dot


def check_account(name: str, where: str = "") -> str:
    """Return the name of an account, in small letters, since files may not tell Bob from bob.

    `where` is where it was given, for the error. Raises ProfileError.
    """
    lowered = name.lower()
    # isascii, as the small letter of the Kelvin sign is a plain k.
    if name.isascii() and _NAME.fullmatch(lowered) and not lowered.endswith(_TAKEN_ENDINGS):
        return lowered
    raise ProfileError(
        f"{where or 'this'} is no name of an account",
        "use at most 100 letters, digits and '-', '_', '.', '@', '+'; it begins with a letter or "
        "digit, and does not end in '.', '.lock' or '.doctor'",
    )


def read_variable(profile: str) -> str | None:
    """Return which account REQUESTS_JWT_ACCOUNT chooses for a profile, None if it chooses none.

    It is one name for all profiles, or has the form ``PROFILE=ACCOUNT,PROFILE=ACCOUNT``. Raises
    ProfileError.
    """
    parts = [each.strip() for each in os.environ.get(ACCOUNT_VARIABLE, "").split(",")]
    parts = [each for each in parts if each]
    if len(parts) == 1 and "=" not in parts[0]:
        return check_account(parts[0], f"the value of {ACCOUNT_VARIABLE}")
    chosen = {
        name.strip(): check_account(account.strip(), f"an account in {ACCOUNT_VARIABLE}")
        for name, has_account, account in (each.partition("=") for each in parts)
        if name.strip() and has_account
    }
    if len(chosen) != len(parts):
        raise ProfileError(
            f"the value of {ACCOUNT_VARIABLE} cannot be understood",
            "give one account, or PROFILE=ACCOUNT for each profile, with commas between them",
        )
    return chosen.get(profile)


@dataclass(frozen=True)
class Choices:
    """What was chosen for the profiles of one file."""

    profile: str | None = None
    """The profile that is used if none is named."""
    current: Mapping[str, str] = field(default_factory=dict)
    """The account that is used if none is named, by profile."""
    known: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The accounts that have logged in by name, by profile."""

    @classmethod
    def read(cls, profiles: Path | str) -> Choices:
        """Return the choices for a file of profiles; none if there is no place for them.

        Raises ProfileError if they cannot be read.
        """
        try:
            path = find_state_file()
        except ProfileError:  # no home: nothing can have been chosen
            return cls()
        return _decode(_read(path).get(str(profiles)), path)

    def list_accounts(self, profile: str) -> list[str]:
        """Return the accounts of a profile, the default one first."""
        names = dict.fromkeys((DEFAULT, *self.known.get(profile, ())))
        return list(names | dict.fromkeys((self.find_current(profile),)))

    def find_current(self, profile: str) -> str:
        """Return the account that is used if none is named."""
        return self.current.get(profile, DEFAULT)


def choose_profile(profiles: Path | str, name: str) -> None:
    """Make `name` the profile that is used if none is named. Raises ProfileError, LockTimeout."""

    def edit(content: dict[str, Any]) -> None:
        content["profile"] = name

    _write(profiles, edit)


def choose_account(profiles: Path | str, profile: str, account: str) -> None:
    """Make `account` the one that is used if none is named. Raises ProfileError, LockTimeout."""

    def edit(content: dict[str, Any]) -> None:
        content.setdefault("current", {})[profile] = account

    _write(profiles, edit)


def note_account(profiles: Path | str, profile: str, account: str) -> None:
    """Remember that an account has logged in. Raises ProfileError, LockTimeout."""

    def edit(content: dict[str, Any]) -> None:
        known = content.setdefault("known", {}).setdefault(profile, [])
        if account not in known:
            known.append(account)

    if account not in (DEFAULT, *Choices.read(profiles).known.get(profile, ())):
        _write(profiles, edit)


def forget_account(profiles: Path | str, profile: str, account: str) -> None:
    """Forget that an account has logged in. Raises ProfileError, LockTimeout."""

    def edit(content: dict[str, Any]) -> None:
        known = content.get("known", {}).get(profile, [])
        if account in known:
            known.remove(account)

    if account in Choices.read(profiles).known.get(profile, ()):
        _write(profiles, edit)


# --- the file ------------------------------------------------------------------------------------


def find_state_file() -> Path:
    """Return where the choices are kept. Raises ProfileError if this user has no home."""
    try:
        return find_folder("state") / "accounts.json"
    except NoHome as error:
        problem = str(error)
    raise ProfileError(
        f"there is no folder for what is chosen: {problem}",
        f"set HOME to a folder of this user, or name the account in {ACCOUNT_VARIABLE}",
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        path.lstat()
    except (OSError, ValueError):  # such as in a home that is another user's
        return {}
    try:
        text = private_file.read(private_file.resolve(path))
        content = {} if text is None else json.loads(text)
    except private_file.UntrustedPath as error:
        cause, remedy = error.cause, _OWN_FOLDER
    except OSError as error:
        cause = f"{path}: it cannot be read ({error.strerror or type(error).__name__})"
        remedy = _OWN_FOLDER
    except (ValueError, RecursionError):
        cause, remedy = _describe_damage(path)
    else:
        if isinstance(content, dict):
            return content
        cause, remedy = _describe_damage(path)
    raise ProfileError(cause, remedy)


def _describe_damage(path: Path) -> tuple[str, str]:
    return (
        f"{path}: what was chosen cannot be understood",
        "delete that file, and choose again with: requests-jwt switch",
    )


def _decode(content: object, path: Path) -> Choices:
    if content is None:
        return Choices()
    match content:
        case {**rest} if set(rest) <= {"profile", "current", "known"}:
            profile = rest.get("profile")
            current, known = rest.get("current", {}), rest.get("known", {})
            if (
                (profile is None or isinstance(profile, str))
                and isinstance(current, dict)
                and all(isinstance(each, str) for each in current.values())
                and isinstance(known, dict)
                and all(_is_list_of_names(each) for each in known.values())
            ):
                checked = {name: _check(each, path) for name, each in current.items()}
                lists = {
                    name: tuple(_check(each, path) for each in names)
                    for name, names in known.items()
                }
                return Choices(profile, checked, lists)
    raise ProfileError(*_describe_damage(path))


def _is_list_of_names(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _check(account: str, path: Path) -> str:
    """Return the name of an account out of the file, which somebody may have edited."""
    try:
        return check_account(account)
    except ProfileError:
        pass
    raise ProfileError(*_describe_damage(path))


def _write(profiles: Path | str, edit: Callable[[dict[str, Any]], None]) -> None:
    """Change the choices for a file of profiles, in one step and under a lock."""
    from requests_jwt_refresh.stores.locking import file_lock, user_lock_path

    path = find_state_file()
    with file_lock(user_lock_path("accounts", str(path)), _LOCK_TIMEOUT):
        content = _read(path)
        _decode(content.get(str(profiles)), path)  # raises, before anything is written
        edit(content.setdefault(str(profiles), {}))
        try:
            target = private_file.resolve(path)
            private_file.make_private_folder(target.parent)
            private_file.replace(target, f"{json.dumps(content, indent=2)}\n")
        except private_file.UntrustedPath as error:
            failure = StoreError(error.cause, error.remedy)
        except OSError as error:
            failure = StoreError(
                f"{path} could not be written: {disk_errors.describe(error)}",
                f"nothing was changed; {disk_errors.advise(error, path)}",
            )
        else:
            return
    raise failure
