"""init: write a profile, from options and from answers to questions."""

from __future__ import annotations

import argparse
import os
import re
import sys
from typing import TYPE_CHECKING, Any, Final

import requests_jwt_refresh as library
from requests_jwt_refresh.cli.account import write_urls
from requests_jwt_refresh.cli.commands import COMPLETE_FILES, add_command, examples
from requests_jwt_refresh.cli.console import Exit, UsageError, ask, hanging_indent
from requests_jwt_refresh.cli.token_file import (
    add_path_option,
    ask_for_path,
    choose_default_path,
    find_keyring_problem,
)
from requests_jwt_refresh.client_auth import CLIENT_AUTHS
from requests_jwt_refresh.grants import LOGIN_SENDS, LOGOUT_SENDS
from requests_jwt_refresh.presets import PRESET_MODULES
from requests_jwt_refresh.presets import load as load_preset
from requests_jwt_refresh.profiles.kinds import (
    ENDPOINT_KINDS,
    GRANT_KINDS,
    STORE_KINDS,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from pathlib import Path

    from requests_jwt_refresh.cli.commands import Parser, Subparsers
    from requests_jwt_refresh.profiles.load import Profile

_PRESETS: Final = tuple(PRESET_MODULES)
_KINDS: Final = (*ENDPOINT_KINDS, *GRANT_KINDS)
_NONE: Final = "none"  # the answer for an API that has a login and no refresh
_PROOFS: Final = {"jwt-bearer": "assertion_file", "token-exchange": "subject_token_file"}

_STATUS: Final = re.compile(r"[45][0-9]{2}")  # RFC 9110 §15.5, §15.6
_REFRESH_QUESTION: Final = "Refresh endpoint, such as /auth/refresh"
_IN_URLS: Final = ("domain", "tenant", "region", "realm", "server", "subdomain")  # of presets
_DEFAULT_FIELDS: Final = {"access": "access_token", "refresh": "refresh_token"}

_LONG_EXAMPLE: Final = """\
requests-jwt init prod --base-url https://api.example.com/v1 \\
      --refresh-url /auth/refresh --login-url /auth/login \\
      --access data.accessToken --refresh data.refreshToken \\
      --send refreshToken --expired 'message=Invalid JWT' --expired-status 403"""


def add_parser(subparsers: Subparsers) -> None:
    parser = add_command(
        subparsers,
        "init",
        run,
        usage="requests-jwt init NAME [OPTIONS]",
        description="Asks for what is missing, if it runs in a terminal.",
        epilog=examples(
            ("requests-jwt init prod", "answer questions"),
            (
                "requests-jwt init prod --base-url https://api.example.com --preset simplejwt",
                "djangorestframework-simplejwt, with its documented paths",
            ),
            (_LONG_EXAMPLE, "another server; the file takes more options: see the README"),
        ),
    )
    parser.add_argument("name", metavar="NAME", help="the name of the new profile")
    parser.add_argument(
        "--base-url", metavar="URL", help="of the API; only its origin gets the token"
    )
    _add_server_options(parser)
    _add_login_options(parser)
    _add_request_options(parser)
    parser.add_argument(
        "--expired",
        metavar="FIELD=VALUE",
        type=_parse_rule,
        help="what the API says of an expired token; anything if not given",
    )
    parser.add_argument(
        "--expired-status",
        metavar="STATUS",
        type=_parse_status,
        help="the status with which the API says so; 401 if not given",
    )
    _add_store_options(parser)
    parser.add_argument(
        "--trusted-origin",
        metavar="ORIGIN",
        action="append",
        help="another origin that gets the token; may be repeated",
    )
    parser.add_argument(
        "--allow-http", action="store_true", help="allow http URLs, where tokens are not encrypted"
    )
    parser.add_argument("--replace", action="store_true", help="replace a profile of this name")


def _add_server_options(parser: Parser) -> None:
    server = parser.add_mutually_exclusive_group()
    server.add_argument(
        "--preset",
        choices=_PRESETS,
        metavar="PRESET",
        help=f"a known server: {', '.join(_PRESETS)}",
    )
    _add_choice(server, "--kind", _KINDS, "another server: {}")
    server.add_argument(
        "--no-refresh", action="store_true", help="an API that has a login, and no refresh"
    )
    parser.add_argument("--refresh-url", metavar="URL", help="absolute, or below the base URL")
    parser.add_argument(
        "--set",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        type=_parse_pair,
        help="another key of [NAME.refresh], such as domain=example.eu.auth0.com for a preset; may "
        "be repeated",
    )
    _add_field(parser, "send", "of the request: the refresh token")
    _add_field(parser, "access", "of the response: the access token")
    _add_field(parser, "refresh", "of the response: the new refresh token")
    _add_field(parser, "expires-in", "of the response: the access token's lifetime in seconds")
    parser.add_argument("--client-id", metavar="ID", help="OAuth 2.0: the client's id")
    parser.add_argument(
        "--client-auth",
        choices=CLIENT_AUTHS,
        metavar="HOW",
        help=f"OAuth 2.0: {', '.join(CLIENT_AUTHS)}; `login` asks for the secret",
    )


def _add_login_options(parser: Parser) -> None:
    parser.add_argument(
        "--device-url", metavar="URL", help="OAuth 2.0: device authorization endpoint"
    )
    parser.add_argument(
        "--scope", metavar="SCOPE", help="OAuth 2.0: the scope, of the device login if there is one"
    )
    parser.add_argument(
        "--login-url", metavar="URL", help="where a user name and a password are sent"
    )
    _add_choice(parser, "--login-send", LOGIN_SENDS, "how they are sent: {}")
    _add_field(parser, "username-field", "of the login's request: the user name")
    _add_field(parser, "password-field", "of the login's request: the password")
    _add_field(parser, "login-access", "of the login's response, if it differs: the access token")
    _add_field(parser, "login-refresh", "of the login's response, if it differs: the refresh token")
    _add_field(parser, "login-expires-in", "of the login's response, if it differs: the lifetime")
    parser.add_argument("--logout-url", metavar="URL", help="where a logout is sent")
    _add_choice(parser, "--logout-send", LOGOUT_SENDS, "how the token is sent: {}")


def _add_request_options(parser: Parser) -> None:
    """Add the options that say what API requests carry."""
    place = parser.add_mutually_exclusive_group()
    place.add_argument(
        "--attach-header",
        metavar="HEADER",
        help="the header of the access token; Authorization if not given",
    )
    place.add_argument("--attach-cookie", metavar="COOKIE", help="the cookie of the access token")
    parser.add_argument(
        "--attach-scheme", metavar="WORD", help="the word before the token in its header"
    )
    parser.add_argument(
        "--csrf",
        metavar="COOKIE=HEADER",
        type=_parse_pair,
        help="the cookie beside that of the token, and the header that repeats it",
    )
    parser.add_argument(
        "--header",
        metavar="HEADER=VALUE",
        action="append",
        default=[],
        type=_parse_pair,
        help="goes with each API request, and is no secret; may be repeated",
    )
    path: Any = parser.add_argument(
        "--header-file",
        metavar="HEADER=PATH",
        action="append",
        default=[],
        type=_parse_pair,
        help="the same, with the value in a file of its own",
    )
    path.complete = COMPLETE_FILES
    parser.add_argument(
        "--header-keyring",
        metavar="HEADER",
        action="append",
        default=[],
        help="the same, with the value in the keyring; `login` asks for it",
    )


def _add_store_options(parser: Parser) -> None:
    _add_choice(parser, "--store", STORE_KINDS, "where the token lives: {}")
    add_path_option(parser)
    parser.add_argument("--redis", metavar="URL", help="URL of the Redis store, without a password")
    parser.add_argument("--key", metavar="KEY", help="key in the Redis store")


def _add_field(parser: Parser, option: str, what: str) -> None:
    """Add an option for the field that holds something, such as ``data.accessToken``."""
    parser.add_argument(f"--{option}", metavar="FIELD", help=f"the field {what}")


def _add_choice(parser: Any, option: str, choices: tuple[str, ...], purpose: str) -> None:
    """Add an option with a few values, the first of which is the default."""
    default, *others = choices
    metavar = "HOW" if option.endswith("-send") else "KIND"
    listed = f"{default} (default), {', '.join(others)}"
    parser.add_argument(option, choices=choices, metavar=metavar, help=purpose.format(listed))


def _parse_rule(text: str) -> tuple[str, str]:
    field, _, value = text.partition("=")
    if not (field and value):
        raise argparse.ArgumentTypeError("must be FIELD=VALUE, such as 'message=Invalid JWT'")
    return field, value


def _parse_pair(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    if not (name and value):
        raise argparse.ArgumentTypeError("must be two words with = between them")
    return name.strip(), value.strip()


def _parse_status(text: str) -> int:
    if not _STATUS.fullmatch(text):
        raise argparse.ArgumentTypeError("must be the status of an error, such as 403")
    return int(text)


def run(options: argparse.Namespace) -> int:
    path = _find_path(options)
    if not options.base_url and options.preset and not sys.stdin.isatty():
        options.base_url = load_preset(options.preset).base_url
    missing = _find_missing_option(options)
    if missing is not None:
        if not sys.stdin.isatty():
            raise UsageError(
                f"{missing} is missing", "give it, or run this in a terminal to be asked"
            )
        _ask_for_the_rest(options)
    if options.store == "file" and not options.path:
        options.path = choose_default_path(options.name)
    content = _make_content(options)
    problem = _find_profile_problem(options.name, content)
    if problem is not None:
        raise UsageError(
            f"these options make no usable profile: {problem}",
            f"nothing was written; see requests-jwt init --help, or the README for {path}",
        )
    keyring_problem = None if options.store else _find_keyring_problem(options, content)
    if keyring_problem is not None and sys.stdin.isatty():
        options.path = ask_for_path(keyring_problem, options.name)
        keyring_problem, content = None, _make_content(options)
    from requests_jwt_refresh.profiles.edit import write_profile
    from requests_jwt_refresh.profiles.load import check

    write_profile(path, options.name, content, replace=options.replace)
    sys.stdout.write(f"Profile {options.name!r} is in {path}\n")
    profile = check(path, options.name, content)
    write_urls(profile)
    if keyring_problem is not None:
        sys.stdout.write(f"{hanging_indent('No keyring: ', keyring_problem)}\n")
        command = f"requests-jwt login {options.name} --store file"
        sys.stdout.write(f"To keep the token in a file: {command}\n")
    elif profile.needs_login or _has_secrets_in_keyring(profile):
        sys.stdout.write(f"Next: requests-jwt login {options.name}\n")
    else:
        sys.stdout.write(f"Nobody has to log in; try it: requests-jwt token {options.name}\n")
    return Exit.DONE


def _has_secrets_in_keyring(profile: Profile) -> bool:
    """Whether a login has to ask for a secret."""
    from requests_jwt_refresh.profiles.secrets import SecretInKeyring

    return any(isinstance(each, SecretInKeyring) for each in profile.secrets.values())


def _find_keyring_problem(options: argparse.Namespace, content: Mapping[str, Any]) -> str | None:
    """Return why the keyring, where the token is to go, cannot be used here; None if it can."""
    from requests_jwt_refresh.profiles.load import check, default_path

    return find_keyring_problem(check(default_path(), options.name, content))


def _find_path(options: argparse.Namespace) -> Path:
    """Return the file to write to. Raises UsageError or ProfileError if it cannot be."""
    from requests_jwt_refresh.profiles.edit import make_exists_error
    from requests_jwt_refresh.profiles.load import TEXT_VARIABLE, Profiles, default_path, is_name

    if not is_name(options.name):
        raise UsageError(
            f"{options.name!r} cannot be the name of a profile",
            "use letters, digits, '-', '_' and '.', such as 'prod'",
        )
    if os.environ.get(TEXT_VARIABLE):
        raise UsageError(
            f"the profiles come from {TEXT_VARIABLE}, and there is no file to write to",
            f"unset {TEXT_VARIABLE}",
        )
    path = default_path()
    _check_file(path)
    if path.exists() and not options.replace and options.name in Profiles.read(path).content:
        raise make_exists_error(path, options.name)
    return path


def _check_file(path: Path) -> None:
    """Raise ProfileError if what is at `path` is not a regular file."""
    from requests_jwt_refresh.profiles.load import PATH_VARIABLE

    try:
        is_usable = path.is_file() or not path.exists()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise library.ProfileError(
            f"{path}: it cannot be read ({reason})",
            f"name a file that you can read in {PATH_VARIABLE}",
        ) from error
    if not is_usable:
        raise library.ProfileError(
            f"{path}: it is not a regular file, so no profile can be written there",
            f"name another file in {PATH_VARIABLE}",
        )


# --- from options to profile ---------------------------------------------------------------------


def _make_content(options: argparse.Namespace) -> dict[str, Any]:
    """Return the profile that the options describe, as it stands in the file."""
    content: dict[str, Any] = {"base_url": options.base_url}
    if options.trusted_origin:
        content["trusted_origins"] = options.trusted_origin
    if options.allow_http:
        content["allow_http"] = True
    content |= _drop_empty({"attach": _make_attach(options)})
    if not options.no_refresh:
        content["refresh"] = _make_refresh(options)
    content |= _drop_empty({"headers": _make_headers(options)})
    when = dict(zip(("json_field", "value"), options.expired or (), strict=False))
    if options.expired_status:
        when["status"] = options.expired_status
    if when:
        content["when"] = when
    store = {"path": options.path, "url": options.redis, "key": options.key}
    if any(store.values()) or options.store not in (None, STORE_KINDS[0]):
        where = options.store or ("file" if options.path else "redis")
        content["store"] = _drop_empty({"kind": where, **store})
    login = {
        "send": options.login_send,
        "url": options.login_url,
        "username_field": options.username_field,
        "password_field": options.password_field,
        **{name: getattr(options, f"login_{name}") for name in ("access", "refresh", "expires_in")},
    }
    device = {"url": options.device_url, "scope": options.device_url and options.scope}
    logout = {"send": options.logout_send, "url": options.logout_url}
    for name, table in (("login", login), ("device", device), ("logout", logout)):
        if any(table.values()):
            content[name] = _drop_empty(table)
    return content


def _make_refresh(options: argparse.Namespace) -> dict[str, Any]:
    kind = {"preset": options.preset} if options.preset else {"kind": options.kind or "json"}
    names = ("send", "access", "refresh", "expires_in", "client_id", "client_auth")
    fields = {name: getattr(options, name) for name in names}
    scope = None if options.device_url else options.scope
    table = {**kind, "url": options.refresh_url, **fields, "scope": scope, **dict(options.set)}
    return _drop_empty(table)


def _make_attach(options: argparse.Namespace) -> dict[str, Any]:
    """Return the place of the access token; {} if it is the usual one."""
    header = options.attach_header or (options.attach_scheme and "Authorization")
    place = {"header": header, "scheme": options.attach_scheme, "cookie": options.attach_cookie}
    return _drop_empty({**place, "csrf": list(options.csrf or ())})


def _make_headers(options: argparse.Namespace) -> dict[str, Any]:
    headers: dict[str, Any] = dict(options.header)
    headers |= {name: {"file": path} for name, path in options.header_file}
    return headers | {name: {"keyring": True} for name in options.header_keyring}


def _drop_empty(table: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in table.items() if value}


def _find_missing_option(options: argparse.Namespace) -> str | None:
    """Return an option that this profile needs and that is not given yet, None if all are."""
    if not options.base_url:
        return "--base-url"
    if options.no_refresh:
        return None if options.login_url else "--login-url"
    if options.preset:
        if load_preset(options.preset).needs_url and not options.refresh_url:
            return "--refresh-url"
    elif not options.refresh_url:
        return "--refresh-url or --preset"
    needed = _list_needed(options)
    if not needed:
        return None
    return "--client-id" if needed[0] == "client_id" else f"--set {needed[0]}="


def _list_needed(options: argparse.Namespace) -> list[str]:
    """Return the keys of the refresh that are needed and not given yet."""
    needed = [_PROOFS[options.kind]] if options.kind in _PROOFS else []
    if options.kind == "client-credentials":
        needed.append("client_id")
    if options.preset:
        needed += load_preset(options.preset).list_needed()
    given = {*dict(options.set), *(["client_id"] if options.client_id else [])}
    if options.refresh_url:  # it says what these would have said
        needed = [name for name in needed if name not in _IN_URLS]
    return [name for name in needed if name not in given]


# --- questions -----------------------------------------------------------------------------------


def _ask_for_the_rest(options: argparse.Namespace) -> None:
    """Ask, one question after the other, for what no option has given."""
    if not options.base_url:
        find_problem = _make_base_url_check(options.allow_http)
        usual = load_preset(options.preset).base_url if options.preset else None
        options.base_url = _ask("Base URL of the API", usual or "", find_problem)
    if not (options.preset or options.kind or options.no_refresh):
        _ask_for_server(options)
    if options.no_refresh:
        _ask_option(options, "login_url", "Login endpoint, such as /auth/login", is_needed=True)
    elif options.preset:
        _ask_for_preset(options)
    else:
        _ask_for_refresh(options)
    if not options.preset:
        _ask_for_rule(options)
    if options.kind not in GRANT_KINDS:
        _ask_option(options, "logout_url", "Logout endpoint; empty for none")


def _ask_for_preset(options: argparse.Namespace) -> None:
    preset = load_preset(options.preset)
    if preset.needs_url:
        # Unchecked: what is asked next may be needed, too.
        options.refresh_url = options.refresh_url or _ask(_REFRESH_QUESTION, "", _find_missing)
    _ask_for_needed(options)
    if not (preset.login or options.device_url or options.client_id):
        _ask_option(options, "login_url", "Login endpoint, such as /auth/login; empty for none")


def _ask_for_needed(options: argparse.Namespace) -> None:
    """Ask for the keys without which no other answer makes a usable profile."""
    for name in _list_needed(options):
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
    _ask_option(options, "login_url", "Login endpoint, such as /auth/login; empty for none")
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


def _ask_field(
    options: argparse.Namespace, name: str, question: str, default: str, usual: str
) -> str:
    """Return the field that an option or an answer names; the option stays None for the usual."""
    if not getattr(options, name):
        _ask_option(options, name, question, default=default)
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
    sys.stderr.write(f"{hanging_indent('Known servers: ', ', '.join(_PRESETS))}\n")
    others = f"{', '.join(_KINDS)}; {_NONE} (a login, and no refresh)"
    sys.stderr.write(f"{hanging_indent('Other kinds:   ', others)}\n")
    answer = _ask("Server", _KINDS[0], _make_choice_check([*_PRESETS, *_KINDS, _NONE]))
    if answer in _PRESETS:
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
) -> None:
    """Ask for one option, until the answer makes a usable profile."""

    def find_problem(answer: str) -> str | None:
        if is_needed and not answer:
            return _find_missing(answer)
        trial = argparse.Namespace(**{**vars(options), name: answer})
        return _find_profile_problem(options.name, _make_content(trial))

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


def _find_profile_problem(name: str, content: Mapping[str, Any]) -> str | None:
    """Return what is wrong with a profile that has not been written yet."""
    from requests_jwt_refresh.profiles.load import check, default_path

    try:
        check(default_path(), name, content, prefix="")
    except library.ProfileError as error:
        return str(error).replace("allow_http = true", "--allow-http")
    return None


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
    return None if _STATUS.fullmatch(answer) else "it must be the status of an error, such as 403"


def _find_rule_problem(answer: str) -> str | None:
    field, _, value = answer.partition("=")
    return (
        None
        if (field and value) or not answer
        else "it must be FIELD=VALUE, such as message=Invalid JWT"
    )


def _find_missing(answer: str) -> str | None:
    return None if answer else "an answer is needed"


def _make_choice_check(choices: Collection[str]) -> Callable[[str], str | None]:
    from requests_jwt_refresh.profiles.schema import suggest

    def find_problem(answer: str) -> str | None:
        if answer in choices:
            return None
        return suggest(answer, choices) or "it must be one of those above"

    return find_problem
