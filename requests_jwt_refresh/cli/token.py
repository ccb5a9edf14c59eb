"""token: print a valid access token; what else it can print, and where, is in token_output.py."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any, Final

import requests_jwt_refresh as library
from requests_jwt_refresh import clock
from requests_jwt_refresh.cli.account import (
    can_refresh,
    check_logged_in,
    check_not_from_environment,
    describe_missing_login,
    is_logged_in,
    open_profile,
)
from requests_jwt_refresh.cli.commands import (
    COMPLETE_FILES,
    EXIT_STATUSES,
    add_command,
    add_profile_name,
    examples,
)
from requests_jwt_refresh.cli.console import Exit, complain, format_duration, write_json

if TYPE_CHECKING:
    from requests_jwt_refresh.cli.commands import Subparsers
    from requests_jwt_refresh.profiles.load import Profile
    from requests_jwt_refresh.tokens import Token

_LEEWAY: Final = 10.0  # seconds that a printed token should last, so that there is time to use it
_LEEWAY_SHARE: Final = 0.1  # but no more than this share of its lifetime
_ROUNDING: Final = 1.0  # seconds; a server that gives 300 s has given them a moment ago


def add_parser(subparsers: Subparsers) -> None:
    parser = add_command(
        subparsers,
        "token",
        token,
        description="A token that does not say when it expires is printed as it is: only the API "
        "knows whether it is valid still, and --seconds cannot be kept. For one that is new: "
        "requests-jwt refresh NAME, first.",
        epilog=examples(
            ('curl -H "Authorization: Bearer $(requests-jwt token prod)" URL', "a single call"),
            (
                "requests-jwt token prod --seconds 600",
                "one that lasts for ten minutes, if the server gives such tokens",
            ),
            (
                "requests-jwt token prod --field id_token --output ~/.aws/id-token",
                "for AWS_WEB_IDENTITY_TOKEN_FILE; run it again before that token expires",
            ),
            (
                "requests-jwt token prod --exec-credential --field id_token",
                "what kubectl calls: put it into users.user.exec of your kubeconfig",
            ),
        )
        + EXIT_STATUSES,
    )
    add_profile_name(parser, is_optional=True)
    parser.add_argument(
        "--seconds",
        type=_parse_seconds,
        metavar="N",
        help="refresh it if less than N seconds are left; a warning says if it lasts shorter, or "
        "does not say how long",
    )
    parser.add_argument(
        "--field",
        type=_parse_field,
        metavar="FIELD",
        help="something else that came with it, such as id_token",
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument(
        "--exec-credential",
        action="store_true",
        help="print kubectl's ExecCredential (client.authentication.k8s.io), which says when it "
        "expires",
    )
    output: Any = form.add_argument(
        "--output",
        action=_Output,
        metavar="FILE",
        help="write it alone into a file that only you can read, instead of printing it",
    )
    output.complete = COMPLETE_FILES
    parser.set_defaults(needs_output=True)


def token(options: argparse.Namespace) -> int:
    from requests_jwt_refresh.cli import token_output

    # First what may be wrong with the options: nothing is asked for then.
    version = token_output.choose_api_version() if options.exec_credential else ""
    target = None if options.output is None else token_output.find_output(options.output)
    profile, adapter = open_profile(options)
    check_logged_in(profile, adapter, options.profiles)
    if options.field is not None:
        check_not_from_environment(profile, "take a field of", ", or leave --field out")
    if profile.environment is not None and not is_logged_in(profile, adapter.token):
        raise library.RefreshRejected(*describe_missing_login(profile, options.profiles))
    stored = adapter.token
    seconds = _choose_seconds(stored, options.seconds)
    secret = token_output.fetch_secret(profile, adapter, options.field, seconds)
    if options.seconds is not None:
        _warn_if_shorter(profile, adapter.token, secret.expires_at, options)
    elif secret.expires_at is None and not options.exec_credential and adapter.token == stored:
        _note_unknown_end(profile, stored, options)
    if target is not None:
        token_output.write_output(target, secret.text)
    elif options.exec_credential:
        write_json(token_output.make_exec_credential(secret, version))
    else:
        sys.stdout.write(f"{secret.text}\n")
    return Exit.DONE


def _choose_seconds(token: Token | None, asked: float | None) -> float:
    """Return how long a printed token should last, in seconds; less for a short-lived one."""
    if asked is not None:
        return asked
    if token is None or token.expires_at is None or token.received_at is None:
        return _LEEWAY
    return min(_LEEWAY, _LEEWAY_SHARE * (token.expires_at - token.received_at))


def _warn_if_shorter(
    profile: Profile, token: Token | None, end: float | None, options: argparse.Namespace
) -> None:
    """Say that what is printed does not last as long as was asked, or does not say how long."""
    what = options.field or "the access token"
    if end is None:
        complain(
            f"{what} does not say when it expires: it may last less than {options.seconds:g} s",
            _advise_new_token(profile, token),
        )
    elif end + _ROUNDING < clock.time() + options.seconds:
        left = max(end - clock.time(), 0.0)
        complain(
            f"{what} lasts {format_duration(left)}, less than the {options.seconds:g} s asked for",
            "ask for less, or have the server give longer ones",
        )


def _note_unknown_end(profile: Profile, token: Token | None, options: argparse.Namespace) -> None:
    """Tell a person at a terminal that what is printed may have expired, and what helps then."""
    from requests_jwt_refresh.grants import desktop

    if not desktop.is_read_by_person():  # a program has the answer of the API to go by
        return
    what = options.field or "the access token"
    complain(
        f"{what} does not say when it expires",
        f"if the API refuses it, {_advise_new_token(profile, token)}",
    )


def _advise_new_token(profile: Profile, token: Token | None) -> str:
    if profile.environment is not None:
        return f"put a new one into the {profile.environment.label}"
    if can_refresh(profile, token):
        return f"get a new one with: requests-jwt refresh {profile.reference}"
    return f"log in again with: requests-jwt login {profile.reference}"


# --- its options ---------------------------------------------------------------------------------


def _parse_seconds(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < float("inf"):
        raise argparse.ArgumentTypeError("must be a number of seconds, such as 60")
    return number


def _parse_field(text: str) -> str:
    if not all(text.split(".")):
        raise argparse.ArgumentTypeError("must be a field's name, such as id_token")
    return text


class _Output(argparse.Action):
    """The path of a file; nothing is printed then."""

    def __call__(
        self, _parser: object, options: argparse.Namespace, path: object, _option: object = None
    ) -> None:
        if path in ("", "-"):
            raise argparse.ArgumentError(self, "must be the path of a file; without it, it prints")
        options.output, options.needs_output = path, False
