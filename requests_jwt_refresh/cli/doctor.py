"""doctor: what is wrong with a profile, and what to do about it."""

from __future__ import annotations

import os
import re
import socket
import ssl
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import certifi
import requests
from urllib3.exceptions import NewConnectionError

from requests_jwt_refresh.cli.exits import Exit, cause_and_remedy
from requests_jwt_refresh.cli.words import beside, lasting, refresh_token_ends, until
from requests_jwt_refresh.errors import (
    LockTimeout,
    ProfileError,
    RefreshUnavailable,
    StoreError,
)
from requests_jwt_refresh.profiles.load import TEXT_VARIABLE, Profiles
from requests_jwt_refresh.profiles.schema import printable
from requests_jwt_refresh.refresh.client import ClientSession, SendOptions, send_request
from requests_jwt_refresh.responses import parse_http_date
from requests_jwt_refresh.tokens import Token
from requests_jwt_refresh.urls import origin_of

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from requests_jwt_refresh.profiles.load import Profile
    from requests_jwt_refresh.responses import TokenResponse

_PROBE: Final = Token("requests-jwt-doctor")  # it opens nothing
_LOCK_WAIT = 2.0  # seconds
_PATIENCE = 10.0  # seconds for the endpoint
_SKEW = 5.0  # seconds that clocks may differ; the Date header has whole ones
_SOON = 14 * 86400.0  # seconds before a certificate's end that are worth a word
_OK, _NOTE, _FAULT = "ok", "note", "FAULT"


class Finding(NamedTuple):
    """What one check has found."""

    sign: str
    what: str
    told: str
    remedy: str = ""


def doctor(options: argparse.Namespace) -> int:
    known = None
    try:
        known = Profiles.read()
        profile = known.profile(options.name)
    except ProfileError as error:
        return _report([_unusable(error, options.name, known)])
    return _report(_findings(profile))


def _unusable(error: ProfileError, name: str, known: Profiles | None) -> Finding:
    cause, remedy = cause_and_remedy(str(error), name)
    if known is not None and name not in known.content:
        remedy = remedy or "to see all profiles: requests-jwt profiles"
    place = "variable" if os.environ.get(TEXT_VARIABLE) else "file"
    return Finding(_FAULT, "profile", cause, remedy or f"mend it in that {place}")


def _report(findings: list[Finding] | Iterator[Finding]) -> int:
    faults = 0
    for each in findings:
        faults += each.sign == _FAULT
        lines = [beside(f"{each.sign:<6}{each.what:<10}", printable(each.told))]
        if each.remedy:
            lines.append(beside(f"{'':<16}-> ", printable(each.remedy)))
        sys.stdout.writelines(f"{line}\n" for line in lines)
        sys.stdout.flush()
    plural = "" if faults == 1 else "s"
    sys.stdout.write(f"{faults} fault{plural} found.\n" if faults else "No fault found.\n")
    return Exit.FAULT if faults else Exit.DONE


def _findings(profile: Profile) -> Iterator[Finding]:
    yield Finding(_OK, "profile", f"{profile.name}, in {profile.file}")
    yield from _store(profile)
    yield _lock(profile)
    yield from _secret(profile)
    yield from _token(profile)
    yield from _endpoint(profile)


# --- here ------------------------------------------------------------------------------------


def _store(profile: Profile) -> Iterator[Finding]:
    """Write, read and clear an entry beside the token's own, which is not touched."""
    where = profile.store_label
    probe = profile.probe_store
    try:
        with probe.lock(_LOCK_WAIT):
            probe.save(_PROBE)
            read = probe.load()
            probe.clear()
            left = probe.load()
    except StoreError as error:
        yield _faulty("store", f"{where}: {error}", profile.name)
        return
    if read != _PROBE or left is not None:
        yield Finding(
            _FAULT, "store", f"{where} does not keep what is written", "use another store"
        )
        return
    yield Finding(_OK, "store", f"{where}: written, read, cleared")


def _lock(profile: Profile) -> Finding:
    try:
        with profile.store.lock(_LOCK_WAIT):
            return Finding(_OK, "lock", "free")
    except LockTimeout:
        return Finding(
            _NOTE,
            "lock",
            f"another program has held it for {_LOCK_WAIT:g} s",
            "if it stays so, look for one that hangs",
        )
    except StoreError as error:
        return _faulty("lock", str(error), profile.name)


def _secret(profile: Profile) -> Iterator[Finding]:
    if profile.secret is None:
        return
    try:
        profile.secret.read()
    except StoreError as error:
        yield _faulty("secret", str(error), profile.name)
    else:
        yield Finding(_OK, "secret", "the client secret is there")


def _token(profile: Profile) -> Iterator[Finding]:
    log_in = f"log in with: requests-jwt login {profile.name}"
    try:
        token = profile.store.load()
    except StoreError as error:
        yield _faulty("token", str(error), profile.name)
        return
    if token is None:
        yield Finding(_FAULT, "token", "none: not logged in", log_in)
    elif token.refresh is None:
        yield Finding(_NOTE, "token", "there is no refresh token", f"to get one, {log_in}")
    else:
        ends = refresh_token_ends(token)
        if ends is not None and ends <= time.time():
            yield Finding(_FAULT, "token", f"the refresh token is {until(ends)}", log_in)
        else:
            yield Finding(_OK, "token", "there is a refresh token")


# --- over there ------------------------------------------------------------------------------


def _endpoint(profile: Profile) -> Iterator[Finding]:
    """Ask the refresh endpoint, with no token, and look at what answers."""
    url = profile.refresh_url
    wire = SendOptions.from_environment(url)
    unusable = _ca_bundle(url, wire)
    if unusable is not None:
        yield unusable
        return
    cookies = requests.cookies.RequestsCookieJar()
    before, deadline = time.time(), time.monotonic() + _PATIENCE
    try:
        with ClientSession(_PATIENCE, wire, cookies) as session:
            reply = send_request(session, requests.Request("GET", url), wire, _PATIENCE)
    except RefreshUnavailable as error:
        is_over = time.monotonic() >= deadline
        if error.__cause__ is None:  # it did answer
            told, _ = cause_and_remedy(str(error))
            yield Finding(_FAULT, "endpoint", told, "check refresh.url in the profile")
        else:
            yield _unreachable(url, wire, error.__cause__, is_over=is_over)
        return
    yield _reached(url, reply)
    yield from _tls(url, wire)
    yield _clock(reply, before, time.time())


def _ca_bundle(url: str, wire: SendOptions) -> Finding | None:
    """Return what is wrong with the certificates that the environment names, if anything."""
    if not (url.startswith("https:") and isinstance(wire.verify, str)):
        return None
    try:
        _context(wire)
    except OSError as error:
        variable = _variable("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
        told = f"{variable} names {wire.verify}, which cannot be used ({_reason(error)})"
        return Finding(
            _FAULT, "TLS", told, f"name a file of CA certificates there, or: unset {variable}"
        )
    return None


def _variable(*names: str) -> str:
    """Return which of these environment variables is set, the first if none is."""
    return next((name for name in names if os.environ.get(name)), names[0])


def _reached(url: str, reply: TokenResponse) -> Finding:
    url = re.split("[?#]", url, maxsplit=1)[0]  # what follows may be a secret
    told = f"{url} answers"
    if 300 <= reply.status < 400:  # noqa: PLR2004 - redirection (RFC 9110 §15.4)
        return Finding(
            _FAULT,
            "endpoint",
            f"{url} redirects ({reply.status}), which a refresh never follows",
            "give the final URL: a trailing slash? https instead of http?",
        )
    if reply.status == 404:  # noqa: PLR2004 - RFC 9110 §15.5.5
        return Finding(
            _NOTE,
            "endpoint",
            f"{told} 404 to a GET",
            "if refreshing fails, check refresh.url in the profile",
        )
    if reply.status >= 500:  # noqa: PLR2004 - RFC 9110 §15.6
        return Finding(
            _FAULT, "endpoint", f"{told} {reply.status}", "the server has trouble: try later"
        )
    return Finding(_OK, "endpoint", told)


def _unreachable(url: str, wire: SendOptions, error: BaseException, *, is_over: bool) -> Finding:
    where, innermost = origin_of(url), _innermost(error)
    if isinstance(innermost, ssl.SSLCertVerificationError):
        told = f"{where} shows a certificate that is not trusted ({innermost.verify_message})"
        return Finding(_FAULT, "TLS", told, _CERTIFICATE_CURES.get(innermost.verify_code, _OWN_CA))
    if isinstance(error, requests.exceptions.SSLError):
        told = f"{where} speaks no TLS that is understood here ({_reason(innermost)})"
        return Finding(_FAULT, "TLS", told, "check base_url and its port: is it plain http there?")
    problem = _proxy_problem(url, wire, error)
    if problem:
        return _proxy_fault(url, problem)
    if isinstance(error, requests.Timeout) or isinstance(innermost, TimeoutError) or is_over:
        told = f"{where} does not answer within {_PATIENCE:g} s"
        remedy = "is it up, and does a firewall or VPN stand between?"
        return Finding(_FAULT, "endpoint", told, remedy)
    told = f"{where} cannot be reached ({_reason(innermost)})"
    remedy = "check base_url and refresh.url, and whether the server is up"
    return Finding(_FAULT, "endpoint", told, remedy)


def _proxy_problem(url: str, wire: SendOptions, error: BaseException) -> str:
    """Return what is wrong with the proxy, "" if it has nothing to do with the error."""
    innermost = _innermost(error)
    if isinstance(error, requests.exceptions.ProxyError):
        return f"does not lead to {origin_of(url)}"
    if _proxy(url, wire) is None:
        return ""
    if isinstance(error, _NO_ADDRESS):
        return f"cannot be used ({_reason(innermost)})"
    # SOCKS: a connection to the server itself would have had the system's own error within.
    return f"does not lead to {origin_of(url)}" if type(innermost) is NewConnectionError else ""


_NO_ADDRESS: Final = (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema)


def _proxy_fault(url: str, problem: str) -> Finding:
    """Name the variable, not the proxy: that may hold a password."""
    own = f"{url.partition(':')[0]}_proxy"
    variable = _variable(own, own.upper(), "all_proxy", "ALL_PROXY")  # in requests' order
    remedy = f"check {variable} (http://proxy.example.com:3128, say), or add the API to NO_PROXY"
    return Finding(_FAULT, "endpoint", f"the proxy that {variable} names {problem}", remedy)


def _proxy(url: str, wire: SendOptions) -> str | None:
    return requests.utils.select_proxy(url, dict(wire.proxies or {}))


_OWN_CA: Final = "for a CA of your own: export REQUESTS_CA_BUNDLE=/path/to/ca.pem"
# OpenSSL's X509_V_ERR_CERT_NOT_YET_VALID, _CERT_HAS_EXPIRED, _HOSTNAME_MISMATCH, _IP_ADDRESS_...
_CERTIFICATE_CURES: Final = {
    9: "is this machine's clock right?",
    10: "tell whoever runs the server; or is this machine's clock wrong?",
    62: "check base_url: the certificate is for another host",
    64: "check base_url: the certificate is for another host",
}


def _innermost(error: BaseException) -> BaseException:
    """Return the error that all others were made of."""
    seen: BaseException | None = error
    while seen is not None:
        error = seen
        inner = getattr(seen, "reason", None)
        arguments = (each for each in seen.args if isinstance(each, BaseException))
        seen = inner if isinstance(inner, BaseException) else next(arguments, seen.__cause__)
    return error


def _reason(error: BaseException) -> str:
    """Return what an error is, without the URL that requests' own repeat."""
    return getattr(error, "strerror", None) or type(error).__name__


def _tls(url: str, wire: SendOptions) -> Iterator[Finding]:
    """Say which TLS is spoken and how long the certificate is good, by a handshake of our own."""
    where = origin_of(url)
    if where is None or where.scheme != "https" or _proxy(url, wire) is not None:
        return
    try:
        with (
            socket.create_connection((where.host, where.port), _PATIENCE) as plain,
            _context(wire).wrap_socket(plain, server_hostname=where.host) as spoken,
        ):
            version, certificate = spoken.version(), spoken.getpeercert()
    except OSError as error:
        yield Finding(_NOTE, "TLS", f"a second look failed ({_reason(error)})")
        return
    ends: Any = (certificate or {}).get("notAfter")
    if ends is None:
        yield Finding(_NOTE, "TLS", f"{version}, the certificate is not checked")
        return
    end = ssl.cert_time_to_seconds(ends)
    soon = end - time.time() < _SOON
    remedy = "tell whoever runs the server" if soon else ""
    told = f"{version}, the certificate has {until(end)}"
    yield Finding(_NOTE if soon else _OK, "TLS", told, remedy)


def _context(wire: SendOptions) -> ssl.SSLContext:
    """Return a context that trusts whom requests would trust. Raises OSError if that is nobody."""
    context = ssl.create_default_context()
    if wire.verify is False:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context
    ca = wire.verify if isinstance(wire.verify, str) else certifi.where()
    folder = Path(ca).is_dir()
    context.load_verify_locations(None if folder else ca, ca if folder else None)
    return context


def _clock(reply: TokenResponse, before: float, after: float) -> Finding:
    theirs = parse_http_date(reply.headers.get("Date") or "")
    if theirs is None:
        return Finding(_NOTE, "clock", "the server does not tell its time")
    # The header has whole seconds, and was written somewhen between.
    skew = min(theirs + 1 - before, 0.0) + max(theirs - after, 0.0)
    if abs(skew) <= _SKEW:
        return Finding(_OK, "clock", "agrees with the server's")
    told = f"{lasting(abs(skew))} {'behind' if skew > 0 else 'ahead of'} the server's"
    remedy = "set it (NTP). Tokens are counted from when they come in, so requests do not suffer"
    return Finding(_NOTE, "clock", told, remedy)


def _faulty(what: str, text: str, name: str) -> Finding:
    cause, remedy = cause_and_remedy(text, name)
    return Finding(_FAULT, what, cause, remedy)
