"""AuthServer's OAuth 2.0 side: device authorization, passwords and revocation."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
import requests

from requests_jwt_refresh.testing import AuthServer, Counters, DropAfter, Status
from requests_jwt_refresh.tokens import Token
from tests.support.plain_requests import post_form, run_in_threads
from tests.support.waits import WAIT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.clock import Clock

DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
THREADS = 16


@pytest.fixture
def one_path() -> Iterator[AuthServer]:
    """A server whose token endpoint serves all grants."""
    with AuthServer(refresh_path="/auth/token", device_interval=0) as server:
        yield server


def start_device(server: AuthServer) -> dict[str, Any]:
    """Start a device authorization."""
    response = post_form(server, "/auth/device", client_id="tv")
    assert response.status_code == 200
    fields: dict[str, Any] = response.json()
    return fields


def poll(server: AuthServer, code: str) -> requests.Response:
    return post_form(server, "/auth/token", grant_type=DEVICE_CODE, device_code=code)


def log_in_by_password(server: AuthServer, **form: str) -> requests.Response:
    return post_form(server, "/auth/token", grant_type="password", **form)


def read_outcome(response: requests.Response) -> str:
    """Return the error code of a refusal, "tokens" for a response that gives some."""
    if response.status_code == 200:
        assert {"access_token", "refresh_token"} < set(response.json())
        return "tokens"
    assert response.status_code == 400
    (name,) = response.json()
    assert name == "error"
    return str(response.json()[name])


def read_user(server: AuthServer, response: requests.Response) -> Any:
    """Return the user that the API sees in the access token of `response`."""
    headers = {"Authorization": f"Bearer {response.json()['access_token']}"}
    return requests.get(server.url + "/api/x", headers=headers, timeout=WAIT).json()["user"]


class TestDeviceAuthorization:
    def test_it_gives_codes_and_where_to_type_them(self, server: AuthServer) -> None:
        """RFC 8628 §3.2: all six fields, and no cache may keep them."""
        response = post_form(server, "/auth/device", client_id="tv", scope="any")
        assert (response.status_code, response.headers["Cache-Control"]) == (200, "no-store")
        fields = response.json()
        page = server.url + "/public/device"
        assert fields == {
            "device_code": fields["device_code"],
            "user_code": fields["user_code"],
            "verification_uri": page,
            "verification_uri_complete": f"{page}?user_code={fields['user_code']}",
            "expires_in": 600,
            "interval": 5,
        }
        assert len(fields["device_code"]) > 30
        assert server.requests[0].kind == "device"

    def test_user_codes_spell_no_words(self, server: AuthServer) -> None:
        """RFC 8628 §6.1: eight of twenty consonants, in two halves; each code is new."""
        given = [start_device(server) for _ in range(20)]
        for each in given:
            assert re.fullmatch(
                "[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}", each["user_code"]
            )
        assert len({each["user_code"] for each in given}) == 20
        assert len({each["device_code"] for each in given}) == 20

    def test_the_page_is_there(self, server: AuthServer) -> None:
        """The verification URI needs no token."""
        page = start_device(server)["verification_uri_complete"]
        assert requests.get(page, timeout=WAIT).status_code == 200

    @pytest.mark.parametrize(
        "sent",
        [
            {},
            {"data": {"client_id": ""}},
            {"data": {"a": "b"}},
            {"json": {"client_id": "a"}},
            {"data": "client_id=a"},
        ],
    )
    def test_it_needs_a_form_with_client_id(self, server: AuthServer, sent: dict[str, Any]) -> None:
        """RFC 8628 §3.1; a parameter without a value counts as omitted (RFC 6749 §3.2)."""
        response = requests.post(server.url + "/auth/device", **sent, timeout=WAIT)
        assert read_outcome(response) == "invalid_request"

    def test_options_decide_how_long_and_how_often(self, server: AuthServer) -> None:
        """The response says what device_lifetime and device_interval are at that moment."""
        server.device_lifetime, server.device_interval = 90, 0.5
        fields = start_device(server)
        assert (fields["expires_in"], fields["interval"]) == (90, 0.5)

    def test_it_counts_as_a_request_alone(self, server: AuthServer) -> None:
        """It is no login yet."""
        start_device(server)
        assert server.counters == Counters(connections=1, requests=1)

    def test_it_is_a_target_of_faults_and_gates(self, server: AuthServer) -> None:
        """on="device" is the device authorization endpoint, and no other."""
        server.fail(Status(503), on="device")
        assert read_outcome(log_in_by_password(server, username="bob", password="p")) == "tokens"
        assert post_form(server, "/auth/device", client_id="tv").status_code == 503
        with ThreadPoolExecutor(1) as pool, server.gate(on="device") as gate:
            waiting = pool.submit(start_device, server)
            gate.wait_for(1, WAIT)
            gate.open()
            assert waiting.result(WAIT)["device_code"]


class TestPolling:
    def test_before_a_decision_it_is_pending(self) -> None:
        """RFC 8628 §3.5: authorization_pending, however often, if the interval allows it."""
        with AuthServer(device_interval=0) as server:
            code = start_device(server)["device_code"]
            assert [read_outcome(poll(server, code)) for _ in range(3)] == [
                "authorization_pending"
            ] * 3
            assert server.counters.logins == 0

    def test_after_an_approval_it_gives_tokens(self, server: AuthServer) -> None:
        """Those of the user who approved, as after a login."""
        fields = start_device(server)
        server.approve(fields["user_code"], "bob")
        response = poll(server, fields["device_code"])
        assert read_outcome(response) == "tokens"
        assert response.headers["Cache-Control"] == "no-store"
        assert set(response.json()) == {"access_token", "token_type", "expires_in", "refresh_token"}
        assert read_user(server, response) == "bob"
        refreshed = post_form(
            server, "/auth/refresh", refresh_token=response.json()["refresh_token"]
        )
        assert refreshed.status_code == 200
        assert (server.counters.logins, server.counters.refreshes) == (1, 1)

    def test_the_user_is_alice_by_default(self, server: AuthServer) -> None:
        """approve() and login() have the same default."""
        fields = start_device(server)
        server.approve(fields["user_code"])
        assert read_user(server, poll(server, fields["device_code"])) == "alice"

    def test_an_approval_is_for_one_device(self) -> None:
        """The others are still pending."""
        with AuthServer(device_interval=0) as server:
            one, other = start_device(server), start_device(server)
            server.approve(one["user_code"])
            assert read_outcome(poll(server, other["device_code"])) == "authorization_pending"
            assert read_outcome(poll(server, one["device_code"])) == "tokens"

    def test_after_an_approval_no_poll_is_too_early(self, clock: Clock) -> None:
        """RFC 8628 §3.5: slow_down is a variant of authorization_pending, which has ended."""
        with AuthServer(device_interval=60) as server:
            fields = start_device(server)
            poll(server, fields["device_code"])
            server.approve(fields["user_code"])
            clock.advance(1)
            assert read_outcome(poll(server, fields["device_code"])) == "tokens"

    def test_after_a_denial_it_is_access_denied(self, server: AuthServer) -> None:
        """RFC 8628 §3.5, at every later poll, too."""
        fields = start_device(server)
        server.deny(fields["user_code"])
        for _ in range(2):
            assert read_outcome(poll(server, fields["device_code"])) == "access_denied"
        assert server.counters.logins == 0

    def test_the_latest_decision_holds(self, server: AuthServer) -> None:
        """Until the tokens are fetched a person may change their mind."""
        one, other = start_device(server), start_device(server)
        server.approve(one["user_code"])
        server.deny(one["user_code"])
        server.deny(other["user_code"])
        server.approve(other["user_code"])
        assert read_outcome(poll(server, one["device_code"])) == "access_denied"
        assert read_outcome(poll(server, other["device_code"])) == "tokens"

    def test_a_code_is_good_once(self, server: AuthServer) -> None:
        """A used code is refused as one never given, even if it is approved again."""
        fields = start_device(server)
        server.approve(fields["user_code"])
        assert read_outcome(poll(server, fields["device_code"])) == "tokens"
        server.approve(fields["user_code"])
        assert read_outcome(poll(server, fields["device_code"])) == "invalid_grant"
        assert server.counters.logins == 1

    def test_of_many_at_once_one_gets_tokens(self, server: AuthServer) -> None:
        """The check and the use are one step."""
        fields = start_device(server)
        server.approve(fields["user_code"])
        outcomes = run_in_threads(
            lambda: read_outcome(poll(server, fields["device_code"])), THREADS
        )
        assert sorted(outcomes) == ["invalid_grant"] * (THREADS - 1) + ["tokens"]
        assert server.counters.logins == 1

    def test_a_lost_response_uses_the_code_up(self, server: AuthServer) -> None:
        """Polls are of kind "login", and DropAfter does the work."""
        fields = start_device(server)
        server.approve(fields["user_code"])
        server.fail(DropAfter(), on="login")
        with pytest.raises(requests.ConnectionError):
            poll(server, fields["device_code"])
        assert read_outcome(poll(server, fields["device_code"])) == "invalid_grant"

    def test_a_code_never_given_is_refused(self, server: AuthServer) -> None:
        """RFC 6749 §5.2: invalid_grant; a user code is no device code either."""
        fields = start_device(server)
        server.approve(fields["user_code"])
        for unknown in ("nonsense", fields["user_code"]):
            assert read_outcome(poll(server, unknown)) == "invalid_grant"

    def test_codes_outlive_a_stop(self, server: AuthServer) -> None:
        """They are kept like tokens."""
        fields = start_device(server)
        server.stop()
        server.start()
        server.approve(fields["user_code"])
        assert read_outcome(poll(server, fields["device_code"])) == "tokens"

    def test_a_user_code_may_be_typed_carelessly(self, server: AuthServer) -> None:
        """RFC 8628 §6.1: in any case, without its dash."""
        fields = start_device(server)
        server.approve(f" {fields['user_code'].lower().replace('-', '')}\n")
        assert read_outcome(poll(server, fields["device_code"])) == "tokens"

    def test_a_user_code_never_given_is_an_error(self, server: AuthServer) -> None:
        """ValueError, so that a mistyped one is noticed; the text does not repeat it."""
        for unknown in ("NONS-ENSE", "", start_device(server)["device_code"]):
            with pytest.raises(ValueError, match="never gave that user code") as raised:
                server.approve(unknown)
            assert "NONS" not in str(raised.value)
            with pytest.raises(ValueError, match="never gave that user code"):
                server.deny(unknown)


class TestInterval:
    def test_too_early_gets_slow_down(self) -> None:
        """RFC 8628 §3.5, by the machine's own clock; the first poll is never too early."""
        with AuthServer(device_interval=60) as server:
            code = start_device(server)["device_code"]
            outcomes = [read_outcome(poll(server, code)) for _ in range(3)]
        assert outcomes == ["authorization_pending", "slow_down", "slow_down"]

    def test_each_slow_down_adds_five_seconds(self, server: AuthServer, clock: Clock) -> None:
        """RFC 8628 §3.5: for this and all later polls, each measured from the one before."""
        code = start_device(server)["device_code"]

        def after(seconds: float) -> str:
            clock.advance(seconds)
            return read_outcome(poll(server, code))

        assert after(0) == "authorization_pending"
        assert after(4) == "slow_down"  # 10 from now on
        assert after(9) == "slow_down"  # 15
        assert after(14) == "slow_down"  # 20
        assert after(20) == "authorization_pending"
        assert after(19) == "slow_down"

    def test_exactly_the_interval_is_not_too_early(self, server: AuthServer, clock: Clock) -> None:
        """Nor is slightly less: the client's clock is not ours."""
        code = start_device(server)["device_code"]
        outcomes = []
        for seconds in (0, 5, 4.95, 5):
            clock.advance(seconds)
            outcomes.append(read_outcome(poll(server, code)))
        assert outcomes == ["authorization_pending"] * 4
        clock.advance(4.85)
        assert read_outcome(poll(server, code)) == "slow_down"

    def test_each_code_has_its_own(self, server: AuthServer, clock: Clock) -> None:
        """One that was slowed down leaves the others alone, and the option as it was."""
        hasty, patient = start_device(server)["device_code"], start_device(server)["device_code"]
        for code in (hasty, hasty, patient):
            poll(server, code)
        clock.advance(5)
        assert read_outcome(poll(server, hasty)) == "slow_down"
        assert read_outcome(poll(server, patient)) == "authorization_pending"
        assert start_device(server)["interval"] == 5

    def test_it_is_what_the_response_said(self, server: AuthServer) -> None:
        """A changed option is for the codes given from then on."""
        server.device_interval = 0
        code = start_device(server)["device_code"]
        server.device_interval = 60
        assert [read_outcome(poll(server, code)) for _ in range(2)] == ["authorization_pending"] * 2


class TestLifetime:
    def test_a_code_ends(self, server: AuthServer, clock: Clock) -> None:
        """RFC 8628 §3.5: expired_token after expires_in seconds, and not before."""
        code = start_device(server)["device_code"]
        clock.advance(599)
        assert read_outcome(poll(server, code)) == "authorization_pending"
        clock.advance(1)
        assert read_outcome(poll(server, code)) == "expired_token"

    def test_a_lifetime_of_zero_has_ended_at_once(self) -> None:
        """Even for an approved code; a second poll gets the same, never slow_down."""
        with AuthServer(device_lifetime=0) as server:
            fields = start_device(server)
            assert fields["expires_in"] == 0
            server.approve(fields["user_code"])
            for _ in range(2):
                assert read_outcome(poll(server, fields["device_code"])) == "expired_token"
            assert server.counters.logins == 0


class TestPasswords:
    def test_they_give_tokens(self, server: AuthServer) -> None:
        """RFC 6749 §4.3: tokens of that user, counted as a login."""
        response = log_in_by_password(server, username="bob", password="p&q")
        assert (read_outcome(response), read_user(server, response)) == ("tokens", "bob")
        assert (server.counters.logins, server.counters.refreshes) == (1, 0)
        assert server.requests[0].kind == "login"

    @pytest.mark.parametrize(
        ("user", "password"), [("bob", "wrong"), ("bob", ""), ("", "p"), ("", "")]
    )
    def test_bad_ones_are_refused(self, server: AuthServer, user: str, password: str) -> None:
        """RFC 6749 §5.2: invalid_grant, and no login is counted."""
        assert (
            read_outcome(log_in_by_password(server, username=user, password=password))
            == "invalid_grant"
        )
        assert server.counters.logins == 0

    def test_they_are_answered_in_the_servers_dialect(self) -> None:
        """With its field names and its status, as from the login endpoint."""
        with AuthServer(access_field="accessToken", status=201) as server:
            response = log_in_by_password(server, username="bob", password="p")
            assert (response.status_code, "accessToken" in response.json()) == (201, True)


class TestTokenEndpoint:
    @pytest.mark.parametrize("grant_type", ["client_credentials", "refresh_token", "PASSWORD"])
    def test_other_grants_are_unsupported(self, server: AuthServer, grant_type: str) -> None:
        """RFC 6749 §5.2; refreshing has its own path by default."""
        response = post_form(server, "/auth/token", grant_type=grant_type, refresh_token="x")
        assert read_outcome(response) == "unsupported_grant_type"
        assert server.counters == Counters(connections=1, requests=1)

    @pytest.mark.parametrize(
        "sent",
        [
            {},
            {"data": b"\xff", "headers": {"Content-Type": "application/x-www-form-urlencoded"}},
            {"data": {"grant_type": ""}},
            {"data": {"username": "bob", "password": "p"}},
            {"data": {"grant_type": "password", "username": "bob"}},
            {"data": {"grant_type": "password", "password": "p"}},
            {"data": {"grant_type": DEVICE_CODE}},
            {"data": {"grant_type": DEVICE_CODE, "device_code": ""}},
            {"json": {"grant_type": "password", "username": "bob", "password": "p"}},
        ],
    )
    def test_what_is_missing_is_an_invalid_request(
        self, server: AuthServer, sent: dict[str, Any]
    ) -> None:
        """RFC 6749 §5.2; parameters come as a form (§4.3.2)."""
        response = requests.post(server.url + "/auth/token", **sent, timeout=WAIT)
        assert read_outcome(response) == "invalid_request"

    @pytest.mark.parametrize("path", ["/auth/token", "/auth/device", "/auth/revoke"])
    def test_only_a_post_is_accepted(self, server: AuthServer, path: str) -> None:
        """405 for other methods, as at the other endpoints."""
        response = requests.get(server.url + path, timeout=WAIT)
        assert (response.status_code, response.headers["Allow"]) == (405, "POST")

    def test_the_refresh_path_takes_no_other_grants(self, server: AuthServer) -> None:
        """Unless it is the token endpoint as well."""
        form = {"grant_type": "password", "username": "bob", "password": "p"}
        assert read_outcome(post_form(server, "/auth/refresh", **form)) == "unsupported_grant_type"
        assert (server.counters.refreshes, server.counters.logins) == (1, 0)


class TestOnePathForAllGrants:
    def test_it_serves_them_all(self, one_path: AuthServer) -> None:
        """As most OAuth 2.0 servers do, with refresh_path="/auth/token"."""
        fields = start_device(one_path)
        assert read_outcome(poll(one_path, fields["device_code"])) == "authorization_pending"
        one_path.approve(fields["user_code"], "bob")
        first = poll(one_path, fields["device_code"])
        second = post_form(
            one_path,
            "/auth/token",
            grant_type="refresh_token",
            refresh_token=first.json()["refresh_token"],
        )
        third = log_in_by_password(one_path, username="carol", password="p")
        users = [read_user(one_path, each) for each in (first, second, third)]
        assert users == ["bob", "bob", "carol"]

    def test_each_is_counted_as_what_it_is(self, one_path: AuthServer) -> None:
        """A poll or a password is no refresh, nor a refused one."""
        poll(one_path, "nonsense")
        log_in_by_password(one_path, username="bob", password="wrong")
        token = log_in_by_password(one_path, username="bob", password="p").json()["refresh_token"]
        post_form(one_path, "/auth/token", grant_type="refresh_token", refresh_token=token)
        post_form(one_path, "/auth/token", grant_type="nonsense")
        assert [seen.kind for seen in one_path.requests] == ["login"] * 3 + ["refresh"] * 2
        assert one_path.counters == Counters(
            connections=5, requests=5, refreshes=2, rotated=1, refused=1, logins=1
        )

    def test_faults_and_gates_tell_them_apart(self, one_path: AuthServer) -> None:
        """One for refreshes does not meet a login."""
        one_path.fail(Status(503))
        with one_path.gate(on="refresh") as gate:
            assert (
                read_outcome(log_in_by_password(one_path, username="bob", password="p")) == "tokens"
            )
            with pytest.raises(TimeoutError):
                gate.wait_for(1, timeout=0)
        token = one_path.login().refresh or ""
        assert post_form(one_path, "/auth/token", refresh_token=token).status_code == 503
        assert post_form(one_path, "/auth/token", refresh_token=token).status_code == 200

    def test_a_refresh_may_still_be_sent_in_other_ways(self, one_path: AuthServer) -> None:
        """As JSON, for example: only a form can hold another grant."""
        body = {"refresh_token": one_path.login().refresh, "grant_type": "refresh_token"}
        response = requests.post(one_path.url + "/auth/token", json=body, timeout=WAIT)
        assert (response.status_code, one_path.counters.rotated) == (200, 1)


class TestRevocation:
    def test_it_revokes_the_family(self, server: AuthServer) -> None:
        """RFC 7009 §2.1: the refresh token, and the access tokens that came with it."""
        token, other = server.login(), server.login()
        form = {"token": token.refresh or "", "token_type_hint": "refresh_token"}
        response = post_form(server, "/auth/revoke", **form)
        assert (response.status_code, response.content) == (200, b"")
        assert not server.family_alive(token)
        assert server.family_alive(other)
        headers = {"Authorization": f"Bearer {token.access}"}
        assert requests.get(server.url + "/api", headers=headers, timeout=WAIT).status_code == 401
        assert server.requests[0].kind == "logout"
        assert (server.counters.logouts, server.counters.families_revoked) == (1, 1)

    def test_an_older_refresh_token_will_do(self, server: AuthServer) -> None:
        """It is of the same family, and its use here is no reuse."""
        old = server.login()
        new = post_form(server, "/auth/refresh", refresh_token=old.refresh or "").json()
        post_form(server, "/auth/revoke", token=old.refresh or "")
        assert not server.family_alive(Token(None, new["refresh_token"]))
        assert server.counters.reuse == 0

    def test_an_unknown_token_is_fine(self, server: AuthServer) -> None:
        """RFC 7009 §2.2: 200, as for a known one."""
        for _ in range(2):
            response = post_form(server, "/auth/revoke", token="nonsense")
            assert (response.status_code, response.content) == (200, b"")
        assert (server.counters.logouts, server.counters.families_revoked) == (2, 0)

    @pytest.mark.parametrize("how", ["nothing", "empty", "json", "bearer"])
    def test_it_needs_a_form_with_token(self, server: AuthServer, how: str) -> None:
        """RFC 7009 §2.1: the body says which; otherwise nothing is revoked or counted."""
        token = server.login()
        sent: dict[str, dict[str, Any]] = {
            "nothing": {},
            "empty": {"data": {"token": ""}},
            "json": {"json": {"token": token.refresh}},
            "bearer": {"headers": {"Authorization": f"Bearer {token.refresh}"}},
        }
        response = requests.post(server.url + "/auth/revoke", **sent[how], timeout=WAIT)
        assert read_outcome(response) == "invalid_request"
        assert server.family_alive(token)
        assert server.counters.logouts == 0


def test_reprs_hold_no_code(server: AuthServer) -> None:
    """Neither the server's nor that of what it has recorded."""
    fields = start_device(server)
    poll(server, fields["device_code"])
    shown = repr([server, server.requests, server.counters])
    assert fields["device_code"] not in shown
    assert fields["user_code"] not in shown
