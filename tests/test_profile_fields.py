"""A profile's keys are the fields of the dataclasses that it makes: a new field is a new key."""

from __future__ import annotations

import dataclasses
from dataclasses import InitVar, dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from requests_jwt_refresh import presets
from requests_jwt_refresh.endpoints import JSONEndpoint
from requests_jwt_refresh.errors import ProfileError
from requests_jwt_refresh.grants.device import DeviceLogin
from requests_jwt_refresh.grants.password import PasswordLogin
from requests_jwt_refresh.grants.revocation import Logout
from requests_jwt_refresh.profiles import server as reading
from requests_jwt_refresh.profiles.fields import arguments, find_key, read_fields
from requests_jwt_refresh.profiles.load import KINDS, Options, Profiles
from requests_jwt_refresh.profiles.schema import Table
from tests.support.profiles import (
    JSON,
    PROD,
    catch_fault,
    file,
    no_profiles_in_the_environment,
    profile,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["file", "no_profiles_in_the_environment"]  # fixtures


@dataclass(frozen=True, repr=False)
class Extended(JSONEndpoint):
    """An endpoint with more fields than those of today."""

    audience: str = field(default="all", kw_only=True)
    scopes: tuple[str, ...] = field(default=(), kw_only=True)
    pause: float = field(default=1.0, kw_only=True)
    encode: str = field(default="json", kw_only=True, metadata={"choices": ("json", "form")})


@pytest.fixture
def extended(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kind "json" is the one with more fields."""
    monkeypatch.setattr(reading, "load_kind", {"json": Extended}.__getitem__)


MORE = 'audience = "mine"\nscopes = ["a", "b"]\npause = 2\nencode = "form"\n'


@pytest.mark.usefixtures("extended")
def test_a_new_field_of_an_endpoint_is_a_key(file: Path) -> None:
    """It is read without another line, and has the dataclass' own default where it is absent."""
    made = profile(file, f"{PROD}{JSON}{MORE}").refresh
    assert isinstance(made, Extended)
    assert (made.audience, made.scopes, made.pause, made.encode) == ("mine", ("a", "b"), 2, "form")
    assert profile(file, PROD + JSON).refresh == Extended("/r")


@pytest.mark.usefixtures("extended")
@pytest.mark.parametrize(
    ("line", "cause"),
    [
        ("audience = 1", "refresh.audience must be a string, not a number"),
        ('audience = ""', "refresh.audience is empty"),
        ('scopes = "a"', "refresh.scopes must be a list of strings, not a string"),
        ("pause = 0", "refresh.pause must be a number of seconds above 0, up to "),
        ('encode = "frm"', "refresh.encode must be one of 'form', 'json'"),
    ],
)
def test_a_new_key_has_the_type_of_its_field(file: Path, line: str, cause: str) -> None:
    """Its annotation says what the table may hold, its metadata which strings."""
    file.write_text(f"{PROD}{JSON}{line}\n")
    assert catch_fault(file).value.cause.startswith(f"{file}: profile 'prod': {cause}")


@pytest.mark.usefixtures("extended")
def test_a_new_key_is_listed_and_suggested(file: Path) -> None:
    """Where another key is unknown, it is among those that are known, and may be the nearest."""
    file.write_text(f'{PROD}{JSON}audiense = "mine"\n')
    error = catch_fault(file).value
    assert error.cause == f"{file}: profile 'prod': refresh.audiense is not known"
    assert error.remedy == (
        "did you mean 'audience'? Known here: access, audience, bare, encode, expires_at, "
        "expires_in, expires_in_unit, extra, headers, kind, method, ok, pause, preset, refresh, "
        "rejected, scopes, send, send_access, url"
    )


def test_a_new_option_at_the_top_reaches_the_adapter(file: Path) -> None:
    """The fields of Options are the keys there, and arguments of JWTRefreshAdapter."""
    places = "".join(f'{name} = {{ header = "X" }}\n' for name in ("attach", "renewed"))
    file.write_text(f"{PROD}refresh_ahead = 5\n{places}{JSON}")
    made = Profiles.read(file).profile("prod")
    assert {each.name for each in dataclasses.fields(Options)} <= made.options().keys()


# --- the reader itself ---------------------------------------------------------------------------


@dataclass
class Sample:
    name: str
    nickname: str | None = None
    is_on: bool = False
    seconds: float = 1.0
    codes: tuple[int, ...] = ()
    words: tuple[str, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)
    way: str | None = field(default=None, metadata={"choices": ("a", "b")})
    initial: InitVar[str] = "x"
    made: str = field(default="", init=False)
    shared: ClassVar[str] = ""


def table(**content: Any) -> Table:
    return Table(content, "the file", "prod", "part.")


def test_every_type_is_read() -> None:
    """What is absent is left out, for the dataclass' own default; so is an empty table."""
    given = {
        "name": "n",
        "nickname": "nn",
        "is_on": True,
        "seconds": 2,
        "codes": 401,
        "words": ["w"],
        "extra": {"a": {"b": 1}},
        "way": "b",
        "initial": "i",
    }
    assert read_fields(table(**given), Sample) == {**given, "codes": (401,), "words": ("w",)}
    assert read_fields(table(name="n", extra={}), Sample) == {"name": "n"}


def test_a_field_without_a_default_must_be_given() -> None:
    """A misspelling is guessed among the keys that no field has."""
    given = table(nickname="n", nam="n")
    with pytest.raises(ProfileError) as caught:
        read_fields(given, Sample)
    assert caught.value.cause == (
        "the file: profile 'prod': part.name is missing: it must be a string"
    )
    assert caught.value.remedy == "is 'nam' a misspelling of it?"


def test_only_what_the_constructor_takes_is_a_key() -> None:
    """Neither class variables nor what the dataclass computes."""
    names = [each.name for each in arguments(Sample)]
    assert names == [
        *("name", "nickname", "is_on", "seconds", "codes", "words", "extra", "way", "initial")
    ]
    given = table(name="n", made="m")
    read_fields(given, Sample)
    with pytest.raises(ProfileError, match=r"part\.made is not known"):
        given.check_all_known()


def test_fields_can_be_left_out_or_picked() -> None:
    """A key that has been left out is not known."""
    given = table(name="n", nickname="nn")
    assert read_fields(given, Sample, only=("nickname",)) == {"nickname": "nn"}
    with pytest.raises(ProfileError, match=r"part\.name is not known"):
        given.check_all_known()
    assert "name" not in read_fields(table(nickname="nn"), Sample, leave_out={"name"})


def test_a_type_that_no_table_can_hold_is_the_programmers_fault() -> None:
    """TypeError: it has to be left out, or needs a reader."""

    @dataclass
    class Odd:
        when: Table | int

    with pytest.raises(TypeError, match=r"when: Table \| int is no type that a profile could give"):
        read_fields(table(), Odd)


@pytest.mark.parametrize(
    ("made", "special"),
    [
        *((made, {"when", "client_secret"}) for made in map(reading.load_kind, KINDS)),
        *(
            (presets.load(name).endpoint, {"when", "client_secret"})
            for name in presets.PRESET_MODULES
        ),
        (PasswordLogin, reading.NO_LOGIN_KEYS),
        (DeviceLogin, {"client", "client_id", "show"}),
        (Logout, {"client", "attach"}),
        (Options, set()),
    ],
    ids=lambda case: getattr(case, "__name__", ""),
)
def test_each_field_has_a_reader_or_is_special(made: Any, special: set[str]) -> None:
    """A field of another type is noticed here, and not by the first user of the table."""
    required = {
        find_key(each): "x"
        for each in arguments(made)
        if each.name not in special
        and each.default is dataclasses.MISSING
        and each.default_factory is dataclasses.MISSING
    }
    read = read_fields(table(**required), made, leave_out=special)
    assert read.keys() == {key.removesuffix("_file") for key in required}
