"""AuthServer(openid=True): the browser's side, the lies it can tell, and exact counters.

tests/test_auth_server_openid_real.py compares its answers with those of the certified provider.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from requests_jwt_refresh.testing import AuthServer, Counters, Status
from requests_jwt_refresh.testing.signing import sign, verify
from requests_jwt_refresh.tokens import jwt_claims
from tests.support.form_browser import Arrival, FormBrowser, Page
from tests.support.openid_client import CALLBACK, OpenIDClient
from tests.support.plain_requests import get, run_in_threads
from tests.support.waits import WAIT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.clock import Clock

CLIENT = "client-id"
SCRIPT = "<script>alert(1)</script>"


@pytest.fixture
def server() -> Iterator[AuthServer]:
    with AuthServer(openid=True) as server:
        yield server


@pytest.fixture
def client(server: AuthServer) -> OpenIDClient:
    return OpenIDClient(server.url, CLIENT)


@pytest.fixture
def browser() -> Iterator[FormBrowser]:
    with FormBrowser(CALLBACK) as browser:
        yield browser


def show(browser: FormBrowser, client: OpenIDClient, **changes: str | None) -> Page:
    """Return the page to log in."""
    page = browser.open(client.make_url(**changes))
    assert isinstance(page, Page)
    return page


def submit(browser: FormBrowser, page: Page, **answers: str) -> Page | Arrival:
    fields = {"username": "bob", "password": "any", "decision": "allow"}
    return browser.submit(page, **{**fields, **answers})


def read_text(found: Page | Arrival) -> str:
    assert isinstance(found, Page), found
    return found.response.text


class TestCounters:
    def test_each_step_of_a_login_is_counted_once(self, server: AuthServer) -> None:
        """Document, registration, code, tokens, the API, a refresh, a logout."""
        client = OpenIDClient(server.url)
        tokens = client.log_in()
        assert get(server, tokens["access_token"]).json()["user"] == "alice"
        renewed = client.refresh(tokens["refresh_token"]).json()
        client.revoke(token=renewed["refresh_token"], client_id=client.client_id)
        counters = server.counters
        assert counters == Counters(
            connections=counters.connections,
            requests=8,
            discoveries=1,
            registrations=1,
            authorizations=1,
            logins=1,
            answered=1,
            refreshes=1,
            rotated=1,
            logouts=1,
            families_revoked=1,
        )
        kinds = [each.kind for each in server.requests]
        assert kinds == [
            "discovery",
            "register",
            "authorize",  # the page
            "authorize",  # the decision
            "login",
            "api",
            "refresh",
            "logout",
        ]

    def test_what_goes_wrong_is_counted_too(
        self, server: AuthServer, client: OpenIDClient, browser: FormBrowser
    ) -> None:
        """A no, a wrong request, a code used twice, an unknown client's refresh, a logout."""
        client.authorize(consent=False)
        browser.open(client.make_url(code_challenge=None))
        code = client.authorize().fields["code"]
        token = client.trade(code).json()["refresh_token"]
        client.trade(code)
        client.refresh(token, client_id="nobody")
        browser.log_in(client.make_url())
        page = browser.open(server.url + "/auth/end-session")
        assert isinstance(page, Page)
        browser.submit(page, logout="yes")
        counters = server.counters
        assert (counters.authorizations, counters.authorizations_refused) == (2, 2)
        assert (counters.logins, counters.codes_reused, counters.families_revoked) == (1, 1, 1)
        assert (counters.refreshes, counters.refused) == (1, 1)
        assert counters.sessions_ended == 1

    def test_an_error_page_is_no_authorization(
        self, server: AuthServer, client: OpenIDClient, browser: FormBrowser
    ) -> None:
        """Where nothing may be sent to the client, nothing is counted as sent to it."""
        for uri in (
            "https://evil.example/",
            "http://evil.example/",
            CALLBACK + "\r\nX: y",
            CALLBACK + "\u0107",
        ):
            text = read_text(browser.open(client.make_url(redirect_uri=uri)))
            assert "the redirect URI is not registered" in text
        assert (server.counters.authorizations, server.counters.authorizations_refused) == (0, 0)


class TestPerson:
    def test_consent_may_be_given_without_a_page(self) -> None:
        """A test needs no browser: one GET, and the code is there, for alice or the login_hint."""
        with AuthServer(openid=True, consent=True) as server:
            client = OpenIDClient(server.url, CLIENT)
            for hint, user in ((None, "alice"), ("bob", "bob")):
                url = client.make_url(login_hint=hint)
                answer = requests.get(url, allow_redirects=False, timeout=WAIT)
                assert answer.status_code == 303
                (code,) = parse_qs(urlsplit(answer.headers["Location"]).query)["code"]
                access = client.trade(code).json()["access_token"]
                assert get(server, access).json()["user"] == user

    def test_consent_may_be_refused_without_a_page(self) -> None:
        with AuthServer(openid=True, consent=False) as server:
            client = OpenIDClient(server.url, CLIENT)
            answer = requests.get(client.make_url(), allow_redirects=False, timeout=WAIT)
            assert "error=access_denied" in answer.headers["Location"]
            assert server.counters.authorizations_refused == 1

    def test_a_wrong_password_shows_the_page_again(
        self, server: AuthServer, client: OpenIDClient, browser: FormBrowser
    ) -> None:
        """It says so, and the right one still works."""
        page = show(browser, client)
        again = submit(browser, page, password="wrong")
        assert isinstance(again, Page)
        assert "User or password is wrong." in again.response.text
        assert isinstance(submit(browser, again, username=""), Page)
        arrival = submit(browser, again)
        assert isinstance(arrival, Arrival)
        access = client.trade(arrival.fields["code"]).json()["access_token"]
        assert get(server, access).json()["user"] == "bob"

    def test_a_page_is_good_once(
        self, server: AuthServer, client: OpenIDClient, browser: FormBrowser
    ) -> None:
        """The back button gives no second code; nor does a page never shown."""
        page = show(browser, client)
        assert isinstance(submit(browser, page), Arrival)
        assert "used before" in read_text(submit(browser, page))
        assert "used before" in read_text(submit(browser, page, ticket="never shown"))
        assert server.counters.authorizations == 1

    def test_of_many_decisions_at_once_one_counts(
        self, server: AuthServer, client: OpenIDClient, browser: FormBrowser
    ) -> None:
        page = show(browser, client)
        found = run_in_threads(lambda: submit(browser, page), 8)
        assert sum(isinstance(each, Arrival) for each in found) == 1
        assert server.counters.authorizations == 1

    def test_a_browser_is_known_again(self, client: OpenIDClient, browser: FormBrowser) -> None:
        """Asked for consent alone if there is a new scope, for nothing if there is none."""
        assert isinstance(submit(browser, show(browser, client, prompt=None)), Arrival)
        assert isinstance(browser.open(client.make_url(prompt=None)), Arrival)
        assert isinstance(browser.open(client.make_url(prompt="none")), Arrival)
        page = show(browser, client)  # prompt=consent
        assert "Logged in as bob." in page.response.text
        assert "password" not in page.form.fields
        assert isinstance(browser.submit(page, decision="allow"), Arrival)
        other = browser.open(client.make_url(prompt="none", scope="openid email"))
        assert isinstance(other, Arrival)
        assert other.fields["error"] == "consent_required"
        assert "password" in show(browser, client, prompt="login").form.fields

    def test_another_person_may_log_in(
        self, server: AuthServer, client: OpenIDClient, browser: FormBrowser
    ) -> None:
        """prompt=login asks who it is, whoever the browser belongs to."""
        submit(browser, show(browser, client))
        found = submit(browser, show(browser, client, prompt="login consent"), username="carol")
        assert isinstance(found, Arrival)
        access = client.trade(found.fields["code"]).json()["access_token"]
        assert get(server, access).json()["user"] == "carol"
        assert "Logged in as carol." in show(browser, client).response.text

    def test_a_logout_needs_the_servers_own_id_token(
        self, server: AuthServer, client: OpenIDClient, browser: FormBrowser
    ) -> None:
        """RP-Initiated Logout §2: one that another signed is an error; an expired one is good."""
        url = client.metadata["end_session_endpoint"]
        forged = sign(jwt_claims(client.log_in()["id_token"]) or {}, b"another key")
        text = read_text(browser.open(f"{url}?id_token_hint={forged}"))
        assert "this server never gave that id_token_hint" in text
        server.id_token_claims = {"exp": 1}
        hint = client.log_in()["id_token"]
        assert "Log out?" in read_text(browser.open(f"{url}?id_token_hint={hint}"))

    def test_pages_run_no_foreign_script(self, server: AuthServer, browser: FormBrowser) -> None:
        """A client's name, a user code and a state are text, under a strict policy."""
        named = OpenIDClient(server.url)
        named.client_id = named.register(client_name=SCRIPT).json()["client_id"]
        pages = [
            show(browser, named),
            browser.open(f"{server.url}/public/device?user_code={SCRIPT}"),
            browser.open(f"{server.url}/auth/end-session?state={SCRIPT}"),
        ]
        for page in pages:
            assert isinstance(page, Page)
            assert SCRIPT not in page.response.text
            policy = page.response.headers["Content-Security-Policy"]
            assert policy.startswith("default-src 'none'")
            assert "script-src" not in policy

    def test_a_parameter_may_not_be_repeated(
        self, client: OpenIDClient, browser: FormBrowser
    ) -> None:
        """RFC 6749 §3.1."""
        text = read_text(browser.open(client.make_url() + "&client_id=client-id"))
        assert "a parameter is there twice" in text

    def test_the_request_may_be_posted(self, client: OpenIDClient) -> None:
        """OpenID Connect Core §3.1.2.1: GET and POST."""
        url, _, query = client.make_url().partition("?")
        said = {"Content-Type": "application/x-www-form-urlencoded"}
        page = requests.post(url, data=query, headers=said, timeout=WAIT)
        assert (page.status_code, 'name="password"' in page.text) == (200, True)


class TestCodes:
    def test_a_code_ends(self, client: OpenIDClient, clock: Clock) -> None:
        """After 60 s, and not before."""
        codes = [client.authorize().fields["code"] for _ in range(2)]
        clock.advance(59)
        assert client.trade(codes[0]).status_code == 200
        clock.advance(1)
        assert client.trade(codes[1]).json() == {"error": "invalid_grant"}

    def test_of_many_at_once_one_gets_tokens(
        self, server: AuthServer, client: OpenIDClient
    ) -> None:
        """The others reuse it."""
        code = client.authorize().fields["code"]
        statuses = run_in_threads(lambda: client.trade(code).status_code, 8)
        assert sorted(statuses) == [200] + [400] * 7
        assert (server.counters.logins, server.counters.codes_reused) == (1, 7)

    def test_a_wrong_guess_uses_no_code_up(self, client: OpenIDClient) -> None:
        """Neither another client nor a wrong verifier spoils the login of the right one."""
        code = client.authorize().fields["code"]
        assert client.trade(code, code_verifier="w" * 50).status_code == 400
        other = OpenIDClient(client.issuer)
        assert other.trade(code).json() == {"error": "invalid_grant"}
        assert client.trade(code).status_code == 200

    def test_codes_outlive_a_stop(self, server: AuthServer) -> None:
        """So do clients; they are kept like tokens."""
        registered = OpenIDClient(server.url)
        code = registered.authorize().fields["code"]
        server.stop()
        server.start()
        assert registered.trade(code).status_code == 200


class TestClients:
    def test_a_secret_is_asked_for(self) -> None:
        """By Basic or in the form; ID tokens are signed with it (OpenID Connect Core §10.1)."""
        with AuthServer(openid=True, client_secret="s3cret") as server:
            client = OpenIDClient(server.url, CLIENT)
            code = client.authorize().fields["code"]
            for secret in (None, "wrong"):
                refused = client.trade(code, client_secret=secret)
                assert (refused.status_code, refused.json()) == (401, {"error": "invalid_client"})
            found = client.trade(code, client_secret="s3cret").json()
            assert verify(found["id_token"], b"s3cret")
            again = requests.post(
                client.metadata["token_endpoint"],
                data={"grant_type": "refresh_token", "refresh_token": found["refresh_token"]},
                auth=(CLIENT, "s3cret"),
                timeout=WAIT,
            )
            assert again.status_code == 200
            refused = requests.post(
                client.metadata["token_endpoint"],
                data={"grant_type": "refresh_token", "refresh_token": "x"},
                auth=(CLIENT, "wrong"),
                timeout=WAIT,
            )
            assert refused.headers["WWW-Authenticate"] == 'Basic realm="token"'

    def test_a_client_authenticates_as_it_registered(self, server: AuthServer) -> None:
        """Its secret is refused in another place than it said (RFC 7591 §2)."""
        client = OpenIDClient(server.url)
        found = client.register(token_endpoint_auth_method="client_secret_post").json()
        client.client_id = found["client_id"]
        code = client.authorize().fields["code"]
        auth = (found["client_id"], found["client_secret"])
        form = {"grant_type": "authorization_code", "code": code}
        url = client.metadata["token_endpoint"]
        assert requests.post(url, data=form, auth=auth, timeout=WAIT).status_code == 401
        assert client.trade(code).status_code == 401
        assert client.trade(code, client_secret=found["client_secret"]).status_code == 200

    def test_a_public_clients_id_token_has_the_servers_key(
        self, server: AuthServer, client: OpenIDClient
    ) -> None:
        found = client.log_in()
        assert verify(found["id_token"], server.signing_key)
        assert not verify(found["id_token"], b"another")

    @pytest.mark.parametrize(
        ("uri", "is_taken"),
        [
            ("http://127.0.0.1:5/done", True),
            ("http://127.0.0.1:99/done", True),
            ("http://127.0.0.1:5/", False),
            ("http://localhost:5/done", False),
            ("http://[::1]:5/done", False),
            ("https://127.0.0.1:5/done", False),
            ("http://user@127.0.0.1:5/done", False),
            ("http://127.0.0.1:5/done?x=1", False),
            ("https://app.example.com/done", True),
            ("https://app.example.com:444/done", False),
            ("http://127.0.0.1:no/done", False),
            ("http://127.0.0.1.example/done", False),
        ],
    )
    def test_redirect_uris_are_exact_but_for_a_loopback_port(
        self, server: AuthServer, client: OpenIDClient, uri: str, *, is_taken: bool
    ) -> None:
        """RFC 8252 §7.3, RFC 6749 §3.1.2.3."""
        server.redirect_uris = ["http://127.0.0.1/done", "https://app.example.com/done"]
        server.consent = True
        answer = requests.get(
            client.make_url(redirect_uri=uri), allow_redirects=False, timeout=WAIT
        )
        assert answer.status_code == (303 if is_taken else 400)

    def test_a_client_gets_what_it_registered_for(self, server: AuthServer) -> None:
        """Without the grant of a refresh it gets no refresh token; without the code's, no code."""
        client = OpenIDClient(server.url)
        registered = client.register(grant_types=["authorization_code"]).json()
        client.client_id = registered["client_id"]
        assert "refresh_token" not in client.log_in()
        assert client.start_device().json() == {"error": "unauthorized_client"}

    def test_tokens_of_login_are_the_own_clients(
        self, server: AuthServer, client: OpenIDClient
    ) -> None:
        """AuthServer.login() gives what a login of `client_id` with every scope does."""
        found = client.refresh(server.login("bob").refresh or "").json()
        assert found["scope"] == "openid profile email offline_access"
        claims = jwt_claims(found["id_token"]) or {}
        assert (claims["sub"], claims["aud"]) == ("bob", CLIENT)
        other = OpenIDClient(server.url)
        assert other.refresh(server.login().refresh or "").json() == {"error": "invalid_grant"}


class TestOptions:
    def test_refresh_tokens_may_be_for_all_or_for_nobody(
        self, server: AuthServer, client: OpenIDClient
    ) -> None:
        """Neither kind of server has the scope offline_access."""
        for value, has_one in (("always", True), ("never", False)):
            server.refresh_tokens = value  # type: ignore[assignment]
            scopes = OpenIDClient(server.url, CLIENT).metadata["scopes_supported"]
            assert "offline_access" not in scopes
            for scope in ("openid", "openid offline_access", None):
                assert ("refresh_token" in client.log_in(scope=scope)) is has_one

    def test_it_may_offer_form_post_alone(self, server: AuthServer) -> None:
        """It says so, posts even its errors, and refuses what is asked for without it."""
        server.response_modes = ["form_post"]
        client = OpenIDClient(server.url, CLIENT)
        assert client.metadata["response_modes_supported"] == ["form_post"]
        assert client.authorize(response_mode="form_post").fields["code"]
        refused = client.authorize(response_mode=None)
        assert (refused.method, refused.fields["error"]) == ("POST", "unsupported_response_mode")

    @pytest.mark.parametrize(
        ("lies", "field", "told"),
        [
            ({"state": "another"}, "state", "another"),
            ({"state": None}, "state", None),
            ({"iss": "https://other.example.com"}, "iss", "https://other.example.com"),
            ({"iss": None}, "iss", None),
            ({"code": None}, "code", None),
            ({"error": "server_error"}, "error", "server_error"),
            ({"error_description": SCRIPT}, "error_description", SCRIPT),
        ],
    )
    @pytest.mark.parametrize("mode", ["query", "form_post"])
    def test_it_may_lie_to_the_redirect_uri(
        self, server: AuthServer, client: OpenIDClient, lies: Any, field: str, told: Any, mode: str
    ) -> None:
        """In both ways to get there, also with a script, which is text in the page."""
        server.callback_fields = lies
        found = client.authorize(response_mode=mode)
        assert found.fields.get(field) == told
        assert len(found.fields) == 3 + (field not in ("state", "iss", "code")) - (told is None)

    @pytest.mark.parametrize("lies", [{"iss": "x"}, {"aud": "y"}, {"exp": 1}, {"nonce": None}])
    def test_it_may_lie_in_id_tokens(
        self, server: AuthServer, client: OpenIDClient, lies: dict[str, Any]
    ) -> None:
        """In the first and in those of refreshes; the signature stays right."""
        server.id_token_claims = lies
        first = client.log_in()
        for found in (first, client.refresh(first["refresh_token"]).json()):
            claims = jwt_claims(found["id_token"]) or {}
            ((name, value),) = lies.items()
            assert claims.get(name) == value
            assert verify(found["id_token"], server.signing_key)

    def test_it_may_lie_about_itself(self, server: AuthServer) -> None:
        """Both documents, and the API's; the issuer everywhere it is told."""
        server.issuer = "https://other.example.com"
        server.metadata = {"token_endpoint": "http://other.example.com/t", "jwks_uri": None}
        server.resource_metadata = {"resource": "https://other.example.com/api"}
        client = OpenIDClient(server.url, CLIENT)
        assert client.metadata["issuer"] == "https://other.example.com"
        assert client.metadata["token_endpoint"] == "http://other.example.com/t"
        assert "jwks_uri" not in client.metadata
        assert client.authorize().fields["iss"] == "https://other.example.com"
        document = f"{server.url}/.well-known/oauth-protected-resource/api"
        told = requests.get(document, timeout=WAIT).json()
        assert told["resource"] == "https://other.example.com/api"
        assert told["authorization_servers"] == ["https://other.example.com"]

    def test_it_may_say_nothing(self, server: AuthServer, client: OpenIDClient) -> None:
        """Faults have the new kinds; one document may be missing by a predicate on the path."""
        server.fail(Status(404), on=lambda path: path.endswith("openid-configuration"))
        document = f"{server.url}/.well-known/openid-configuration"
        assert requests.get(document, timeout=WAIT).status_code == 404
        for kind, url in (
            ("discovery", document),
            ("register", client.metadata["registration_endpoint"]),
            ("authorize", client.make_url()),
            ("end_session", client.metadata["end_session_endpoint"]),
        ):
            server.fail(Status(503), on=kind)  # type: ignore[arg-type]
            assert requests.get(url, timeout=WAIT).status_code == 503

    def test_another_token_path_serves_all_grants(self) -> None:
        """refresh_path is the token endpoint's."""
        with AuthServer(openid=True, refresh_path="/oauth/token") as server:
            client = OpenIDClient(server.url, CLIENT)
            assert client.metadata["token_endpoint"] == server.refresh_url
            token = client.log_in()["refresh_token"]
            assert client.refresh(token).status_code == 200
            assert (server.counters.logins, server.counters.refreshes) == (1, 1)

    def test_a_known_server_is_no_openid_provider(self) -> None:
        """Both at once is an error that names both."""
        with pytest.raises(ValueError, match="openid=True and like='github'"):
            AuthServer(openid=True, like="github")

    def test_without_it_nothing_of_it_is_there(self) -> None:
        """Its paths are the API's, as all that have no meaning."""
        with AuthServer() as server:
            for path in ("/.well-known/openid-configuration", "/auth/authorize", "/auth/register"):
                assert get(server, "x", path).status_code == 401
            assert "resource_metadata" not in str(get(server, "x").headers)

    def test_an_own_refusal_stays_as_it_is(self) -> None:
        """One without a challenge gets none."""
        with AuthServer(openid=True, expired=Status(403)) as server:
            assert "WWW-Authenticate" not in get(server, "x").headers
