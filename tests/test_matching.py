"""What counts as "your token has expired". No network: a matcher only looks at a Response."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

import pytest
import requests

from requests_jwt_refresh.matching import (
    all_of,
    any_401,
    any_of,
    bearer_challenge,
    for_rejected,
    json_field,
    may_match,
    status,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from requests_jwt_refresh.matching import Matcher


def response(code: int = 401, body: bytes = b"", challenge: str | None = None) -> requests.Response:
    response = requests.Response()
    response.status_code = code
    response._content = body  # noqa: SLF001 - as requests' own tests make a response
    if challenge is not None:
        response.headers["WWW-Authenticate"] = challenge
    return response


def mine(response: requests.Response) -> bool:
    """A user's own matcher, without `statuses`."""
    return response.content == b"expired"


BUILT_IN = [
    (any_401, "status(401)"),
    (status(422, 401), "status(401, 422)"),
    (bearer_challenge(), "bearer_challenge()"),
    (bearer_challenge(None, status=403), "bearer_challenge(None, status=403)"),
    (bearer_challenge("expired"), "bearer_challenge('expired')"),
    (json_field("message", "Invalid JWT"), "json_field('message', 'Invalid JWT')"),
    (json_field("a.0", None, status=(403, 401)), "json_field('a.0', None, status=(401, 403))"),
    (any_of(status(401), status(419)), "any_of(status(401), status(419))"),
    (all_of(any_401, json_field("code", 7)), "all_of(status(401), json_field('code', 7))"),
    (json_field("a", 1, status=401), "json_field('a', 1, status=401)"),
    (bearer_challenge(status=401), "bearer_challenge(status=401)"),
]


@pytest.mark.parametrize(("matcher", "call"), BUILT_IN)
def test_a_matcher_prints_as_the_call_that_makes_it(matcher: Matcher, call: str) -> None:
    """And the call makes an equal one."""
    assert repr(matcher) == call
    made = eval(call)  # the test's own text
    assert made == matcher
    assert hash(made) == hash(matcher)


@pytest.mark.parametrize("matcher", [matcher for matcher, _ in BUILT_IN])
def test_a_matcher_survives_pickling(matcher: Matcher) -> None:
    """A Session that holds one can be pickled."""
    assert pickle.loads(pickle.dumps(matcher)) == matcher


def test_a_status_matches_itself_alone() -> None:
    """status(...) looks at nothing else."""
    assert any_401(response(401))
    assert not any_401(response(403))
    assert status(419, 422)(response(422))
    assert not status(419, 422)(response(401))


# --- json_field ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "value", "body"),
    [
        ("message", "Invalid JWT", b'{"message": "Invalid JWT"}'),
        ("message", "Invalid JWT", b'\xef\xbb\xbf{"message": "Invalid JWT"}'),
        ("error.code", "expired", b'{"error": {"code": "expired"}}'),
        ("errors.1.code", 7, b'{"errors": [{}, {"code": 7}]}'),
        ("0.code", 7, b'[{"code": 7}]'),
        ("0", "digit", b'{"0": "digit"}'),
        ("errors.*.code", 7, b'{"errors": [{}, {"code": 6}, {"code": 7}]}'),
        ("errors.*", "expired", b'{"errors": ["expired"]}'),
        ("*.code", 7, b'[{"code": 6}, {"code": 7}]'),
        ("*", 7, b"[6, 7]"),
        (
            "*.errors.*.extensions.code",
            "UNAUTHENTICATED",
            b'[{"data": 1}, {"errors": [{}, {"extensions": {"code": "UNAUTHENTICATED"}}]}]',
        ),
        ("a.*.*.0", True, b'{"a": [[], [[false], [true]]]}'),
        ("a.*", None, b'{"a": [1, null]}'),
        ("code", 7, b'{"code": 7.0}'),
        ("ok", False, b'{"ok": false}'),
        ("user", None, b'{"user": null}'),
        ("message", "abgelaufen \u00fc", '{"message": "abgelaufen \u00fc"}'.encode()),
    ],
)
def test_a_json_field_matches_its_value_at_its_path(
    path: str, value: str | float | None, body: bytes
) -> None:
    """Dots reach into objects and lists."""
    assert json_field(path, value)(response(401, body))


@pytest.mark.parametrize(
    ("path", "value", "body"),
    [
        pytest.param("message", "Invalid JWT", b'{"message": "No token"}', id="other value"),
        pytest.param("message", "Invalid JWT", b'{"message": "invalid jwt"}', id="other case"),
        pytest.param("code", 1, b'{"code": true}', id="true is not 1"),
        pytest.param("code", True, b'{"code": 1}', id="1 is not true"),
        pytest.param("code", 0, b'{"code": false}', id="false is not 0"),
        pytest.param("code", "7", b'{"code": 7}', id="7 is not a string"),
        pytest.param("user", None, b"{}", id="missing is not null"),
        pytest.param("a.b", None, b'{"a": null}', id="below null there is nothing"),
        pytest.param("a.1", "x", b'{"a": ["x"]}', id="beyond the list's end"),
        pytest.param("a.-1", "x", b'{"a": ["x"]}', id="no counting from the end"),
        pytest.param("a.0", "x", b'{"a": "x"}', id="a string is no list"),
        pytest.param("a.*", "x", b'{"a": "x"}', id="a string has no items"),
        pytest.param("a.*", "x", b'{"a": {"b": "x"}}', id="an object has no items"),
        pytest.param("a.*", None, b'{"a": []}', id="an empty list has no items"),
        pytest.param("a.*", 1, b'{"a": [true]}', id="an item that is true is not 1"),
        pytest.param("a.*.b", 1, b'{"a": [{"c": 1}, 1, [1]]}', id="no item has the field"),
        pytest.param("a.*.*", 1, b'{"a": [1]}', id="no list of lists"),
        pytest.param("message", "Invalid JWT", b'["message", "Invalid JWT"]', id="a list"),
        pytest.param("message", "Invalid JWT", b'"Invalid JWT"', id="a scalar"),
        pytest.param("message", "Invalid JWT", b"<html>Invalid JWT</html>", id="HTML"),
        pytest.param("message", "Invalid JWT", b'{"message": "Invalid JWT"', id="cut off"),
        pytest.param("message", "Invalid JWT", b"", id="empty"),
        pytest.param("message", "Invalid JWT", b'{"message": "\xff"}', id="not UTF-8"),
        pytest.param("a", 1, b'{"a": ' + b"9" * 5000 + b"}", id="more digits than Python reads"),
        pytest.param("message", "Invalid JWT", b"[" * 100_000, id="deeper than Python reads"),
    ],
)
def test_any_other_body_is_no_match_and_no_error(
    path: str, value: str | float | None, body: bytes
) -> None:
    """Whatever it is: a matcher never raises because of a body."""
    assert json_field(path, value)(response(401, body)) is False


@pytest.mark.parametrize(
    ("matcher", "matched", "spared"),
    [
        (json_field("code", 7), [401], [403, 200]),
        (json_field("code", 7, status=(200, 403)), [403], [200, 401]),
        (any_of(bearer_challenge(), json_field("code", 7)), [401], [403]),
        (all_of(any_401, json_field("code", 7), json_field("a", 1)), [401], [403]),
        (all_of(json_field("code", 7), bearer_challenge()), [], [401]),
        (all_of(json_field("code", 7), mine), [], [401]),
        (any_of(json_field("code", 7), mine), [401], [403]),
        (any_of(all_of(status(403), json_field("code", 7, status=403)), mine), [403], [401]),
        (all_of(status(200), json_field("code", 7, status=200)), [], [200]),
        (json_field("code", 7, status=(204, 304)), [], [204, 304]),
    ],
)
def test_an_answer_to_head_counts_for_a_field_by_its_status(
    matcher: Matcher, matched: list[int], spared: list[int]
) -> None:
    """It has no body to look at; only an error can mean "expired". Functions are asked as ever."""
    for code in matched + spared:
        head = response(code)
        head.request = requests.Request("HEAD", "https://h/").prepare()
        assert matcher(head) is (code in matched), code
        head.request.method = "GET"
        assert not matcher(head)


def test_a_response_without_content_is_no_match() -> None:
    """`content` is None on a Response that was made by hand, as mocks do."""
    response = requests.Response()
    response.status_code = 401
    assert json_field("message", "Invalid JWT")(response) is False


def test_a_json_field_looks_at_its_own_statuses_alone() -> None:
    """By default at a 401."""
    body = b'{"code": "expired"}'
    assert not json_field("code", "expired")(response(403, body))
    assert json_field("code", "expired", status=(401, 403))(response(403, body))


# --- bearer_challenge ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "header",
    [
        'Bearer error="invalid_token"',
        "Bearer error=invalid_token",
        'bearer ERROR="invalid_token"',
        'BEARER realm="a", error="invalid_token"',
        'Bearer realm="a, Basic error=\\"no\\", b" , error = "invalid_token"',
        'Bearer error="invalid\\_token"',
        'Bearer error="invalid_token", error_description="The access token expired"',
        'Basic realm="x", Bearer error="invalid_token"',
        'Bearer error="invalid_token", Basic realm="x"',
        'Negotiate, Bearer error="invalid_token"',
        'Negotiate YII=, Bearer scope="a b", error="invalid_token", Digest realm="x", nonce="y"',
        'Negotiate abc , , Bearer error="invalid_token"',
        'Bearer realm="one", Bearer error="invalid_token"',
        'Bearer realm="a" error="invalid_token"',
        'Bearer error_description="The "access" token", error="invalid_token"',
        '  ,, Bearer   error="invalid_token"  ,',
    ],
)
def test_a_bearer_challenge_with_the_error_matches(header: str) -> None:
    """However the header is written, and a little beyond (a missing comma, a stray quote)."""
    assert bearer_challenge()(response(401, challenge=header))


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        'Bearer realm="a"',
        'Bearer error="insufficient_scope"',
        'Bearer error="Invalid_Token"',
        'Bearer error=""',
        'Basic error="invalid_token"',
        'DPoP error="invalid_token"',
        'Bearer realm="x", DPoP error="invalid_token"',
        'Bearer realm="x", Basic realm="y", error="invalid_token"',
        'Bearer realm="error=\\"invalid_token\\""',
        'Bearer realm=", error=invalid_token"',
        'Basic realm="x, Bearer error=invalid_token"',
        'Bearer x_error="invalid_token"',
        'error="invalid_token"',
        'Bearer error="invalid_token',
        'Bearer error="invalid_token"x',
        'BearerX error="invalid_token"',
        "Bearer invalid_token",
        '=", ="\\',
        '"' * 5000,
        "a=" * 5000,
    ],
)
def test_any_other_challenge_is_no_match_and_no_error(header: str | None) -> None:
    """Whatever the header holds: a matcher never raises because of it."""
    assert bearer_challenge()(response(401, challenge=header)) is False


@pytest.mark.parametrize(
    ("header", "matches"),
    [
        ("Bearer", True),
        ('bearer realm="a"', True),
        ('Basic realm="x", Bearer', True),
        ("Bearer abc==", True),
        ('Basic realm="Bearer"', False),
        ("Basic Bearer", False),
        ("Bearerish", False),
        ("", False),
    ],
)
def test_no_error_means_any_bearer_challenge(header: str, matches: bool) -> None:
    """error=None asks for the scheme alone."""
    assert bearer_challenge(None)(response(401, challenge=header)) is matches


def test_several_header_lines_are_read_as_one() -> None:
    """As requests joins them."""
    assert bearer_challenge()(
        response(401, challenge='Basic realm="x", Bearer error=invalid_token')
    )


def test_a_bearer_challenge_looks_at_its_own_statuses_alone() -> None:
    """By default at a 401."""
    header = 'Bearer error="invalid_token"'
    assert not bearer_challenge()(response(403, challenge=header))
    assert bearer_challenge(status=[401, 403])(response(403, challenge=header))


@pytest.mark.parametrize("make", [bearer_challenge, lambda **given: json_field("a", 1, **given)])
def test_without_a_status_401_is_meant(make: Callable[..., Any]) -> None:
    """As ever in when=; but it is another matcher, since rejected= means any status by it."""
    unnamed, named = make(), make(status=401)
    for code in (200, 400, 401, 403):
        assert may_match(unnamed, code) is may_match(named, code) is (code == 401)
    assert unnamed != named
    assert not may_match(for_rejected(named), 400)
    for code in (200, 302, 400, 401, 422, 500, 999):
        assert may_match(for_rejected(unnamed), code)
    for code in (408, 429, 502, 503, 504):
        assert not may_match(for_rejected(unnamed), code)


def test_what_is_made_of_others_means_what_they_mean() -> None:
    """In rejected=, any_of and all_of hand it on; a function is asked about any status."""
    code = json_field("code", 7)
    either = for_rejected(any_of(code, status(422)))
    assert [may_match(either, each) for each in (200, 400, 422)] == [True] * 3
    both = for_rejected(all_of(status(400), code))
    assert [may_match(both, each) for each in (200, 400, 401)] == [False, True, False]
    assert both(response(400, b'{"code": 7}'))
    own = for_rejected(mine)
    assert own(response(200, b"expired"))
    assert may_match(own, 200)
    assert repr(own) == repr(mine)


# --- any_of, all_of, may_match ---------------------------------------------------------------


def test_any_of_needs_one_and_all_of_needs_all() -> None:
    """Of whatever matchers they are made."""
    expired, header = json_field("code", 7), bearer_challenge()
    both = response(401, b'{"code": 7}', "Bearer error=invalid_token")
    one = response(401, b'{"code": 7}')
    assert any_of(header, expired)(one)
    assert not any_of(header, expired)(response(401))
    assert all_of(header, expired)(both)
    assert not all_of(header, expired)(one)


def test_all_of_asks_in_order_and_stops_at_the_first_no() -> None:
    """A later matcher may rely on an earlier one."""
    asked: list[int] = []

    def noted(response: requests.Response) -> bool:
        asked.append(response.status_code)
        return True

    assert not all_of(any_401, bearer_challenge(), noted)(response(401))
    assert asked == []
    assert all_of(any_401, noted)(response(401))
    assert asked == [401]


@pytest.mark.parametrize(
    ("matcher", "asked", "spared"),
    [
        (any_401, [401], [200, 403, 500]),
        (json_field("a", 1, status=(401, 422)), [401, 422], [200, 403]),
        (bearer_challenge(status=403), [403], [401]),
        (mine, [400, 401, 403, 500, 999], [200, 302, 399]),
        (any_of(status(401), status(200)), [200, 401], [403]),
        (any_of(status(200), mine), [200, 400, 500], [201, 302]),
        (all_of(status(401, 403), json_field("a", 1, status=(403, 422))), [403], [401, 422]),
        (all_of(status(200), mine), [200], [400, 401]),
        (all_of(mine, mine), [400, 500], [200]),
        (any_of(all_of(status(200), mine), any_401), [200, 401], [403]),
    ],
)
def test_only_answers_that_could_match_are_looked_at(
    matcher: Matcher, asked: list[int], spared: list[int]
) -> None:
    """A matcher without `statuses` is asked about every error."""
    assert [code for code in asked + spared if may_match(matcher, code)] == asked


def test_a_matcher_of_ones_own_may_tell_its_statuses() -> None:
    """Its attribute `statuses` spares it all other responses."""

    class Teapot:
        statuses = frozenset({418})

        def __call__(self, response: requests.Response) -> bool:
            return response.status_code == 418

    assert may_match(Teapot(), 418)
    assert not may_match(Teapot(), 401)


def test_in_any_of_each_member_keeps_to_its_own_statuses() -> None:
    """`mine` alone is never asked about a 200, so it is not asked beside ``status(204)``."""
    assert not any_of(status(204), mine)(response(200, b"expired"))
    assert any_of(status(204), mine)(response(403, b"expired"))


def test_all_of_keeps_to_the_statuses_it_tells() -> None:
    """What `may_match` spares is no match when it is asked all the same."""
    assert not all_of(mine, mine)(response(200, b"expired"))
    assert all_of(mine, mine)(response(403, b"expired"))


def test_a_200_that_says_expired_can_be_matched() -> None:
    """Some servers report errors with a 200."""
    matcher = all_of(status(200), mine)
    assert matcher(response(200, b"expired"))
    assert not matcher(response(401, b"expired"))


# --- faulty calls ----------------------------------------------------------------------------

ANYTHING: Any = object()


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (status, ValueError, "at least one HTTP status code"),
        (lambda: status(99), ValueError, "99 is no HTTP status code"),
        (lambda: status(600), ValueError, "600 is no HTTP status code"),
        (lambda: status(True), TypeError, "not True"),
        (lambda: status(ANYTHING), TypeError, "an int such as 401"),
        (lambda: json_field("a", 1, status=()), ValueError, "at least one HTTP status code"),
        (lambda: bearer_challenge(status=4011), ValueError, "4011 is no HTTP status code"),
        (lambda: bearer_challenge(""), ValueError, "None for any challenge"),
        (lambda: json_field("", 1), ValueError, "'' is no field name"),
        (lambda: json_field("a..b", 1), ValueError, "'a..b' is no field name"),
        (lambda: json_field("a[].b", 1), ValueError, "write 'a.*.b'"),
        (lambda: json_field("$.a[*][0]", 1), ValueError, "write 'a.*.0'"),
        (lambda: json_field("[2].b", 1), ValueError, "write '2.b'"),
        (lambda: json_field("a", ANYTHING), TypeError, "not with object"),
        (any_of, ValueError, r"any_of\(\) needs at least one matcher"),
        (all_of, ValueError, r"all_of\(\) needs at least one matcher"),
        (lambda: any_of(any_401, ANYTHING), TypeError, r"any_of\(\) takes matchers"),
        (lambda: all_of(ANYTHING), TypeError, r"all_of\(\) takes matchers"),
        (lambda: all_of(status(401), status(403)), ValueError, "can never match"),
        (lambda: all_of(any_of(status(401), status(402)), status(403)), ValueError, "share no"),
    ],
)
def test_a_matcher_that_makes_no_sense_is_refused_when_it_is_made(
    make: Callable[[], object], error: type[Exception], text: str
) -> None:
    """ValueError or TypeError, not a silent "no" at each response."""
    with pytest.raises(error, match=text):
        make()
