"""AuthServer(openid=True) answers as the certified oidc-provider does: both are asked the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import requests

from requests_jwt_refresh.testing import AuthServer
from requests_jwt_refresh.tokens import jwt_claims
from tests.support.form_browser import Arrival, FormBrowser, Page
from tests.support.oidc_provider import OpenIDProvider
from tests.support.openid_client import CALLBACK, OpenIDClient
from tests.support.plain_requests import make_bearer_header
from tests.support.waits import WAIT

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def provider() -> Iterator[OpenIDProvider]:
    with OpenIDProvider() as provider:
        yield provider


@pytest.fixture(scope="module")
def real(provider: OpenIDProvider) -> OpenIDClient:
    return OpenIDClient(provider.issuer)


@pytest.fixture
def ours() -> Iterator[OpenIDClient]:
    with AuthServer(openid=True, device_interval=0, scopes=("openid", "read")) as server:
        yield OpenIDClient(server.url)


def read_outcome(response: requests.Response) -> tuple[object, ...]:
    """Return what a client goes by: status, error code or names of the fields, and the caching."""
    caching = response.headers.get("Cache-Control")
    try:
        fields = response.json()
    except ValueError:
        return response.status_code, caching
    return response.status_code, caching, fields.get("error", set(fields))


def read_arrival(found: Page | Arrival) -> tuple[object, ...]:
    """Return the same of what a browser sees."""
    if isinstance(found, Page):
        return found.response.status_code, found.response.headers["Cache-Control"]
    fields = dict(found.fields)
    for name in ("code", "error_description", "iss"):
        if name in fields:
            fields[name] = "given"
    return found.method, found.url.split("?")[0].split("#")[0], fields


def test_the_documents_have_the_same_fields(real: OpenIDClient, ours: OpenIDClient) -> None:
    """Each field of ours is one of theirs, of the same type; both names of it have one content."""
    for name, value in ours.metadata.items():
        assert type(value) is type(real.metadata[name]), name
    for name in (
        "code_challenge_methods_supported",
        "subject_types_supported",
        "scopes_supported",
        "authorization_response_iss_parameter_supported",
    ):
        assert set(map(str, [real.metadata[name]])) >= set(map(str, [ours.metadata[name]])) or (
            set(ours.metadata[name]) == set(real.metadata[name])
        ), name
    for name in (
        "response_types_supported",
        "response_modes_supported",
        "grant_types_supported",
        "token_endpoint_auth_methods_supported",
    ):
        assert set(ours.metadata[name]) <= set(real.metadata[name]), name
    for each in (real, ours):
        document = f"{each.issuer}/.well-known/oauth-authorization-server"
        assert requests.get(document, timeout=WAIT).json() == each.metadata
        assert requests.get(each.metadata["jwks_uri"], timeout=WAIT).json()["keys"] is not None


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": "nobody"},
        {"client_id": None},
        {"redirect_uri": "http://127.0.0.1:5/elsewhere"},
        {"redirect_uri": "http://127.0.0.1.evil.example:5/callback"},
        {"redirect_uri": "http://localhost:5/callback"},
        {"code_challenge": None, "code_challenge_method": None},
        {"code_challenge_method": "plain"},
        {"code_challenge_method": None},
        {"code_challenge": "short"},
        {"response_type": "token"},
        {"response_type": None},
        {"response_mode": "pigeon"},
        {"prompt": "none"},
        {"prompt": "none login"},
        {"prompt": "whatever"},
        {"prompt": "none", "response_mode": "form_post"},
        {"prompt": "none", "state": None},
        {},
        {"scope": "openid unknown"},
        {"redirect_uri": "http://127.0.0.1:77/callback"},
    ],
    ids=str,
)
def test_a_browser_sees_the_same(
    real: OpenIDClient, ours: OpenIDClient, changes: dict[str, str | None]
) -> None:
    """An error page where nothing may be redirected, else the error at the redirect URI."""
    seen = []
    for client in (real, ours):
        with FormBrowser("http://127.0.0.1:5/callback") as browser:
            seen.append(read_arrival(browser.open(client.make_url(**changes))))
    assert seen[0] == seen[1] or (_is_posted(seen[0]) and seen[0][1:] == seen[1][1:])


def _is_posted(seen: tuple[object, ...]) -> bool:
    """Whether it is a page that posts an error by itself, which we give with a status of 200."""
    return seen == (400, "no-store")


@pytest.mark.parametrize("changes", [{}, {"response_mode": "form_post"}], ids=str)
@pytest.mark.parametrize("consent", [True, False])
def test_a_decision_arrives_the_same_way(
    real: OpenIDClient, ours: OpenIDClient, changes: dict[str, str | None], *, consent: bool
) -> None:
    """A code or access_denied, by a redirect or by a form, with state and iss (RFC 9207)."""
    found = [each.authorize(consent=consent, **changes) for each in (real, ours)]
    assert read_arrival(found[0]) == read_arrival(found[1])
    for client, arrival in zip((real, ours), found, strict=True):
        assert arrival.fields["iss"] == client.issuer
        assert ("code" in arrival.fields) is consent


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"code_verifier": "w" * 50},
        {"code_verifier": None},
        {"redirect_uri": "http://127.0.0.1:6/callback"},
        {"redirect_uri": None},
        {"client_id": "nobody"},
        {"client_id": None},
        {"client_secret": "none is wanted"},
        {"grant_type": "pigeon"},
        {"grant_type": None},
        {"code": "never given"},
        {"code": None},
    ],
    ids=str,
)
def test_a_code_is_traded_the_same_way(
    real: OpenIDClient, ours: OpenIDClient, changes: dict[str, str | None]
) -> None:
    """Status, error code, names of the fields, caching."""
    outcomes = []
    for client in (real, ours):
        form = {"code": client.authorize().fields["code"], **changes}
        outcomes.append(read_outcome(client.trade(form.pop("code") or "", **form)))
    assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"scope": "openid"},
        {"scope": "read", "nonce": None},
        {"prompt": None},
        {"nonce": None},
    ],
    ids=str,
)
def test_a_login_gives_the_same(
    real: OpenIDClient, ours: OpenIDClient, changes: dict[str, str | None]
) -> None:
    """A refresh token for offline_access with consent alone, an ID token for openid alone."""
    given = [each.log_in(**changes) for each in (real, ours)]
    assert set(given[0]) == set(given[1])
    assert given[0].get("scope") == given[1].get("scope")
    claims = [jwt_claims(each.get("id_token", "")) or {} for each in given]
    assert set(claims[0]) == set(claims[1])
    for client, found in zip((real, ours), claims, strict=True):
        if found:
            assert (found["iss"], found["aud"]) == (client.issuer, client.client_id)
            assert (found["sub"], found.get("nonce")) == ("alice", changes.get("nonce", "a-nonce"))


def test_refreshes_are_answered_the_same_way(real: OpenIDClient, ours: OpenIDClient) -> None:
    """Rotation; another client, no client, an unknown one; at last a reuse, which ends it all."""
    seen = []
    for client in (real, ours):
        other = OpenIDClient(client.issuer)
        old = client.log_in()["refresh_token"]
        first = client.refresh(old)
        new = first.json()["refresh_token"]
        assert new != old
        responses = [
            first,
            other.refresh(new),
            client.refresh(new, client_id=None),
            client.refresh(new, client_id="nobody"),
            client.refresh("never given"),
            client.refresh(new, grant_type=None),
            client.refresh(old),
            client.refresh(new),
        ]
        seen.append([read_outcome(each) for each in responses])
    assert seen[0] == seen[1]


def test_a_code_used_twice_ends_the_login(
    provider: OpenIDProvider, real: OpenIDClient, ours: OpenIDClient
) -> None:
    """RFC 6749 §4.1.2: refused, and the tokens of the first use are revoked."""
    seen = []
    for client, api in ((real, provider.api), (ours, ours.issuer)):
        code = client.authorize().fields["code"]
        tokens = client.trade(code).json()
        again = client.trade(code)
        headers = make_bearer_header(tokens["access_token"])
        called = requests.get(f"{api}/x", headers=headers, timeout=WAIT)
        refreshed = client.refresh(tokens["refresh_token"])
        seen.append([read_outcome(again), called.status_code, read_outcome(refreshed)])
    assert seen[0] == seen[1]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"token_endpoint_auth_method": None},
        {"token_endpoint_auth_method": "client_secret_post"},
        {"redirect_uris": None},
        {"redirect_uris": "http://127.0.0.1/callback"},
        {"redirect_uris": ["/callback"]},
        {"redirect_uris": ["http://127.0.0.1/callback#here"]},
        {"token_endpoint_auth_method": "pigeon"},
        {"grant_types": ["pigeon"]},
        {"response_types": ["pigeon"]},
    ],
    ids=str,
)
def test_a_client_registers_the_same_way(
    real: OpenIDClient, ours: OpenIDClient, changes: dict[str, Any]
) -> None:
    """What both tell of a client is the same, and who may not register."""
    theirs, mine = (each.register(**changes) for each in (real, ours))
    assert theirs.status_code == mine.status_code
    if theirs.status_code != 201:
        assert read_outcome(theirs) == read_outcome(mine)
        return
    told = theirs.json()
    for name, value in mine.json().items():
        assert name in told
        if name not in ("client_id", "client_secret", "client_id_issued_at"):
            assert value == told[name], name
    assert ("client_secret" in told) == ("client_secret" in mine.json())


def test_what_is_no_registration_is_refused_the_same_way(
    real: OpenIDClient, ours: OpenIDClient
) -> None:
    """A form, and JSON that is no object."""
    said = {"Content-Type": "application/json"}
    bodies: list[dict[str, Any]] = [
        {"data": {"a": "b"}},
        {"json": []},
        {"data": b"{", "headers": said},
    ]
    for sent in bodies:
        theirs, mine = (
            requests.post(each.metadata["registration_endpoint"], timeout=WAIT, **sent)
            for each in (real, ours)
        )
        assert read_outcome(theirs) == read_outcome(mine)


@pytest.mark.parametrize("consent", [True, False])
def test_a_device_is_let_in_the_same_way(
    real: OpenIDClient, ours: OpenIDClient, *, consent: bool
) -> None:
    """Codes, pending, the decision at the page, and a second poll."""
    seen = []
    for client in (real, ours):
        started = client.start_device()
        fields = started.json()
        responses = [started, client.poll(fields["device_code"])]
        with FormBrowser(CALLBACK) as browser:
            browser.decide_device(fields["verification_uri_complete"], consent=consent)
        responses += [client.poll(fields["device_code"]) for _ in range(2)]
        seen.append([read_outcome(each) for each in responses])
    seen[1][0][2].discard("interval")  # type: ignore[attr-defined]
    assert seen[0][:3] == seen[1][:3]
    if consent:  # the provider forgets a denied code at once, which RFC 8628 leaves open
        assert seen[0] == seen[1]


def test_what_is_no_device_is_refused_the_same_way(real: OpenIDClient, ours: OpenIDClient) -> None:
    """No client, an unknown one; a code never given, and one of another client."""
    seen = []
    for client in (real, ours):
        other = OpenIDClient(client.issuer)
        code = client.start_device().json()["device_code"]
        responses = [
            client.start_device(client_id=None),
            client.start_device(client_id="nobody"),
            client.poll("never given"),
            other.poll(code),
            client.poll(code, client_id="nobody"),
        ]
        seen.append([read_outcome(each) for each in responses])
    assert seen[0] == seen[1]


def test_tokens_are_revoked_the_same_way(real: OpenIDClient, ours: OpenIDClient) -> None:
    """RFC 7009 §2: an unknown token is fine; the client has to be right."""
    seen = []
    for client in (real, ours):
        token = client.log_in()["refresh_token"]
        responses = [
            client.revoke(token=token),
            client.revoke(token=token, client_id="nobody"),
            client.revoke(client_id=client.client_id),
            client.revoke(token="never given", client_id=client.client_id),
            client.revoke(token=token, client_id=client.client_id),
            client.refresh(token),
        ]
        seen.append([read_outcome(each)[::2] for each in responses])
    assert seen[0] == seen[1]


def test_userinfo_tells_the_same(real: OpenIDClient, ours: OpenIDClient) -> None:
    """OpenID Connect Core §5.3."""
    for client in (real, ours):
        url, access = client.metadata["userinfo_endpoint"], client.log_in()["access_token"]
        found = requests.get(url, headers=make_bearer_header(access), timeout=WAIT)
        assert (found.status_code, found.json()) == (200, {"sub": "alice"})
        refused = requests.get(url, headers=make_bearer_header("x"), timeout=WAIT)
        assert (refused.status_code, 'error="invalid_token"' in str(refused.headers)) == (401, True)


def test_a_logout_goes_the_same_way(real: OpenIDClient, ours: OpenIDClient) -> None:
    """RP-Initiated Logout: asks first, then sends the browser back; the session has ended."""
    seen = []
    for client in (real, ours):
        with FormBrowser(CALLBACK) as browser:
            code = browser.log_in(client.make_url()).fields["code"]
            hint = client.trade(code).json()["id_token"]
            url = client.metadata["end_session_endpoint"]
            query = f"id_token_hint={hint}&post_logout_redirect_uri={CALLBACK}&state=s"
            asked = browser.open(f"{url}?{query}")
            back = browser.answer(asked, "alice", consent=True)  # type: ignore[arg-type]
            after = browser.open(client.make_url(prompt="none"))
            elsewhere = query.replace("callback", "elsewhere")
            refused = [browser.open(f"{url}?{each}") for each in (elsewhere, "id_token_hint=x")]
        seen.append([read_arrival(each) for each in (asked, back, after, *refused)])
    assert seen[0] == seen[1]
    assert seen[0][1][2] == {"state": "s"}


def test_the_api_leads_to_the_provider(
    provider: OpenIDProvider, real: OpenIDClient, ours: OpenIDClient
) -> None:
    """RFC 9728 §5.1: its 401 names the document, which names the issuer; with a path, or none."""
    for client, api in ((real, provider.api), (ours, ours.issuer)):
        for path in ("/v1/users", "/v1", "/"):
            refused = requests.get(api + path, timeout=WAIT)
            document = f"{api}/.well-known/oauth-protected-resource{path.rstrip('/')}"
            assert refused.headers["WWW-Authenticate"] == f'Bearer resource_metadata="{document}"'
            told = requests.get(document, timeout=WAIT).json()
            assert told["resource"] == (api + path).rstrip("/")
            assert told["authorization_servers"] == [client.issuer]
