"""Grants without a refresh token: what they send, and what a function of the user's may do."""

from __future__ import annotations

import pickle
import traceback
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import pytest

from requests_jwt_refresh import (
    ClientCredentials,
    JWTBearer,
    OAuth2Endpoint,
    RefreshRejected,
    RefreshUnavailable,
    Token,
    TokenExchange,
)
from tests.support.endpoints import URL, make_response

if TYPE_CHECKING:
    from collections.abc import Callable, MutableMapping

SECRET = "s3cr3t-t0k3n"
CLIENT = ClientCredentials("/t", "me", SECRET)
BEARER = JWTBearer("/t", SECRET)
EXCHANGE = TokenExchange("/t", SECRET)
GRANTS: list[Any] = [CLIENT, BEARER, EXCHANGE]


def ask(endpoint: Any, token: Token | None = None) -> tuple[dict[str, list[str]], dict[str, str]]:
    """Return the form and the headers that `endpoint` sends."""
    request = endpoint.ask(URL, token).prepare()
    return parse_qs(request.body, strict_parsing=True), dict(request.headers)


# --- What is sent --------------------------------------------------------------------------------


def test_client_credentials_are_sent() -> None:
    """RFC 6749 §4.4.2, with Basic as everywhere else."""
    form, headers = ask(
        ClientCredentials("/t", "me", "secret", scope="a b", extra={"audience": "x"})
    )
    assert form == {"grant_type": ["client_credentials"], "scope": ["a b"], "audience": ["x"]}
    assert headers["Authorization"] == "Basic bWU6c2VjcmV0"
    form, headers = ask(ClientCredentials("/t", "me", "secret", client_auth="post"))
    assert (form["client_id"], form["client_secret"]) == (["me"], ["secret"])
    assert "Authorization" not in headers


def test_an_assertion_is_sent() -> None:
    """RFC 7523 §2.1."""
    form, headers = ask(JWTBearer("/t", "an.assertion.x", scope="a"))
    assert form == {
        "grant_type": ["urn:ietf:params:oauth:grant-type:jwt-bearer"],
        "assertion": ["an.assertion.x"],
        "scope": ["a"],
    }
    assert "Authorization" not in headers


def test_a_token_is_exchanged() -> None:
    """RFC 8693 §2.1."""
    form, _ = ask(TokenExchange("/t", "theirs", client_id="me", extra={"audience": ["x", "y"]}))
    assert form == {
        "grant_type": ["urn:ietf:params:oauth:grant-type:token-exchange"],
        "subject_token": ["theirs"],
        "subject_token_type": ["urn:ietf:params:oauth:token-type:access_token"],
        "audience": ["x", "y"],
        "client_id": ["me"],
    }
    other = "urn:ietf:params:oauth:token-type:id_token"
    assert ask(TokenExchange("/t", "x", subject_token_type=other))[0]["subject_token_type"] == [
        other
    ]


@pytest.mark.parametrize("grant", GRANTS, ids=repr)
def test_no_token_is_needed(grant: Any) -> None:
    """Nor does one that is there play a part."""
    assert (grant.needs_refresh_token, grant.hands_in_access, grant.needs_live_token) == (
        False,
        False,
        False,
    )
    assert ask(grant) == ask(grant, Token("a", "r"))


def test_a_function_gives_fresh_proof_each_time() -> None:
    """Of an assertion that is good once."""
    proofs = iter(["one", "two", "three", "four"])
    bearer = JWTBearer("/t", lambda: next(proofs))
    assert [ask(bearer)[0]["assertion"], ask(bearer)[0]["assertion"]] == [["one"], ["two"]]
    exchange = TokenExchange("/t", lambda: next(proofs))
    assert ask(exchange)[0]["subject_token"] == ["three"]


def test_basic_raw_is_not_encoded_first() -> None:
    """For servers that do not decode it, against RFC 6749 §2.3.1."""
    endpoint = OAuth2Endpoint("/t", "me", "a+b/c=", client_auth="basic-raw")
    request = endpoint.ask(URL, Token("a", "r")).prepare()
    assert request.headers["Authorization"] == "Basic bWU6YStiL2M9"


class Signer:
    """A client_auth that signs."""

    def add(
        self, url: str, form: MutableMapping[str, Any], headers: MutableMapping[str, Any]
    ) -> None:
        form["client_assertion"] = f"{url} {form['client_id']}"
        headers["X-Signed"] = "yes"


def test_a_client_may_sign_for_itself() -> None:
    """client_auth with an object: it sees the URL, the form with its id, the headers."""
    for endpoint in (
        ClientCredentials("/t", "me", client_auth=Signer()),
        OAuth2Endpoint("/t", "me", client_auth=Signer()),
    ):
        form, headers = ask(endpoint, Token("a", "r"))
        assert form["client_assertion"] == [f"{URL} me"]
        assert headers["X-Signed"] == "yes"


# --- What is read --------------------------------------------------------------------------------


@pytest.mark.parametrize("grant", GRANTS, ids=repr)
def test_the_answer_is_one_of_oauth2(grant: Any) -> None:
    """A refresh token in it is not used (RFC 6749 §4.4.3)."""
    body = {"access_token": "a", "refresh_token": "r", "issued_token_type": "x"}
    assert grant.read(make_response(200, body)) == Token("a")


@pytest.mark.parametrize(
    ("grant", "what"),
    [(CLIENT, "client credential"), (BEARER, "assertion"), (EXCHANGE, "subject token")],
)
def test_invalid_grant_refuses_what_was_handed_in(grant: Any, what: str) -> None:
    """Nobody is told to log in: there is no login."""
    with pytest.raises(RefreshRejected) as caught:
        grant.read(make_response(400, {"error": "invalid_grant"}))
    assert f"refused the {what} (400 invalid_grant)" in caught.value.cause
    assert "log in" not in caught.value.remedy


@pytest.mark.parametrize("grant", GRANTS, ids=repr)
@pytest.mark.parametrize("code", ["invalid_client", "unauthorized_client", "invalid_scope"])
def test_any_other_code_is_a_faulty_set_up(grant: Any, code: str) -> None:
    """invalid_client is no refusal; and no text speaks of refresh tokens."""
    with pytest.raises(RefreshUnavailable, match="the set-up is at fault") as caught:
        grant.read(make_response(401, {"error": code}))
    assert "refresh token" not in str(caught.value)


# --- Functions that do not do it -----------------------------------------------------------------


def raises() -> str:
    raise ValueError(SECRET)


async def waits() -> str:
    raise NotImplementedError


def call_waits() -> Any:
    return waits()


def make(value: object) -> Any:
    return lambda: value


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (raises, "raised ValueError"),
        (make(None), "returned None, not a string"),
        (make(SECRET.encode()), "returned a bytes, not a string"),
        (make(Token(SECRET)), "returned a Token, not a string"),
        (make(""), "returned what cannot be sent: it is empty"),
        (make(f"{SECRET}\n"), "returned what cannot be sent: it has a line break"),
        (call_waits, "returned a coroutine, not a string"),
    ],
)
def test_what_a_function_gives_wrongly_is_a_clear_error(
    function: Callable[[], Any], said: str
) -> None:
    """RefreshUnavailable, without a word of what it gave."""
    for name, grant in (
        ("assertion", JWTBearer("/t", function)),
        ("subject_token", TokenExchange("/t", function)),
    ):
        with pytest.raises(RefreshUnavailable) as caught:
            grant.ask(URL, None)
        assert caught.value.cause == f"the function that {name}= names {said}" or (
            caught.value.cause.startswith(f"the function that {name}= names {said}")
        )
        assert caught.value.remedy.startswith("the tokens are kept; mend the function")
        assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_an_error_of_ours_goes_through() -> None:
    """It says what it means: RefreshRejected is a no."""

    def refuse() -> str:
        raise RefreshRejected("the account is locked", "ask the administrator")

    with pytest.raises(RefreshRejected, match="the account is locked"):
        JWTBearer("/t", refuse).ask(URL, None)


# --- As a value ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("grant", "call"),
    [
        (CLIENT, "ClientCredentials('/t', 'me', '***')"),
        (BEARER, "JWTBearer('/t', '***')"),
        (EXCHANGE, "TokenExchange('/t', '***')"),
        (
            JWTBearer("/t", raises, client_id="x", scope="a"),
            "JWTBearer('/t', '***', client_id='x', scope='a')",
        ),
    ],
)
def test_it_prints_as_its_call_without_secrets(grant: Any, call: str) -> None:
    """It pickles, compares and hashes."""
    assert repr(grant) == call
    again = pickle.loads(pickle.dumps(grant))
    assert again == grant
    assert hash(again) == hash(grant)


NOTHING: Any = object()
coroutine: Any = waits
greedy: Any = make


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: ClientCredentials("/t", "me"), ValueError, "need a client_secret"),
        (lambda: ClientCredentials("/t", "", SECRET), ValueError, "client_id or client_secret"),
        (lambda: ClientCredentials("/t", None, SECRET), ValueError, "needs both client_id and"),
        (lambda: JWTBearer("/t", ""), ValueError, "assertion cannot be sent: it is empty"),
        (lambda: JWTBearer("/t", f"{SECRET}\n"), ValueError, "it has a line break"),
        (lambda: JWTBearer("/t", NOTHING), TypeError, "assertion takes a string, or a function"),
        (lambda: JWTBearer("/t", coroutine), TypeError, "not a coroutine function"),
        (lambda: TokenExchange("/t", greedy), TypeError, "this one needs an argument"),
        (lambda: TokenExchange("/t", "x", subject_token_type=""), ValueError, "takes a URI"),
        (lambda: JWTBearer("/t", "x", extra={"assertion": SECRET}), ValueError, "must not set 'as"),
        (
            lambda: TokenExchange("/t", "x", extra={"subject_token_type": SECRET}),
            ValueError,
            "must not set 'subject_token_type'",
        ),
        (
            lambda: OAuth2Endpoint("/t", "a:b", SECRET, client_auth="basic-raw"),
            ValueError,
            "cannot send a client_id with a colon",
        ),
        (
            lambda: OAuth2Endpoint("/t", "me", SECRET, client_auth=Signer()),
            ValueError,
            "client_auth=Signer(...) sends no client_secret",
        ),
        (lambda: OAuth2Endpoint("/t", client_auth=NOTHING), TypeError, "client_auth takes one of"),
    ],
)
def test_options_that_make_no_sense_are_refused_when_they_are_given(
    make: Callable[[], object], error: type[Exception], text: str
) -> None:
    """Not at the first request; and without showing a secret."""
    with pytest.raises(error) as caught:
        make()
    assert text in str(caught.value)
    assert SECRET not in str(caught.value)
    assert caught.value.__context__ is None
