"""init --replace: what stays of the old profile, and what is said of the rest."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests_jwt_refresh as library
from requests_jwt_refresh.cli.console import UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Mapping

    from requests_jwt_refresh.profiles.load import Profile
    from requests_jwt_refresh.urls import Origin


def read_old_profile(options: argparse.Namespace, path: Path) -> Mapping[str, Any]:
    """Return the profile that is to be replaced, as it stands in the file; {} if there is none.

    Raises ProfileError if the file cannot be read.
    """
    from requests_jwt_refresh.profiles.load import Profiles

    if not (options.replace and path.exists()):
        return {}
    old = Profiles.read(path).content.get(options.name)
    return old if isinstance(old, dict) else {}


def find_kept_store(options: argparse.Namespace, old: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return where the token of the old profile lives, None if an option says otherwise."""
    from requests_jwt_refresh.profiles.load import check, default_path

    store = old.get("store")
    if not isinstance(store, dict) or options.path or options.redis or options.key:
        return None
    if options.store not in (None, store.get("kind")):
        return None
    refresh = {"kind": "json", "url": "/"}
    try:
        check(
            default_path(),
            options.name,
            {"base_url": "https://api.example.com", "refresh": refresh, "store": store},
        )
    except library.ProfileError:  # it may be the reason for the new one
        return None
    return store


def check_tokens_stay(
    path: Path, name: str, old: Mapping[str, Any], content: Mapping[str, Any]
) -> None:
    """Raise UsageError if the new profile would send a token of the old one to another origin.

    An entry of the keyring is named after the origin; a file or Redis key is not.
    """
    from requests_jwt_refresh.profiles.load import check

    if not old or "store" not in content:
        return
    new = check(path, name, content)
    if new.origins() <= _find_origins(path, name, old):
        return
    found = _describe_token(path, name, content)
    if found is None:
        return
    raise UsageError(
        f"{found}, and the new one would send it to {new.base_url}",
        f"nothing was written; log out first, with: requests-jwt logout {name}; or keep the new "
        "token elsewhere: --store file --path PATH",
    )


def _find_origins(path: Path, name: str, old: Mapping[str, Any]) -> frozenset[Origin | None]:
    """Return where the old profile has sent its token; nowhere if it is faulty."""
    from requests_jwt_refresh.profiles.load import check

    try:
        return check(path, name, old).origins()
    except library.ProfileError:
        return frozenset()


def _describe_token(path: Path, name: str, content: Mapping[str, Any]) -> str | None:
    """Return that an account has a token where the new profile has it, or may have one; or None.

    A store that cannot be read today may be read tomorrow. The environment does not count: a token
    there is another one.
    """
    from requests_jwt_refresh.profiles.accounts import Choices
    from requests_jwt_refresh.profiles.load import check

    for account in Choices.read(path).list_accounts(name):
        profile = check(path, name, content, account=account)
        try:
            if profile.store.load() is not None:
                return f"there is a token of the old profile in the {profile.store_label}"
        except library.StoreError as error:
            return (
                f"there may be a token of the old profile where it cannot be read ({error.cause})"
            )
    return None


def list_notes(profile: Profile, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a person may not expect of the new profile."""
    gone = ", ".join(_list_gone(profile, old, new))
    if gone:
        yield f"the old profile had what the new one has not: {gone}"
    if _has_secret_of_another_client(profile, old, new):
        yield (
            "the client secret in the keyring is the old client's; give the new one with: "
            f"requests-jwt login {profile.name} --client-secret -"
        )


def _list_gone(profile: Profile, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    """Yield the keys that the new profile lacks, but for what it has all the same by its preset."""
    before = _read_replaced(profile, old)
    is_another = not _is_same_kind(old.get("refresh", {}), new.get("refresh", {}))
    for key, value in old.items():
        is_table = isinstance(value, dict)
        if key not in new:
            found = _find_effective(profile, key)
            if found is not None and (is_another or found == _find_effective(before, key)):
                continue
            yield f"[{profile.name}.{key}]" if is_table and key != "attach" else key
        elif is_table and _is_same_kind(value, new[key]):
            gone = (each for each in value if each not in new[key])
            yield from (f"{key}.{each}" for each in gone if not _stays(key, each, before, profile))


def _read_replaced(profile: Profile, old: Mapping[str, Any]) -> Profile | None:
    """Return the profile that is replaced, None if there is none or if it is faulty."""
    from requests_jwt_refresh.profiles.load import check

    try:
        return check(Path(profile.file), profile.name, old)
    except library.ProfileError:
        return None


def _find_effective(profile: Profile | None, key: str) -> object:
    """Return what stands behind a key of a profile also if only its preset has it, else None."""
    if profile is None or key not in ("login", "when", "attach"):
        return None
    own = getattr(profile, key)
    found = getattr(profile.refresh, key, None) if own is None and key != "login" else own
    return None if found is library.any_401 else found


def _stays(table: str, key: str, before: Profile | None, profile: Profile) -> bool:
    """Whether a key of a table means the same as what is there without it."""
    values = [getattr(getattr(each, table, None), key, None) for each in (before, profile)]
    return values[0] is not None and values[0] == values[1]


def _is_same_kind(old: Any, new: Any) -> bool:
    """Whether the keys of one table mean the same in the other; a faulty profile has no table."""
    if not isinstance(old, dict) or not isinstance(new, dict):
        return False
    return all(old.get(key) == new.get(key) for key in ("kind", "preset"))


def _has_secret_of_another_client(
    profile: Profile, old: Mapping[str, Any], new: Mapping[str, Any]
) -> bool:
    from requests_jwt_refresh.profiles.load import check
    from requests_jwt_refresh.profiles.secrets import CLIENT_SECRET, SecretInKeyring

    secret = profile.secrets.get(CLIENT_SECRET)
    if not old or not isinstance(secret, SecretInKeyring):
        return False
    try:
        before = check(profile.file, profile.name, old).secrets.get(CLIENT_SECRET)
        is_other = old["refresh"].get("client_id") != new["refresh"].get("client_id")
        return before == secret and is_other and secret.is_there()
    except library.JWTRefreshError:
        return False
