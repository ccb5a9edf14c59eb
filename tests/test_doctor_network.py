"""doctor: faults between here and the refresh endpoint; proxies, clocks, TLS."""

from __future__ import annotations

import re
import time
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

import pytest

from requests_jwt_refresh.testing import Drop, Hang, Huge, Redirect, Status, Trickle
from requests_jwt_refresh.tokens import Token
from tests.support.command_line import User, find_closed_port, needs_posix, user
from tests.support.doctor import HEALTHY, Report, check_within, examine, healthy_user
from tests.support.tls_server import ClosingEndpoint, certificate, tls_server

if TYPE_CHECKING:
    from requests_jwt_refresh.testing import AuthServer

__all__ = ["healthy_user", "user"]  # fixtures

pytestmark = needs_posix


def test_a_refused_connection(healthy_user: User, server: AuthServer) -> None:
    """Which server, why, and what to check."""
    server.stop()
    report = examine(healthy_user)
    assert report.has_no_clock_and(endpoint="FAULT")
    cause, remedy = report.findings["endpoint"][1:]
    assert cause == f"{server.url} cannot be reached (Connection refused)"
    assert remedy == "check base_url and refresh.url, and that the server is up"


def test_a_server_that_hangs_up(healthy_user: User, server: AuthServer) -> None:
    """No answer at all."""
    server.fail(Drop(), times=None)
    report = examine(healthy_user)
    assert report.has_no_clock_and(endpoint="FAULT")
    assert "cannot be reached (" in report.findings["endpoint"].cause


def test_a_server_that_hangs(healthy_user: User, server: AuthServer) -> None:
    """Given up in time, with the time that it was given."""
    server.fail(Hang())
    report = check_within(healthy_user, timeout=0.2)
    assert report.has_no_clock_and(endpoint="FAULT")
    assert report.findings["endpoint"].cause == f"{server.url} does not answer within 0.2 s"
    assert "firewall" in report.findings["endpoint"].remedy


def test_a_server_that_trickles(healthy_user: User, server: AuthServer) -> None:
    """An answer that comes byte by byte does not come within the time, either."""
    server.fail(Trickle(0.01, part="header"))
    report = check_within(healthy_user, timeout=0.2)
    assert report.has_no_clock_and(endpoint="FAULT")
    assert report.findings["endpoint"].cause == f"{server.url} does not answer within 0.2 s"


@pytest.mark.parametrize(
    ("fault", "sign", "cause", "remedy"),
    [
        (Status(404), "note", "answers 404 to a GET", "check refresh.url in the profile"),
        (Status(500), "FAULT", "answers 500", "try again later"),
        (Status(503), "FAULT", "answers 503", "try again later"),
        (
            Redirect("https://hunter2/"),
            "FAULT",
            "redirects (307), which",
            "give the URL that it re",
        ),
        (Redirect("/x", 301), "FAULT", "redirects (301), which", "a trailing slash"),
        (Status(401), "ok", "answers", ""),
        (Status(200), "ok", "answers", ""),
    ],
    ids=lambda value: str(getattr(value, "status", "")),
)
def test_answers(
    healthy_user: User, server: AuthServer, fault: Any, sign: str, cause: str, remedy: str
) -> None:
    """What the endpoint says to a GET without a token."""
    server.fail(fault, times=None)
    report = examine(healthy_user)
    assert report.is_healthy_but_for(endpoint=sign)
    assert report.findings["endpoint"].cause.startswith(f"{server.url}/auth/refresh {cause}")
    assert remedy in report.findings["endpoint"].remedy
    assert "hunter2" not in report.text
    assert server.counters.requests == (4 if sign == "FAULT" and "503" in cause else 1)


def test_a_proxy_that_leads_nowhere(
    healthy_user: User, server: AuthServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proxy is named as the fault, without its password."""
    proxy = f"http://me:hunter2@127.0.0.1:{find_closed_port()}"
    monkeypatch.setenv("http_proxy", proxy)
    monkeypatch.setenv("no_proxy", "")
    report = examine(healthy_user)
    assert report.has_no_clock_and(endpoint="FAULT")
    cause = f"the proxy in http_proxy does not lead to {server.url}"
    assert report.findings["endpoint"].cause == cause
    assert "NO_PROXY" in report.findings["endpoint"].remedy
    assert "hunter2" not in report.text


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"])
@pytest.mark.parametrize(
    ("proxy", "problem"),
    [
        ("nonsense://me:hunter2@h:1", "cannot be used (ProxySchemeUnknown)"),
        ("me:hunter2@127.0.0.1:1", "cannot be used (InvalidProxyURL)"),
        ("http://me:hunter2@h:99999", "cannot be used (LocationParseError)"),
        ("http://me:hunter2@[::1", "cannot be used ("),  # each urllib3 has another word for it
        ("http://", "cannot be used (InvalidProxyURL)"),
    ],
)
def test_a_proxy_that_is_none(
    healthy_user: User,
    server: AuthServer,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    proxy: str,
    problem: str,
) -> None:
    """The variable is named, not the API's URL, nor the proxy's password."""
    monkeypatch.setenv(variable, proxy)
    monkeypatch.setenv("no_proxy", "")
    report = examine(healthy_user)
    assert report.has_no_clock_and(endpoint="FAULT")
    cause = f"the proxy in {variable} {problem}"
    assert report.findings["endpoint"].cause.startswith(cause)
    assert report.findings["endpoint"].remedy.startswith(f"check {variable} (")
    assert "hunter2" not in report.text
    assert server.counters.requests == 0


def test_a_socks_proxy_that_leads_nowhere(
    healthy_user: User, server: AuthServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As for any other proxy; without PySocks, that it cannot be used."""
    monkeypatch.setenv("http_proxy", f"socks5://me:hunter2@127.0.0.1:{find_closed_port()}")
    monkeypatch.setenv("no_proxy", "")
    report = examine(healthy_user)
    assert report.has_no_clock_and(endpoint="FAULT")
    cause = f"the proxy in http_proxy (does not lead to {server.url}|cannot be used .*)"
    assert re.fullmatch(cause, report.findings["endpoint"].cause)
    assert "hunter2" not in report.text


def test_an_answer_that_is_far_too_large(healthy_user: User, server: AuthServer) -> None:
    """The server was reached, so what it answered is the fault."""
    server.fail(Huge())
    report = examine(healthy_user)
    assert report.has_no_clock_and(endpoint="FAULT")
    url = f"{server.url}/auth/refresh"
    cause = f"the refresh endpoint at {url} answered with more than 1 MiB, which is no token"
    assert report.findings["endpoint"].cause == cause
    assert report.findings["endpoint"].remedy == "check refresh.url in the profile"


def test_a_query_is_not_shown(healthy_user: User, server: AuthServer) -> None:
    """The refresh URL's may hold a secret."""
    healthy_user.describe(server, 'kind = "json"\nurl = "/auth/refresh?key=hunter2"')
    report = examine(healthy_user)
    assert report.is_healthy_but_for()
    assert report.findings["endpoint"].cause == f"{server.url}/auth/refresh answers"
    server.fail(Status(302), times=None)
    assert "hunter2" not in examine(healthy_user).text


# --- the clock -----------------------------------------------------------------------------------


def set_date(date: str) -> Status:
    return Status(405, headers={"Date": date})


@pytest.mark.parametrize(
    ("ahead", "sign", "cause"),
    [
        (0, "ok", "agrees with the server's"),
        (3, "ok", "agrees with the server's"),
        (-3, "ok", "agrees with the server's"),
        (3600, "note", r"59 min 5\d s behind the server's"),
        (-3600, "note", r"(59 min 5\d s|1 h|1 h \d s) ahead of the server's"),
        (10, "note", r"\d+ s behind the server's"),
        (-10, "note", r"\d+ s ahead of the server's"),
        (40 * 86400, "note", r"39 d 23 h behind the server's"),
    ],
)
def test_clocks(
    healthy_user: User, server: AuthServer, ahead: float, sign: str, cause: str
) -> None:
    """Some seconds are nothing; more are worth a note, since tokens do not depend on it."""
    server.fail(set_date(formatdate(time.time() + ahead, usegmt=True)))
    report = examine(healthy_user)
    assert report.is_healthy_but_for(clock=sign)
    assert re.fullmatch(cause, report.findings["clock"].cause)
    assert ("NTP" in report.findings["clock"].remedy) == (sign == "note")


@pytest.mark.parametrize("date", ["", "nonsense", "Mon, 99 Foo 20000 00:00:00 GMT"])
def test_a_server_that_does_not_tell_its_time(
    healthy_user: User, server: AuthServer, date: str
) -> None:
    """A note."""
    server.fail(set_date(date))
    report = examine(healthy_user)
    assert report.signs()["clock"] == "note"
    assert report.findings["clock"].cause == "the server's response has no Date header"
    assert report.status == 0


def test_a_date_of_the_old_kind(
    healthy_user: User, server: AuthServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """asctime's format is valid, too."""
    server.fail(set_date(time.asctime(time.gmtime())))
    monkeypatch.setenv("TZ", "XYZ+7")
    time.tzset()
    try:
        report = examine(healthy_user)
    finally:
        monkeypatch.undo()
        time.tzset()
    assert report.is_healthy_but_for()


# --- TLS -----------------------------------------------------------------------------------------


def examine_over_tls(user: User, url: str) -> Report:
    """Examine a profile whose API is at `url`."""
    user.file.write_text(
        f'[prod]\nbase_url = "{url}"\nrefresh = {{kind = "json", url = "/auth/refresh"}}\n'
        'store = {kind = "file", path = "token.json"}\n',
        encoding="utf-8",
    )
    user.save_token(Token("a", "r"))
    return examine(user)


def test_a_certificate_that_is_not_trusted(user: User) -> None:
    """Self-signed: a fault of TLS, its reason, and the variable that helps."""
    with tls_server(certificate(user.home, 90)) as url:
        report = examine_over_tls(user, url)
    signs = {k: v for k, v in HEALTHY.items() if k not in ("endpoint", "clock")}
    assert (report.status, report.signs()) == (1, {**signs, "TLS": "FAULT"})
    assert report.findings["TLS"].cause.lower() == (
        f"{url} shows a certificate that is not trusted (self-signed certificate)"
    )
    assert "REQUESTS_CA_BUNDLE=" in report.findings["TLS"].remedy


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
@pytest.mark.parametrize("text", [None, "no certificate"])
def test_certificates_that_are_not_there(
    user: User, monkeypatch: pytest.MonkeyPatch, variable: str, text: str | None
) -> None:
    """The variable and the path that it names are the fault, not the API's URL."""
    file = user.home / "ca.pem"
    if text is not None:
        file.write_text(text, encoding="utf-8")
    monkeypatch.setenv(variable, str(file))
    report = examine_over_tls(user, f"https://127.0.0.1:{find_closed_port()}")
    signs = {k: v for k, v in HEALTHY.items() if k not in ("endpoint", "clock")}
    assert (report.status, report.signs()) == (1, {**signs, "TLS": "FAULT"})
    assert report.findings["TLS"].cause.startswith(f"{variable} names {file}, which cannot be used")
    assert report.findings["TLS"].remedy.endswith(f"or: unset {variable}")
    assert "base_url" not in report.text


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_a_certificate_of_ones_own_ca(
    user: User, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    """With the remedy applied all is well, and it says for how long."""
    file = certificate(user.home, 90)
    monkeypatch.setenv(variable, str(file))
    with tls_server(file) as url:
        report = examine_over_tls(user, url)
    assert report.is_healthy_but_for(TLS="ok")
    cause = r"TLSv1\.3, the certificate expires in 89 d 23 h \(.*\)"
    assert re.fullmatch(cause, report.findings["TLS"].cause)


def test_a_certificate_that_is_about_to_end(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two weeks before: a note, for the people who run the server."""
    file = certificate(user.home, 13)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(file))
    with tls_server(file) as url:
        report = examine_over_tls(user, url)
    assert report.is_healthy_but_for(TLS="note")
    assert "the certificate expires in 12 d 23 h (" in report.findings["TLS"].cause
    assert report.findings["TLS"].remedy == "tell the people who run the server"


@pytest.mark.parametrize(
    ("days", "host", "reason"),
    [(-1, "127.0.0.1", "certificate has expired"), (90, "127.0.0.2", "IP address mismatch")],
)
def test_a_certificate_that_does_not_count(
    user: User, monkeypatch: pytest.MonkeyPatch, days: float, host: str, reason: str
) -> None:
    """Expired, or another server's: the reason is shown."""
    file = certificate(user.home, days, host)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(file))
    with tls_server(file) as url:
        report = examine_over_tls(user, url)
    assert (report.status, report.signs()["TLS"]) == (1, "FAULT")
    assert reason in report.findings["TLS"].cause


@pytest.mark.parametrize(("days", "host"), [(-1, "127.0.0.1"), (90, "127.0.0.2")])
def test_what_helps_against_a_certificate_that_does_not_count(
    user: User, monkeypatch: pytest.MonkeyPatch, days: float, host: str
) -> None:
    """The remedy is not the one against an unknown CA."""
    file = certificate(user.home, days, host)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(file))
    with tls_server(file) as url:
        report = examine_over_tls(user, url)
    assert "REQUESTS_CA_BUNDLE" not in report.findings["TLS"].remedy


def test_tls_to_a_server_that_closes(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server without keep-alive has a certificate, too."""
    file = certificate(user.home, 13)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(file))
    with tls_server(file, ClosingEndpoint) as url:
        report = examine_over_tls(user, url)
    assert report.is_healthy_but_for(TLS="note")


def test_http_to_a_tls_server(user: User) -> None:
    """A scheme that does not fit: a fault of the endpoint."""
    with tls_server(certificate(user.home, 90)) as url:
        report = examine_over_tls(user, url.replace("https", "http"))
    assert (report.status, report.signs()["endpoint"]) == (1, "FAULT")


def test_https_to_a_server_without_tls(user: User, server: AuthServer) -> None:
    """There is no certificate to be trusted or not, and a CA bundle would not help."""
    report = examine_over_tls(user, server.url.replace("http", "https"))
    assert report.status == 1
    assert "certificate that is not trusted" not in report.text
