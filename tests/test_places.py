"""Places: where a token travels, and what no place may be."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from requests.structures import CaseInsensitiveDict

from requests_jwt_refresh import (
    InvalidToken,
    JSONEndpoint,
    JWTRefreshAdapter,
    MemoryStore,
    Token,
    cookie,
    header,
)
from requests_jwt_refresh.authorization import join_cookies, read_cookies

DOUBLE = cookie("jwt", csrf=("csrf", "X-CSRF"))
PLACES = [header(), header("X-Token"), header(scheme="JWT"), cookie("jwt"), DOUBLE]


@pytest.mark.parametrize("place", PLACES, ids=repr)
def test_a_place_is_a_value(place: Any) -> None:
    """It compares, pickles, hashes, and prints as the call that makes it."""
    made = eval(repr(place), {"header": header, "cookie": cookie})
    assert made == place == pickle.loads(pickle.dumps(place))
    assert hash(made) == hash(place)
    assert len(set(PLACES)) == len(PLACES)


@pytest.mark.parametrize(
    ("place", "written"),
    [
        (header(), {"Authorization": "Bearer secret"}),
        (header("authorization"), {"authorization": "Bearer secret"}),
        (header("X-Token"), {"X-Token": "secret"}),
        (header("X-Token", "Token"), {"X-Token": "Token secret"}),
        (header(scheme="JWT"), {"Authorization": "JWT secret"}),
        (header(scheme=None), {"Authorization": "secret"}),
        (cookie("jwt"), {"Cookie": "jwt=secret"}),
    ],
)
def test_where_a_token_is_written(place: Any, written: dict[str, str]) -> None:
    """Authorization has the Bearer scheme by default, every other header none."""
    headers: CaseInsensitiveDict[str] = CaseInsensitiveDict()
    place.write(headers, "secret")
    assert dict(headers) == written
    place.write(headers, "other")
    assert list(headers.values()) == [
        each.replace("secret", "other") for each in written.values()
    ], "the second replaces the first"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "jwt=new"),
        ("jwt=old", "jwt=new"),
        ("a=1; jwt=old; b=2", "a=1; b=2; jwt=new"),
        ("jwt=old; a=1; jwt=older", "a=1; jwt=new"),
        ("a=1;jwt=old", "a=1; jwt=new"),
        ("xjwt=1; jwt2=2; JWT=3", "xjwt=1; jwt2=2; JWT=3; jwt=new"),
        (b"a=1; jwt=old", "a=1; jwt=new"),
        ("flag; jwt=old", "flag; jwt=new"),
    ],
)
def test_a_stale_cookie_is_replaced_by_name(before: Any, after: str) -> None:
    """The others stay as they are; names are compared as they are written (RFC 6265 §4.2)."""
    headers = {"Cookie": before} if before else {}
    cookie("jwt").write(headers, "new")
    assert headers["Cookie"] == after


def test_cookies_of_a_request_go_before_those_of_a_jar() -> None:
    assert join_cookies("a=1; b=2", "b=3; c=4") == "a=1; b=3; c=4"
    assert join_cookies(None, "b=3") == "b=3"


@pytest.mark.parametrize(
    ("lines", "cookies"),
    [
        (["jwt=abc; Path=/; HttpOnly; Secure; SameSite=Strict"], {"jwt": "abc"}),
        (["jwt=a=b=="], {"jwt": "a=b=="}),
        (['jwt="abc"'], {"jwt": "abc"}),
        ([" jwt = abc ; Path=/"], {"jwt": "abc"}),
        (["jwt=old", "other=1", "jwt=new"], {"other": "1", "jwt": "new"}),
        (["jwt=; Path=/"], {}),
        (["jwt=abc; Max-Age=0"], {}),
        (["jwt=abc; max-age=-1"], {}),
        (["jwt=abc; Max-Age=00"], {}),
        (["jwt=abc; Expires=Thu, 01 Jan 1970 00:00:00 GMT"], {}),
        (["jwt=abc; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=60"], {"jwt": "abc"}),
        (["jwt=abc; Expires=Fri, 01 Jan 2100 00:00:00 GMT"], {"jwt": "abc"}),
        (["jwt=abc; Expires=nonsense; Max-Age=soon"], {"jwt": "abc"}),
        (["jwt=abc", "jwt=; Max-Age=0"], {}),
        (["jwt", "=abc", ""], {}),
    ],
)
def test_set_cookie_is_read_line_by_line(lines: list[str], cookies: dict[str, str]) -> None:
    """A cookie that is deleted or empty is none; of two of a name the later counts."""
    assert read_cookies(lines) == cookies


@pytest.mark.parametrize(
    ("place", "value", "token"),
    [
        (header(), "Bearer abc", "abc"),
        (header(), "abc", "abc"),
        (header(scheme="JWT"), "jwt abc", "abc"),
        (header("X-Token"), " abc ", "abc"),
        (header("X-Token"), "Bearer abc", "abc"),
        (header("X-Token"), "", None),
    ],
)
def test_a_token_is_read_out_of_a_header(place: Any, value: str, token: str | None) -> None:
    """Without the scheme, whether the server writes it or not."""
    assert place.read(CaseInsensitiveDict({place.name: value}), ()) == token
    assert place.read(CaseInsensitiveDict(), ()) is None


# --- The double submit ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("extra", "cookies", "value"),
    [
        ({"cookies": {"csrf": "1"}, "csrf": "2"}, "csrf=3", "1"),
        ({"csrf": "2"}, "csrf=3", "2"),
        ({}, "a=0; csrf=3", "3"),
        ({"cookies": ["csrf"]}, "csrf=3", "3"),
        ({"csrf": {"not": "a string"}}, "csrf=3", "3"),
        ({"csrf": "line\r\nbreak"}, "csrf=3", "3"),
    ],
)
def test_where_the_second_proof_comes_from(extra: dict[str, Any], cookies: str, value: str) -> None:
    """What came with the token goes before the request's own cookies (R5)."""
    assert DOUBLE.csrf_of(extra, cookies) == ("X-CSRF", value)
    assert DOUBLE.csrf_of({}, "") is None


def test_the_second_proof_may_be_a_field() -> None:
    """As Proxmox gives it, below another field."""
    place = cookie("ticket", csrf=("data.Prevention", "X-Prevention"))
    extra = {"data": {"Prevention": "abc"}}
    assert place.csrf_of(extra, "") == ("X-Prevention", "abc")


def test_header_and_cookie_of_a_double_submit_are_the_same() -> None:
    """A cookie that came with the token is sent as well, in place of the session's own."""
    headers = {"Cookie": "csrf=old; a=1"}
    DOUBLE.add(headers, "secret", {"cookies": {"csrf": "new"}})
    assert headers == {"Cookie": "a=1; jwt=secret; csrf=new", "X-CSRF": "new"}


# --- What no place may be ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["a b", "a;b", "a=b", "a,b", "a\nb", "a\r\nSet-Cookie: x", "", "ä", '"a"']
)
def test_a_name_that_no_cookie_can_have(name: str) -> None:
    with pytest.raises(ValueError, match="cookie's name"):
        cookie(name)


@pytest.mark.parametrize("name", ["a b", "a:b", "a\nb", "X-Token\r\nHost: evil", "", "ä"])
def test_a_name_that_no_header_can_have(name: str) -> None:
    with pytest.raises(ValueError, match="header's name"):
        header(name)


@pytest.mark.parametrize(
    "name", ["Host", "content-length", "Transfer-Encoding", "CONNECTION", "Cookie"]
)
def test_a_header_that_requests_writes_itself(name: str) -> None:
    with pytest.raises(ValueError, match=f"the header {name} is one that requests writes itself"):
        header(name)
    with pytest.raises(ValueError, match=f"the header {name} is one"):
        cookie("a", csrf=("csrf", name))


@pytest.mark.parametrize("scheme", ["", "a b", "Bearer ", "a\nb", 5])
def test_a_scheme_is_one_word(scheme: Any) -> None:
    with pytest.raises(ValueError, match="scheme must be one word"):
        header(scheme=scheme)


@pytest.mark.parametrize(
    "csrf", ["csrf", ("csrf",), ("a", "b", "c"), ("", "X-CSRF"), ("csrf", None), {"a": "b"}, 5]
)
def test_csrf_is_a_pair_of_names(csrf: Any) -> None:
    with pytest.raises(TypeError, match="csrf takes two names"):
        cookie("jwt", csrf=csrf)
    with pytest.raises(ValueError, match="csrf: 'a;b' is no cookie's name"):
        cookie("jwt", csrf=("a;b", "X-CSRF"))


@pytest.mark.parametrize(("make", "name"), [(header, None), (header, 5), (cookie, b"jwt")])
def test_a_name_is_a_string(make: Any, name: object) -> None:
    with pytest.raises(TypeError, match="name must be a string"):
        make(name)


@pytest.mark.parametrize("secret", ["a b", 'a"b', "a,b", "a;b", "a\\b"])
def test_a_token_that_no_cookie_can_carry(secret: str) -> None:
    """RFC 6265 §4.1.1; the text shows nothing of it."""
    problem = cookie("jwt").find_problem(secret)
    assert problem is not None
    assert secret not in problem
    store = MemoryStore()
    adapter = JWTRefreshAdapter("https://api.test", JSONEndpoint("/r"), store, attach=cookie("jwt"))
    with pytest.raises(InvalidToken, match="no request can carry the access token") as raised:
        adapter.set_token(Token(secret, "refresh"))
    assert secret not in str(raised.value)
    assert store.load() is adapter.token is None


def test_a_token_that_a_cookie_can_carry() -> None:
    """Among them a ticket of Proxmox's."""
    for secret in ("eyJ.eyJ._-", "PVE:root@pam:4EEC61E2::lwk7od06fa1+DcPUwBTXCcndyAY/3mK=="):
        assert cookie("jwt").find_problem(secret) is None
