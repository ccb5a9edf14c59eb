"""What a test gives AuthServer wrongly is an error at once, in the test's own line."""

from __future__ import annotations

import inspect
from dataclasses import fields
from typing import Any
from unittest import mock

import pytest

from requests_jwt_refresh import cookie
from requests_jwt_refresh.testing import (
    HTML,
    AuthServer,
    Delay,
    Drop,
    Huge,
    JSONBody,
    Redirect,
    ServerOptions,
    Status,
    Trickle,
)
from tests.support.plain_requests import get, refresh

Loose = Any  # for what a type checker would have found

# --- Names ---------------------------------------------------------------------------------------

NEAREST = {
    "refesh_path": "refresh_path",
    "acces_field": "access_field",
    "opaqe": "opaque",
    "life_time": "lifetime",
    "expires_unit": "expires_in_unit",
}


@pytest.mark.parametrize("name", NEAREST)
def test_an_unknown_attribute_names_the_nearest_option(name: str, server: AuthServer) -> None:
    """As the constructor does."""
    with pytest.raises(
        AttributeError, match=f"no option '{name}'; did you mean '{NEAREST[name]}'\\?$"
    ):
        setattr(server, name, "/x")
    wrong: Loose = {name: "/x"}
    with pytest.raises(TypeError, match=f"no option '{name}'; did you mean '{NEAREST[name]}'"):
        AuthServer(**wrong)


def test_an_unknown_attribute_like_none_of_them_lists_all(server: AuthServer) -> None:
    """So do inner names: there is no public one to overwrite."""
    with pytest.raises(AttributeError, match="has no option 'zzz': it has like, lifetime, "):
        server.zzz = 1  # type: ignore[attr-defined]
    with pytest.raises(AttributeError, match=r"'shape': it has .*its own in a subclass"):
        server.shape = "mine"  # type: ignore[attr-defined]
    assert refresh(server, server.login()).status_code == 200


def test_no_inner_attribute_has_a_public_name(server: AuthServer) -> None:
    """Public are options alone, and what the class says."""
    options = {each.name for each in fields(ServerOptions)}
    assert {name for name in vars(server) if not name.startswith("_")} <= options


@pytest.mark.parametrize("name", ["url", "counters", "requests", "refresh_url", "throttled"])
def test_what_is_only_read_cannot_be_set(name: str, server: AuthServer) -> None:
    """AttributeError that names it."""
    with pytest.raises(AttributeError, match=f"{name} of AuthServer cannot be set"):
        setattr(server, name, "/x")


@pytest.mark.parametrize("name", ["expire", "revoke", "fail", "login"])
def test_a_method_is_called_and_not_set(name: str, server: AuthServer) -> None:
    """``server.expire = True`` would do nothing; a spy of mock's takes its place."""
    with pytest.raises(AttributeError, match=rf"{name} is a method of AuthServer: call {name}\(\)"):
        setattr(server, name, True)
    with mock.patch.object(server, name) as spy:
        getattr(server, name)()
    spy.assert_called_once_with()


@pytest.mark.parametrize(("name", "value"), [("like", "github"), ("openid", True)])
def test_what_holds_for_life_is_given_at_the_beginning(
    name: str, value: object, server: AuthServer
) -> None:
    """Changed later, nothing would follow."""
    with pytest.raises(AttributeError, match=rf"give it to AuthServer\({name}=...\)"):
        setattr(server, name, value)


def test_a_subclass_has_attributes_of_its_own() -> None:
    """Whatever they are called, inner names of ours included; its options are checked as ever."""

    class MyServer(AuthServer):
        def __post_init__(self) -> None:
            super().__post_init__()
            self.shape = self.prefixes = "mine"

    with MyServer() as server:
        server.seen = []  # type: ignore[attr-defined]
        assert (server.shape, server.prefixes) == ("mine", "mine")
        assert refresh(server, server.login()).status_code == 200
        with pytest.raises(TypeError, match="opaque must be True or False"):
            server.opaque = "no"  # type: ignore[assignment]


# --- Options -------------------------------------------------------------------------------------

WRONG_TYPES: list[tuple[str, Loose, str]] = [
    ("opaque", "no", "opaque must be True or False, not a str"),
    ("rotate", 1, "rotate must be True or False, not an int"),
    ("lifetime", "300", "lifetime must be a number of seconds, not a str"),
    ("grace", True, "grace must be a number of seconds, not a bool"),
    ("clock_skew", None, "clock_skew must be a number of seconds, not None"),
    ("refresh_path", None, "refresh_path must be a string, not None"),
    ("access_field", ["a"], "access_field must be a string, not a list"),
    ("expires_field", 1, "expires_field must be a string or None, not an int"),
    ("expires_in_unit", 1, "expires_in_unit must be a string, not an int"),
    ("status", "201", "status must be a whole number, not a str"),
    ("expired", 401, r"expired must be a Status such as Status\(401\), not an int"),
    ("expired", Status, "not the class Status"),
    ("scopes", "openid", "scopes must be a list of strings, not a str"),
    ("redirect_uris", "http://h", "redirect_uris must be a list of strings or None"),
    ("metadata", [], "metadata must be a dict, not a list"),
    ("consent", "yes", "consent must be True, False or None, not a str"),
    ("signing_key", "a secret", "signing_key must be bytes, not a str"),
]
WRONG_VALUES: list[tuple[str, Loose, str]] = [
    ("lifetime", -1, "from 0 up, not -1"),
    ("grace", float("nan"), "from 0 up, not nan"),
    ("refresh_path", "auth/renew", "refresh_path='auth/renew' is no path such as '/auth/refresh'"),
    ("refresh_path", "/x?a=b", "is no path"),
    ("access_field", "", "access_field='' is no field name"),
    ("refresh_field", "data..token", "refresh_field='data..token' is no field name"),
    ("expires_in_unit", "millis", "expires_in_unit='millis': give one of 's', 'ms'"),
    ("expires_at_unit", "iso", "give one of 's', 'ms', 'date'"),
    ("refresh_tokens", "asks", "give one of 'asked', 'always', 'never'"),
    ("status", 20, "status=20 is no HTTP status"),
    ("access_field", "refresh_token", "cannot stand in one response: name another"),
    ("refresh_field", "access_token.new", "cannot stand in one response"),
]


@pytest.mark.parametrize(("name", "value", "text"), WRONG_TYPES)
def test_an_option_of_a_wrong_type_is_a_type_error(
    name: str, value: Loose, text: str, server: AuthServer
) -> None:
    """By attribute and in the constructor; the old value stays, and no value is shown."""
    before = getattr(server, name)
    with pytest.raises(TypeError, match=text) as raised:
        setattr(server, name, value)
    assert "a secret" not in str(raised.value)
    assert getattr(server, name) == before
    with pytest.raises(TypeError, match=text):
        AuthServer(**{name: value})


@pytest.mark.parametrize(("name", "value", "text"), WRONG_VALUES)
def test_an_option_that_makes_no_sense_is_a_value_error(
    name: str, value: Loose, text: str, server: AuthServer
) -> None:
    """Likewise."""
    with pytest.raises(ValueError, match=text):
        setattr(server, name, value)
    with pytest.raises(ValueError, match=text):
        AuthServer(**{name: value})


def test_each_option_is_checked(server: AuthServer) -> None:
    """Whichever will be added: an object is none of them."""
    for each in fields(ServerOptions):
        if each.init and each.name not in ("like", "openid"):
            with pytest.raises(TypeError, match=f"^{each.name} must be "):
                setattr(server, each.name, object())


def test_help_says_what_each_option_means() -> None:
    """Each has its line in the docstring; those with a time, its unit."""
    text = inspect.getdoc(ServerOptions) or ""
    for each in fields(ServerOptions):
        if each.init:
            assert f"\n    {each.name}: " in text
    assert "lifetime: seconds" in text


# --- Faults and gates ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "what"),
    [
        (503, "an int"),
        (Status, "the class Status"),
        (None, "None"),
        (print, "a builtin"),
        ("x", ""),
    ],
)
def test_what_is_no_fault_is_refused(fault: Loose, what: str, server: AuthServer) -> None:
    """TypeError in the line of fail(), and not in a thread of the server."""
    text = rf"{what}.* is no fault; a fault has a method play: Status\(503\)"
    with pytest.raises(TypeError, match=text):
        server.fail(fault)
    assert refresh(server, server.login()).status_code == 200


@pytest.mark.parametrize("on", [5, None, ["refresh"], str, lambda: True, lambda _a, _b: True])
def test_a_target_of_a_wrong_type_is_refused(on: Loose, server: AuthServer) -> None:
    """For a fault and for a gate; a predicate takes the path alone."""
    with pytest.raises(TypeError, match=r"^on "):
        server.fail(Drop(), on=on)
    with pytest.raises(TypeError, match=r"^on "):
        server.gate(on)


@pytest.mark.parametrize("times", [True, "2", 1.5])
def test_times_is_a_whole_number(times: Loose, server: AuthServer) -> None:
    """Half a fault would never end."""
    with pytest.raises(TypeError, match="times must be a whole number"):
        server.fail(Drop(), times=times)


@pytest.mark.parametrize("times", [0, -1])
def test_times_is_positive(times: int, server: AuthServer) -> None:
    """A fault never played would prove nothing."""
    with pytest.raises(ValueError, match="is no positive number"):
        server.fail(Drop(), times=times)


def test_a_gate_waits_for_a_number_and_a_time(server: AuthServer) -> None:
    """Each with an end."""
    with server.gate() as gate:
        wrong: list[Loose] = [True, "2", None]
        for each in wrong:
            with pytest.raises(TypeError, match="count must be"):
                gate.wait_for(each)
            with pytest.raises(TypeError, match="timeout must be"):
                gate.wait_for(1, timeout=each)
        with pytest.raises(ValueError, match="no positive number"):
            gate.wait_for(0)
        with pytest.raises(ValueError, match="from 0 up"):
            gate.wait_for(1, timeout=float("inf"))


MAKE_WRONG: list[tuple[type[Exception], Loose]] = [
    (TypeError, lambda: Status("503")),  # type: ignore[arg-type]
    (TypeError, lambda: Status(401, body="no")),  # type: ignore[arg-type]
    (TypeError, lambda: Status(401, headers=["X-A"])),  # type: ignore[arg-type]
    (ValueError, lambda: Status(0)),
    (TypeError, lambda: JSONBody({1, 2})),
    (ValueError, lambda: JSONBody({}, 1000)),
    (TypeError, lambda: HTML("200")),  # type: ignore[arg-type]
    (TypeError, lambda: Redirect(302)),  # type: ignore[arg-type]
    (TypeError, lambda: Huge("big")),  # type: ignore[arg-type]
    (TypeError, lambda: Delay("1")),  # type: ignore[arg-type]
    (ValueError, lambda: Delay(-1)),
    (TypeError, lambda: Trickle(None)),  # type: ignore[arg-type]
    (ValueError, lambda: Trickle(part="head")),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("error", "make"), MAKE_WRONG)
def test_a_fault_that_cannot_be_played_cannot_be_made(error: Loose, make: Loose) -> None:
    """Each would have failed in a thread of the server."""
    with pytest.raises(error):
        make()


def test_a_fault_with_a_number_goes_before_one_without_end(server: AuthServer) -> None:
    """Which goes on afterwards, until another without end takes its place."""
    token = server.login()
    server.fail(Status(500), times=None)
    server.fail(Status(502))
    server.fail(Status(503))
    statuses = [refresh(server, token).status_code for _ in range(4)]
    assert statuses == [502, 503, 500, 500]
    server.fail(Status(504), times=None)
    server.fail(Status(418), on="api", times=None)
    assert [refresh(server, token).status_code for _ in range(2)] == [504, 504]
    assert get(server, token.access).status_code == 418


# --- Users ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("user", "error"), [(5, TypeError), (None, TypeError), ("", ValueError)])
def test_a_user_is_a_name(user: Loose, error: Loose, server: AuthServer) -> None:
    """Every name but the empty one may log in."""
    with pytest.raises(error, match="user must be a name such as 'alice'"):
        server.login(user)
    with pytest.raises(error, match="user must be a name such as 'alice'"):
        server.approve("code", user)
    assert server.login("x").access


@pytest.mark.parametrize("code", [5, None])
def test_a_user_code_is_a_string(code: Loose, server: AuthServer) -> None:
    """For both answers of a person."""
    for answer in (server.approve, server.deny):
        with pytest.raises(TypeError, match="user_code must be a string"):
            answer(code)


def test_a_family_is_asked_for_by_its_token(server: AuthServer) -> None:
    """Not by the string in it, which the error does not show."""
    access: Loose = server.login().access
    with pytest.raises(TypeError, match="token must be a Token, not a str") as raised:
        server.family_alive(access)
    assert access not in str(raised.value)


def test_a_place_that_is_no_json_field_names_the_servers_that_have_it() -> None:
    """As an endpoint's words are `cookie()` and `header()`."""
    place: Any = cookie("refresh")
    with pytest.raises(TypeError, match="a string, not a Cookie: tokens in headers and cookies"):
        AuthServer(request_field=place)
