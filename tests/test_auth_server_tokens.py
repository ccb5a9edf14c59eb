"""AuthServer's promises: access tokens, refreshing, rotation and reuse detection, logins."""

from __future__ import annotations

import base64
import hmac
import time
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import pytest
import requests

from requests_jwt_refresh import JSONEndpoint, MemoryStore, Token, mount
from requests_jwt_refresh.testing import (
    AuthServer,
    Counters,
)
from requests_jwt_refresh.tokens import jwt_claims, jwt_lifetime, with_expiry
from tests.support.plain_requests import (
    THREADS,
    exchange_token,
    get,
    make_bearer_header,
    refresh,
    run_behind_gate,
    run_in_threads,
)
from tests.support.waits import WAIT

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.clock import Clock


class TestAccessTokens:
    def test_they_are_signed_jwts(self, server: AuthServer) -> None:
        """RFC 7515 §3.1, and HS256 is HMAC with SHA-256 (RFC 7518 §3.2)."""
        access = server.login("bob").access or ""
        signed, _, signature = access.rpartition(".")
        digest = hmac.digest(server.signing_key, signed.encode(), "sha256")
        assert signature == base64.urlsafe_b64encode(digest).decode().rstrip("=")
        claims = jwt_claims(access)
        assert claims["sub"] == "bob"
        assert {"iat", "exp", "jti", "family"} < set(claims)

    @pytest.mark.parametrize("lifetime", [300.0, 300, 2.0, 0.5])
    def test_exp_is_iat_and_the_lifetime(self, lifetime: float) -> None:
        """RFC 7519 §4.1: whole seconds as ints, fractions where the lifetime has one."""
        access = AuthServer(lifetime=lifetime).login().access or ""
        assert jwt_lifetime(access) == pytest.approx(lifetime, abs=1e-3)
        if lifetime != 0.5:
            assert [type(jwt_claims(access)[name]) for name in ("iat", "exp")] == [int, int]

    def test_they_are_all_different(self, server: AuthServer) -> None:
        """No token is ever given twice."""
        tokens = [server.login() for _ in range(20)]
        assert len({each.access for each in tokens} | {each.refresh for each in tokens}) == 40

    def test_opaque_ones_say_nothing_but_are_good(self) -> None:
        """A random string instead of a JWT."""
        with AuthServer(opaque=True) as server:
            access = server.login().access or ""
            assert jwt_claims(access) == {}
            assert get(server, access).status_code == 200

    def test_expire_ends_those_given_so_far(self, server: AuthServer) -> None:
        """Of every family; what is given later is good."""
        token, other = server.login(), server.login()
        server.expire()
        assert get(server, token.access).status_code == 401
        assert get(server, other.access).status_code == 401
        assert get(server, exchange_token(server, token).access).status_code == 200

    def test_they_end_with_their_lifetime(self, server: AuthServer) -> None:
        """Options may change between requests; a lifetime of 0 has ended at once."""
        server.lifetime = 0
        assert get(server, server.login().access).status_code == 401
        server.lifetime = 300
        assert get(server, server.login().access).status_code == 200

    def test_the_server_judges_by_its_own_clock(self) -> None:
        """However wrong the clock that writes iat and exp."""
        with AuthServer(clock_skew=-86_400) as server:
            access = server.login().access or ""
            assert jwt_claims(access)["exp"] < time.time() - 80_000
            assert get(server, access).status_code == 200

    @pytest.mark.parametrize(("revoke_old_access", "status"), [(False, 200), (True, 401)])
    def test_an_old_one_may_die_when_a_newer_one_is_given(
        self, *, revoke_old_access: bool, status: int
    ) -> None:
        """With revoke_old_access, one access token a family."""
        with AuthServer(revoke_old_access=revoke_old_access) as server:
            old = server.login()
            new = exchange_token(server, old)
            assert get(server, old.access).status_code == status
            assert get(server, new.access).status_code == 200

    def test_login_gives_strings_alone(self, server: AuthServer) -> None:
        """No expires_at, and nothing is counted."""
        assert server.login().expires_at is None
        assert server.counters == Counters()


class TestRefresh:
    def test_it_gives_new_tokens(self, server: AuthServer) -> None:
        """RFC 6749 §5.1: both tokens are new, with type and lifetime."""
        old = server.login()
        response = refresh(server, old)
        assert response.status_code == 200
        fields = response.json()
        assert set(fields) == {"access_token", "token_type", "expires_in", "refresh_token"}
        assert (fields["token_type"], fields["expires_in"]) == ("Bearer", 300)
        assert fields["access_token"] != old.access
        assert fields["refresh_token"] != old.refresh
        assert server.counters == Counters(connections=1, requests=1, refreshes=1, rotated=1)

    @pytest.mark.parametrize(
        "how",
        [
            lambda text: {"json": {"refresh_token": text}},
            lambda text: {"data": {"grant_type": "refresh_token", "refresh_token": text}},
            lambda text: {"data": {"refresh_token": text}},
            lambda text: {"headers": make_bearer_header(text)},
        ],
        ids=["json", "form", "form without grant_type", "bearer"],
    )
    def test_it_takes_the_token_in_several_ways(
        self, server: AuthServer, how: Callable[[str | None], dict[str, Any]]
    ) -> None:
        """As JSON, as a form (RFC 6749 §6) or in Authorization."""
        url, text = server.url + "/auth/refresh", server.login().refresh
        assert requests.post(url, **how(text), timeout=WAIT).status_code == 200

    @pytest.mark.parametrize(
        ("sent", "error"),
        [
            ({"json": {"refresh_token": "nonsense"}}, "invalid_grant"),
            ({"headers": {"Authorization": "Bearer nonsense"}}, "invalid_grant"),
            ({"json": {}}, "invalid_request"),
            ({"json": [1]}, "invalid_request"),
            ({"json": {"refresh_token": 1}}, "invalid_request"),
            ({"data": b"\xff"}, "invalid_request"),
            ({"data": {"grant_type": "refresh_token"}}, "invalid_request"),
            ({"data": {"grant_type": "password", "refresh_token": "x"}}, "unsupported_grant_type"),
        ],
    )
    def test_it_refuses_as_oauth_does(
        self, server: AuthServer, sent: dict[str, Any], error: str
    ) -> None:
        """RFC 6749 §5.2: 400 with the error code that fits."""
        response = requests.post(server.url + "/auth/refresh", **sent, timeout=WAIT)
        assert (response.status_code, response.json()) == (400, {"error": error})
        assert (server.counters.refreshes, server.counters.refused) == (1, 1)

    def test_only_a_post_is_one(self, server: AuthServer) -> None:
        """405 with Allow (RFC 9110 §15.5.6), and not counted as a refresh."""
        response = requests.get(server.url + "/auth/refresh", timeout=WAIT)
        assert (response.status_code, response.headers["Allow"]) == (405, "POST")
        assert server.counters.refreshes == 0

    def test_without_rotation_the_refresh_token_stays_good(self) -> None:
        """No new one is sent, and no use is reuse."""
        with AuthServer(rotate=False) as server:
            token = server.login()
            responses = [refresh(server, token) for _ in range(3)]
            assert ["refresh_token" in each.json() for each in responses] == [False] * 3
            assert (server.counters.rotated, server.counters.reuse) == (3, 0)

    def test_revoke_refuses_those_given_so_far(self, server: AuthServer) -> None:
        """The access token lives until it expires."""
        token = server.login()
        server.revoke()
        assert refresh(server, token).json() == {"error": "invalid_grant"}
        assert get(server, token.access).status_code == 200
        assert not server.family_alive(token)
        assert refresh(server, server.login()).status_code == 200
        assert (server.counters.refused, server.counters.families_revoked) == (1, 1)

    def test_another_servers_dialect_can_be_played(self) -> None:
        """POST {"refreshToken"}, 201 {"accessToken"}, and no lifetime."""
        dialect: dict[str, Any] = {
            "refresh_path": "/token",
            "request_field": "refreshToken",
            "access_field": "accessToken",
            "refresh_field": "refreshToken",
            "expires_field": None,
            "status": 201,
        }
        with AuthServer(**dialect) as server:
            body = {"refreshToken": server.login().refresh}
            response = requests.post(server.url + "/token", json=body, timeout=WAIT)
            assert response.status_code == 201
            assert set(response.json()) == {"accessToken", "refreshToken", "token_type"}

    def test_the_response_can_be_the_token_alone(self) -> None:
        """With bare=True, a JSON string."""
        with AuthServer(bare=True, rotate=False) as server:
            access = refresh(server, server.login()).json()
            assert get(server, access).status_code == 200


class TestReuse:
    def test_it_revokes_the_whole_family(self, server: AuthServer) -> None:
        """RFC 6749 §10.4: the newest tokens too, the access token included."""
        old, other = server.login(), server.login()
        new = exchange_token(server, old)
        assert refresh(server, old).json() == {"error": "invalid_grant"}
        assert refresh(server, new).json() == {"error": "invalid_grant"}
        assert get(server, new.access).status_code == 401
        assert not server.family_alive(old)
        assert server.family_alive(other)
        counted = server.counters
        assert (counted.rotated, counted.reuse, counted.refused) == (1, 1, 2)
        assert counted.families_revoked == 1

    def test_undetected_it_is_only_refused(self) -> None:
        """detect_reuse=False: counted as reuse, but the family lives on."""
        with AuthServer(detect_reuse=False) as server:
            old = server.login()
            new = exchange_token(server, old)
            assert refresh(server, old).status_code == 400
            assert server.family_alive(old)
            assert refresh(server, new).status_code == 200
            counted = server.counters
            assert (counted.rotated, counted.reuse, counted.refused) == (2, 1, 1)

    def test_within_grace_it_gets_the_newest_tokens_again(self) -> None:
        """A second use is answered as if it were the first."""
        with AuthServer(grace=3600) as server:
            old = server.login()
            newest = exchange_token(server, exchange_token(server, old))
            assert exchange_token(server, old) == newest
            assert get(server, newest.access).status_code == 200
            counted = server.counters
            assert (counted.rotated, counted.repeated, counted.reuse) == (2, 1, 0)

    def test_within_grace_an_expired_access_token_is_replaced(self) -> None:
        """The same refresh token, with a good access token."""
        with AuthServer(grace=3600) as server:
            old = server.login()
            newest = exchange_token(server, old)
            server.expire()
            again = exchange_token(server, old)
            assert again.refresh == newest.refresh
            assert get(server, again.access).status_code == 200

    def test_grace_ends(self) -> None:
        """A shorter grace holds for tokens that were rotated before, too."""
        with AuthServer(grace=3600) as server:
            old = server.login()
            exchange_token(server, old)
            server.grace = 0
            assert refresh(server, old).status_code == 400
            assert not server.family_alive(old)

    def test_two_never_win(self) -> None:
        """However much time there is between the check and the exchange."""

        class SlowYes:
            def __bool__(self) -> bool:
                time.sleep(0.02)
                return True

        slowly: Any = SlowYes()
        with AuthServer() as server:
            object.__setattr__(server, "rotate", slowly)  # as an option it is refused
            token = server.login()
            statuses = run_in_threads(lambda: refresh(server, token).status_code, 8)
        assert sorted(statuses) == [200] + [400] * 7
        assert (server.counters.rotated, server.counters.reuse) == (1, 7)

    def test_of_many_at_once_one_wins_and_all_are_revoked(self, server: AuthServer) -> None:
        """What a client without single flight meets."""
        token = server.login()
        statuses = run_behind_gate(server, "refresh", lambda: refresh(server, token).status_code)
        assert sorted(statuses) == [200] + [400] * (THREADS - 1)
        assert server.counters == Counters(
            connections=THREADS,
            requests=THREADS,
            refreshes=THREADS,
            rotated=1,
            refused=THREADS - 1,
            reuse=THREADS - 1,
            families_revoked=1,
        )

    def test_a_token_never_given_has_no_family(self, server: AuthServer) -> None:
        """ValueError, whose text does not repeat the token."""
        for unknown in (Token("a", "nonsense"), Token("a")):
            with pytest.raises(ValueError, match="never gave") as raised:
                server.family_alive(unknown)
            assert "nonsense" not in str(raised.value)


class TestLogin:
    def login(self, server: AuthServer, **sent: Any) -> requests.Response:
        return requests.post(server.url + "/auth/login", **sent, timeout=WAIT)

    @pytest.mark.parametrize(
        "sent", [{"json": {"username": "bob", "password": "p:q"}}, {"auth": ("bob", "p:q")}]
    )
    def test_it_gives_tokens(self, server: AuthServer, sent: dict[str, Any]) -> None:
        """JSON or Basic (RFC 7617), with a colon in the password."""
        fields = self.login(server, **sent).json()
        assert get(server, fields["access_token"]).json()["user"] == "bob"
        assert refresh(server, Token(None, fields["refresh_token"])).status_code == 200
        assert server.counters.logins == 1

    @pytest.mark.parametrize(
        "sent",
        [
            {"json": {"username": "bob", "password": "wrong"}},
            {"json": {"username": "bob"}},
            {"json": {"username": "", "password": "p"}},
            {"json": [1]},
            {"auth": ("bob", "wrong")},
            {"headers": {"Authorization": "Basic ?"}},
            {},
        ],
    )
    def test_bad_credentials_are_refused(self, server: AuthServer, sent: dict[str, Any]) -> None:
        """401, and no login is counted."""
        response = self.login(server, **sent)
        assert (response.status_code, response.json()) == (401, {"message": "Bad credentials"})
        assert server.counters.logins == 0

    def test_logout_revokes_the_family(self, server: AuthServer) -> None:
        """204 each time; access and refresh token are refused afterwards."""
        token = server.login()
        for _ in range(2):
            response = requests.post(
                server.url + "/auth/logout", json={"refresh_token": token.refresh}, timeout=WAIT
            )
            assert (response.status_code, response.content) == (204, b"")
        assert not server.family_alive(token)
        assert get(server, token.access).status_code == 401
        assert refresh(server, token).status_code == 400
        counted = server.counters
        assert (counted.logouts, counted.families_revoked, counted.reuse) == (2, 1, 0)


class TestTime:
    """The server's time is requests_jwt_refresh.clock, which the fixture `clock` replaces."""

    def test_access_tokens_expire_by_the_clock(self, server: AuthServer, clock: Clock) -> None:
        """Good until the last moment, and not a moment longer."""
        access = server.login().access
        clock.advance(299)
        assert get(server, access).status_code == 200
        clock.advance(1)
        assert get(server, access).status_code == 401

    def test_grace_ends_by_the_clock(self, server: AuthServer, clock: Clock) -> None:
        """A second use is answered for `grace` seconds after the first."""
        server.grace = 30
        old = server.login()
        exchange_token(server, old)
        clock.advance(29)
        assert refresh(server, old).status_code == 200
        clock.advance(1)
        assert refresh(server, old).status_code == 400
        assert (server.counters.repeated, server.counters.reuse) == (1, 1)

    def test_what_it_writes_is_the_clocks_time(self, server: AuthServer, clock: Clock) -> None:
        """iat and exp of a JWT, and Date (RFC 9110 §6.6.1)."""
        now = clock.time()
        claims = jwt_claims(server.login().access or "")
        assert (claims["iat"], claims["exp"]) == (int(now), int(now) + 300)
        date = parsedate_to_datetime(get(server, None, "/public/x").headers["Date"])
        assert date.timestamp() == int(now)

    def test_one_clock_moves_library_and_server(self, server: AuthServer, clock: Clock) -> None:
        """Expired for both at once: refreshed ahead of the request, and no 401."""
        with requests.Session() as session:
            store = MemoryStore(with_expiry(server.login()))
            mount(session, server.url, JSONEndpoint("/auth/refresh"), store)
            assert session.get("/api/x", timeout=WAIT).status_code == 200
            clock.advance(300)
            assert session.get("/api/x", timeout=WAIT).status_code == 200
        assert (server.counters.refreshes, server.counters.unauthorized) == (1, 0)
