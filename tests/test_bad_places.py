"""Places, rules and headers that cannot work: each is a clear error, and the tokens are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from requests_jwt_refresh import (
    FileStore,
    JSONEndpoint,
    JWTRefreshAdapter,
    OAuth2Endpoint,
    ProfileError,
    Token,
    all_of,
    any_of,
    bearer_challenge,
    cookie,
    header,
    json_field,
    status,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

URL = "https://api.example.com"
TOKEN = Token("access", "refresh")
ENDPOINT = JSONEndpoint("/refresh")


def endpoint(**options: Any) -> Callable[[], object]:
    return lambda: JSONEndpoint("/refresh", **options)


FAULTS: dict[str, tuple[Callable[[], object], type[Exception], str]] = {
    # names that no cookie or header can have
    "a cookie's name with ;": (lambda: cookie("a;b"), ValueError, "a cookie's name has no space"),
    "a cookie's name with =": (lambda: cookie("a=b"), ValueError, "a cookie's name has no space"),
    "an empty cookie's name": (lambda: cookie(""), ValueError, "a cookie's name"),
    "a header's name with a line break": (lambda: header("X\nY"), ValueError, "line break"),
    "a header's name with a colon": (lambda: header("X: Y"), ValueError, "colon"),
    "a scheme with a space": (lambda: header(scheme="a b"), ValueError, "one word such as 'JWT'"),
    "a scheme with a line break": (lambda: header(scheme="J\n"), ValueError, "one word"),
    "the header Cookie": (lambda: header("cookie"), ValueError, r"give cookie\(...\)"),
    "the header Host": (lambda: header("Host"), ValueError, "requests writes itself"),
    "the header Content-Length": (lambda: header("content-length"), ValueError, "writes itself"),
    "the header Transfer-Encoding": (lambda: header("Transfer-Encoding"), ValueError, "itself"),
    "the header Connection": (lambda: header("Connection"), ValueError, "requests writes itself"),
    # a double submit of the wrong shape
    "csrf is a string": (lambda: cookie("a", csrf="b"), TypeError, "two names"),  # type: ignore[arg-type]
    "csrf is one name": (lambda: cookie("a", csrf=("b",)), TypeError, "two names"),  # type: ignore[arg-type]
    "csrf is three": (lambda: cookie("a", csrf=("b", "c", "d")), TypeError, "two names"),  # type: ignore[arg-type]
    "csrf is a dict": (lambda: cookie("a", csrf={"b": "C"}), TypeError, "two names"),  # type: ignore[arg-type]
    "csrf has an empty name": (lambda: cookie("a", csrf=("", "X")), TypeError, "two names"),
    "csrf has no cookie": (lambda: cookie("a", csrf=("b;c", "X")), ValueError, "csrf: 'b;c'"),
    "csrf has no header": (lambda: cookie("a", csrf=("b", "X\n")), ValueError, "line break"),
    "csrf goes in Cookie": (lambda: cookie("a", csrf=("b", "Cookie")), ValueError, "itself"),
    # two sources for one place
    "one field for both": (endpoint(send="a", send_access="a"), ValueError, "name one place"),
    "one header for both": (
        endpoint(send=header("X-A"), send_access=header("x-a")),
        ValueError,
        "name one place",
    ),
    "one cookie for both": (
        endpoint(send=cookie("a"), send_access=cookie("a")),
        ValueError,
        "name one place",
    ),
    "nothing is handed in": (endpoint(send=None), ValueError, "hands in no token"),
    "extra has the field": (endpoint(send="a", extra={"a": 1}), ValueError, "leave 'a' free"),
    "headers has the header": (
        endpoint(send=header(), headers={"authorization": "x"}),
        ValueError,
        "leave one of them out",
    ),
    "headers has the double submit": (
        endpoint(send=cookie("a", csrf=("b", "X-C")), headers={"x-c": "1"}),
        ValueError,
        "leave one of them out",
    ),
    "headers and Basic": (
        lambda: OAuth2Endpoint("/token", "me", "secret", headers={"Authorization": "x"}),
        ValueError,
        "leave one of them out",
    ),
    # what is no place
    "a header by its name": (
        lambda: JWTRefreshAdapter(URL, ENDPOINT, FileStore("x"), attach="X-Token"),  # type: ignore[arg-type]
        TypeError,
        r"header\('X-Token'\)",
    ),
    "header, not called": (
        lambda: JWTRefreshAdapter(URL, ENDPOINT, FileStore("x"), attach=header),  # type: ignore[arg-type]
        TypeError,
        r"call it: header\(\)",
    ),
    "cookie, not called": (
        lambda: JWTRefreshAdapter(URL, ENDPOINT, FileStore("x"), attach=cookie),  # type: ignore[arg-type]
        TypeError,
        "call it: cookie",
    ),
    "a number": (endpoint(send=5), TypeError, "send takes the path of a JSON field"),
    # rules that never match, or always
    "two statuses at once": (
        lambda: all_of(status(401), status(403)),
        ValueError,
        "can never match",
    ),
    "two values of one field": (
        lambda: all_of(json_field("error", "a"), all_of(json_field("error", "b"))),
        ValueError,
        "wants two values of the field 'error'",
    ),
    "a code with a line break": (lambda: bearer_challenge("x\n"), ValueError, "a code such as"),
    "no status": (status, ValueError, "at least one"),
    "no matcher": (any_of, ValueError, "at least one"),
    "a status as a string": (lambda: status("401"), TypeError, "not '401'"),  # type: ignore[arg-type]
    "statuses as a string": (endpoint(rejected="401"), TypeError, "not '401'"),
    "a status that is none": (endpoint(rejected=(99,)), ValueError, "99 is no HTTP status"),
    "each answer is refused": (endpoint(rejected=status(200)), ValueError, "ok and rejected"),
    "an empty path": (lambda: json_field("", 1), ValueError, "no field name"),
    "a path with a gap": (lambda: json_field("a..b", 1), ValueError, "no field name"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_cannot_work_is_told_at_once(fault: str) -> None:
    """By name, where it is written, before anything is sent."""
    make, kind, text = FAULTS[fault]
    with pytest.raises(kind, match=text):
        make()


def test_equal_values_of_one_field_are_one() -> None:
    """As JSON has it: 1 and 1.0 are the same number, true is another thing."""
    all_of(json_field("a", 1), json_field("a", 1.0), json_field("b", 2))
    all_of(json_field("errors.*.code", "a"), json_field("errors.*.code", "b"))
    with pytest.raises(ValueError, match="two values"):
        all_of(json_field("a", 1), json_field("a", True))


@pytest.mark.parametrize("place", [cookie("token"), cookie("token", csrf=("a", "X-A"))], ids=str)
@pytest.mark.parametrize("secret", ["has space", "a;b", "a,b", 'a"b', "a\\b"])
def test_a_token_that_does_not_fit_costs_nothing(tmp_path: Path, place: Any, secret: str) -> None:
    """It is refused when it arrives; the one in the store stays, and so does its refresh token."""
    store = FileStore(tmp_path / "token.json")
    adapter = JWTRefreshAdapter(URL, ENDPOINT, store, attach=place)
    adapter.set_token(TOKEN)
    with pytest.raises(ValueError, match=r"cookie|space") as caught:
        adapter.set_token(Token(secret, "another"))
    assert secret not in str(caught.value)
    assert store.load() == adapter.token == TOKEN


JSON = 'refresh = { kind = "json", url = "/refresh" }\n'
PROFILES = {
    "a cookie's name with ;": (JSON + 'attach = { cookie = "a;b" }', "attach.cookie cannot be"),
    "a header's name with a line break": (JSON + r'attach = { header = "X\nY" }', "attach.header"),
    "the header Host": (JSON + 'attach = { header = "Host" }', "attach.header cannot be used"),
    "the header Cookie": (JSON + 'attach = { header = "Cookie" }', "give { cookie ="),
    "a header by its name": (JSON + 'attach = "X-Token"', "attach must be a table"),
    "csrf is one name": (JSON + 'attach = { cookie = "a", csrf = ["b"] }', "attach.csrf must be"),
    "csrf is a string": (JSON + 'attach = { cookie = "a", csrf = "b" }', "attach.csrf must be a"),
    "csrf of a header": (
        JSON + 'attach = { header = "a", csrf = ["b", "X"] }',
        "attach.csrf has no",
    ),
    "two places": (
        JSON + 'attach = { cookie = "a", header = "b" }',
        "attach has header and cookie",
    ),
    "one place for both": (
        'refresh = { kind = "json", url = "/r", send = "a", send_access = "a" }',
        "name one place",
    ),
    "a preset and a kind": (
        'refresh = { kind = "json", preset = "simplejwt", url = "/r" }',
        "either a preset or a kind",
    ),
    "extra has the field": (
        'refresh = { kind = "json", url = "/r", send = "a", extra = { a = 1 } }',
        "extra must leave 'a' free",
    ),
    "a rule that never matches": (
        JSON + "when = { all_of = [{ status = 401 }, { status = 403 }] }",
        "can never match",
    ),
    "two values of one field": (
        JSON + 'when = { all_of = [{ json_field = "a", value = 1 }, '
        '{ json_field = "a", value = 2 }] }',
        "two values of the field 'a'",
    ),
    "each answer is refused": (
        'refresh = { kind = "json", url = "/r", rejected = { status = 200 } }',
        "ok and rejected",
    ),
    "a login nobody needs": (
        (
            'refresh = { kind = "jwt-bearer", url = "/t", assertion_file = "a" }\n'
            'login = { url = "/l" }'
        ),
        "login has no place beside jwt-bearer",
    ),
}


@pytest.mark.parametrize("fault", PROFILES)
def test_a_profile_that_cannot_work_is_told_by_key(tmp_path: Path, fault: str) -> None:
    """With file, profile and key; the tokens of the profile's store stay."""
    text, expected = PROFILES[fault]
    store = FileStore(tmp_path / "token.json")
    store.save(TOKEN)
    path = tmp_path / "profiles.toml"
    kept = 'store = { kind = "file", path = "token.json" }'
    path.write_text(f'[api]\nbase_url = "{URL}"\n{kept}\n{text}\n', encoding="utf-8")
    with pytest.raises(ProfileError) as caught:
        JWTRefreshAdapter.from_profile("api", path)
    assert f"{path}: profile 'api': " in caught.value.cause
    assert expected in str(caught.value)
    assert store.load() == TOKEN
