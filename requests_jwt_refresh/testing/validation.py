"""What a test gives to the server: each mistake is an error at once, not later in a thread of it.

No error shows a value that may be a secret.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import combinations
from typing import Any, Final

from requests_jwt_refresh.tokens import describe_kind

_STATUSES: Final = range(100, 600)


def suggest(name: object, known: Sequence[str], *more: str) -> str:
    """Return how the text about an unknown name ends: with the nearest known one, or with all."""
    nearest = get_close_matches(str(name), known, 1)
    return (
        f"; did you mean {nearest[0]!r}?" if nearest else f": it has {', '.join([*known, *more])}"
    )


# --- Numbers -------------------------------------------------------------------------------------


def is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def is_whole_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def check_seconds(name: str, seconds: object) -> None:
    """Raise TypeError or ValueError unless `seconds` is a time with an end, or 0."""
    if not is_number(seconds):
        raise TypeError(f"{name} must be a number of seconds, not {describe_kind(seconds)}")
    if not 0 <= seconds < math.inf:  # type: ignore[operator]  # a number
        raise ValueError(f"{name} must be a number of seconds from 0 up, not {seconds}")


def check_count(name: str, count: object) -> None:
    """Raise TypeError or ValueError unless `count` is 1, 2, 3 and so on."""
    if not is_whole_number(count):
        raise TypeError(f"{name} must be a whole number such as 1, not {describe_kind(count)}")
    if count < 1:  # type: ignore[operator]  # a number
        raise ValueError(f"{name}={count} is no positive number")


def check_status(status: object) -> None:
    """Raise TypeError or ValueError unless `status` is one of HTTP (RFC 9110 §15)."""
    if not is_whole_number(status):
        raise TypeError(f"status must be a number such as 503, not {describe_kind(status)}")
    if status not in _STATUSES:
        raise ValueError(f"status={status} is no HTTP status (100 to 599)")


# --- Names ---------------------------------------------------------------------------------------


def check_user(user: object) -> None:
    """Raise TypeError or ValueError unless `user` is a name."""
    if not isinstance(user, str):
        raise TypeError(f"user must be a name such as 'alice', not {describe_kind(user)}")
    if not user:
        raise ValueError("user must be a name such as 'alice', not an empty string")


def check_user_code(code: object) -> None:
    """Raise TypeError unless `code` is a string."""
    if not isinstance(code, str):
        raise TypeError(f"user_code must be a string, not {describe_kind(code)}")


def check_choice(name: str, value: object, choices: Sequence[str]) -> None:
    """Raise ValueError unless `value` is one of `choices`."""
    if value not in choices:
        raise ValueError(f"{name}={value!r}: give one of {', '.join(map(repr, choices))}")


def check_url_path(name: str, path: str) -> None:
    """Raise ValueError unless a request may have this path."""
    if not path.startswith("/") or "?" in path or "#" in path:
        raise ValueError(f"{name}={path!r} is no path such as '/auth/refresh'")


def check_paths_apart(paths: Mapping[str, str], is_taken: Callable[[str], bool]) -> None:
    """Raise ValueError if the login is at the path of a refresh, or of what no option moves."""
    login, refresh = paths["login_path"], paths["refresh_path"]
    if login == refresh:
        raise ValueError(
            f"login_path={login!r} and refresh_path={refresh!r} are one path: name another for "
            "one of them"
        )
    if is_taken(login):
        raise ValueError(
            f"login_path={login!r} is a path at which the server does something else: name another"
        )


def check_field(name: str, path: str | None) -> None:
    """Raise ValueError unless `path` is None, a field's name, or several with dots between them."""
    if path is not None and not all(path.split(".")):
        raise ValueError(
            f"{name}={path!r} is no field name and no dotted path such as 'data.token'"
        )


def check_fields_apart(fields: Mapping[str, str | None], where: str) -> None:
    """Raise ValueError if two of these fields, by their options, cannot stand in one object.

    `where` is what it is the object of: a response, a login.
    """
    paths = {name: path.split(".") for name, path in fields.items() if path is not None}
    for (one, left), (other, right) in combinations(paths.items(), 2):
        if _clash(left, right):
            raise ValueError(
                f"{one}={fields[one]!r} and {other}={fields[other]!r} cannot stand in one "
                f"{where}: name another field, or change {other} first"
            )


def _clash(left: list[str], right: list[str]) -> bool:
    """Whether one field stands in the other, or what is above both is an object and a list."""
    for one, other in zip(left, right, strict=False):
        if one != other:
            return one.isdecimal() != other.isdecimal()
    return True


# --- Places --------------------------------------------------------------------------------------


def is_place(value: object) -> bool:
    """Whether `value` is what `header` or `cookie` makes.

    By its attributes, since this server needs no requests, which their classes would bring.
    """
    has_name = not isinstance(value, type) and isinstance(getattr(value, "name", None), str)
    return has_name and (hasattr(value, "scheme") or hasattr(value, "csrf"))


def check_attach(place: object) -> None:
    """Raise ValueError for a cookie that needs a value against forgery beside it."""
    if getattr(place, "csrf", None) is not None:
        raise ValueError(
            f"attach={place!r}: this server gives no CSRF values; leave csrf= out, or play a known "
            "server that gives them, such as like='flask-jwt-extended-cookies'"
        )


# --- Types ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Kind:
    """What an option may be."""

    accepts: Callable[[Any], bool]
    text: str


def _is_strings(value: object) -> bool:
    is_list = isinstance(value, Sequence) and not isinstance(value, (str, bytes))
    return is_list and all(isinstance(each, str) for each in value)  # type: ignore[attr-defined]


def _or_none(kind: _Kind) -> _Kind:
    return _Kind(lambda value: value is None or kind.accepts(value), f"{kind.text} or None")


_BOOL: Final = _Kind(lambda value: isinstance(value, bool), "True or False")
_STR: Final = _Kind(lambda value: isinstance(value, str), "a string")
_STRINGS: Final = _Kind(_is_strings, "a list of strings")
_DICT: Final = _Kind(lambda value: isinstance(value, Mapping), "a dict")
_STATUS: Final = _Kind(
    lambda value: not isinstance(value, type) and hasattr(value, "to_response"),
    "a Status such as Status(401)",
)
_KINDS: Final[Mapping[str, _Kind]] = {
    "bool": _BOOL,
    "bool | None": _Kind(lambda it: it is None or isinstance(it, bool), "True, False or None"),
    "float": _Kind(is_number, "a number of seconds"),
    "int": _Kind(is_whole_number, "a whole number"),
    "str": _STR,
    "str | None": _or_none(_STR),
    "bytes": _Kind(lambda value: isinstance(value, bytes), "bytes"),
    "Sequence[str]": _STRINGS,
    "Sequence[str] | None": _or_none(_STRINGS),
    "Mapping[str, Any]": _DICT,
    "Mapping[str, str | None]": _DICT,
    "Status": _STATUS,
    "Status | None": _or_none(_STATUS),
    "WirePlace | None": _or_none(_Kind(is_place, "header('X-Session'), cookie('session')")),
}
_ONLY_JSON: Final = (
    ": tokens in headers and cookies are those of known servers, such as "
    "like='flask-jwt-extended-cookies', but for the access token of API requests, whose place is "
    "attach="
)


def check_type(name: str, value: object, annotation: object) -> None:
    """Raise TypeError if `value` is not what the annotation of an option says."""
    kind = _KINDS.get(str(annotation), _STR)  # the rest are Literals, of strings
    if not kind.accepts(value):
        hint = _ONLY_JSON if is_place(value) else ""
        raise TypeError(f"{name} must be {kind.text}, not {describe_kind(value)}{hint}")
