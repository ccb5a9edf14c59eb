"""The keys of a table that are the fields of a dataclass: a new field is a new key."""

from __future__ import annotations

import re
from dataclasses import MISSING
from typing import TYPE_CHECKING, Any, Final

from requests_jwt_refresh.profiles.places import read_attach, read_place, read_wire_place
from requests_jwt_refresh.profiles.schema import REQUIRED, Table
from requests_jwt_refresh.profiles.secrets import SecretFile
from requests_jwt_refresh.profiles.when import read_rejected

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from dataclasses import Field

_READERS: Final[Mapping[str, Callable[..., Any]]] = {
    "str": Table.text,
    "bool": Table.flag,
    "float": Table.seconds,
    "SecondsOrZero": Table.seconds_or_zero,
    "int": Table.size,
    "tuple[int, ...]": Table.numbers,
    "tuple[str, ...]": Table.texts,
    "Mapping": Table.mapping,
    "Place": read_place,
    "WirePlace": read_wire_place,
    "Carrier": read_attach,
    "Refusals": read_rejected,
    "tuple[int, ...] | Matcher": read_rejected,
}
"""What reads a key, by the type of its field."""

_PROOF: Final = "Proof"
_INIT_VAR = re.compile(r"InitVar\[(.*)\]")
_OPTIONAL = re.compile(r" \| None$")
_ARGUMENTS = re.compile(r"(Mapping)\[.*\]")
_ABSENT: Final[Any] = object()


def read_fields(
    table: Table, cls: type, *, leave_out: Collection[str] = (), only: Collection[str] | None = None
) -> dict[str, Any]:
    """Return the arguments for the dataclass `cls` that the table gives.

    Every field that its constructor takes is a key: its type annotation says what the table may
    hold there, ``metadata={"choices": ...}`` which strings, and a field without a default must be
    given. Keys in `leave_out` are not known, nor are those that are not in `only`.
    """
    fields = [
        each
        for each in arguments(cls)
        if each.name not in leave_out and (only is None or each.name in only)
    ]
    # So that none is taken for a misspelt other.
    table.known_keys |= {find_key(each) for each in fields}
    given = {each.name: _read(table, each) for each in fields}
    return {name: value for name, value in given.items() if value is not _ABSENT}


def arguments(cls: Any) -> list[Field[Any]]:
    """Return the fields that the constructor of a dataclass takes, InitVars among them."""
    found: dict[str, Field[Any]] = cls.__dataclass_fields__
    return [
        each for each in found.values() if each.init and not str(each.type).startswith("ClassVar")
    ]


def _read(table: Table, each: Field[Any]) -> Any:
    has_default = each.default is not MISSING or each.default_factory is not MISSING
    default = _ABSENT if has_default else REQUIRED
    choices = each.metadata.get("choices")
    if choices is not None:
        return table.choice(each.name, choices, default)
    kind = _simplify(str(each.type))
    reader = _read_proof if kind == _PROOF else _READERS.get(kind)
    if reader is None:
        raise TypeError(f"{each.name}: {each.type} is no type that a profile could give")
    return reader(table, find_key(each), default)


def find_key(each: Field[Any]) -> str:
    """Return the key of a field: what is handed in comes from a file, and its key says so."""
    return f"{each.name}_file" if _simplify(str(each.type)) == _PROOF else each.name


def _read_proof(table: Table, key: str, default: Any) -> Any:
    """Return what reads the file at `key` each time that it is asked."""
    if key not in table.content:
        if default is not REQUIRED:
            return default
        raise table.missing(key, "the path of the file that holds it")
    return SecretFile(table.file_path(key))


def _simplify(annotation: str) -> str:
    """Return an annotation without what makes no difference to a table.

    >>> _simplify("InitVar[str | None]"), _simplify("Mapping[str, str | Sequence[str]]")
    ('str', 'Mapping')
    """
    bare = _OPTIONAL.sub("", _INIT_VAR.sub(r"\1", annotation))
    return _ARGUMENTS.sub(r"\1", _OPTIONAL.sub("", bare))
