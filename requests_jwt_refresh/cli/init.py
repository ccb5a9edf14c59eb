"""init: write a profile, from options and from answers to questions."""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING, Any, Final

import requests_jwt_refresh as library
from requests_jwt_refresh.cli.account import write_urls
from requests_jwt_refresh.cli.commands import COMPLETE_FILES, add_command, examples
from requests_jwt_refresh.cli.console import (
    Exit,
    UsageError,
    fill_in,
    hanging_indent,
    write_row,
    write_step,
)
from requests_jwt_refresh.cli.content import (
    check_no_refresh,
    find_missing_option,
    find_profile_problem,
    make_content,
)
from requests_jwt_refresh.cli.discover import NOT_FOUND, describe_server, says_yes
from requests_jwt_refresh.cli.findings import find_repeated_path
from requests_jwt_refresh.cli.questions import PRESETS, STATUS, ask_for_the_rest
from requests_jwt_refresh.cli.registration import name_client, register
from requests_jwt_refresh.cli.replacing import (
    check_tokens_stay,
    find_kept_store,
    list_notes,
    read_old_profile,
)
from requests_jwt_refresh.cli.store_file import (
    add_path_option,
    ask_for_path,
    choose_default_path,
    find_keyring_problem,
)
from requests_jwt_refresh.client_auth import CLIENT_AUTHS
from requests_jwt_refresh.grants import LOGIN_SENDS, LOGOUT_SENDS
from requests_jwt_refresh.presets import load as load_preset
from requests_jwt_refresh.profiles.kinds import (
    KINDS,
    STORE_KINDS,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from requests_jwt_refresh.cli.commands import Parser, Subparsers
    from requests_jwt_refresh.profiles.load import Profile

_IF_IT_DIFFERS: Final = "of the login's response, if it differs"
_OR_PLACE: Final = "; or header:NAME, cookie:NAME"
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
            (
                "requests-jwt init prod --from https://api.example.com/v1",
                "an API that says itself where to log in",
            ),
            (_LONG_EXAMPLE, "another server; for other keys of [NAME.refresh] give --set"),
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
    parser.add_argument(
        "--replace",
        action="store_true",
        help="replace a profile of this name; its token stays where it is, unless --store, --path "
        "or --redis says otherwise",
    )
    parser.add_argument(
        "--yes",
        action="store_true",
        help="with --issuer or --from: do not ask whether that is the right server",
    )


def _add_server_options(parser: Parser) -> None:
    server = parser.add_mutually_exclusive_group()
    server.add_argument(
        "--preset",
        choices=PRESETS,
        metavar="PRESET",
        help=f"a known server: {', '.join(PRESETS)}",
    )
    _add_choice(server, "--kind", KINDS, "another server: {}")
    server.add_argument(
        "--no-refresh", action="store_true", help="an API that has a login, and no refresh"
    )
    server.add_argument(
        "--issuer",
        metavar="URL",
        help="a server that says itself how to log in (OpenID Connect, RFC 8414)",
    )
    server.add_argument(
        "--from",
        metavar="URL",
        dest="from_url",
        help="an API that says itself where to log in (RFC 9728)",
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
    _add_field(parser, "send", f"of the request: the refresh token{_OR_PLACE}")
    _add_field(parser, "access", f"of the response: the access token{_OR_PLACE}")
    _add_field(parser, "refresh", f"of the response: the new refresh token{_OR_PLACE}")
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
        "--authorization-url",
        metavar="URL",
        help="OAuth 2.0: authorization endpoint, for logins in a browser",
    )
    parser.add_argument(
        "--redirect-uri",
        metavar="URI",
        help="OAuth 2.0: where the browser is sent, as it is registered at the server; "
        "http://127.0.0.1 and a free port if not given",
    )
    parser.add_argument(
        "--device-url", metavar="URL", help="OAuth 2.0: device authorization endpoint"
    )
    parser.add_argument(
        "--scope",
        metavar="SCOPE",
        help="OAuth 2.0: the scope, of logins by browser or device if there are such",
    )
    parser.add_argument(
        "--login-parameter",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        type=_parse_pair,
        help="OAuth 2.0: goes with logins by browser or device, such as audience=URL; may be "
        "repeated",
    )
    parser.add_argument(
        "--login-url", metavar="URL", help="where a user name and a password are sent"
    )
    _add_choice(parser, "--login-send", LOGIN_SENDS, "how they are sent: {}")
    _add_field(parser, "username-field", "of the login's request: the user name")
    _add_field(parser, "password-field", "of the login's request: the password")
    _add_field(parser, "login-access", f"{_IF_IT_DIFFERS}: the access token{_OR_PLACE}")
    _add_field(parser, "login-refresh", f"{_IF_IT_DIFFERS}: the refresh token{_OR_PLACE}")
    _add_field(parser, "login-expires-in", f"{_IF_IT_DIFFERS}: the lifetime in seconds")
    parser.add_argument("--logout-url", metavar="URL", help="where a logout is sent")
    parser.set_defaults(**NOT_FOUND)  # no options: only a server says it of itself
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
    if not STATUS.fullmatch(text):
        raise argparse.ArgumentTypeError("must be the status of an error, such as 403")
    return int(text)


def run(options: argparse.Namespace) -> int:
    path = _find_path(options)
    old = read_old_profile(options, path)
    options.kept_store = find_kept_store(options, old)
    if not options.base_url and options.preset and not sys.stdin.isatty():
        options.base_url = load_preset(options.preset).base_url
    check_no_refresh(options)
    if options.store == "file" and not (options.path or options.kept_store):
        options.path = choose_default_path(options.name)
    is_found = options.issuer is not None or options.from_url is not None
    registrar = describe_server(options) if is_found else None
    missing = find_missing_option(options)
    if missing is not None:
        if not sys.stdin.isatty():
            raise UsageError(
                f"{missing} is missing", "give it, or run this in a terminal to be asked"
            )
        ask_for_the_rest(options)
    content = make_content(options)
    problem = find_profile_problem(options.name, content)
    if problem is not None:
        raise UsageError(
            f"these options make no usable profile: {problem}",
            "nothing was written; give other options, see requests-jwt init --help, or write the "
            f'profile into {path} yourself, see the page "What a profile can say" of the guide',
        )
    keyring_problem = None if options.store else _find_keyring_problem(options, content)
    if keyring_problem is not None and sys.stdin.isatty():
        options.kept_store, options.path = None, ask_for_path(keyring_problem, options.name)
        keyring_problem, content = None, make_content(options)
    check_tokens_stay(path, options.name, old, content)
    if registrar is not None:
        register(options, path, registrar)
        content = make_content(options)
    with nullcontext() if registrar is None else name_client(options):
        profile = _write(options, path, content)
    if keyring_problem is None:
        write_row("store", profile.store_label)
    repeated = find_repeated_path(profile)
    for note in [*(["; ".join(repeated)] if repeated else []), *list_notes(profile, old, content)]:
        sys.stderr.write(f"{hanging_indent('Note: ', note)}\n")
    return _go_on(options, profile, keyring_problem, is_found=is_found)


def _write(options: argparse.Namespace, path: Path, content: Mapping[str, Any]) -> Profile:
    """Write the profile, and show it."""
    from requests_jwt_refresh.profiles.edit import write_profile
    from requests_jwt_refresh.profiles.load import check

    write_profile(path, options.name, content, replace=options.replace)
    sys.stdout.write(f"Profile {options.name!r} is in {path}\n")
    profile = check(path, options.name, content)
    write_urls(profile)
    return profile


def _go_on(
    options: argparse.Namespace, profile: Profile, keyring_problem: str | None, *, is_found: bool
) -> int:
    """Log in at once to a server that was found, if a person wants that; else say what is next."""
    from requests_jwt_refresh.profiles.load import Profiles
    from requests_jwt_refresh.profiles.remembered import has_refresh_token

    environment = None
    with suppress(library.ProfileError):  # of REQUESTS_JWT_ACCOUNT; the next command says it
        environment = Profiles.read().profile(options.name).environment
    needs_both = getattr(profile.refresh, "hands_in_access", False)
    can_trade = has_refresh_token(profile.refresh) and not needs_both
    if environment is not None:
        note = f"the token comes from the {environment.label}"
        sys.stdout.write(f"{hanging_indent('Nobody has to log in: ', note)}\n")
        write_step(f"Try it: requests-jwt token {options.name}")
    elif profile.needs_login and not _has_login(profile) and not can_trade:
        remedy = fill_in(f"add [NAME.login] with its url to {profile.file}", options.name)
        sys.stdout.write(f"{hanging_indent('Nobody can log in yet: ', remedy)}\n")
        write_step(f"Then: requests-jwt login {options.name}")
    elif keyring_problem is not None:
        sys.stdout.write(f"{hanging_indent('No keyring: ', keyring_problem)}\n")
        command = f"{_choose_login_command(profile)} --store file"
        write_step(f"To keep the token in a file: {command}")
    elif is_found and _wants_login(options, profile):
        from requests_jwt_refresh.cli import login

        return login.run(login.make_options(options.name))
    elif profile.needs_login or _has_secrets_in_keyring(profile):
        write_step(f"Next: {_choose_login_command(profile)}")
    else:
        write_step(f"Nobody has to log in; try it: requests-jwt token {options.name}")
    return Exit.DONE


def _has_login(profile: Profile) -> bool:
    """Whether the profile says how to log in."""
    return any((profile.login, profile.browser, profile.device))


def _choose_login_command(profile: Profile) -> str:
    """Return the command that logs in; with a refresh token if there is no other way."""
    command = f"requests-jwt login {profile.name}"
    has_way = _has_login(profile) or not profile.needs_login
    return command if has_way else f"{command} --refresh-token -"


def _wants_login(options: argparse.Namespace, profile: Profile) -> bool:
    """Ask whether to log in at once; no if nobody can be asked or that is not possible."""
    can_log_in = profile.browser is not None or profile.device is not None
    return can_log_in and not options.yes and sys.stdin.isatty() and says_yes("Log in now?")


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
