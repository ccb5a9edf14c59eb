"""AuthServer as a known server: what is odd about each."""

from __future__ import annotations

import base64
import json
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pytest
import requests

from requests_jwt_refresh.testing import AuthServer
from requests_jwt_refresh.testing.likes import SHAPES
from tests.support.plain_requests import run_in_threads
from tests.support.waits import WAIT
from tests.support.wires import WIRES, Client
from tests.support.wires.calls import call, hold, is_good, log_in, refresh

if TYPE_CHECKING:
    from tests.support.clock import Clock

REFRESHING_BY_TOKEN = [
    name for name, shape in SHAPES.items() if shape.refresh and shape.refresh[0].trade == "refresh"
]
OAUTH = {"client_id": "client-id", "client_secret": "client-secret"}


def list_set_cookies(response: requests.Response) -> list[str]:
    """Return the Set-Cookie lines, the values of the tokens left out."""
    lines: list[str] = response.raw.headers.getlist("Set-Cookie")
    return [line.partition("=")[0] + line[line.index(";") :] for line in lines]


# --- All of them ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SHAPES)
def test_login_gives_what_a_client_would_hold(name: str) -> None:
    """Access token and CSRF values; the refresh token where the server has one."""
    with AuthServer(like=name) as server:
        assert is_good(call(server, hold(server)))
        gives_refresh = server.login().refresh is not None
    assert gives_refresh == (name in REFRESHING_BY_TOKEN)


@pytest.mark.parametrize("name", REFRESHING_BY_TOKEN)
def test_rotation_and_reuse_detection_work_for_all(name: str) -> None:
    """Where it is asked for, the second use revokes the family."""
    with AuthServer(like=name, rotate=True, detect_reuse=True, grace=0.0) as server:
        first = hold(server)
        second = first | WIRES[name].read(refresh(server, first))
        assert second["refresh"] != first["refresh"]
        refresh(server, first)
        assert (server.counters.rotated, server.counters.reuse) == (1, 1)
        assert server.counters.families_revoked == 1
        assert not is_good(call(server, second))


@pytest.mark.parametrize("name", ["github", "cognito", "flask-jwt-extended-cookies", "bluesky"])
def test_of_many_at_once_one_wins(name: str) -> None:
    """The crowd that a client without single flight is."""
    with AuthServer(like=name, rotate=True, detect_reuse=True, grace=0.0) as server:
        held = hold(server)
        run_in_threads(lambda: refresh(server, held), 8)
        counted = server.counters
    assert (counted.refreshes, counted.rotated, counted.refused) == (8, 1, 7)


@pytest.mark.parametrize("name", SHAPES)
def test_no_secret_is_shown(name: str) -> None:
    """Neither by the recorded requests nor by the server."""
    with AuthServer(like=name) as server:
        held = hold(server)
        call(server, held)
        shown = repr([server, server.requests, server.counters])
    assert server.requests[0].access == held["access"]
    for secret in filter(None, held.values()):
        assert secret not in shown


# --- Cookies -------------------------------------------------------------------------------------


def test_flask_sets_cookies_that_scripts_may_not_read_beside_others_that_they_may() -> None:
    """Four Set-Cookie lines at a login, two at a refresh; a logout deletes all."""
    with AuthServer(like="flask-jwt-extended-cookies") as server:
        wire, client = WIRES[str(server.like)], Client(server.url)
        assert wire.login is not None
        assert wire.logout is not None
        access = ["access_token_cookie; HttpOnly; Path=/", "csrf_access_token; Path=/"]
        other = ["refresh_token_cookie; HttpOnly; Path=/", "csrf_refresh_token; Path=/"]
        assert list_set_cookies(wire.login(client, "right")) == [*access, *other]
        held = log_in(server)
        assert list_set_cookies(refresh(server, held)) == access
        deleted = list_set_cookies(wire.logout(client, held))
        assert len(deleted) == 4
        assert all("; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0" in line for line in deleted)


def test_flask_lets_reading_methods_go_without_a_csrf_value() -> None:
    """The value is wanted for unsafe methods (RFC 9110 §9.2.1) alone."""
    with AuthServer(like="flask-jwt-extended-cookies") as server:
        cookies = {"access_token_cookie": hold(server)["access"]}
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
            response = requests.request(method, server.url + "/x", cookies=cookies, timeout=WAIT)
            assert response.status_code == (200 if method == "GET" else 401)


def test_django_gives_no_refresh_token_in_the_body() -> None:
    """JWT_AUTH_HTTPONLY: an empty string there, the token in a cookie."""
    with AuthServer(like="dj-rest-auth", rotate=True) as server:
        wire = WIRES["dj-rest-auth"]
        assert wire.login is not None
        response = wire.login(Client(server.url), "right")
        assert response.json()["refresh"] == ""
        lines = list_set_cookies(response)
        assert "my-refresh-token; HttpOnly; Path=/; SameSite=Lax" in lines
        again = refresh(server, log_in(server))
        assert "refresh" not in again.json()
        assert "my-refresh-token; HttpOnly; Path=/; SameSite=Lax" in list_set_cookies(again)


@pytest.mark.parametrize("name", ["dj-rest-auth", "flask-jwt-extended-cookies"])
def test_a_missing_csrf_value_is_said_before_the_expiry(name: str) -> None:
    """Measured on both: an expired cookie without the header is no expiry to them."""
    with AuthServer(like=name) as server:
        cookies = {"access_token_cookie": hold(server)["access"]}
        cookies["my-app-auth"] = cookies["access_token_cookie"]
        server.expire()
        response = requests.post(server.url + "/x", cookies=cookies, timeout=WAIT)
    words = {401: "Missing CSRF token", 403: "CSRF Failed"}
    assert words[response.status_code] in response.text


def test_django_looks_for_no_cookie_beside_an_authorization_header() -> None:
    """Measured: that of a gateway hides the cookie."""
    with AuthServer(like="dj-rest-auth") as server:
        cookies = {"my-app-auth": hold(server)["access"]}
        url = server.url + "/x"
        assert requests.get(url, cookies=cookies, timeout=WAIT).status_code == 200
        response = requests.get(url, cookies=cookies, auth=("a", "b"), timeout=WAIT)
        assert response.json() == {"detail": "Authentication credentials were not provided."}


def test_a_django_logout_wants_the_csrf_value_if_the_access_cookie_comes_along() -> None:
    """Measured: with the refresh cookie alone it does not."""
    with AuthServer(like="dj-rest-auth") as server:
        held = hold(server)
        cookies = {"my-refresh-token": held["refresh"]}
        both = {**cookies, "my-app-auth": held["access"]}
        assert requests.post(server.logout_url, cookies=both, timeout=WAIT).status_code == 403
        assert requests.post(server.logout_url, cookies=cookies, timeout=WAIT).status_code == 200


def test_django_redirects_a_path_without_its_slash() -> None:
    """301, after which most clients send a GET; djoser takes both."""
    with AuthServer(like="simplejwt") as server:
        url = server.url + "/api/token/refresh"
        response = requests.post(url, json={"refresh": "x"}, allow_redirects=False, timeout=WAIT)
        assert (response.status_code, response.headers["Location"]) == (301, "/api/token/refresh/")
        assert requests.post(url, json={"refresh": "x"}, timeout=WAIT).status_code == 405
    with AuthServer(like="djoser") as server:
        body = {"refresh": server.login().refresh}
        url = server.url + "/auth/jwt/refresh"
        assert requests.post(url, json=body, timeout=WAIT).status_code == 200


def test_express_takes_the_refresh_token_in_a_cookie_too() -> None:
    """And gives the next one in both places."""
    with AuthServer(like="express") as server:
        cookies = {"refreshToken": server.login().refresh or ""}
        response = requests.post(server.refresh_url, cookies=cookies, timeout=WAIT)
        assert response.cookies["refreshToken"] == response.json()["refreshToken"]


@pytest.mark.parametrize("place", ["header", "cookie"])
def test_nest_takes_it_in_the_header_and_in_a_cookie(place: str) -> None:
    """A POST is answered with 201."""
    with AuthServer(like="nestjs") as server:
        token = server.login().refresh or ""
        sent: dict[str, Any] = (
            {"headers": {"Authorization": f"Bearer {token}"}}
            if place == "header"
            else {"cookies": {"refresh_token": token}}
        )
        assert requests.post(server.refresh_url, **sent, timeout=WAIT).status_code == 201


# --- Live tokens ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["pocketbase", "vault", "proxmox"])
def test_a_token_that_has_expired_cannot_renew_itself(name: str) -> None:
    """The refresh has to come before the end."""
    with AuthServer(like=name) as server:
        held = hold(server)
        server.expire()
        refused = WIRES[name].refused
        assert refused is not None
        refused.check(refresh(server, held))
        assert (server.counters.refreshes, server.counters.refused) == (1, 1)


def test_laravel_takes_an_expired_one_once() -> None:
    """Inside the refresh window; the old one is on the blacklist then."""
    with AuthServer(like="laravel-jwt") as server:
        old = hold(server)
        server.expire()
        new = WIRES["laravel-jwt"].read(refresh(server, old))
        assert is_good(call(server, new))
        again = refresh(server, old)
        assert (again.status_code, again.json()["message"]) == (
            401,
            "The token has been blacklisted",
        )
        assert server.counters.reuse == 1
        assert is_good(call(server, new))  # no family is revoked for it


def test_vault_lets_the_same_token_live_longer(clock: Clock) -> None:
    """No new token: the lease is renewed."""
    with AuthServer(like="vault", lifetime=100.0) as server:
        held = hold(server)
        clock.advance(90)
        fields = refresh(server, held).json()
        assert fields["auth"]["client_token"] == held["access"]
        assert fields["auth"]["lease_duration"] == 100
        clock.advance(90)
        assert is_good(call(server, held))
        clock.advance(10)
        assert not is_good(call(server, held))


def test_pocketbase_leaves_the_old_token_good() -> None:
    """It expires by itself. The scheme before the token may be left out."""
    with AuthServer(like="pocketbase") as server:
        held = hold(server)
        refresh(server, held)
        assert is_good(call(server, held))
        bare = {"Authorization": held["access"]}
        assert requests.get(server.url + "/x", headers=bare, timeout=WAIT).status_code == 200


def test_a_family_is_known_by_its_access_token_where_there_is_no_other() -> None:
    """family_alive() for servers without refresh tokens."""
    with AuthServer(like="proxmox") as server:
        token = server.login()
        assert server.family_alive(token)
        server.revoke()
        assert not server.family_alive(token)


def test_a_ticket_has_a_value_against_forgery_of_its_own() -> None:
    """That of an older ticket is not taken with a newer one."""
    with AuthServer(like="proxmox") as server:
        old = hold(server)
        assert old["access"].startswith("PVE:")
        new = WIRES["proxmox"].read(refresh(server, old))
        assert not is_good(call(server, {**new, "csrf": old["csrf"]}))
        assert is_good(call(server, new))


# --- OAuth 2.0 -----------------------------------------------------------------------------------


def test_github_answers_a_form_to_all_who_do_not_ask_for_json() -> None:
    """The good answer and the refusal, with 200 both."""
    form = {"grant_type": "refresh_token", **OAUTH}
    with AuthServer(like="github") as server:
        token = server.login().refresh
        for expected in ("access_token=ghu_", "error=bad_refresh_token"):
            response = requests.post(
                server.refresh_url, data={**form, "refresh_token": token}, timeout=WAIT
            )
            assert response.status_code == 200
            assert response.headers["Content-Type"].startswith("application/x-www-form-urlencoded")
            assert response.text.startswith(expected)


def test_zoho_takes_its_fields_in_the_query() -> None:
    """As its documentation shows."""
    fields = {"grant_type": "refresh_token", **OAUTH}
    with AuthServer(like="zoho") as server:
        query = {**fields, "refresh_token": server.login().refresh or ""}
        response = requests.post(server.refresh_url, params=query, timeout=WAIT)
        assert response.json()["api_domain"] == "https://www.zohoapis.com"


@pytest.mark.parametrize("path", ["/oauth/v1/token", "/oauth/v3/token"])
def test_hubspot_has_two_versions(path: str) -> None:
    """The refresh is counted at both."""
    with AuthServer(like="hubspot") as server:
        form = {"grant_type": "refresh_token", "refresh_token": server.login().refresh, **OAUTH}
        assert requests.post(server.url + path, data=form, timeout=WAIT).status_code == 200
        assert server.counters.refreshes == 1


def test_salesforce_says_no_expiry_and_a_moment_of_issue() -> None:
    """issued_at is a string of milliseconds."""
    with AuthServer(like="salesforce") as server:
        fields = refresh(server, hold(server)).json()
    assert fields["issued_at"].isdigit()
    assert not {"expires_in", "expires_at", "refresh_token"} & set(fields)


def test_the_client_id_in_basic_may_be_encoded() -> None:
    """RFC 6749 §2.3.1: form-urlencoded before base64."""
    with AuthServer(like="fitbit", client_id="a:b", client_secret="c+d") as server:
        encoded = base64.b64encode(b"a%3Ab:c%2Bd").decode()
        form = {"grant_type": "refresh_token", "refresh_token": server.login().refresh}
        headers = {"Authorization": f"Basic {encoded}"}
        response = requests.post(server.refresh_url, data=form, headers=headers, timeout=WAIT)
        assert response.status_code == 200


def test_the_rest_of_an_answer_is_in_extra() -> None:
    """Without the tokens and their expiry; the refresh token's own end as a moment."""
    with AuthServer(like="quickbooks") as server:
        extra = server.login().extra
        assert extra["token_type"] == "bearer"
        assert extra["x_refresh_token_expires_in"] == 8_726_400
        assert extra["refresh_expires_at"] > 8_726_400
        assert not {"access_token", "refresh_token", "expires_in"} & set(extra)
    with AuthServer(like="directus") as server:
        assert dict(server.login().extra) == {}


# --- Platforms -----------------------------------------------------------------------------------


def test_supabase_forgives_a_second_use_for_ten_seconds(clock: Clock) -> None:
    """Then it is refresh_token_already_used, and the session is over."""
    with AuthServer(like="supabase") as server:
        old = hold(server)
        new = refresh(server, old).json()["refresh_token"]
        clock.advance(9)
        assert refresh(server, old).json()["refresh_token"] == new
        clock.advance(1)
        response = refresh(server, old)
        assert (response.status_code, response.json()["error_code"]) == (
            400,
            "refresh_token_already_used",
        )
        assert refresh(server, {"refresh": new}).status_code == 400


@pytest.mark.parametrize("name", ["matrix", "flask-appbuilder"])
def test_some_give_a_refresh_token_to_those_alone_who_ask_for_one(name: str) -> None:
    """A login without ``"refresh...": true`` has an access token alone."""
    matrix: dict[str, Any] = {
        "type": "m.login.password",
        "identifier": {"user": "alice"},
        "password": "right",
    }
    flask: dict[str, Any] = {"username": "alice", "password": "right", "provider": "db"}
    field, body = ("refresh_token", matrix) if name == "matrix" else ("refresh", flask)
    with AuthServer(like=name) as server:
        response = requests.post(server.login_url, json=body, timeout=WAIT)
        assert "refresh_token" not in response.json()
        response = requests.post(server.login_url, json={**body, field: True}, timeout=WAIT)
        assert "refresh_token" in response.json()


def test_cognito_has_one_path_for_all() -> None:
    """To counters, gates and faults each request is what its operation says."""
    with AuthServer(like="cognito") as server:
        log_in(server)
        held = hold(server)
        refresh(server, held)
        wire = WIRES["cognito"]
        assert wire.logout is not None
        wire.logout(Client(server.url), held)
        assert [each.kind for each in server.requests] == ["login", "refresh", "logout"]


def test_firebase_says_a_lifetime_as_a_string() -> None:
    """And the bearer is the id_token."""
    with AuthServer(like="firebase") as server:
        fields = refresh(server, hold(server)).json()
        assert fields["expires_in"] == "3600"
        assert is_good(call(server, {"access": fields["id_token"]}))


# --- Kinds without a name ------------------------------------------------------------------------


def test_sliding_hands_out_a_newer_token_with_each_good_answer() -> None:
    """Whatever its path; none with a refusal."""
    with AuthServer(like="sliding") as server:
        held = hold(server)
        first = call(server, held).headers["X-Renewed-Token"]
        second = call(server, {"access": first}).headers["X-Renewed-Token"]
        assert len({held["access"], first, second}) == 3
        bearer = {"Authorization": f"Bearer {second}"}
        response = requests.get(server.url + "/status/404", headers=bearer, timeout=WAIT)
        assert "X-Renewed-Token" not in response.headers
        server.expire()
        assert "X-Renewed-Token" not in call(server, {"access": second}).headers
        assert (server.counters.renewed, server.counters.rotated) == (2, 0)


def test_an_expiry_may_be_milliseconds_or_a_date(clock: Clock) -> None:
    """Of the same moment."""
    end = clock.time() + 300
    with AuthServer(like="epoch-ms") as server:
        assert refresh(server, hold(server)).json()["expires_at"] == int(end * 1000)
    with AuthServer(like="rfc3339") as server:
        text = refresh(server, hold(server)).json()["expires_at"]
    assert text.endswith("Z")
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    assert moment.tzinfo == timezone.utc
    assert abs(moment.timestamp() - end) < 0.001


def test_graphql_answers_a_list_with_a_list() -> None:
    """The error is in the second result, behind another."""
    with AuthServer(like="graphql-list") as server:
        headers = {"Authorization": "Bearer expired"}
        batch = [{"query": "{ a }"}, {"query": "{ b }"}]
        url = server.url + "/graphql"
        response = requests.post(url, json=batch, headers=headers, timeout=WAIT)
    assert response.status_code == 200
    first, second = response.json()
    assert "errors" not in first
    codes = [each["extensions"]["code"] for each in second["errors"]]
    assert codes == ["DEPRECATED_FIELD", "UNAUTHENTICATED"]


def test_a_session_goes_back_in_the_header_it_came_in() -> None:
    """201, and no token in the body."""
    with AuthServer(like="session-header") as server:
        wire = WIRES["session-header"]
        assert wire.login is not None
        response = wire.login(Client(server.url), "right")
        assert response.status_code == 201
        assert response.headers["X-Auth-Token"] not in response.text
        assert requests.post(server.url + "/auth/refresh", timeout=WAIT).status_code == 401


GRANTS = {
    "urn:ietf:params:oauth:grant-type:jwt-bearer": {"assertion": "{}"},
    "urn:ietf:params:oauth:grant-type:token-exchange": {
        "subject_token": "{}",
        "subject_token_type": "urn:ietf:params:oauth:token-type:access_token",
    },
}


def make_assertion(user: str) -> str:
    """Return an unsigned JWT about `user`."""
    claims = base64.urlsafe_b64encode(json.dumps({"sub": user}).encode()).rstrip(b"=").decode()
    return f"e30.{claims}.x"


@pytest.mark.parametrize("grant", GRANTS)
def test_an_assertion_is_traded_for_a_token_about_its_subject(grant: str) -> None:
    """RFC 7523 §2.1 and RFC 8693 §2.1; "wrong" and one from before revoke() are invalid_grant."""
    with AuthServer(like="client-credentials") as server:

        def ask(assertion: str) -> requests.Response:
            form = {k: v.replace("{}", assertion) for k, v in GRANTS[grant].items()}
            body = {"grant_type": grant, **OAUTH, **form}
            return requests.post(server.refresh_url, data=body, timeout=WAIT)

        bob = make_assertion("bob")
        fields = ask(bob).json()
        assert ("issued_token_type" in fields) == ("token-exchange" in grant)
        assert "refresh_token" not in fields
        assert call(server, {"access": fields["access_token"]}).json()["user"] == "bob"
        server.revoke()
        for refused in ("wrong", bob):
            response = ask(refused)
            assert (response.status_code, response.json()) == (400, {"error": "invalid_grant"})
        assert ask(make_assertion("eve")).status_code == 200
        counted = server.counters
        assert (counted.refreshes, counted.rotated, counted.refused) == (4, 2, 2)
        assert counted.logins == 0


def test_a_token_exchange_needs_the_type_of_its_subject() -> None:
    """RFC 8693 §2.1: subject_token_type is required."""
    with AuthServer(like="client-credentials") as server:
        form = {
            "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
            "subject_token": "x",
        }
        response = requests.post(server.refresh_url, data={**form, **OAUTH}, timeout=WAIT)
        assert (response.status_code, response.json()) == (400, {"error": "invalid_request"})


def test_both_tokens_must_be_of_one_login() -> None:
    """An expired access token is good enough, another login's is not."""
    with AuthServer(like="both-tokens") as server:
        alice, bob = hold(server), hold(server)
        assert refresh(server, {**alice, "access": bob["access"]}).status_code == 400
        server.expire()
        assert refresh(server, alice).status_code == 200
