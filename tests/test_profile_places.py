"""Places in a profile: where requests and answers carry a token. See test_authorization.py."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from requests_jwt_refresh import cookie, header
from requests_jwt_refresh.errors import ProfileError
from requests_jwt_refresh.profiles.fields import read_fields
from requests_jwt_refresh.profiles.schema import Table
from tests.support.profiles import (
    GOOD,
    JSON,
    PROD,
    catch_fault,
    file,
    no_profiles_in_the_environment,
    profile,
)

if TYPE_CHECKING:
    from pathlib import Path

    from requests_jwt_refresh.authorization import Place, WirePlace
    from requests_jwt_refresh.matching import Matcher

__all__ = ["file", "no_profiles_in_the_environment"]  # fixtures

CSRF = ("csrf_access_token", "X-CSRF-TOKEN")
CSRF_TEXT = 'csrf = ["csrf_access_token", "X-CSRF-TOKEN"]'

PLACES: list[tuple[str, Any]] = [
    ('{ header = "X-Shopify-Access-Token" }', header("X-Shopify-Access-Token")),
    ('{ header = "Authorization" }', header()),
    ('{ header = "authorization" }', header("authorization")),
    ('{ header = "Authorization", scheme = "JWT" }', header(scheme="JWT")),
    ('{ header = "Authorization", scheme = "" }', header(scheme=None)),
    ('{ header = "X-Token", scheme = "Token" }', header("X-Token", "Token")),
    ('{ cookie = "access_token_cookie" }', cookie("access_token_cookie")),
    (f'{{ cookie = "a", {CSRF_TEXT} }}', cookie("a", csrf=CSRF)),
    ('{ cookie = "a", csrf = ["data.csrf", "X-C"] }', cookie("a", csrf=("data.csrf", "X-C"))),
]
FAULTS = [
    ('"X-Token"', "attach must be a table such as { header", "not a string"),
    ("7", "attach must be a table such as { header", "not a number"),
    ("[]", "attach must be a table such as { header", "not an empty list"),
    ("{}", "attach has neither header nor cookie", 'Write { header = "NAME" } or'),
    ('{ scheme = "JWT" }', "attach has neither header nor cookie", "Write"),
    ('{ header = "X", cookie = "x" }', "attach has header and cookie", "Leave one of them out"),
    ('{ heder = "X" }', "attach.heder is not known", "Did you mean 'header'?"),
    ('{ header = "X", path = "a" }', "attach.path is not known", "Known here: cookie, csrf"),
    ("{ header = true }", "attach.header must be a string, not true or false", ""),
    ('{ header = "" }', "attach.header is empty", ""),
    ('{ header = "X Y" }', "attach.header cannot be used: ", "no space, colon or line break"),
    ('{ header = "X:" }', "attach.header cannot be used: ", "no space, colon or line break"),
    ('{ header = "X\\r\\nY" }', "attach.header cannot be used: ", "no space, colon or line break"),
    ('{ header = "Ünïcode" }', "attach.header cannot be used: ", "no space, colon or line break"),
    *(
        (f'{{ header = "{name}" }}', "attach.header cannot be used: the header ", "give ")
        for name in ("Host", "content-length", "Transfer-Encoding", "Connection")
    ),
    ('{ header = "Cookie" }', "attach.header cannot be used", 'give { cookie = "NAME" }'),
    ('{ header = "X", scheme = "a b" }', "attach.scheme cannot be used: scheme must be one", ""),
    ('{ header = "X", scheme = "a\\n" }', "attach.scheme cannot be used: scheme must be one", ""),
    ('{ header = "X", scheme = 1 }', "attach.scheme must be a string, not a number", ""),
    (f'{{ header = "X", {CSRF_TEXT} }}', "attach.csrf has no place beside header", "Leave it out"),
    ('{ cookie = "" }', "attach.cookie is empty", ""),
    ("{ cookie = [] }", "attach.cookie must be a string, not an empty list", ""),
    ('{ cookie = "a;b" }', "attach.cookie cannot be used: a cookie's name", ""),
    ('{ cookie = "a=b" }', "attach.cookie cannot be used: a cookie's name", ""),
    ('{ cookie = "a\\nb" }', "attach.cookie cannot be used: a cookie's name", ""),
    ('{ cookie = "a", scheme = "JWT" }', "attach.scheme has no place beside cookie", "Leave it"),
    ('{ cookie = "a", csrf = "b" }', "attach.csrf must be a list of strings, not a string", ""),
    ('{ cookie = "a", csrf = { b = "c" } }', "attach.csrf must be a list of strings", ""),
    ('{ cookie = "a", csrf = [1, 2] }', "attach.csrf must be a list of strings", "numbers"),
    ('{ cookie = "a", csrf = [] }', "attach.csrf must be two names, not 0", "that repeats it"),
    ('{ cookie = "a", csrf = ["b"] }', "attach.csrf must be two names, not 1", "that repeats it"),
    ('{ cookie = "a", csrf = ["b", "c", "d"] }', "attach.csrf must be two names, not 3", ""),
    ('{ cookie = "a", csrf = ["b", ""] }', "attach.csrf cannot be used: ", ""),
    ('{ cookie = "a", csrf = ["b", "Host"] }', "attach.csrf cannot be used: ", ""),
    ('{ cookie = "a", csrf = ["b;c", "X"] }', "attach.csrf cannot be used: ", ""),
    ('{ cookie = "a", csrf = ["b", "X\\nY"] }', "attach.csrf cannot be used: ", ""),
]


@pytest.mark.parametrize("key", ["attach", "renewed"])
@pytest.mark.parametrize(("text", "place"), PLACES)
def test_a_place_at_the_top_is_an_option_of_the_adapter(
    file: Path, key: str, text: str, place: WirePlace
) -> None:
    """A header or a cookie, as header() and cookie() make them."""
    made = profile(file, f"{PROD}{key} = {text}\n{JSON}")
    assert made.options()[key] == place


def test_a_place_may_be_a_table_of_its_own(file: Path) -> None:
    """An inline table and one with a heading say the same."""
    text = f'{PROD}{JSON}[prod.attach]\ncookie = "a"\n{CSRF_TEXT}\n'
    assert profile(file, text).attach == cookie("a", csrf=CSRF)


def test_without_a_place_the_adapter_chooses(file: Path) -> None:
    """The endpoint may know better."""
    assert not {"attach", "renewed"} & profile(file, PROD + JSON).options().keys()


@pytest.mark.parametrize(("text", "cause", "more"), FAULTS)
def test_a_faulty_place_is_named(file: Path, text: str, cause: str, more: str) -> None:
    """File, profile and key come first, then what was expected."""
    file.write_text(f"{PROD}attach = {text}\n{JSON}{GOOD}", encoding="utf-8")
    error = catch_fault(file).value
    assert str(error).startswith(f"{file}: profile 'prod': {cause}")
    assert more in str(error)
    assert "\n" not in str(error)
    assert error.__context__ is None
    assert error.remedy


# --- In an endpoint ------------------------------------------------------------------------------


@dataclass
class Sample:
    send: Place | None = "refresh_token"
    carried: WirePlace | None = None
    rejected: tuple[int, ...] | Matcher = (400,)


def read(**content: Any) -> dict[str, Any]:
    table = Table(content, "the file", "prod", "refresh.")
    found = read_fields(table, Sample)
    table.check_all_known()
    return found


def test_a_field_takes_a_path_or_a_place() -> None:
    """A string is the path of a field, a table is a place."""
    assert read(send="data.renew") == {"send": "data.renew"}
    assert read(send={"header": "Authorization"}) == {"send": header()}
    assert read(send={"cookie": "refresh"}) == {"send": cookie("refresh")}
    assert read(carried={"cookie": "a"}) == {"carried": cookie("a")}
    assert read() == {}


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        ({"send": 7}, "send must be the name of a field, or a table such as { header"),
        ({"send": ""}, "send is empty"),
        ({"send": {"header": "X", "csrf": []}}, "send.csrf has no place beside header"),
        ({"send": {}}, "refresh.send has neither header nor cookie"),
        ({"carried": "X-Token"}, "carried must be a table such as { header"),
        ({"rejected": "401"}, "rejected must be a whole number, or a list of them"),
        ({"rejected": {}}, "refresh.rejected has no rule"),
        ({"rejected": {"json_field": "error"}}, "rejected.value is missing"),
        ({"rejected": {"status": 401, "vale": 1}}, "rejected.vale is not known"),
    ],
)
def test_a_faulty_field_is_named(content: dict[str, Any], cause: str) -> None:
    """With the table that it is in."""
    with pytest.raises(ProfileError) as caught:
        read(**content)
    shown = caught.value.cause.removeprefix("the file: profile 'prod': ")
    assert shown.removeprefix("refresh.").startswith(cause.removeprefix("refresh."))


def test_a_refusal_is_statuses_or_a_rule() -> None:
    """The rules are those of [when]."""
    from requests_jwt_refresh import any_of, json_field, status

    assert read(rejected=401) == {"rejected": (401,)}
    assert read(rejected=[400, 401]) == {"rejected": (400, 401)}
    assert read(rejected={"status": [400, 401]}) == {"rejected": status(400, 401)}
    rules = [{"json_field": "error", "value": "bad"}, {"status": 403}]
    assert read(rejected={"any_of": rules}) == {
        "rejected": any_of(json_field("error", "bad"), status(403))
    }
