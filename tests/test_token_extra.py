"""Token.extra: what else came with a token, kept with it and never shown."""

from __future__ import annotations

import copy
import json
import pickle
from dataclasses import asdict, replace
from enum import Enum, IntEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pytest

from requests_jwt_refresh import InvalidToken, Token
from requests_jwt_refresh.frozen_json import MAX_DEPTH, freeze_members
from requests_jwt_refresh.stores.base import decode, encode
from requests_jwt_refresh.tokens import with_expiry, with_values

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

EXTRA: dict[str, Any] = {
    "id_token": "id-secret",
    "scope": "read write",
    "refresh_expires_at": 1.7e9,
    "user": {"groups": ["secret-group", {"name": "secret"}], "active": True, "manager": None},
}


class Word(str, Enum):
    """A string of a class of the user's own."""

    READ = "read"


class Level(IntEnum):
    """A number of a class of the user's own."""

    HIGH = 3


def make_nested(depth: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for _ in range(depth - 1):
        found = {"a": found}
    return found


# --- The value -----------------------------------------------------------------------------------


def test_a_token_has_none_unless_given() -> None:
    """An empty object, which is as read-only as any."""
    assert Token("a").extra == {}
    with pytest.raises(TypeError):
        Token("a").extra["scope"] = "x"  # type: ignore[index]


def test_it_is_what_was_given() -> None:
    """As the last argument, too; equal to the dict, and json writes it."""
    token = Token("a", "r", 1.7e9, EXTRA)
    assert token.extra == EXTRA
    assert json.loads(json.dumps(token.extra)) == EXTRA


def test_it_is_a_deep_copy() -> None:
    """What the caller does with the dict afterwards is the caller's business."""
    given = copy.deepcopy(EXTRA)
    token = Token("a", extra=given)
    given["scope"] = "changed"
    given["user"]["groups"].append("changed")
    assert token.extra == EXTRA


CHANGES: list[Callable[[Any], object]] = [
    lambda extra: extra.__setitem__("scope", "x"),
    lambda extra: extra.__delitem__("scope"),
    lambda extra: extra.__ior__({"scope": "x"}),
    lambda extra: extra.update(scope="x"),
    lambda extra: extra.setdefault("new", "x"),
    lambda extra: extra.pop("scope"),
    lambda extra: extra.popitem(),
    lambda extra: extra.clear(),
    lambda extra: extra["user"].update(active=False),
    lambda extra: extra["user"].__setitem__("active", False),
    lambda extra: extra["user"]["groups"].append("x"),
    lambda extra: extra["user"]["groups"].extend(["x"]),
    lambda extra: extra["user"]["groups"].insert(0, "x"),
    lambda extra: extra["user"]["groups"].remove("secret-group"),
    lambda extra: extra["user"]["groups"].pop(),
    lambda extra: extra["user"]["groups"].clear(),
    lambda extra: extra["user"]["groups"].reverse(),
    lambda extra: extra["user"]["groups"].sort(key=str),
    lambda extra: extra["user"]["groups"].__setitem__(0, "x"),
    lambda extra: extra["user"]["groups"].__delitem__(0),
    lambda extra: extra["user"]["groups"].__iadd__(["x"]),
    lambda extra: extra["user"]["groups"].__imul__(2),
    lambda extra: extra["user"]["groups"][1].update(name="x"),
]


@pytest.mark.parametrize("change", CHANGES, ids=range(len(CHANGES)))
def test_it_cannot_be_changed(change: Callable[[Any], object]) -> None:
    """At no depth, and by no method of a dict or list."""
    token = Token("a", extra=EXTRA)
    with pytest.raises(TypeError, match="read-only"):
        change(token.extra)
    assert token.extra == EXTRA


def test_a_copy_can_be_changed() -> None:
    """``dict(extra)`` is an ordinary dict, and so is a union."""
    token = Token("a", extra=EXTRA)
    assert {**token.extra, "scope": "x"} == {**EXTRA, "scope": "x"}
    changed = dict(token.extra)
    changed["scope"] = "x"
    assert type(dict(token.extra) | {"scope": "x"}) is dict
    assert token.extra == EXTRA


def test_it_takes_no_part_in_equality_or_hash() -> None:
    """Two tokens are the same if their secrets and expiry are."""
    one, other = Token("a", "r", 1.7e9), Token("a", "r", 1.7e9, extra=EXTRA)
    assert one == other
    assert hash(one) == hash(other)
    assert one != Token("b", "r", 1.7e9, extra=EXTRA)


def test_it_is_not_shown() -> None:
    """Neither with the token nor by itself, at no depth; names are no secret."""
    token = Token("a", extra=EXTRA)
    assert repr(token) == "Token(access='***', refresh=None, expires_at=None)"
    for each in (token.extra, token.extra["user"], token.extra["user"]["groups"]):
        for text in (repr(each), str(each), f"{each}"):
            assert "secret" not in text.replace("id_token", "")
    assert "id_token" in repr(token.extra)


@pytest.mark.parametrize(
    "copied",
    [copy.copy, copy.deepcopy, lambda each: pickle.loads(pickle.dumps(each)), replace, with_expiry],
    ids=["copy", "deepcopy", "pickle", "replace", "with_expiry"],
)
def test_a_copied_token_keeps_it(copied: Callable[[Token], Token]) -> None:
    """And it is as read-only there."""
    again = copied(Token("a", "r", 1.7e9, EXTRA))
    assert again.extra == EXTRA
    with pytest.raises(TypeError, match="read-only"):
        again.extra["user"]["groups"].append("x")


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_it_goes_through_every_pickle(protocol: int) -> None:
    """By itself, too: a program may hand it to another process."""
    extra = Token("a", extra=EXTRA).extra
    assert pickle.loads(pickle.dumps(extra, protocol)) == EXTRA
    assert copy.deepcopy(extra) == EXTRA
    assert asdict(Token("a", extra=EXTRA))["extra"] == EXTRA


def test_a_token_pickled_by_an_older_version_has_none() -> None:
    """It was pickled without the attribute."""
    token = with_values(Token("a", "r"), counter=7)
    older = Token.__new__(Token)
    state = {name: value for name, value in vars(token).items() if name != "extra"}
    older.__setstate__(state)
    assert (older, older.counter, older.extra) == (token, 7, {})


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({"groups": ("a", "b")}, {"groups": ["a", "b"]}),
        (MappingProxyType({"a": MappingProxyType({"b": 1})}), {"a": {"b": 1}}),
        ({"word": Word.READ, Word.READ: Level.HIGH}, {"word": "read", "read": 3}),
        ({"big": 2**900, "small": -0.5, "no": False}, {"big": 2**900, "small": -0.5, "no": False}),
        ({"lone": "\ud83d", "": "\x00"}, {"lone": "\ud83d", "": "\x00"}),
        (make_nested(MAX_DEPTH), make_nested(MAX_DEPTH)),
    ],
)
def test_what_is_json_is_taken(given: Mapping[str, Any], kept: dict[str, Any]) -> None:
    """In plain types, so that any program can read the pickle and the store."""
    extra = Token("a", extra=given).extra
    assert extra == kept
    assert decode(encode(Token("a", extra=given)), "here").extra == kept


class Secretive:
    """A value whose repr must not come into an error."""

    def __repr__(self) -> str:
        raise AssertionError("nobody asks for it")


ENDLESS: dict[str, Any] = {}
ENDLESS["again"] = [ENDLESS]

NO_JSON: list[Any] = [
    None,
    "secret",
    ["secret"],
    [("scope", "secret")],
    17,
    Secretive(),
    {1: "secret"},
    {None: "secret"},
    {b"secret": 1},
    {"when": Secretive()},
    {"a": {"b": [{"c": Secretive()}]}},
    {"a": {2: "secret"}},
    {"a": b"secret"},
    {"a": {"secret"}},
    {"a": float("nan")},
    {"a": [float("inf")]},
    {"a": 10**400},
    {"a" * 31 + "secret": 1j},
    make_nested(MAX_DEPTH + 1),
    ENDLESS,
]


@pytest.mark.parametrize("extra", NO_JSON, ids=range(len(NO_JSON)))
def test_what_is_no_json_object_is_refused(extra: Any) -> None:
    """By an InvalidToken that names a key or a type, and no value."""
    with pytest.raises(InvalidToken, match=r"^extra is not a JSON object: ") as caught:
        Token("a", extra=extra)
    assert "secret" not in str(caught.value)
    assert caught.value.__context__ is None
    assert caught.value.remedy.startswith("give a dict of")


def test_of_what_a_server_gives_the_fit_members_are_kept() -> None:
    """Python's json reads more than JSON has; none of that costs the rest, or the token."""
    deep = "[" * 500 + "]" * 500
    found = json.loads(f'{{"a": 1, "n": NaN, "i": [-Infinity], "deep": {deep}, "z": {{"b": 2}}}}')
    assert freeze_members(found) == {"a": 1, "z": {"b": 2}}
    assert [freeze_members(other) for other in (["a"], None, "text", 1.5)] == [{}] * 4


# --- As it is written down -----------------------------------------------------------------------


def test_it_is_stored_as_one_line_of_ascii() -> None:
    """So that every store can keep it and count its characters."""
    text = encode(Token("a", extra={"name": "Zo\u00eb\n\u2028"}))
    assert text.isascii()
    assert text.isprintable()
    assert decode(text, "here").extra == {"name": "Zo\u00eb\n\u2028"}


def test_a_token_without_it_is_written_as_ever() -> None:
    """An entry does not grow, and older programs read all of them."""
    assert "extra" not in encode(Token("a"))


def test_an_older_entry_has_none() -> None:
    """Version 0.1 wrote three fields."""
    token = decode('{"access":"a","refresh":"r","expires_at":2e9}', "here")
    assert (token, token.extra) == (Token("a", "r", 2e9), {})


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("null", {}),
        ('"text"', {}),
        ("17", {}),
        ('["scope"]', {}),
        ('{"scope": "read", "odd": NaN}', {"scope": "read"}),
        ('{"scope": "read", "huge": 1' + "0" * 5000 + "}", {"scope": "read"}),
        ('{"scope": "read", "deep": ' + "[" * 200 + "]" * 200 + "}", {"scope": "read"}),
    ],
    ids=range(7),
)
def test_a_faulty_one_costs_no_token(text: str, kept: dict[str, Any]) -> None:
    """What is fit of it is kept."""
    token = decode(f'{{"access":"a","refresh":"r","expires_at":null,"extra":{text}}}', "here")
    assert (token, token.extra) == (Token("a", "r"), kept)
