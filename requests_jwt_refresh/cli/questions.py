"""The questions of init, for what no option has given."""

from __future__ import annotations

import argparse
import re
import sys
from typing import TYPE_CHECKING, Final

import requests_jwt_refresh as library
from requests_jwt_refresh.cli.console import ask, hanging_indent
from requests_jwt_refresh.cli.content import (
    find_documented_url,
    find_profile_problem,
    list_needed,
    make_content,
)
from requests_jwt_refresh.client_auth import CLIENT_AUTHS
from requests_jwt_refresh.presets import PRESET_MODULES
from requests_jwt_refresh.presets import load as load_preset
from requests_jwt_refresh.profiles.kinds import GRANT_KINDS, KINDS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

PRESETS: Final = tuple(PRESET_MODULES)
STATUS: Final = re.compile(r"[45][0-9]{2}")  # RFC 9110 §15.5, §15.6
_NONE: Final = "none"  # the answer for an API that has a login and no refresh
_REFRESH_QUESTION: Final = "Refresh endpoint, such as /auth/refresh"
_LOGIN_QUESTION: Final = "Login endpoint, such as /auth/login; empty for none"
_DEFAULT_FIELDS: Final = {
    "access": "access_token",
    "refresh": "refresh_token",
    "expires_in": "expires_in",
}
_ACCOUNT_FIELDS: Final = {"username_field": "user name", "password_field": "password"}


def ask_for_the_rest(options: argparse.Namespace) -> None:
    """Ask, one question after the other, for what no option has given."""
    if not options.base_url:
        ask_for_base_url(options)
    if not (options.preset or options.kind or options.no_refresh):
        _ask_for_server(options)
    if options.no_refresh:
        _ask_for_login_alone(options)
    elif options.preset:
        _ask_for_preset(options)
    else:
        _ask_for_refresh(options)
    if not options.preset:
        _ask_for_rule(options)
    if options.kind not in GRANT_KINDS:
        documented = find_documented_url(options.name, make_content(options), "logout")
        shown = f", such as {documented} of {options.preset}" if documented else ""
        _ask_option(options, "logout_url", f"Logout endpoint{shown}; empty for none")


def ask_for_base_url(options: argparse.Namespace) -> None:
    """Ask where the API is."""
    find_problem = _make_base_url_check(options.allow_http)
    usual = load_preset(options.preset).base_url if options.preset else None
    options.base_url = _ask("Base URL of the API", usual or "", find_problem)


def _ask_for_login_alone(options: argparse.Namespace) -> None:
    """Ask about the login of an API that has no refresh."""
    _ask_option(options, "login_url", "Login endpoint, such as /auth/login", is_needed=True)
    _ask_for_account_fields(options)
    access = "Field of the access token in the response to a login"
    usual = _DEFAULT_FIELDS["access"]
    _ask_field(options, "login_access", access, usual, usual)
    _ask_for_lifetime(options, "login_", _DEFAULT_FIELDS["expires_in"])


def _ask_for_preset(options: argparse.Namespace) -> None:
    preset = load_preset(options.preset)
    if preset.needs_url:
        # Unchecked: what is asked next may be needed, too.
        options.refresh_url = options.refresh_url or _ask(_REFRESH_QUESTION, "", _find_missing)
    _ask_for_needed(options)
    content = make_content(options)
    documented = find_documented_url(options.name, content, "login") if preset.login else None
    if documented and options.refresh_url:  # the login may have moved as well
        _ask_option(options, "login_url", "Login endpoint", default=documented)
    elif not (documented or preset.login.get("send") or options.device_url or options.client_id):
        _ask_option(options, "login_url", _LOGIN_QUESTION)
        _ask_for_account_fields(options)


def _ask_for_needed(options: argparse.Namespace) -> None:
    """Ask for the keys without which no other answer makes a usable profile."""
    for name in list_needed(options):
        if name == "client_id":
            options.client_id = _ask("Client id", "", _find_missing)
        else:
            question = name.replace("_", " ").capitalize()
            options.set.append((name, _ask(question, "", _find_missing)))


def _ask_for_refresh(options: argparse.Namespace) -> None:
    """Ask about a server that is none of the known ones."""
    if options.kind == "oauth2" and (options.client_auth or options.device_url):
        options.client_id = options.client_id or _ask("Client id", "", _find_missing)
    _ask_for_needed(options)
    if options.kind in GRANT_KINDS:
        _ask_option(options, "refresh_url", "Token endpoint, such as /oauth/token", is_needed=True)
        return
    _ask_option(options, "refresh_url", _REFRESH_QUESTION, is_needed=True)
    if options.kind == "oauth2":
        _ask_for_client(options)
    else:
        _ask_for_fields(options, "", _DEFAULT_FIELDS)
    if options.device_url:
        return
    _ask_option(options, "login_url", _LOGIN_QUESTION)
    _ask_for_account_fields(options)
    if options.login_url and options.kind != "oauth2":
        given = {name: getattr(options, name) or _DEFAULT_FIELDS[name] for name in _DEFAULT_FIELDS}
        _ask_for_fields(options, "login_", given)


def _ask_for_fields(options: argparse.Namespace, prefix: str, usual: Mapping[str, str]) -> None:
    """Ask where a response has its tokens; what is `usual` is not written."""
    response = f"response to a {'login' if prefix else 'refresh'}"
    question = f"Field of the access token in the {response}"
    access = _ask_field(options, f"{prefix}access", question, usual["access"], usual["access"])
    # The field beside it is called alike, as a rule.
    alike = access.replace("access", "refresh")
    default = usual["refresh"] if access in (usual["access"], alike) else alike
    question = f"Field of the refresh token in the {response}"
    refresh = _ask_field(options, f"{prefix}refresh", question, default, usual["refresh"])
    if options.kind == "json" and not prefix:
        question = "Field of the refresh token in the request"
        _ask_field(options, "send", question, refresh.rpartition(".")[2], usual["refresh"])
    _ask_for_lifetime(options, prefix, usual["expires_in"])


def _ask_for_lifetime(options: argparse.Namespace, prefix: str, usual: str) -> None:
    """Ask where a response has the access token's lifetime; that it has none does no harm."""
    response = f"response to a {'login' if prefix else 'refresh'}"
    question = f"Field of the lifetime in seconds in the {response}"
    _ask_field(options, f"{prefix}expires_in", question, usual, usual, _find_field_problem)


def _ask_for_account_fields(options: argparse.Namespace) -> None:
    """Ask how a login with fields of its own names its two."""
    login = make_content(options).get("login", {})
    if "url" not in login or login.get("send") in ("basic", "oauth2"):
        return
    for name, what in _ACCOUNT_FIELDS.items():
        usual = name.removesuffix("_field")
        question = f"Field of the {what} in the login's request"
        _ask_field(options, name, question, usual, usual, _find_field_problem)


def _ask_field(
    options: argparse.Namespace,
    name: str,
    question: str,
    default: str,
    usual: str,
    find_problem: Callable[[str], str | None] | None = None,
) -> str:
    """Return the field that an option or an answer names; the option stays None for the usual."""
    if not getattr(options, name):
        _ask_option(options, name, question, default=default, find_more=find_problem)
        if getattr(options, name) == usual:
            setattr(options, name, None)
    return getattr(options, name) or usual


def _ask_for_rule(options: argparse.Namespace) -> None:
    """Ask how the API says that a token has expired."""
    if not (options.expired or options.expired_status):
        answer = _ask("Status of the API's answer to an expired token", "401", _find_status_problem)
        options.expired_status = int(answer) if answer != "401" else None
    if not options.expired:
        question = "It says (FIELD=VALUE; empty for any)"
        answer = _ask(question, "", _find_rule_problem)
        options.expired = tuple(answer.split("=", 1)) if answer else None


def _ask_for_server(options: argparse.Namespace) -> None:
    sys.stderr.write(f"{hanging_indent('Known servers: ', ', '.join(PRESETS))}\n")
    others = f"{', '.join(KINDS)}; {_NONE} (a login, and no refresh)"
    sys.stderr.write(f"{hanging_indent('Other kinds:   ', others)}\n")
    answer = _ask("Server", KINDS[0], _make_choice_check([*PRESETS, *KINDS, _NONE]))
    if answer in PRESETS:
        options.preset = answer
    elif answer == _NONE:
        options.no_refresh = True
    else:
        options.kind = answer


def _ask_for_client(options: argparse.Namespace) -> None:
    _ask_option(options, "client_id", "Client id", is_needed=True)
    if not options.client_auth:
        question = f"How the client authenticates ({', '.join(CLIENT_AUTHS)})"
        answer = _ask(question, "none", _make_choice_check(CLIENT_AUTHS))
        options.client_auth = None if answer == "none" else answer
    _ask_option(options, "device_url", "Device authorization endpoint, if there is one")


def _ask_option(
    options: argparse.Namespace,
    name: str,
    question: str,
    *,
    is_needed: bool = False,
    default: str = "",
    find_more: Callable[[str], str | None] | None = None,
) -> None:
    """Ask for one option, until the answer makes a usable profile."""

    def find_problem(answer: str) -> str | None:
        if is_needed and not answer:
            return _find_missing(answer)
        problem = find_more and find_more(answer)
        if problem:
            return problem
        trial = argparse.Namespace(**{**vars(options), name: answer})
        return find_profile_problem(options.name, make_content(trial))

    if not getattr(options, name):
        setattr(options, name, _ask(question, default, find_problem))


def _ask(question: str, default: str, find_problem: Callable[[str], str | None]) -> str:
    shown = f" [{default}]" if default else ""
    while True:
        answer = ask(f"{question}{shown}: ") or default
        problem = find_problem(answer)
        if problem is None:
            return answer
        sys.stderr.write(f"{hanging_indent('  ', problem)}\n")


def _make_base_url_check(allow_http: bool) -> Callable[[str], str | None]:
    from requests_jwt_refresh.urls import validate_base

    def find_problem(answer: str) -> str | None:
        try:
            validate_base(answer, allow_http=allow_http)
        except library.InvalidURL as error:
            return str(error).replace("allow_http=True", "--allow-http")
        return None

    return find_problem


def _find_status_problem(answer: str) -> str | None:
    return None if STATUS.fullmatch(answer) else "it must be the status of an error, such as 403"


def _find_rule_problem(answer: str) -> str | None:
    field, _, value = answer.partition("=")
    return (
        None
        if (field and value) or not answer
        else "it must be FIELD=VALUE, such as message=Invalid JWT"
    )


def _find_field_problem(answer: str) -> str | None:
    """Return why `answer` names no field of JSON or a form: people type the value, or a place."""
    is_place = answer.startswith(("header:", "cookie:"))
    if is_place or answer.isdecimal() or any(each.isspace() or each == "," for each in answer):
        return "it must be the name of one field, with dots if it is in another, such as data.name"
    return None


def _find_missing(answer: str) -> str | None:
    return None if answer else "an answer is needed"


def _make_choice_check(choices: Collection[str]) -> Callable[[str], str | None]:
    from requests_jwt_refresh.profiles.schema import suggest_choice

    def find_problem(answer: str) -> str | None:
        if answer in choices:
            return None
        return suggest_choice(answer, choices) or "it must be one of those above"

    return find_problem
