"""DPoP proofs and client assertions, each verified by joserfc; those of real servers elsewhere.

test_jose_keys.py has the keys, test_jose_adapter.py a server that demands nonces, and
test_jose_oidc_provider.py the certified one.
"""

from __future__ import annotations

import copy
import json
import logging
import pickle
import sys
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

import pytest
from joserfc.jwk import ECKey

from requests_jwt_refresh import (
    DPoP,
    InvalidToken,
    PrivateKeyJWT,
    Token,
    TokenResponse,
)
from tests.support.proofs import answer_of, hash_of, prepare, proof_of, verify
from tests.support.waits import join, start

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.clock import Clock

API = "https://api.example.com/users"
TOKEN_URL = "https://login.example.com/token"
KEY = ECKey.generate_key("P-256", private=True)
PUBLIC: dict[str, Any] = {**KEY.as_dict(private=False)}
PRIVATE: dict[str, Any] = {**KEY.as_dict(private=True)}


def bound(access: str | None = "access", refresh: str | None = "refresh") -> Token:
    return Token(access, refresh, extra={"dpop_key": PRIVATE})


def claims_for(dpop: DPoP, url: str = API, token: Token | None = None, **headers: str) -> Any:
    request = prepare(url, **headers)
    dpop.carry(request, token or bound())
    return proof_of(request).claims


def asks_for_nonce(nonce: str, status: int = 400) -> TokenResponse:
    body = b'{"error": "use_dpop_nonce", "error_description": "a nonce is required"}'
    return TokenResponse(status, {"DPoP-Nonce": nonce}, body)


# --- The proof -----------------------------------------------------------------------------------


def test_a_request_carries_the_token_and_a_proof_for_it(clock: Clock) -> None:
    """RFC 9449 §4.2 and §7.1: of method, URL, moment and token, signed by the token's key."""
    request = prepare("https://api.example.com/users?page=2#top", "DELETE")
    DPoP().carry(request, bound("secret-access"))
    assert request.headers["Authorization"] == "DPoP secret-access"
    header, claims = proof_of(request)
    assert header == {"typ": "dpop+jwt", "alg": "ES256", "jwk": PUBLIC}
    assert len(claims.pop("jti")) >= 16
    assert claims == {
        "htm": "DELETE",
        "htu": "https://api.example.com/users",
        "iat": int(clock.time()),
        "ath": hash_of("secret-access"),
    }


def test_each_proof_is_used_once() -> None:
    """Sent again, even the same request has another jti."""
    dpop = DPoP()
    identifiers = [claims_for(dpop)["jti"] for _ in range(50)]
    assert len(set(identifiers)) == 50


@pytest.mark.parametrize(
    ("url", "htu"),
    [
        ("https://api.example.com", "https://api.example.com/"),
        ("https://api.example.com:443/a", "https://api.example.com/a"),
        ("https://api.example.com:8443/a", "https://api.example.com:8443/a"),
        (
            "https://API.example.com/a%20b/%C3%A9;v=1?q=1&r=2",
            "https://api.example.com/a%20b/%C3%A9;v=1",
        ),
        ("https://me:secret@api.example.com/a", "https://api.example.com/a"),
        ("http://[::1]:8000/a?x=/b", "http://[::1]:8000/a"),
    ],
)
def test_the_url_is_signed_without_user_query_and_fragment(url: str, htu: str) -> None:
    """§4.2; nor with a default port, which a server does not see."""
    assert claims_for(DPoP(), url)["htu"] == htu


def test_the_host_that_is_signed_is_the_one_that_the_server_sees() -> None:
    """A virtual host that is asked for by a header (RFC 9110 §7.1)."""
    claims = claims_for(DPoP(), "http://127.0.0.1:8000/a", Host="api.example.com")
    assert claims["htu"] == "http://api.example.com/a"


def test_a_token_request_is_proved_without_a_token() -> None:
    """§5: there is none to hash, and nothing else is written on the request."""
    request = prepare(TOKEN_URL, "POST")
    DPoP().open(bound()).prove(request)
    header, claims = proof_of(request)
    assert header["jwk"] == PUBLIC
    assert set(claims) == {"jti", "htm", "htu", "iat"}
    assert (claims["htm"], claims["htu"]) == ("POST", TOKEN_URL)
    assert "Authorization" not in request.headers


def test_a_stale_proof_and_token_are_replaced() -> None:
    """What a program has kept from an earlier request does not go out."""
    request = prepare(API, DPoP="stale", Authorization="DPoP stale")
    dpop = DPoP()
    assert not dpop.is_callers(request)
    dpop.carry(request, bound())
    assert proof_of(request).claims["ath"] == hash_of("access")
    assert request.headers["Authorization"] == "DPoP access"


def test_another_scheme_is_the_callers_own() -> None:
    """As for every attach in Authorization."""
    assert DPoP().is_callers(prepare(API, Authorization="Basic YTpi"))
    assert DPoP().find_problem("access") is None


# --- Nonces --------------------------------------------------------------------------------------


def challenge(url: str, nonce: str | None, error: str = "use_dpop_nonce") -> Any:
    given = {} if nonce is None else {"DPoP_Nonce": nonce}
    return answer_of(url, 401, WWW_Authenticate=f'DPoP error="{error}", algs="ES256"', **given)


def test_a_nonce_that_an_api_asks_for_is_in_the_next_proof() -> None:
    """§9: in that of the request itself, and in others once the server has taken it; also one that
    a good answer brings (§8.2).
    """
    dpop = DPoP()
    request, asked = prepare(), challenge(API, "first")
    assert dpop.note_answer(asked)
    assert "nonce" not in claims_for(dpop)
    dpop.prove(request, bound(), asked)
    assert proof_of(request).claims["nonce"] == "first"
    assert not dpop.note_answer(answer_of(API, 200), asked)
    assert claims_for(dpop)["nonce"] == "first"
    assert not dpop.note_answer(answer_of(API, 200, DPoP_Nonce="second"))
    assert claims_for(dpop)["nonce"] == "second"
    assert not dpop.note_answer(answer_of(API, 200))
    assert claims_for(dpop)["nonce"] == "second"


def test_a_nonce_belongs_to_one_origin() -> None:
    """R15: not to a neighbour's port, nor to the token endpoint elsewhere."""
    dpop = DPoP()
    dpop.note_answer(answer_of(API, 200, DPoP_Nonce="the-api's"))
    dpop.open(None).note_answer(TOKEN_URL, asks_for_nonce("the-server's"))
    assert "nonce" not in claims_for(dpop, "https://api.example.com:444/users")
    assert claims_for(dpop, "https://API.example.com:443/other")["nonce"] == "the-api's"
    request = prepare(TOKEN_URL, "POST")
    dpop.open(bound()).prove(request)
    assert proof_of(request).claims["nonce"] == "the-server's"


@pytest.mark.parametrize(
    ("status", "challenge_text", "nonce"),
    [
        (401, 'DPoP error="invalid_token"', "a-nonce"),
        (401, "", "a-nonce"),
        (403, 'DPoP error="use_dpop_nonce"', "a-nonce"),
        (401, 'DPoP error="use_dpop_nonce"', None),
        (401, 'DPoP error="use_dpop_nonce"', ""),
        (401, 'DPoP error="use_dpop_nonce"', 'with"quote'),
        (401, 'DPoP error="use_dpop_nonce"', "long" * 1000),
    ],
)
def test_no_other_answer_asks_for_a_nonce(status: int, challenge_text: str, nonce: Any) -> None:
    """A 401 for another reason, or one that brings no nonce that can be sent (§8.1)."""
    headers = {"WWW_Authenticate": challenge_text}
    if nonce is not None:
        headers["DPoP_Nonce"] = nonce
    assert not DPoP().note_answer(answer_of(API, status, **headers))


def test_a_token_endpoint_asks_in_its_body() -> None:
    """§8: 400, or as some servers do 401; any other error is none of this matter."""
    proofs = DPoP().open(None)
    assert proofs.note_answer(TOKEN_URL, asks_for_nonce("a"))
    assert proofs.note_answer(TOKEN_URL, asks_for_nonce("b", 401))
    refusal = TokenResponse(400, {"DPoP-Nonce": "c"}, b'{"error": "invalid_grant"}')
    assert not proofs.note_answer(TOKEN_URL, refusal)
    assert not proofs.note_answer(TOKEN_URL, TokenResponse(400, {"DPoP-Nonce": "d"}, b"nonsense"))
    request = prepare(TOKEN_URL, "POST")
    proofs.prove(request)
    assert proof_of(request).claims["nonce"] == "d"


def test_nonces_are_kept_for_a_few_origins_alone() -> None:
    """However many a program asks, the oldest go first."""
    dpop = DPoP()
    urls = [f"https://{number}.example.com/" for number in range(200)]
    for url in urls:
        dpop.note_answer(answer_of(url, 200, DPoP_Nonce="a-nonce"))
    kept = [url for url in urls if "nonce" in claims_for(dpop, url)]
    assert kept == urls[-64:]


def test_threads_share_the_nonces() -> None:
    """16 at once note and sign for many origins: nothing is torn, each has its own nonce."""
    dpop, found = DPoP(), []

    def work(number: int) -> None:
        url = f"https://{number}.example.com/"
        for turn in range(30):
            dpop.note_answer(answer_of(url, 200, DPoP_Nonce=f"{number}-{turn}"))
            found.append(claims_for(dpop, url)["nonce"] == f"{number}-{turn}")

    join(*start(*(lambda number=number: work(number) for number in range(16))))
    assert found == [True] * 16 * 30


def test_a_server_whose_clock_differs_is_believed(clock: Clock) -> None:
    """It refuses the proof's iat: the Date of its answer says which one it takes (§11.1)."""
    dpop = DPoP()
    date = formatdate(clock.time() + 600, usegmt=True)
    refusal = answer_of(API, 401, WWW_Authenticate='DPoP error="invalid_dpop_proof"', Date=date)
    assert dpop.note_answer(refusal)
    assert abs(claims_for(dpop)["iat"] - clock.time() - 600) <= 1
    assert abs(claims_for(dpop, "https://other.example.com")["iat"] - clock.time()) <= 1


def test_a_token_endpoint_is_asked_again_only_if_its_clock_differs(clock: Clock) -> None:
    """Else it refuses the proof for a reason that another one does not mend."""
    proofs = DPoP().open(None)
    for ahead, is_news in ((2, False), (600, True), (601, False)):
        date = formatdate(clock.time() + ahead, usegmt=True)
        answer = TokenResponse(400, {"Date": date}, b'{"error": "invalid_dpop_proof"}')
        assert proofs.note_answer(TOKEN_URL, answer) is is_news


# --- The key of a token --------------------------------------------------------------------------


def test_a_login_makes_a_key_that_stays_with_the_token() -> None:
    """Whoever reads the store proves with it; the repr of the token shows none of it."""
    proofs = DPoP().open(None)
    request = prepare(TOKEN_URL, "POST")
    proofs.prove(request)
    token = proofs.bind(Token("access", "refresh", extra={"scope": "read"}))
    assert token.extra["scope"] == "read"
    assert token.extra["dpop_key"]["d"] not in repr(token) + repr(token.extra)
    api_request = prepare()
    DPoP().carry(api_request, pickle.loads(pickle.dumps(token)))
    assert proof_of(api_request).header["jwk"] == proof_of(request).header["jwk"]
    other = prepare(TOKEN_URL, "POST")
    DPoP().open(None).prove(other)
    assert proof_of(other).header["jwk"] != proof_of(request).header["jwk"]


def test_a_refresh_keeps_the_key() -> None:
    """The new token is bound to the key of the old one (§5)."""
    proofs = DPoP().open(bound())
    proofs.prove(prepare(TOKEN_URL, "POST"))
    assert proofs.bind(Token("new")).extra["dpop_key"] == PRIVATE


def test_a_login_of_ones_own_keeps_what_it_brings() -> None:
    """A login that sent nothing through our session has proved by itself, with its own key."""
    token = DPoP().open(None).bind(bound())
    assert token.extra["dpop_key"] == PRIVATE


def test_a_key_that_is_given_is_not_stored() -> None:
    """It is the user's; the token has nothing of it, and needs no key of its own."""
    dpop = DPoP(KEY)
    proofs = dpop.open(None)
    proofs.prove(prepare(TOKEN_URL, "POST"))
    token = proofs.bind(Token("access", "refresh"))
    assert dict(token.extra) == {}
    request = prepare()
    dpop.carry(request, token)
    assert proof_of(request).header["jwk"] == PUBLIC


def test_a_token_without_its_key_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    """Another key signs: a refresh token that is bound to none can still get a new token."""
    dpop = DPoP()
    first, second = prepare(), prepare()
    with caplog.at_level(logging.WARNING):
        dpop.carry(first, Token("secret-access"))
        dpop.carry(second, Token("secret-access"))
    assert proof_of(first).header["jwk"] == proof_of(second).header["jwk"]
    (message,) = caplog.messages
    assert "dpop_key" in message
    assert "secret-access" not in message


def test_a_token_that_is_bound_to_no_key_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    """A server that does no DPoP answers with a token of another type (§5)."""
    proofs = DPoP().open(None)
    proofs.prove(prepare(TOKEN_URL, "POST"))
    with caplog.at_level(logging.WARNING):
        proofs.bind(Token("access", extra={"token_type": "DPoP"}))
        assert caplog.messages == []
        proofs.bind(Token("access", extra={"token_type": "Bearer"}))
        proofs.bind(Token("access", extra={"token_type": "Bearer"}))
    (message,) = caplog.messages
    assert "'Bearer'" in message


@pytest.mark.parametrize(
    "jwk",
    [
        "text",
        7,
        {},
        {"kty": "EC"},
        {"kty": "oct", "k": "c2VjcmV0"},
        PUBLIC,
        {**PRIVATE, "x": "secret"},
    ],
)
def test_a_stored_key_that_is_none_is_a_clear_error(jwk: Any) -> None:
    """Its text says where it stands, what to do, and nothing out of it."""
    with pytest.raises(InvalidToken, match=r'extra\["dpop_key"\].*Log in again') as caught:
        DPoP().carry(prepare(), Token("access", extra={"dpop_key": jwk}))
    assert caught.value.__cause__ is None
    assert PRIVATE["d"] not in str(caught.value)


def test_two_tokens_take_turns() -> None:
    """One DPoP serves the accounts of several stores, each by its own key."""
    dpop = DPoP()
    other = ECKey.generate_key("P-256", private=True)
    tokens = [
        (bound(), PUBLIC),
        (Token("b", extra={"dpop_key": other.as_dict(private=True)}), None),
    ]
    for token, public in tokens * 3:
        request = prepare()
        dpop.carry(request, token)
        assert proof_of(request).header["jwk"] == (public or other.as_dict(private=False))


# --- Client assertions ---------------------------------------------------------------------------


def assertion_of(auth: PrivateKeyJWT, url: str = TOKEN_URL, jwk: Any = PUBLIC) -> Any:
    form: dict[str, Any] = {"grant_type": "refresh_token", "client_id": "my-client"}
    headers: dict[str, str] = {}
    auth.add(url, form, headers)
    assert headers == {}
    assert form["client_assertion_type"].endswith(":client-assertion-type:jwt-bearer")
    return verify(form["client_assertion"], jwk)


def test_an_assertion_says_who_to_whom_and_for_how_long(clock: Clock) -> None:
    """RFC 7523 §3, OpenID Connect Core §9."""
    header, claims = assertion_of(PrivateKeyJWT(KEY))
    now = int(clock.time())
    assert header == {"typ": "JWT", "alg": "ES256"}
    assert len(claims.pop("jti")) >= 16
    assert claims == {
        "iss": "my-client",
        "sub": "my-client",
        "aud": TOKEN_URL,
        "iat": now,
        "exp": now + 60,
    }


def test_audience_kid_and_lifetime_can_be_given() -> None:
    """For servers that want their issuer, or have several keys of one client."""
    auth = PrivateKeyJWT(KEY, kid="one", audience="https://issuer.example.com", lifetime=300)
    header, claims = assertion_of(auth)
    assert header["kid"] == "one"
    assert claims["aud"] == "https://issuer.example.com"
    assert claims["exp"] - claims["iat"] == 300


def test_a_jwk_says_its_kid_and_alg() -> None:
    """Unless another one is given."""
    jwk = {**PRIVATE, "kid": "of the jwk"}
    assert assertion_of(PrivateKeyJWT(jwk)).header["kid"] == "of the jwk"
    assert assertion_of(PrivateKeyJWT(jwk, kid="given")).header["kid"] == "given"


def test_each_assertion_is_used_once() -> None:
    """Sent again, a request has another jti."""
    auth = PrivateKeyJWT(KEY)
    assert len({assertion_of(auth).claims["jti"] for _ in range(50)}) == 50


def test_an_assertion_needs_a_client_id() -> None:
    """Its issuer and subject; said before anything is sent."""
    with pytest.raises(ValueError, match="client_id"):
        PrivateKeyJWT(KEY).add(TOKEN_URL, {}, {})


@pytest.mark.parametrize(
    ("options", "kind", "text"),
    [
        ({"lifetime": 0}, ValueError, "lifetime"),
        ({"lifetime": 7200}, ValueError, "3600 seconds"),
        ({"lifetime": "60"}, TypeError, "number of seconds"),
        ({"lifetime": True}, TypeError, "number of seconds"),
        ({"kid": ""}, TypeError, "kid"),
        ({"audience": ["a"]}, TypeError, "audience"),
        ({"alg": "RS256"}, ValueError, "signs with ES256"),
        ({"alg": "HS256"}, ValueError, "known are"),
    ],
)
def test_options_that_make_no_sense_are_told(
    options: Any, kind: type[Exception], text: str
) -> None:
    """When the object is made."""
    with pytest.raises(kind, match=text):
        PrivateKeyJWT(KEY, **options)


# --- Pickles, copies and reprs -------------------------------------------------------------------


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "key.json"
    path.write_text(json.dumps(PRIVATE))
    return path


def test_a_path_is_pickled_as_a_path(key_file: Path) -> None:
    """The key itself is in no pickle."""
    dpop, auth = DPoP(key_file), PrivateKeyJWT(str(key_file), audience="issuer", lifetime=90)
    pickled = pickle.dumps((dpop, auth))
    assert PRIVATE["d"].encode() not in pickled
    dpop, auth = pickle.loads(pickled)
    request = prepare()
    dpop.carry(request, Token("access"))
    assert proof_of(request).header["jwk"] == PUBLIC
    claims = assertion_of(auth).claims
    assert (claims["aud"], claims["exp"] - claims["iat"]) == ("issuer", 90)


def test_a_dpop_without_a_key_is_pickled_as_such() -> None:
    """What it needs comes with the token."""
    dpop = pickle.loads(pickle.dumps(DPoP(alg="ES256")))
    request = prepare()
    dpop.carry(request, bound())
    assert proof_of(request).header["jwk"] == PUBLIC


@pytest.mark.parametrize("key", [KEY, PRIVATE, json.dumps(PRIVATE)], ids=["object", "dict", "text"])
@pytest.mark.parametrize("kind", [DPoP, PrivateKeyJWT])
def test_a_key_itself_is_not_pickled(kind: Any, key: Any) -> None:
    """It would go where the pickle goes; the error says what can be pickled."""
    with pytest.raises(TypeError, match=f"{kind.__name__}.*path of a key file"):
        pickle.dumps(kind(key))


@pytest.mark.parametrize("kind", [DPoP, PrivateKeyJWT])
def test_copies_share_it(kind: Any) -> None:
    """A copied session has the same nonces, and a key itself is no obstacle."""
    made = kind(KEY)
    assert copy.copy(made) is made
    assert copy.deepcopy(made) is made


def test_reprs_show_no_key(key_file: Path) -> None:
    """A path as a path."""
    assert repr(DPoP()) == "DPoP()"
    assert repr(DPoP(alg="Ed25519")) == "DPoP(alg='Ed25519')"
    assert repr(DPoP(KEY)) == "DPoP('***')"
    assert repr(DPoP(key_file)) == f"DPoP({str(key_file)!r})"
    assert repr(PrivateKeyJWT(PRIVATE, kid="one")) == "PrivateKeyJWT('***', kid='one')"
    assert repr(PrivateKeyJWT(key_file)) == f"PrivateKeyJWT({str(key_file)!r})"
    shown = json.dumps([repr(vars(each)) for each in (DPoP(KEY), PrivateKeyJWT(KEY))])
    assert PRIVATE["d"] not in shown


@pytest.mark.parametrize("make", [DPoP, lambda: PrivateKeyJWT("key.pem")], ids=["DPoP", "JWT"])
def test_without_joserfc_the_extra_is_named(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the object is made, not at the first expiry."""
    monkeypatch.setitem(sys.modules, "joserfc", None)
    with pytest.raises(ImportError, match=r"pip install 'requests-jwt-refresh\[jose\]'"):
        make()
