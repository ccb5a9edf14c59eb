"""doctor: what is wrong with a profile, and what to do about it."""

from __future__ import annotations

import contextlib
import email.utils
import ssl
import sys
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import requests

from requests_jwt_refresh.adapter import environment
from requests_jwt_refresh.errors import LockTimeout, ProfileError, StoreError
from requests_jwt_refresh.profiles import Profiles
from requests_jwt_refresh.tokens import Token, jwt_claims
from requests_jwt_refresh.urls import origin_of

from .exits import Exit
from .words import beside, lasting, until

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from requests_jwt_refresh.profiles import Profile
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
        cause, _, remedy = str(error).partition(". ")
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
        ends = jwt_claims(token.refresh).get("exp")
        if isinstance(ends, (int, float)) and ends <= time.time():
            yield Finding(_FAULT, "token", f"the refresh token is {until(ends)}", log_in)
        else:
            yield Finding(_OK, "token", "there is a refresh token")


# --- over there ------------------------------------------------------------------------------


def _endpoint(profile: Profile) -> Iterator[Finding]:
    """Ask the refresh endpoint, with no token, and look at what answers."""
    url = profile.refresh_url
    wire = environment(url)
    before = time.time()
    try:
        with requests.Session() as session:
            session.trust_env = False
            answer = session.get(
                url,
                timeout=_PATIENCE,
                verify=True if wire.verify is None else wire.verify,
                cert=wire.cert,
                proxies=dict(wire.proxies or {}),
                allow_redirects=False,
                stream=True,
            )
            with answer:
                tls = list(_tls(answer))
    except requests.RequestException as error:
        yield _unreachable(url, error)
        return
    yield _reached(url, answer)
    yield from tls
    yield from _clock(answer, before, time.time())


def _reached(url: str, answer: requests.Response) -> Finding:
    told = f"{url} answers"
    if answer.is_redirect:
        return Finding(
            _FAULT,
            "endpoint",
            f"{url} redirects ({answer.status_code}), which a refresh never follows",
            "give the final URL: a trailing slash? https instead of http?",
        )
    if answer.status_code == 404:  # noqa: PLR2004 - RFC 9110 §15.5.5
        return Finding(
            _NOTE,
            "endpoint",
            f"{told} 404 to a GET",
            "if refreshing fails, check refresh.url in the profile",
        )
    if answer.status_code >= 500:  # noqa: PLR2004 - RFC 9110 §15.6
        return Finding(
            _FAULT, "endpoint", f"{told} {answer.status_code}", "the server has trouble: try later"
        )
    return Finding(_OK, "endpoint", told)


def _unreachable(url: str, error: requests.RequestException) -> Finding:
    where = origin_of(url)
    if isinstance(error, requests.exceptions.SSLError):
        return Finding(
            _FAULT,
            "TLS",
            f"{where} shows a certificate that is not trusted ({_reason(error)})",
            "for a CA of your own: export REQUESTS_CA_BUNDLE=/path/to/ca.pem",
        )
    if isinstance(error, requests.exceptions.ProxyError):
        return Finding(
            _FAULT,
            "endpoint",
            f"the proxy does not lead to {where}",
            "check HTTPS_PROXY and NO_PROXY",
        )
    if isinstance(error, requests.Timeout):
        return Finding(
            _FAULT,
            "endpoint",
            f"{where} does not answer within {_PATIENCE:g} s",
            "is it up, and does a firewall or VPN stand between?",
        )
    return Finding(
        _FAULT,
        "endpoint",
        f"{where} cannot be reached ({_reason(error)})",
        "check base_url and refresh.url, and whether the server is up",
    )


def _reason(error: BaseException) -> str:
    """Return the innermost reason, without the URL that the outer ones repeat."""
    seen: BaseException | None = error
    while seen is not None:
        error = seen
        inner = getattr(seen, "reason", None)
        arguments = (each for each in seen.args if isinstance(each, BaseException))
        seen = inner if isinstance(inner, BaseException) else next(arguments, seen.__cause__)
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    return getattr(error, "strerror", None) or type(error).__name__


def _tls(answer: requests.Response) -> Iterator[Finding]:
    """Say which TLS was spoken and how long the certificate is good."""
    sock: Any = None
    with contextlib.suppress(AttributeError):  # a transport of another kind
        sock = answer.raw.connection.sock
    if not isinstance(sock, ssl.SSLSocket):
        return
    ends: Any = (sock.getpeercert() or {}).get("notAfter")
    if ends is None:
        yield Finding(_OK, "TLS", sock.version() or "spoken")
        return
    moment = ssl.cert_time_to_seconds(ends)
    told = f"{sock.version()}, the certificate has {until(moment)}"
    soon = moment - time.time() < _SOON
    yield Finding(
        _NOTE if soon else _OK, "TLS", told, "tell whoever runs the server" if soon else ""
    )


def _clock(answer: requests.Response, before: float, after: float) -> Iterator[Finding]:
    try:
        theirs = email.utils.parsedate_to_datetime(answer.headers.get("Date", "")).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        yield Finding(_NOTE, "clock", "the server does not tell its time")
        return
    # The header has whole seconds, and was written somewhen between.
    skew = min(theirs + 1 - before, 0.0) + max(theirs - after, 0.0)
    if abs(skew) <= _SKEW:
        yield Finding(_OK, "clock", "agrees with the server's")
        return
    told = f"{lasting(abs(skew))} {'behind' if skew > 0 else 'ahead of'} the server's"
    yield Finding(
        _NOTE,
        "clock",
        told,
        "set it (NTP). Tokens are counted from when they come in, so requests do not suffer",
    )


def _faulty(what: str, text: str) -> Finding:
    cause, _, remedy = text.partition(". ")
    return Finding(_FAULT, what, cause, remedy)
