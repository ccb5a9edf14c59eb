"""doctor: what is wrong with a profile, and what to do about it."""

from __future__ import annotations

import socket
import ssl
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import certifi
import requests

from requests_jwt_refresh.adapter import environment
from requests_jwt_refresh.errors import (
    LockTimeout,
    ProfileError,
    RefreshUnavailable,
    StoreError,
)
from requests_jwt_refresh.exchange import RefreshSession, post
from requests_jwt_refresh.profiles import Profiles
from requests_jwt_refresh.replies import http_date
from requests_jwt_refresh.tokens import Token, jwt_claims
from requests_jwt_refresh.urls import origin_of

from .exits import Exit, cause_and_remedy
from .words import beside, lasting, moment, until

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from requests_jwt_refresh.exchange import Wire
    from requests_jwt_refresh.profiles import Profile
    from requests_jwt_refresh.replies import Reply
    from requests_jwt_refresh.stores.base import TokenStore

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
    try:
        profile = Profiles.read().profile(options.name)
    except ProfileError as error:
        cause, remedy = cause_and_remedy(str(error))
        return _report([Finding(_FAULT, "profile", cause, remedy or "mend it in that file")])
    return _report(_findings(profile))


def _report(findings: list[Finding] | Iterator[Finding]) -> int:
    faults = 0
    for each in findings:
        faults += each.sign == _FAULT
        lines = [beside(f"{each.sign:<6}{each.what:<10}", each.told)]
        if each.remedy:
            lines.append(beside(f"{'':<16}-> ", each.remedy))
        sys.stdout.writelines(f"{line}\n" for line in lines)
        sys.stdout.flush()
    plural = "" if faults == 1 else "s"
    sys.stdout.write(f"{faults} fault{plural} found.\n" if faults else "No fault found.\n")
    return Exit.FAULT if faults else Exit.DONE


def _findings(profile: Profile) -> Iterator[Finding]:
    yield Finding(_OK, "profile", f"{profile.name}, in {profile.file}")
    yield from _store(profile)
    yield _lock(profile.store)
    yield from _secret(profile)
    yield from _token(profile)
    yield from _endpoint(profile)


# --- here ------------------------------------------------------------------------------------


def _store(profile: Profile) -> Iterator[Finding]:
    """Write, read and clear an entry beside the token's own, which is not touched."""
    where = profile.store_shown
    probe = profile.beside
    try:
        with probe.lock(_LOCK_WAIT):
            probe.save(_PROBE)
            read = probe.load()
            probe.clear()
            left = probe.load()
    except StoreError as error:
        yield _faulty("store", f"{where}: {error}")
        return
    if read != _PROBE or left is not None:
        yield Finding(
            _FAULT, "store", f"{where} does not keep what is written", "use another store"
        )
        return
    yield Finding(_OK, "store", f"{where}: written, read, cleared")


def _lock(store: TokenStore) -> Finding:
    try:
        with store.lock(_LOCK_WAIT):
            return Finding(_OK, "lock", "free")
    except LockTimeout:
        return Finding(
            _NOTE,
            "lock",
            f"another program has held it for {_LOCK_WAIT:g} s",
            "if it stays so, look for one that hangs",
        )
    except StoreError as error:
        return _faulty("lock", str(error))


def _secret(profile: Profile) -> Iterator[Finding]:
    if profile.secret is None:
        return
    try:
        profile.secret.read()
    except StoreError as error:
        yield _faulty("secret", str(error))
    else:
        yield Finding(_OK, "secret", "the client secret is there")


def _token(profile: Profile) -> Iterator[Finding]:
    log_in = f"log in with: requests-jwt login {profile.name}"
    try:
        token = profile.store.load()
    except StoreError as error:
        yield _faulty("token", str(error))
        return
    if token is None:
        yield Finding(_FAULT, "token", "none: not logged in", log_in)
    elif token.refresh is None:
        yield Finding(_NOTE, "token", "there is no refresh token", f"to get one, {log_in}")
    else:
        ends = moment(jwt_claims(token.refresh).get("exp"))
        if ends is not None and ends <= time.time():
            yield Finding(_FAULT, "token", f"the refresh token is {until(ends)}", log_in)
        else:
            yield Finding(_OK, "token", "there is a refresh token")


# --- over there ------------------------------------------------------------------------------


def _endpoint(profile: Profile) -> Iterator[Finding]:
    """Ask the refresh endpoint, with no token, and look at what answers."""
    url = profile.refresh_url
    wire = environment(url)
    cookies = requests.cookies.RequestsCookieJar()
    before, deadline = time.time(), time.monotonic() + _PATIENCE
    try:
        with RefreshSession(_PATIENCE, wire, cookies) as session:
            reply = post(session, requests.Request("GET", url), wire, _PATIENCE)
    except RefreshUnavailable as error:
        is_over = time.monotonic() >= deadline
        yield _unreachable(url, error.__cause__ or error, is_over=is_over)
        return
    yield _reached(url, reply)
    yield from _tls(url, wire)
    yield _clock(reply, before, time.time())


def _reached(url: str, reply: Reply) -> Finding:
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


def _unreachable(url: str, error: BaseException, *, is_over: bool) -> Finding:
    where, innermost = origin_of(url), _innermost(error)
    if isinstance(innermost, ssl.SSLCertVerificationError):
        told = f"{where} shows a certificate that is not trusted ({innermost.verify_message})"
        return Finding(_FAULT, "TLS", told, _CERTIFICATE_CURES.get(innermost.verify_code, _OWN_CA))
    if isinstance(error, requests.exceptions.SSLError):
        told = f"{where} speaks no TLS that is understood here ({_reason(innermost)})"
        return Finding(_FAULT, "TLS", told, "check base_url and its port: is it plain http there?")
    if isinstance(error, requests.exceptions.ProxyError):
        told = f"the proxy does not lead to {where}"
        return Finding(_FAULT, "endpoint", told, "check HTTPS_PROXY and NO_PROXY")
    if isinstance(error, requests.Timeout) or isinstance(innermost, TimeoutError) or is_over:
        told = f"{where} does not answer within {_PATIENCE:g} s"
        remedy = "is it up, and does a firewall or VPN stand between?"
        return Finding(_FAULT, "endpoint", told, remedy)
    told = f"{where} cannot be reached ({_reason(innermost)})"
    remedy = "check base_url and refresh.url, and whether the server is up"
    return Finding(_FAULT, "endpoint", told, remedy)


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


def _tls(url: str, wire: Wire) -> Iterator[Finding]:
    """Say which TLS is spoken and how long the certificate is good, by a handshake of our own."""
    where = origin_of(url)
    proxy = requests.utils.select_proxy(url, dict(wire.proxies or {}))
    if where is None or where.scheme != "https" or proxy is not None:
        return
    context = ssl.create_default_context()
    try:
        if wire.verify is False:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        else:
            ca = wire.verify if isinstance(wire.verify, str) else certifi.where()
            folder = Path(ca).is_dir()
            context.load_verify_locations(None if folder else ca, ca if folder else None)
        with (
            socket.create_connection((where.host, where.port), _PATIENCE) as plain,
            context.wrap_socket(plain, server_hostname=where.host) as spoken,
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


def _clock(reply: Reply, before: float, after: float) -> Finding:
    theirs = http_date(reply.headers.get("Date") or "")
    if theirs is None:
        return Finding(_NOTE, "clock", "the server does not tell its time")
    # The header has whole seconds, and was written somewhen between.
    skew = min(theirs + 1 - before, 0.0) + max(theirs - after, 0.0)
    if abs(skew) <= _SKEW:
        return Finding(_OK, "clock", "agrees with the server's")
    told = f"{lasting(abs(skew))} {'behind' if skew > 0 else 'ahead of'} the server's"
    remedy = "set it (NTP). Tokens are counted from when they come in, so requests do not suffer"
    return Finding(_NOTE, "clock", told, remedy)


def _faulty(what: str, text: str) -> Finding:
    cause, remedy = cause_and_remedy(text)
    return Finding(_FAULT, what, cause, remedy)
