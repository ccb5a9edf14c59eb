"""What `requests-jwt doctor` checks: each check yields what it has found."""

from __future__ import annotations

import os
import socket
import ssl
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import certifi
import requests
from urllib3.exceptions import NewConnectionError

from requests_jwt_refresh import clock
from requests_jwt_refresh.authorization import Cookie
from requests_jwt_refresh.cli.account import (
    complete_expiry,
    describe_missing_login,
    refresh_token_expiry,
)
from requests_jwt_refresh.cli.browser_checks import (
    check_browser,
    describe_missing_offline,
    describe_redirect,
)
from requests_jwt_refresh.cli.console import (
    fill_in,
    format_duration,
    format_expiry,
    remedy_for,
)
from requests_jwt_refresh.cli.fields import describe_table, find_named_field, find_reader
from requests_jwt_refresh.cli.findings import (
    FAULT,
    NOTE,
    OK,
    Finding,
    Target,
    find_repeated_path,
)
from requests_jwt_refresh.errors import JWTRefreshError, LockTimeout, RefreshUnavailable, StoreError
from requests_jwt_refresh.given_files import check_kind
from requests_jwt_refresh.refresh.client import ClientSession, SendOptions, exchange
from requests_jwt_refresh.responses import parse_http_date
from requests_jwt_refresh.tokens import Token, jwt_claims
from requests_jwt_refresh.urls import describe_url, origin_of, without_query

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from requests_jwt_refresh.profiles.environment import EnvironmentStore
    from requests_jwt_refresh.profiles.load import Profile, Profiles
    from requests_jwt_refresh.responses import TokenResponse

_PROBE: Final = Token("requests-jwt-doctor")  # no server accepts it
_MAX_SKEW: Final = 5.0  # seconds that clocks may differ; the Date header has whole ones
_LONG_LIFETIME: Final = 7 * 86400.0  # seconds; so long no access token lives, as a rule
_MAX_PAGE_BYTES: Final = 16 * 1024 * 1024  # a page to log in is larger than a token
_SOON: Final = 14 * 86400.0  # seconds before a certificate's end that are worth a note


def check(
    profile: Profile, profiles: Profiles, *, lock_timeout: float = 2.0, timeout: float = 10.0
) -> Iterator[Finding]:
    """Yield what each check finds.

    `lock_timeout` is how long to wait for a lock that another program holds, `timeout` how long for
    the refresh endpoint to answer; both in seconds.
    """
    yield Finding(OK, "profile", f"{profile.name}, in {profile.file}")
    if profile.reference != profile.name:
        yield Finding(OK, "account", profile.account)
    if profile.environment is not None:
        yield _check_environment(profile, profile.environment)
    else:
        yield from _check_store(profile, lock_timeout)
        yield _check_lock(profile, lock_timeout)
        yield from _check_secrets(profile)
        yield from _check_token(profile, profiles)
    repeated = find_repeated_path(profile)
    if repeated is not None:
        yield Finding(NOTE, "base URL", *repeated)
    yield from _check_server(profile, timeout)


# --- this machine --------------------------------------------------------------------------------


def _check_environment(profile: Profile, environment: EnvironmentStore) -> Finding:
    """Look at a token that goes before the store, and is never refreshed."""
    try:
        token = complete_expiry(profile, environment.load())
    except StoreError as error:
        return _make_fault("token", error, profile)
    cause = f"from the {environment.label}; it is never refreshed"
    end = None if token is None else token.expires_at
    if end is None:
        return Finding(OK, "token", cause)
    sign = FAULT if end <= clock.time() else OK
    remedy = f"put a new one there, or unset {environment.variable}" if sign == FAULT else ""
    return Finding(sign, "token", f"{cause}; {format_expiry(end)}", remedy)


def _check_store(profile: Profile, lock_timeout: float) -> Iterator[Finding]:
    """Write, read and clear an entry beside the token's own, which is not touched."""
    where = profile.store_label
    probe = profile.probe_store
    try:
        with probe.lock(lock_timeout):
            probe.save(_PROBE)
            read = probe.load()
            probe.clear()
            left = probe.load()
    except StoreError as error:
        yield _make_fault("store", error, profile)
        return
    if read != _PROBE or left is not None:
        yield Finding(FAULT, "store", f"{where} does not keep what is written", "use another store")
        return
    yield Finding(OK, "store", f"{where}: written, read, cleared")


def _check_lock(profile: Profile, lock_timeout: float) -> Finding:
    try:
        with profile.store.lock(lock_timeout):
            return Finding(OK, "lock", "free")
    except LockTimeout:
        return Finding(
            NOTE,
            "lock",
            f"another program has held it for {lock_timeout:g} s",
            "if it goes on, look for a program that hangs",
        )
    except StoreError as error:
        return _make_fault("lock", error, profile)


def _check_secrets(profile: Profile) -> Iterator[Finding]:
    for name, secret in profile.secrets.items():
        try:
            secret.read()
        except StoreError as error:
            yield _make_fault("secret", error, profile)
        else:
            yield Finding(OK, "secret", f"the {name} is there")


def _check_token(profile: Profile, profiles: Profiles) -> Iterator[Finding]:
    log_in = f"log in with: requests-jwt login {profile.reference}"
    try:
        token = profile.store.load()
    except StoreError as error:
        yield _make_fault("token", error, profile)
        return
    can_log_in = _is_remembered(profile)
    if token is None and profile.needs_login and not can_log_in:
        _, remedy = describe_missing_login(profile, profiles)
        yield Finding(FAULT, "token", f"none: not logged in{profile.whose}", remedy)
        return
    if token is None:
        how = "logs in" if can_log_in else "fetches one"
        yield Finding(OK, "token", f"none yet; the next request {how}")
        return
    yield from _check_place(profile, token)
    if not profile.needs_login or can_log_in:
        yield Finding(OK, "token", "there is one; the next needs nobody to log in")
    elif profile.password is not None:
        what = "there is one; when it has ended, somebody has to log in"
        remember = f"or, once: requests-jwt login {profile.reference} --remember"
        yield Finding(OK, "token", what, remember)
    elif token.refresh is None:
        yield _describe_no_refresh_token(profile, token)
    else:
        end = refresh_token_expiry(token)
        if end is not None and end <= clock.time():
            yield Finding(FAULT, "token", f"the refresh token {format_expiry(end)}", log_in)
        else:
            what = "there is a refresh token, which was not tried"
            yield Finding(OK, "token", what, f"to try it: requests-jwt refresh {profile.reference}")
    yield from _check_lifetime(token, profile.name)


def _describe_no_refresh_token(profile: Profile, token: Token) -> Finding:
    """Say why a login may have brought none, and how the next one brings one."""
    reader = find_reader(profile)
    named, what = find_named_field(reader), "there is no refresh token"
    if named is not None:
        what += f": a login brought none in {named!r}, where the profile has it"
        first = f"correct refresh in {describe_table(profile, reader)} (the login names the fields "
        first += "that there are)"
    elif profile.browser is not None:
        reason, first = describe_missing_offline(profile.browser, token)
        what += f": {reason}"
    elif profile.device is not None:
        first = "add offline_access to the scope in [NAME.device] if the server asks for that"
    else:
        first = "name its field in the profile if the server has another name for it"
    remedy = fill_in(f"{first}, then log in with: requests-jwt login NAME", profile.name)
    return Finding(NOTE, "token", what, remedy)


def _is_remembered(profile: Profile) -> bool:
    try:
        return profile.password is not None and profile.password.load() is not None
    except StoreError:  # no keyring, and no password in it
        return False


def _check_place(profile: Profile, token: Token) -> Iterator[Finding]:
    """Say what requests could not carry of the token, or of what goes with it."""
    carrier = profile.carrier
    problem = carrier.find_problem(token.access) if token.access else None
    if problem is not None:
        remedy = fill_in("name another place as attach in [NAME]", profile.name)
        yield Finding(FAULT, "place", f"no request can carry the access token: {problem}", remedy)
    if not isinstance(carrier, Cookie) or carrier.csrf is None:
        return  # a cookie alone is enough for many servers
    if carrier.csrf_of(token.extra, "") is None:
        source, header = carrier.csrf
        yield Finding(
            NOTE,
            "place",
            f"{source!r}, which the header {header} repeats, did not come with the token; it is "
            "looked for among the request's own cookies",
            "if the API refuses to write, check csrf in attach and log in again",
        )


def _check_lifetime(token: Token, name: str) -> Iterator[Finding]:
    """Doubt a lifetime of weeks: a server that means milliseconds cannot be told from others.

    A JWT says its lifetime itself.
    """
    if token.expires_at is None or token.received_at is None or jwt_claims(token.access or ""):
        return
    lifetime = token.expires_at - token.received_at
    if lifetime > _LONG_LIFETIME:
        yield Finding(
            NOTE,
            "lifetime",
            f"the server says that an access token lives for {format_duration(lifetime)}; servers "
            "that count in milliseconds say so by mistake",
            fill_in(
                'if it does, write expires_in_unit = "ms" into [NAME.refresh]; tokens are '
                "refreshed on a refusal all the same",
                name,
            ),
        )


def _make_fault(subject: str, error: JWTRefreshError, profile: Profile) -> Finding:
    cause = f"{profile.store_label}: {error.cause}" if subject == "store" else error.cause
    return Finding(FAULT, subject, cause, remedy_for(error, profile.name))


# --- the server ----------------------------------------------------------------------------------


def _check_server(profile: Profile, timeout: float) -> Iterator[Finding]:
    """Ask the refresh endpoint and those of logins, without a token; report what is in the way."""
    first, *others = _list_targets(profile)
    before = clock.time()
    response = yield from _ask(first, timeout)
    after = clock.time()
    if response is not None:
        yield from _check_tls(first.url, SendOptions.from_environment(first.url), timeout)
        yield _check_clock(response, before, after)
    for target in others:
        is_elsewhere = origin_of(target.url) != origin_of(first.url)
        if target.url != first.url and (is_elsewhere or response is not None):
            yield from _ask(target, timeout)
    server = profile.browser_server
    if server is None:
        return
    yield describe_redirect(profile)
    if response is not None or origin_of(server.authorization_url) != origin_of(first.url):
        yield from check_browser(profile, partial(_fetch, timeout=timeout))


def _list_targets(profile: Profile) -> list[Target]:
    """Return what a refresh asks, if there is one, then what a login does."""
    found = []
    if profile.refresh_url is not None:
        found.append(Target("endpoint", profile.refresh_url, "refresh.url"))
    if profile.device is not None:
        found.append(Target("device", profile.device.url, "device.url"))
    if profile.login is not None:
        found.append(Target("login", profile.login.url or "", "login.url"))
    return found


def _ask(target: Target, timeout: float) -> Generator[Finding, None, TokenResponse | None]:
    """Send a GET, yield what comes of it and return the response, None if there is none."""
    response = yield from _fetch(target, requests.Request("GET", target.url), timeout=timeout)
    if response is not None:
        yield _describe_response(target, response)
    return response


def _fetch(
    target: Target, request: requests.Request, *, timeout: float
) -> Generator[Finding, None, TokenResponse | None]:
    """Send a request and return the response; yield what was in the way if there is none."""
    url = target.url
    send_options = SendOptions.from_environment(url)
    unusable = _check_ca_bundle(url, send_options)
    if unusable is not None:
        yield unusable
        return None
    cookies = requests.cookies.RequestsCookieJar()
    deadline = clock.monotonic() + timeout
    what = "refresh" if target.subject == "endpoint" else target.subject
    source = f"{what} endpoint at {describe_url(url)}"
    try:
        with ClientSession(timeout, send_options, cookies) as session:
            if target.subject == "browser":
                session.max_bytes = _MAX_PAGE_BYTES
            return exchange(session, request, send_options, timeout, source)
    except RefreshUnavailable as error:  # it did answer
        yield Finding(FAULT, target.subject, error.cause, f"check {target.key} in the profile")
        return None
    except OSError as error:
        if clock.monotonic() >= deadline:
            yield _describe_timeout(target, timeout)
        else:
            yield _describe_unreachable(target, send_options, error, timeout)
        return None


def _describe_timeout(target: Target, timeout: float) -> Finding:
    return Finding(
        FAULT,
        target.subject,
        f"{origin_of(target.url)} does not answer within {timeout:g} s",
        "check that it is up, and that no firewall or VPN is in the way",
    )


def _check_ca_bundle(url: str, send_options: SendOptions) -> Finding | None:
    """Return what is wrong with the certificates that the environment names, if anything."""
    if not (url.startswith("https:") and isinstance(send_options.verify, str)):
        return None
    try:
        _make_tls_context(send_options)
    except OSError as error:
        variable = _find_variable("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
        what = (
            f"{variable} names {send_options.verify}, which cannot be used ({_get_reason(error)})"
        )
        return Finding(
            FAULT, "TLS", what, f"name a file of CA certificates there, or: unset {variable}"
        )
    return None


def _find_variable(*names: str) -> str:
    """Return which of these environment variables is set, the first if none is."""
    return next((name for name in names if os.environ.get(name)), names[0])


def _describe_response(target: Target, response: TokenResponse) -> Finding:
    url = without_query(target.url)
    if HTTPStatus.MULTIPLE_CHOICES <= response.status < HTTPStatus.BAD_REQUEST:  # a redirect
        return Finding(
            FAULT,
            target.subject,
            f"{url} redirects ({response.status}), which no call with a secret follows",
            "give the URL that it redirects to: perhaps with a trailing slash, or with https",
        )
    if _has_no_get(target, response.status):
        return Finding(
            NOTE,
            target.subject,
            f"{url} answers {response.status} to a GET",
            f"if it fails, check {target.key} in the profile",
        )
    if response.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Finding(
            FAULT,
            target.subject,
            f"{url} answers {response.status}",
            "try again later",
        )
    return Finding(OK, target.subject, f"{url} answers")


def _has_no_get(target: Target, status: int) -> bool:
    """Whether a server may say so to a GET alone: a certified one has a 500 for that."""
    is_of_device = target.subject == "device" and status == HTTPStatus.INTERNAL_SERVER_ERROR
    return status == HTTPStatus.NOT_FOUND or is_of_device


def _describe_unreachable(
    target: Target, send_options: SendOptions, error: BaseException, timeout: float
) -> Finding:
    url = target.url
    origin, innermost = origin_of(url), _find_innermost(error)
    if isinstance(innermost, ssl.SSLCertVerificationError):
        what = f"{origin} shows a certificate that is not trusted ({innermost.verify_message})"
        remedy = _CERTIFICATE_REMEDIES.get(innermost.verify_code, _OWN_CA)
        return Finding(FAULT, "TLS", what, remedy)
    if isinstance(error, requests.exceptions.SSLError):
        what = f"{origin} cannot be reached over TLS ({_get_reason(innermost)})"
        return Finding(FAULT, "TLS", what, "check base_url and its port: it may be plain http")
    problem = _find_proxy_problem(url, send_options, error)
    if problem:
        return _describe_proxy_fault(target, problem)
    if isinstance(error, requests.Timeout) or isinstance(innermost, TimeoutError):
        return _describe_timeout(target, timeout)
    what = f"{origin} cannot be reached ({_get_reason(innermost)})"
    remedy = f"check base_url and {target.key}, and that the server is up"
    return Finding(FAULT, target.subject, what, remedy)


def _find_proxy_problem(url: str, send_options: SendOptions, error: BaseException) -> str:
    """Return what is wrong with the proxy, "" if it has nothing to do with the error."""
    innermost = _find_innermost(error)
    if isinstance(error, requests.exceptions.ProxyError):
        return f"does not lead to {origin_of(url)}"
    if _find_proxy(url, send_options) is None:
        return ""
    if isinstance(error, _NO_ADDRESS):
        return f"cannot be used ({_get_reason(innermost)})"
    # SOCKS: a connection to the server itself would have had the system's own error within.
    return f"does not lead to {origin_of(url)}" if type(innermost) is NewConnectionError else ""


_NO_ADDRESS: Final = (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema)


def _describe_proxy_fault(target: Target, problem: str) -> Finding:
    """Name the variable, not the proxy, which may hold a password."""
    own = f"{target.url.partition(':')[0]}_proxy"
    variable = _find_variable(own, own.upper(), "all_proxy", "ALL_PROXY")  # in requests' order
    remedy = f"check {variable} (http://proxy.example.com:3128, say), or add the API to NO_PROXY"
    return Finding(FAULT, target.subject, f"the proxy in {variable} {problem}", remedy)


def _find_proxy(url: str, send_options: SendOptions) -> str | None:
    return requests.utils.select_proxy(url, dict(send_options.proxies or {}))


_OWN_CA: Final = "for a CA of your own: export REQUESTS_CA_BUNDLE=/path/to/ca.pem"
# OpenSSL's X509_V_ERR_CERT_NOT_YET_VALID, _CERT_HAS_EXPIRED, _HOSTNAME_MISMATCH, _IP_ADDRESS_...
_CERTIFICATE_REMEDIES: Final = {
    9: "check this machine's clock",
    10: "tell the people who run the server, or check this machine's clock",
    62: "check base_url: the certificate is for another host",
    64: "check base_url: the certificate is for another host",
}


def _find_innermost(error: BaseException) -> BaseException:
    """Return the error that caused all others."""
    seen: BaseException | None = error
    while seen is not None:
        error = seen
        inner = getattr(seen, "reason", None)
        arguments = (each for each in seen.args if isinstance(each, BaseException))
        seen = inner if isinstance(inner, BaseException) else next(arguments, seen.__cause__)
    return error


def _get_reason(error: BaseException) -> str:
    """Return what an error is, without the URL that the errors of requests repeat."""
    return getattr(error, "strerror", None) or type(error).__name__


def _check_tls(url: str, send_options: SendOptions, timeout: float) -> Iterator[Finding]:
    """Say which TLS is spoken and when the certificate expires, by a handshake of our own."""
    where = origin_of(url)
    if where is None or where.scheme != "https" or _find_proxy(url, send_options) is not None:
        return
    try:
        with (
            socket.create_connection((where.host, where.port), timeout) as plain,
            _make_tls_context(send_options).wrap_socket(
                plain, server_hostname=where.host
            ) as spoken,
        ):
            version, certificate = spoken.version(), spoken.getpeercert()
    except OSError as error:
        yield Finding(NOTE, "TLS", f"a second connection failed ({_get_reason(error)})")
        return
    not_after: Any = (certificate or {}).get("notAfter")
    if not_after is None:
        yield Finding(NOTE, "TLS", f"{version}, the certificate is not checked")
        return
    end = ssl.cert_time_to_seconds(not_after)
    what = f"{version}, the certificate {format_expiry(end)}"
    if end - clock.time() < _SOON:
        yield Finding(NOTE, "TLS", what, "tell the people who run the server")
    else:
        yield Finding(OK, "TLS", what)


def _make_tls_context(send_options: SendOptions) -> ssl.SSLContext:
    """Return a context that trusts the CAs that requests would. Raises OSError if they are none."""
    context = ssl.create_default_context()
    if send_options.verify is False:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context
    ca = send_options.verify if isinstance(send_options.verify, str) else certifi.where()
    check_kind(ca)
    folder = Path(ca).is_dir()
    context.load_verify_locations(None if folder else ca, ca if folder else None)
    return context


def _check_clock(response: TokenResponse, before: float, after: float) -> Finding:
    theirs = parse_http_date(response.headers.get("Date") or "")
    if theirs is None:
        return Finding(NOTE, "clock", "the server's response has no Date header")
    # The header has whole seconds, and was written somewhen between.
    skew = min(theirs + 1 - before, 0.0) + max(theirs - after, 0.0)
    if abs(skew) <= _MAX_SKEW:
        return Finding(OK, "clock", "agrees with the server's")
    what = f"{format_duration(abs(skew))} {'behind' if skew > 0 else 'ahead of'} the server's"
    remedy = "set it (NTP); requests work all the same: a token's lifetime counts from its receipt"
    return Finding(NOTE, "clock", what, remedy)
