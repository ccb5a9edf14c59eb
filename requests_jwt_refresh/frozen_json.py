"""JSON values that cannot be changed, as a Token keeps them; their repr shows no value."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final, NoReturn

MAX_DEPTH: Final = 32  # objects and arrays inside one another; pickle and json have limits, too
_LONGEST_NAME: Final = 30  # characters of a name that an error shows; a longer one may be a token


class NotJSON(ValueError):
    """A value that JSON does not have; its text names types and keys, and no value."""


def _refuse(_self: object, *_args: object, **_options: object) -> NoReturn:
    raise TypeError("this is read-only: change a copy, such as dict(token.extra)")


class FrozenDict(dict[str, Any]):
    """A JSON object that cannot be changed. ``dict(it)`` makes one that can, and prints."""

    __setitem__ = __delitem__ = __ior__ = _refuse
    update = setdefault = pop = popitem = clear = _refuse

    def __repr__(self) -> str:
        return repr(dict.fromkeys(self, "***"))

    def __copy__(self) -> FrozenDict:
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> FrozenDict:
        return self

    def __reduce__(self) -> tuple[type[FrozenDict], tuple[dict[str, Any]]]:
        return type(self), (dict(self),)


class FrozenList(list[Any]):
    """A JSON array that cannot be changed. ``list(it)`` makes one that can, and prints."""

    __setitem__ = __delitem__ = __iadd__ = __imul__ = _refuse
    append = extend = insert = remove = pop = clear = _refuse
    sort = reverse = _refuse

    def __repr__(self) -> str:
        return repr(["***"] * len(self))

    def __copy__(self) -> FrozenList:
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> FrozenList:
        return self

    def __reduce__(self) -> tuple[type[FrozenList], tuple[list[Any]]]:
        return type(self), (list(self),)


EMPTY: Final = FrozenDict()


def freeze_object(found: object) -> FrozenDict:
    """Return a deep copy of the JSON object `found` that cannot be changed. Raises NotJSON.

    >>> freeze_object({"scope": "read", "groups": [1, 2]}) == {"scope": "read", "groups": [1, 2]}
    True
    """
    if not isinstance(found, Mapping):
        raise NotJSON(f"it is {_describe_type(found)}")
    return FrozenDict((_check_key(key), _freeze(value, key, 1)) for key, value in found.items())


def freeze_members(found: object) -> FrozenDict:
    """Return those members of the JSON object `found` that `freeze_object` takes.

    Of what a server or a store gives: Python reads ``NaN`` and any depth, too. {} if it is no
    object at all.
    """
    kept: dict[str, Any] = {}
    for key, value in found.items() if isinstance(found, Mapping) else ():
        try:
            kept.update(freeze_object({key: value}))
        except NotJSON:
            continue
    return FrozenDict(kept)


def _freeze(value: object, key: object, depth: int) -> object:
    """Return `value`, which stands under `key`, as one that cannot be changed."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str.__str__(value)  # not of a class that a later program does not have
    if isinstance(value, (int, float)) and _is_finite(value):
        return float(value) if isinstance(value, float) else int(value)
    if isinstance(value, (Mapping, list, tuple)):
        if depth == MAX_DEPTH:
            raise NotJSON(f"it is nested deeper than {MAX_DEPTH} levels")
        if isinstance(value, Mapping):
            return FrozenDict(
                (_check_key(name), _freeze(each, name, depth + 1)) for name, each in value.items()
            )
        return FrozenList(_freeze(each, key, depth + 1) for each in value)
    is_number = isinstance(value, (int, float))
    what = "a number that is infinite or too large" if is_number else _describe_type(value)
    name = repr(key) if len(str(key)) <= _LONGEST_NAME else "one of its values"
    raise NotJSON(f"{name} is {what}, which JSON does not have")


def _check_key(key: object) -> str:
    if isinstance(key, str):
        return str.__str__(key)
    raise NotJSON(f"one of its keys is {_describe_type(key)}, not a string")


def _describe_type(value: object) -> str:
    return "None" if value is None else f"of the type {type(value).__name__}"


def _is_finite(number: float) -> bool:
    try:
        return math.isfinite(number)
    except OverflowError:
        return False
