"""init and profiles: making profiles and listing them."""

from __future__ import annotations

import json
import os
import stat
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from requests_jwt_refresh.errors import InvalidURL, ProfileError
from requests_jwt_refresh.profiles import (
    KINDS,
    PRESETS,
    TEXT_VARIABLE,
    Profiles,
    check,
    default_path,
    is_name,
)
from requests_jwt_refresh.stores.locking import file_lock, user_lock_path
from requests_jwt_refresh.tables import nearest
from requests_jwt_refresh.urls import checked_base

from .exits import Exit, complain
from .words import ask, beside

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping

_LOCK_WAIT = 10.0  # seconds
_NO_MODE: Final = 0o600


def init(options: argparse.Namespace) -> int:
    if not is_name(options.name):
        complain(
            f"{options.name!r} is no name for a profile",
            "use letters, digits, '-', '_' and '.', such as 'prod'",
        )
        return Exit.USAGE
    if os.environ.get(TEXT_VARIABLE):
        complain(
            f"the profiles come from {TEXT_VARIABLE}, and there is no file to write to",
            f"unset {TEXT_VARIABLE}",
        )
        return Exit.USAGE
    path = default_path()
    if not options.replace and options.name in _present(path):
        raise _exists(path, options.name)
    if not options.base_url:
        if not sys.stdin.isatty():
            complain("--base-url is missing", "give it, or run this in a terminal to be asked")
            return Exit.USAGE
        _ask_for_the_rest(options)
    content = _content(options)
    check(path, options.name, content)
    _write(path, options.name, content, replace=options.replace)
    sys.stdout.write(f"Profile {options.name!r} is in {path}\n")
    sys.stdout.write(f"Next: requests-jwt login {options.name}\n")
    return Exit.DONE


def profiles(options: argparse.Namespace) -> int:
    if options.path:
        sys.stdout.write(f"{default_path()}\n")
        return Exit.DONE
    known = Profiles.read()
    if options.names:
        sys.stdout.writelines(f"{name}\n" for name in known.names)
        return Exit.DONE
    rows, faults = [], []
    for name in known.names:
        try:
            profile = known.profile(name)
        except ProfileError as error:
            faults.append(str(error))
            rows.append({"name": name, "base_url": None, "store": None, "fault": str(error)})
        else:
            shown = {"base_url": profile.base_url, "store": profile.store_shown}
            rows.append({"name": name, **shown, "fault": None})
    if options.json:
        json.dump({"file": str(known.file), "profiles": rows}, sys.stdout, indent=2)
        sys.stdout.write("\n")
    else:
        _show(known, rows)
    for fault in faults:
        complain(fault, "mend it in that file")
    return Exit.USAGE if faults else Exit.DONE


def _show(known: Profiles, rows: list[dict[str, Any]]) -> None:
    width = max([len(each["name"]) for each in rows], default=0)
    for each in rows:
        told = "faulty, see below" if each["fault"] else f"{each['base_url']}  ({each['store']})"
        sys.stdout.write(f"{each['name']:<{width}}  {told}\n")
    sys.stdout.write(f"{'' if rows else 'No profiles '}in {known.file}\n")


# --- what a profile is made of -------------------------------------------------------------------


def _content(options: argparse.Namespace) -> dict[str, Any]:
    """Return the profile that the options describe, as it stands in the file."""
    content: dict[str, Any] = {"base_url": options.base_url}
    if options.trusted_origin:
        content["trusted_origins"] = options.trusted_origin
    if options.allow_http:
        content["allow_http"] = True
    kind = {"preset": options.preset} if options.preset else {"kind": options.kind or "json"}
    client = {"client_id": options.client_id, "client_auth": options.client_auth}
    content["refresh"] = _given({**kind, "url": options.refresh_url, **client})
    if options.expired:
        field, _, value = options.expired.partition("=")
        content["when"] = {"json_field": field, "value": value}
    if options.store != "keyring":
        content["store"] = _given(
            {"kind": options.store, "path": options.path, "url": options.redis, "key": options.key}
        )
    login = {"send": options.login_send, "url": options.login_url}
    device = {"url": options.device_url, "scope": options.scope}
    logout = {"send": options.logout_send, "url": options.logout_url}
    for name, table in (("login", login), ("device", device), ("logout", logout)):
        if any(table.values()):
            content[name] = _given(table)
    return content


def _given(table: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in table.items() if value}


def _ask_for_the_rest(options: argparse.Namespace) -> None:
    """Ask, one question after the other, for what no option has said."""
    _fill(options, "base_url", "Base URL of the API", _must_be_a_base)
    servers = [*PRESETS, *KINDS]
    if not (options.preset or options.kind):
        sys.stderr.write(f"{beside('Known servers: ', ', '.join(PRESETS))}\n")
        sys.stderr.write(f"{beside('Other kinds:   ', ', '.join(KINDS))}\n")
        kind = _answer("Server", "json", _must_be_one_of(servers))
        options.preset, options.kind = (kind, None) if kind in PRESETS else (None, kind)
    if options.preset is None or options.preset == "express":
        _fill(options, "refresh_url", "Refresh endpoint, such as /auth/refresh", _must_be_there)
    if options.kind == "oauth2":
        _fill(options, "client_id", "Client id", _must_be_there)
        _fill(options, "device_url", "Device authorization endpoint, if there is one")
    if not options.device_url and not (options.preset and PRESETS[options.preset].login):
        _fill(options, "login_url", "Login endpoint, such as /auth/login; empty for none")
    if not options.preset:
        _fill(options, "expired", "What an expired 401 says (message=Invalid JWT); empty: any 401")
    _fill(options, "logout_url", "Logout endpoint; empty for none")


def _fill(
    options: argparse.Namespace,
    name: str,
    question: str,
    problem: Callable[[str], str | None] = lambda _: None,
) -> None:
    if not getattr(options, name):
        setattr(options, name, _answer(question, "", problem))


def _answer(question: str, default: str, problem: Callable[[str], str | None]) -> str:
    shown = f" [{default}]" if default else ""
    while True:
        answer = ask(f"{question}{shown}: ") or default
        told = problem(answer)
        if told is None:
            return answer
        sys.stderr.write(f"  {told}\n")


def _must_be_there(answer: str) -> str | None:
    return None if answer else "this is needed"


def _must_be_a_base(answer: str) -> str | None:
    try:
        checked_base(answer)
    except InvalidURL as error:
        return str(error)
    return None


def _must_be_one_of(choices: list[str]) -> Callable[[str], str | None]:
    def problem(answer: str) -> str | None:
        if answer in choices:
            return None
        return nearest(answer, choices) or "it is one of those above"

    return problem


# --- the file ------------------------------------------------------------------------------------


def _present(path: Path) -> list[str]:
    return Profiles.read(path).names if path.exists() else []


def _exists(path: Path, name: str) -> ProfileError:
    return ProfileError(
        f"{path}: profile {name!r} exists already. Edit it there, or write it anew with --replace"
    )


def _write(path: Path, name: str, content: Mapping[str, Any], *, replace: bool) -> None:
    """Add a profile to the file, whole or not at all; what else is in it stays as it is."""
    import tomlkit  # noqa: PLC0415 - slow to import, and only this needs it

    path = Path(os.path.realpath(path))  # the owner's own link, as of people who keep them in git
    with file_lock(user_lock_path("profiles", str(path)), _LOCK_WAIT):
        present = _present(path)
        if name in present and not replace:
            raise _exists(path, name)
        text = path.read_text(encoding="utf-8-sig") if path.exists() else ""
        document = tomlkit.parse(text)
        table = tomlkit.table()
        for key, value in content.items():
            table.add(key, value)
        if name in document:
            document[name] = table
        else:
            if text.strip():
                document.add(tomlkit.nl())
            document.add(name, table)
        _replace(path, tomlkit.dumps(document))


def _replace(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else _NO_MODE
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
            Path(name).chmod(mode)
            Path(name).replace(path)
        except BaseException:
            with suppress(OSError):
                Path(name).unlink()
            raise
    except OSError as error:
        problem = error.strerror or type(error).__name__
        raise ProfileError(
            f"{path} cannot be written ({problem}). Nothing was changed; see to it that you can "
            "write there, or name another file in REQUESTS_JWT_PROFILES"
        ) from error
