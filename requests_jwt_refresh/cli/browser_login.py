"""login and logout with a browser, and which way a login goes."""

from __future__ import annotations

import enum
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import requests_jwt_refresh as library
from requests_jwt_refresh.cli.console import UsageError, fill_in
from requests_jwt_refresh.cli.first_token import check_writable

if TYPE_CHECKING:
    import argparse

    from requests_jwt_refresh.cli.commands import Parser
    from requests_jwt_refresh.cli.first_token import TokenKeeper
    from requests_jwt_refresh.profiles.load import Profile
    from requests_jwt_refresh.tokens import Token


class Way(enum.Enum):
    """A way to log in; what the options are called that choose it."""

    BROWSER = "browser"
    NO_BROWSER = "no-browser"
    """With a browser that this program does not open."""
    DEVICE = "device"
    PASSWORD = "username"  # noqa: S105 - an option


_TABLES: Final = {Way.BROWSER: "browser", Way.NO_BROWSER: "browser", Way.DEVICE: "device"}
_FIRST_KEYS: Final = {"browser": "authorization_url", "device": "url"}


def add_ways(parser: Parser) -> None:
    """Add the options that choose a way to log in."""
    ways = parser.add_mutually_exclusive_group()
    for way, purpose in (
        (Way.BROWSER, "open a browser, whatever this machine looks like"),
        (Way.DEVICE, "show a code to type in a browser on another device (RFC 8628)"),
        (
            Way.NO_BROWSER,
            "show the page to open; the address to which the browser is sent can be pasted",
        ),
    ):
        ways.add_argument(
            f"--{way.value}", dest="way", action="store_const", const=way, help=purpose
        )
    parser.add_argument(
        "--redirect-uri",
        metavar="URI",
        help="where the browser is sent, as it is registered at the server, if that is not what "
        "the profile says",
    )


def choose_way(profile: Profile, options: argparse.Namespace) -> Way:
    """Return how to log in: as the options say, else as the profile and this machine can.

    Raises UsageError for options that do not go together, or that the profile has no use for.
    """
    way = _choose_asked(profile, options) or _choose_usual(profile, options)
    if options.redirect_uri and (options.refresh_token or _TABLES.get(way) != "browser"):
        raise UsageError(
            "--redirect-uri is for a login in a browser, and this is none",
            f"leave it out, or give --{Way.BROWSER.value}",
        )
    return way


def _choose_asked(profile: Profile, options: argparse.Namespace) -> Way | None:
    """Return the way that an option names, None without one. Raises UsageError."""
    way: Way | None = options.way
    others = {"--username": options.username, "--refresh-token": options.refresh_token}
    other = next((option for option, value in others.items() if value), None)
    if way is None:
        return Way.PASSWORD if other else None
    if other:
        raise UsageError(
            f"--{way.value} and {other} are two ways to log in", "leave one of them out"
        )
    table = _TABLES[way]
    if getattr(profile, table) is None:
        raise UsageError(
            f"profile {profile.name!r} has no [{profile.name}.{table}], which --{way.value} needs",
            fill_in(
                f"add [NAME.{table}] with {_FIRST_KEYS[table]} to {profile.file}, or log in with: "
                "requests-jwt login NAME",
                profile.name,
            ),
        )
    return way


def _choose_usual(profile: Profile, options: argparse.Namespace) -> Way:
    """Return the best way that the profile has: a browser, where a person sits before one."""
    from requests_jwt_refresh.grants import desktop

    if profile.browser is None:
        return Way.PASSWORD if profile.device is None else Way.DEVICE
    problem = desktop.find_browser_problem()
    if problem is None:
        return Way.BROWSER
    is_by_device = profile.device is not None and not options.redirect_uri
    absence = desktop.find_absence()
    if absence is not None and not is_by_device:
        from requests_jwt_refresh.profiles.environment import name_variable

        raise UsageError(
            f"no page to log in is shown: {absence}",
            fill_in(
                f"log in on a terminal; add --{Way.NO_BROWSER.value} if a person reads this; or "
                f"give an access token in {name_variable(profile.name)}, and do not log in",
                profile.name,
            ),
        )
    sys.stderr.write(f"No browser is opened: {problem}.\n")
    return Way.DEVICE if is_by_device else Way.NO_BROWSER


def log_in_by_browser(keeper: TokenKeeper, redirect_uri: str | None, *, opens: bool) -> Token:
    """Return the token that a login in a browser brings, which is stored.

    `redirect_uri` goes before the profile's. With `opens` a browser is opened, else the page is
    shown. Raises InvalidURL, StoreError, RefreshRejected or RefreshUnavailable.
    """
    from requests_jwt_refresh.cli.fields import ResponseRecorder, warn_of_fields
    from requests_jwt_refresh.grants.browser import log_in_by_browser
    from requests_jwt_refresh.refresh.client import SendOptions

    profile = keeper.profile
    if profile.browser is None:
        raise TypeError(f"profile {profile.name!r} has no login in a browser")
    login = replace(
        profile.browser,
        open=opens,
        redirect_uri=redirect_uri or profile.browser.redirect_uri,
    )
    check_writable(profile)  # before a browser is opened
    recorder = ResponseRecorder(profile.refresh)
    bound = login.bind(
        recorder,
        profile.base_url,
        allow_http=profile.allow_http,
        timeout=profile.refresh_timeout,
    )
    try:
        token = log_in_by_browser(
            bound,
            SendOptions.from_environment(bound.url or ""),
            profile.refresh_timeout,
            proofs=profile.open_proofs(),
            keep=keeper.save,
        )
    except library.StoreError as failure:
        token = keeper.rescue(failure)
    warn_of_fields(profile, profile.refresh, recorder.response)
    return token


def end_browser_session(profile: Profile, *, opens: bool) -> None:
    """Open the page that ends the session in the browser, or show it; not all servers have one."""
    from requests_jwt_refresh.grants import desktop
    from requests_jwt_refresh.grants.end_session import make_logout_page

    client_id = getattr(profile.refresh, "client_id", None)
    if profile.end_session_url is None or client_id is None:
        return
    page = make_logout_page(profile.end_session_url, client_id)
    is_local = profile.browser is not None and desktop.find_browser_problem() is None
    if opens and is_local and desktop.open_browser(page):
        sys.stderr.write("The page that ends the session was opened in a browser.\n")
    else:
        purpose = "To end the session in the browser, too, open this page in it:"
        sys.stderr.write(f"{purpose}\n\n    {page}\n\n")
