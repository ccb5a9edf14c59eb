"""What `requests-jwt doctor` checks of a login in a browser, without a person."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, unquote_plus, urlsplit

import requests

from requests_jwt_refresh.cli.console import fill_in
from requests_jwt_refresh.cli.findings import FAULT, NOTE, OK, Finding, Target
from requests_jwt_refresh.errors import JWTRefreshError, StoreError
from requests_jwt_refresh.grants.code_flow import CodeRequest
from requests_jwt_refresh.grants.redirects import DEFAULT_REDIRECT, Parameters, RedirectURI
from requests_jwt_refresh.matching import find, parse_json
from requests_jwt_refresh.response_errors import describe_status
from requests_jwt_refresh.urls import without_query

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from requests_jwt_refresh.grants.browser import BrowserLogin
    from requests_jwt_refresh.profiles.load import Profile
    from requests_jwt_refresh.responses import TokenResponse
    from requests_jwt_refresh.tokens import Token

    Fetch = Callable[[Target, requests.Request], Generator[Finding, None, TokenResponse | None]]

_UNKNOWN_CLIENT: Final = ("invalid_client", "incorrect_client_credentials")  # GitHub's word
_NO_SUCH_CODE: Final = ("invalid_grant", "bad_verification_code")  # GitHub's word
_ANY_PORT: Final = 49152  # where the redirect URI names none; nothing is sent there
_NO_CODE: Final = Parameters([("code", "requests-jwt-doctor")])  # no server accepts it
_OFFLINE: Final = "offline_access"
_WRONG_URL: Final = (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.GONE)
_NOT_FOR_PROGRAMS: Final = (
    *(HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_ACCEPTABLE),
    HTTPStatus.TOO_MANY_REQUESTS,
)
# What a page repeats of the request, in its links and forms.
_ECHO: Final = re.compile(r"""(redirect_uri|client_id)(=|%3d|&#x3d;|"? *value=)"?[^&"'<>\s]*""")
_FIXED_PORT: Final = (
    "; if the server takes no free port, register http://127.0.0.1:8400/ and write it as "
    "redirect_uri into [NAME.browser]"
)
_NOT_LOGGED_IN: Final = (  # OpenID Connect Core §3.1.2.6
    *("login_required", "consent_required", "interaction_required"),
    "account_selection_required",
)


def describe_redirect(profile: Profile) -> Finding:
    """Name the redirect URI that has to be registered at the server."""
    redirect = _read_redirect(profile)
    text = redirect.text
    if not redirect.is_loopback:
        text += "; after a login its address has to be pasted"
    elif redirect.port is None:
        text += ", with any port (RFC 8252 §7.3)"
    return Finding(OK, "redirect", f"the URI to register at the server is {text}")


def check_browser(profile: Profile, fetch: Fetch) -> Iterator[Finding]:
    """Ask the server for a login and for a token, as a client of it does; neither comes of it."""
    server, redirect = profile.browser_server, _read_redirect(profile)
    client: Any = profile.refresh
    if server is None or profile.browser is None:
        return
    request = CodeRequest(server, client.client_id, profile.browser.scope or "")
    yield from _check_page(profile, request, redirect, fetch)
    if client.client_auth in (None, "none") and client.client_secret is None:
        yield from _check_client(profile, request, redirect, fetch)


def describe_missing_offline(browser: BrowserLogin, token: Token) -> tuple[str, str]:
    """Return why a login in a browser brought no refresh token, and what to do first."""
    if _OFFLINE not in (browser.scope or "").split():
        return (
            f"{_OFFLINE} was not asked for",
            f"add {_OFFLINE} to scope in [NAME.browser] if the server has that",
        )
    granted = token.extra.get("scope")
    is_left_out = isinstance(granted, str) and _OFFLINE not in granted.split()
    reason = f"the server left {_OFFLINE} out" if is_left_out else "the server gave none"
    first = f"allow this client {_OFFLINE} and refresh tokens at the server, agree in the browser"
    return reason, first


def _read_redirect(profile: Profile) -> RedirectURI:
    given = profile.browser and profile.browser.redirect_uri
    return RedirectURI.parse(given or DEFAULT_REDIRECT)


# --- The page to log in --------------------------------------------------------------------------


def _check_page(
    profile: Profile, request: CodeRequest, redirect: RedirectURI, fetch: Fetch
) -> Iterator[Finding]:
    """Open the page as a browser that nobody has logged in with.

    With prompt=none (OpenID Connect Core §3.1.2.1) the server sends the browser back at once, if it
    knows client and redirect URI.
    """
    uri = redirect.with_port(_ANY_PORT) if redirect.is_loopback else redirect.text
    url = f"{request.make_url(uri)}&prompt=none"
    target = Target("browser", url, "browser.authorization_url")
    response = yield from fetch(target, requests.Request("GET", url))
    if response is not None:
        yield _describe_page(profile, request, uri, response)


def _describe_page(
    profile: Profile, request: CodeRequest, uri: str, response: TokenResponse
) -> Finding:
    page, status = without_query(request.server.authorization_url or ""), response.status
    location = response.headers.get("Location") or ""
    if RedirectURI.parse(uri).matches(location.partition("#")[0]):
        return _describe_redirect_response(request, location)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Finding(FAULT, "browser", f"{page} answers {status}", "try again later")
    if status in _WRONG_URL:
        remedy = "check browser.authorization_url in the profile, and refresh.client_id"
        return Finding(FAULT, "browser", f"{page} answers {status}", remedy)
    if status in _NOT_FOR_PROGRAMS:
        remedy = "nothing may be wrong: it may turn away programs and not browsers; log in to see"
        return Finding(NOTE, "browser", f"{page} answers {status}", remedy)
    error = _find_error_page(location)
    if status >= HTTPStatus.BAD_REQUEST or error is not None:
        text = error or response.body.decode("utf-8", "replace")
        return _describe_refusal(profile, request, uri, text, status)
    return Finding(OK, "browser", f"{page} shows a page")


def _describe_redirect_response(request: CodeRequest, location: str) -> Finding:
    """Say what the server would tell the client: it knows client and redirect URI."""
    query = location.partition("#")[0].partition("?")[2]
    parameters = Parameters.parse(query) or Parameters([])
    known = f"the server knows the client {request.client_id} and its redirect URI"
    if parameters.find("error") in _NOT_LOGGED_IN:
        return Finding(OK, "browser", known)
    try:
        request.check_response(parameters)
    except JWTRefreshError as error:
        return Finding(FAULT, "browser", error.cause, error.remedy)
    return Finding(OK, "browser", known)


def _find_error_page(location: str) -> str | None:
    """Return where a redirect leads to if that is an error page of the server's own."""
    parts = urlsplit(location)
    query = parse_qs(parts.query, keep_blank_values=True)
    if {*query.get("error", [])} & {*_NOT_LOGGED_IN}:
        return None
    is_error = "error" in parts.path.rpartition("/")[2].lower()
    is_error = is_error or any(name.lower().endswith("error") for name in query)
    return unquote_plus(location) if is_error else None


def _describe_refusal(
    profile: Profile, request: CodeRequest, uri: str, text: str, status: int
) -> Finding:
    """Say what an error page is about: the server may not send a browser to a wrong client."""
    page = without_query(request.server.authorization_url or "")
    text = _ECHO.sub("", text.lower())
    client_id, where = request.client_id, f"{page} answers {status}"
    if status < HTTPStatus.BAD_REQUEST:
        where += " and leads to an error page"
    if "redirect" not in text and "client" in text:
        return Finding(
            FAULT,
            "browser",
            f"{where}: it does not know the client {client_id}",
            "check refresh.client_id in the profile, or register the client at the server",
        )
    is_about_redirect = "redirect" in text
    perhaps = "" if is_about_redirect else "perhaps "
    fixed = profile.browser and profile.browser.redirect_uri
    more = "" if fixed else _FIXED_PORT
    return Finding(
        FAULT,
        "browser",
        f"{where}: {perhaps}the redirect URI {uri} is not registered for the client {client_id}",
        fill_in(
            f"register {fixed or DEFAULT_REDIRECT} there, for a native or desktop client{more}",
            profile.name,
        ),
    )


# --- The client ----------------------------------------------------------------------------------


def _check_client(
    profile: Profile, request: CodeRequest, redirect: RedirectURI, fetch: Fetch
) -> Iterator[Finding]:
    """Trade in a code that there never was: a client that is taken hears about the code alone."""
    client: Any = profile.refresh
    try:
        asked = request.ask_token(client, _NO_CODE, redirect.text)
    except StoreError:  # another secret of the endpoint's, of which there is a finding already
        return
    response = yield from fetch(
        Target("client", request.server.token_url or "", "browser.token_url"), asked
    )
    if response is None:
        return
    code = find(parse_json(response.body), "error")
    name = request.client_id
    if code in _NO_SUCH_CODE:
        yield Finding(OK, "client", f"the server takes {name} as a public client")
    elif code in _UNKNOWN_CLIENT or response.status == HTTPStatus.UNAUTHORIZED:
        yield Finding(
            FAULT,
            "client",
            f"the server does not take {name} without a secret, or does not know it",
            fill_in(
                "register it as a public client (native, desktop), or write client_auth = "
                '"basic" into [NAME.refresh] and log in with: requests-jwt login NAME',
                profile.name,
            ),
        )
    elif code == "unauthorized_client":
        yield Finding(
            FAULT,
            "client",
            f"the client {name} may not log in with a browser",
            "let it use the authorization code flow, at the server",
        )
    else:
        yield Finding(
            NOTE,
            "client",
            f"the token endpoint answers {describe_status(response)} to a code there never was",
        )
