"""init and profiles: making profiles and listing them."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from requests_jwt_refresh.cli.exits import Complaint, Exit, complain
from requests_jwt_refresh.cli.words import ask, beside, harmless
from requests_jwt_refresh.errors import InvalidURL, ProfileError
from requests_jwt_refresh.presets import PRESET_MODULES
from requests_jwt_refresh.presets import load as load_preset
from requests_jwt_refresh.profiles.edit import already_exists, write_profile
from requests_jwt_refresh.profiles.load import (
    KINDS,
    PATH_VARIABLE,
    TEXT_VARIABLE,
    Profiles,
    check,
    default_path,
    is_name,
)
from requests_jwt_refresh.profiles.schema import nearest
from requests_jwt_refresh.urls import validate_base

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def init(options: argparse.Namespace) -> int:
    if not is_name(options.name):
        raise Complaint(
            f"{options.name!r} is no name for a profile",
            "use letters, digits, '-', '_' and '.', such as 'prod'",
        )
    if os.environ.get(TEXT_VARIABLE):
        raise Complaint(
            f"the profiles come from {TEXT_VARIABLE}, and there is no file to write to",
            f"unset {TEXT_VARIABLE}",
        )
    path = default_path()
    try:
        is_odd = path.exists() and not path.is_file()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ProfileError(
            f"{path}: it cannot be read ({reason}). Name a file that you can read in "
            f"{PATH_VARIABLE}"
        ) from error
    if is_odd:
        raise ProfileError(f"{path}: it is no regular file, so no profile goes there")
    if not options.replace and options.name in _present(path):
        raise already_exists(path, options.name)
    if _lacks_something(options):
        if not sys.stdin.isatty():
            missing = "--refresh-url or --preset" if options.base_url else "--base-url"
            raise Complaint(
                f"{missing} is missing", "give it, or run this in a terminal to be asked"
            )
        _ask_for_the_rest(options)
    content = _content(options)
    problem = _problem(options.name, content)
    if problem is not None:
        remedy = f"nothing was written; see requests-jwt init --help, or the README for {path}"
        raise Complaint(f"that makes no profile: {problem}", remedy)
    write_profile(path, options.name, content, replace=options.replace)
    sys.stdout.write(f"Profile {options.name!r} is in {path}\n")
    sys.stdout.write(f"Next: requests-jwt login {options.name}\n")
    return Exit.DONE


def profiles(options: argparse.Namespace) -> int:
    if options.path:
        sys.stdout.write(f"{default_path()}\n")
        return Exit.DONE
    known = Profiles.read()
    if options.names:
        sys.stdout.writelines(f"{name}\n" for name in known.names if is_name(name))
        return Exit.DONE
    rows, faults = [], []
    for name in known.names:
        try:
            profile = known.profile(name)
        except ProfileError as error:
            faults.append(str(error))
            rows.append({"name": name, "base_url": None, "store": None, "fault": str(error)})
        else:
            shown = {"base_url": profile.base_url, "store": profile.store_label}
            rows.append({"name": name, **shown, "fault": None})
    if options.json:
        json.dump({"file": str(known.file), "profiles": rows}, sys.stdout, indent=2)
        sys.stdout.write("\n")
    else:
        _show(known, rows)
    for fault in faults:
        complain(fault, f"mend it in that {'file' if isinstance(known.file, Path) else 'variable'}")
    return Exit.USAGE if faults else Exit.DONE


def _show(known: Profiles, rows: list[dict[str, Any]]) -> None:
    width = max([len(harmless(each["name"])) for each in rows], default=0)
    for each in rows:
        told = "faulty, see below" if each["fault"] else f"{each['base_url']}  ({each['store']})"
        sys.stdout.write(f"{harmless(each['name']):<{width}}  {told}\n")
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
        content["when"] = dict(zip(("json_field", "value"), options.expired, strict=True))
    store = {"path": options.path, "url": options.redis, "key": options.key}
    if any(store.values()) or options.store not in (None, "keyring"):
        where = options.store or ("file" if options.path else "redis")
        content["store"] = _given({"kind": where, **store})
    login = {"send": options.login_send, "url": options.login_url}
    device = {"url": options.device_url, "scope": options.scope}
    logout = {"send": options.logout_send, "url": options.logout_url}
    for name, table in (("login", login), ("device", device), ("logout", logout)):
        if any(table.values()):
            content[name] = _given(table)
    return content


def _given(table: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in table.items() if value}


def _lacks_something(options: argparse.Namespace) -> bool:
    """Whether what every profile needs has not been said."""
    knows_where = options.refresh_url or (options.preset and options.preset != "express")
    return not (options.base_url and knows_where)


def _ask_for_the_rest(options: argparse.Namespace) -> None:
    """Ask, one question after the other, for what no option has said."""
    if not options.base_url:
        options.base_url = _answer("Base URL of the API", "", _base_problem(options.allow_http))
    if not (options.preset or options.kind):
        sys.stderr.write(f"{beside('Known servers: ', ', '.join(PRESET_MODULES))}\n")
        sys.stderr.write(f"{beside('Other kinds:   ', ', '.join(KINDS))}\n")
        kind = _answer("Server", "json", _must_be_one_of([*PRESET_MODULES, *KINDS]))
        options.preset, options.kind = (kind, None) if kind in PRESET_MODULES else (None, kind)
    if options.kind == "oauth2" and (options.client_auth or options.device_url):
        # First: without it no other answer makes a profile.
        options.client_id = options.client_id or _answer("Client id", "", _must_be_given)
    if options.preset is None or options.preset == "express":
        _fill(options, "refresh_url", "Refresh endpoint, such as /auth/refresh", is_needed=True)
    if options.kind == "oauth2":
        _fill(options, "client_id", "Client id", is_needed=True)
        if not options.client_auth:
            ways = ["none", "basic", "post"]
            question = "How the client shows its secret (none, basic, post)"
            way = _answer(question, "none", _must_be_one_of(ways))
            options.client_auth = None if way == "none" else way
        _fill(options, "device_url", "Device authorization endpoint, if there is one")
    if not options.device_url and not (options.preset and load_preset(options.preset).login):
        _fill(options, "login_url", "Login endpoint, such as /auth/login; empty for none")
    if not options.preset and not options.expired:
        question = "What an expired 401 says (message=Invalid JWT); empty: any 401"
        told = _answer(question, "", _expiry_problem)
        options.expired = tuple(told.split("=", 1)) if told else None
    _fill(options, "logout_url", "Logout endpoint; empty for none")


def _fill(
    options: argparse.Namespace, name: str, question: str, *, is_needed: bool = False
) -> None:
    """Ask for one option, until the profile makes sense with it."""

    def problem(answer: str) -> str | None:
        if is_needed and not answer:
            return _must_be_given(answer)
        trial = argparse.Namespace(**{**vars(options), name: answer})
        return _problem(options.name, _content(trial))

    if not getattr(options, name):
        setattr(options, name, _answer(question, "", problem))


def _answer(question: str, default: str, problem: Callable[[str], str | None]) -> str:
    shown = f" [{default}]" if default else ""
    while True:
        answer = ask(f"{question}{shown}: ") or default
        told = problem(answer)
        if told is None:
            return answer
        sys.stderr.write(f"{beside('  ', told)}\n")


def _problem(name: str, content: Mapping[str, Any]) -> str | None:
    """Return what is wrong with a profile that has not been written yet."""
    try:
        check(default_path(), name, content, where="")
    except ProfileError as error:
        return str(error).replace("allow_http = true", "--allow-http")
    return None


def _base_problem(allow_http: bool) -> Callable[[str], str | None]:
    def problem(answer: str) -> str | None:
        try:
            validate_base(answer, allow_http=allow_http)
        except InvalidURL as error:
            return str(error).replace("allow_http=True", "--allow-http")
        return None

    return problem


def _expiry_problem(answer: str) -> str | None:
    field, _, value = answer.partition("=")
    return None if (field and value) or not answer else "it is FIELD=VALUE: message=Invalid JWT"


def _must_be_given(answer: str) -> str | None:
    return None if answer else "this is needed"


def _must_be_one_of(choices: list[str]) -> Callable[[str], str | None]:
    def problem(answer: str) -> str | None:
        if answer in choices:
            return None
        return nearest(answer, choices) or "it is one of those above"

    return problem


# --- the file ------------------------------------------------------------------------------------


def _present(path: Path) -> Mapping[str, Any]:
    """Return all that stands at the top of the file, profiles or not."""
    return Profiles.read(path).content if path.exists() else {}
