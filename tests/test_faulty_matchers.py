"""A matcher of the user's own that fails: it counts as no, and the answer reaches the caller."""

from __future__ import annotations

import logging
import pickle
import warnings
from typing import TYPE_CHECKING, Any

import pytest
import requests

from requests_jwt_refresh import (
    MemoryStore,
    all_of,
    any_401,
    any_of,
    bearer_challenge,
    json_field,
    status,
)
from requests_jwt_refresh.adapter import JWTRefreshAdapter
from requests_jwt_refresh.matching import SafeMatcher, check_matcher
from requests_jwt_refresh.testing import Status
from tests.support.callers import our_session
from tests.support.users import ENDPOINT

if TYPE_CHECKING:
    from collections.abc import Callable

    from requests import Response

    from requests_jwt_refresh.matching import Matcher
    from requests_jwt_refresh.testing import AuthServer

SECRET = "do-not-show-this"


class Undecided:
    """As arrays of numpy: neither true nor false."""

    def __bool__(self) -> bool:
        raise ValueError(SECRET)


async def answers_later(_response: Response) -> bool:
    return True


def calls_answers_later(response: Response) -> object:
    return answers_later(response)


def expects_json(response: Response) -> bool:
    return "errors" in response.json()


def raises_keyerror(response: Response) -> bool:
    return bool(response.json()[SECRET])


def recurses(response: Response) -> bool:
    return recurses(response)


def fails_with(error: Exception) -> Callable[[Response], bool]:
    def fails(_response: Response) -> bool:
        raise error

    return fails


FAULTY: dict[str, tuple[Callable[[Response], Any], str]] = {
    "no JSON": (expects_json, "JSONDecodeError"),
    "a missing field": (lambda response: response.headers["X-No"], "KeyError"),
    "recursion": (recurses, "RecursionError"),
    "memory": (fails_with(MemoryError()), "MemoryError"),
    "an error of ours": (fails_with(requests.HTTPError(SECRET)), "HTTPError"),
    "a timeout": (fails_with(TimeoutError(SECRET)), "TimeoutError"),
    "StopIteration": (fails_with(StopIteration(SECRET)), "StopIteration"),
    "an array": (lambda _response: Undecided(), "ValueError"),
    "a response": (lambda response: response, "UnclearAnswer"),
    "a coroutine": (calls_answers_later, "UnclearAnswer"),
    "a matcher": (lambda _response: any_401, "UnclearAnswer"),
}
AROUND: dict[str, Callable[[Matcher], Matcher]] = {
    "alone": lambda matcher: matcher,
    "any_of": lambda matcher: any_of(status(419), matcher),
    "all_of": lambda matcher: all_of(status(200, 401), matcher),
    "both": lambda matcher: any_of(bearer_challenge(), all_of(status(200, 401), matcher)),
}


def get_warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.getMessage() for each in caplog.records if each.levelno >= logging.WARNING]


@pytest.mark.parametrize("around", AROUND)
@pytest.mark.parametrize("fault", FAULTY)
def test_what_a_matcher_raises_counts_as_no_and_is_logged_once(
    server: AuthServer, caplog: pytest.LogCaptureFixture, fault: str, around: str
) -> None:
    """A WARNING names the matcher and the kind of error; what follows is told at DEBUG."""
    caplog.set_level(logging.DEBUG, "requests_jwt_refresh")
    faulty, error = FAULTY[fault]
    body = f"<p>{SECRET}</p>".encode()
    server.fail(Status(401, body=body), on="api", times=3)
    with our_session(server, AROUND[around](faulty)) as session, warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(3):
            response = session.get("/api/x", stream=True)
            assert (response.status_code, response.content) == (401, body)
    assert server.counters.refreshes == 0
    (warning,) = get_warnings(caplog)
    assert repr(faulty) in warning
    assert error in warning
    assert caplog.text.count(f"raised {error}") == 3
    assert SECRET not in caplog.text


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("matcher", [expects_json, raises_keyerror])
@pytest.mark.parametrize("body", [b"x" * 40_000, b"[]", b'{"a": "' + b"x" * 40_000 + b'"}', b""])
def test_a_good_answer_stays_one(
    server: AuthServer, matcher: Callable[[Response], bool], body: bytes, stream: bool
) -> None:
    """Whatever the function makes of it."""
    server.fail(Status(200, body=body, headers={"Content-Type": "application/json"}), on="api")
    with our_session(server, all_of(status(200), matcher)) as session:
        assert session.get("/api/x", stream=stream).content == body
    assert server.counters.refreshes == 0


@pytest.mark.parametrize("answer", [None, 0, "", [], False])
def test_an_answer_that_is_false_in_python_is_a_plain_no(
    caplog: pytest.LogCaptureFixture, answer: object
) -> None:
    """A function without a return says no, and nothing is logged."""
    matcher: Any = lambda _response: answer  # noqa: E731 - as users write one
    assert SafeMatcher(matcher)(requests.Response()) is False
    assert get_warnings(caplog) == []


@pytest.mark.parametrize("answer", [1, "yes", ["expired"], True, object()])
def test_an_answer_that_is_true_in_python_is_a_plain_yes(answer: object) -> None:
    """re.search() returns a match, not True."""
    matcher: Any = lambda _response: answer  # noqa: E731 - likewise
    assert SafeMatcher(matcher)(requests.Response()) is True


@pytest.mark.parametrize("members", [(raises_keyerror, any_401), (any_401, raises_keyerror)])
def test_beside_a_matcher_that_raises_any_of_asks_the_others(members: tuple[Matcher, ...]) -> None:
    """It counts as no, as ever; the order makes no difference."""
    response = requests.Response()
    response.status_code = 401
    response._content = b"{}"  # noqa: SLF001 - as requests' own tests do
    assert any_of(*members)(response) is True
    assert all_of(*members)(response) is False


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_what_is_no_exception_goes_through(interrupt: type[BaseException]) -> None:
    """Ctrl-C is not the matcher's."""

    def interrupted(_response: Response) -> bool:
        raise interrupt

    response = requests.Response()
    response.status_code = 401
    with pytest.raises(interrupt):
        any_of(interrupted)(response)


def test_a_matcher_without_a_repr_is_told_by_its_class(caplog: pytest.LogCaptureFixture) -> None:
    """The log is no place for a second fault."""

    class Nameless:
        def __call__(self, _response: Response) -> bool:
            raise KeyError

        def __repr__(self) -> str:
            raise ValueError

    assert SafeMatcher(Nameless())(requests.Response()) is False
    assert "The matcher <Nameless> raised KeyError" in caplog.text


def test_what_has_been_asked_still_pickles_and_compares() -> None:
    """The log's memory is no part of a matcher's value."""
    matcher = any_of(any_401, all_of(any_401, raises_keyerror))
    asked = pickle.loads(pickle.dumps(matcher))
    response = requests.Response()
    response.status_code = 401
    response._content = b"{}"  # noqa: SLF001 - likewise
    assert asked(response)
    assert asked == matcher
    assert hash(pickle.loads(pickle.dumps(asked))) == hash(matcher)


# --- What is no matcher --------------------------------------------------------------------------

NO_MATCHERS: list[tuple[Any, str]] = [
    (status, r"call it: status\(401\)"),
    (bearer_challenge, r"call it: bearer_challenge\(\)"),
    (json_field, r"call it: json_field\("),
    (any_of, r"call it: any_of\("),
    (all_of, r"call it: all_of\("),
    (dict, "not the class dict: give an instance of it"),
    (type(any_401), "not the class Status"),
    (401, r"write status\(401\)"),
    (True, "not True"),
    ("json_field('a', 1)", 'not "json_field'),
    ([any_401], r"not \[status"),
    ({401}, r"not \{401\}"),
    (ENDPOINT, "not JSONEndpoint"),
    (answers_later, "with def, not with async def"),
    (lambda: True, "takes one argument, the response"),
    (lambda _a, _b: True, "takes one argument, the response"),
    (lambda *, _response: True, "takes one argument, the response"),
]


@pytest.mark.parametrize(("what", "text"), NO_MATCHERS)
def test_what_is_no_matcher_is_refused_when_it_is_given(what: Any, text: str) -> None:
    """The error says what to write instead."""
    with pytest.raises(TypeError, match=f"^when must be a matcher, e.g. .*{text}"):
        JWTRefreshAdapter("https://h/", ENDPOINT, MemoryStore(), when=what)
    with pytest.raises(TypeError, match=rf"^any_of\(\) takes matchers, e.g. .*{text}"):
        any_of(any_401, what)
    with pytest.raises(TypeError, match=rf"^all_of\(\) takes matchers, e.g. .*{text}"):
        all_of(what)


class Method:
    """Matchers come in many forms."""

    def expired(self, _response: Response, _more: object = None) -> bool:
        return True

    __call__ = expired


@pytest.mark.parametrize(
    "matcher",
    [
        any_401,
        Method(),
        Method().expired,
        lambda *_: True,
        lambda response, _more=1: bool(response),
        requests.Response.json,
        vars,  # written in C: nothing can be told
    ],
)
def test_whatever_can_be_asked_about_a_response_is_a_matcher(matcher: Any) -> None:
    """Nothing else is asked of it."""
    check_matcher(matcher)
