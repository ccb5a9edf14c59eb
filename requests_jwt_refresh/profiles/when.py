"""What a profile says about an expired token, [when], and about a refused one, refresh.rejected."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from requests_jwt_refresh.matching import (
    all_of,
    any_of,
    bearer_challenge,
    check_matcher,
    json_field,
    status,
)
from requests_jwt_refresh.profiles.schema import REQUIRED, build

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from requests_jwt_refresh.matching import Matcher
    from requests_jwt_refresh.profiles.schema import Table

T = TypeVar("T")

_RULES: Final = frozenset({"json_field", "bearer_challenge", "any_of", "all_of", "status"})
_LISTS: Final[Mapping[str, Callable[..., Matcher]]] = {"any_of": any_of, "all_of": all_of}


def read_when(table: Table | None) -> Matcher | None:
    """Return the matcher that the table describes, None if there is no table."""
    if table is None:
        return None
    matcher = _read_rule(table)
    build(table, check_matcher, matcher)  # one of refresh.rejected is asked about more statuses
    return matcher


def read_rejected(table: Table, key: str, default: T = REQUIRED) -> tuple[int, ...] | Matcher | T:
    """Return what a refusal looks like: statuses, or a rule as in [when]. Raises ProfileError."""
    content = table.content.get(key)
    if isinstance(content, dict):
        table.known_keys.add(key)
        return _read_rule(table.subtable(key, content))
    return table.numbers(key, default)


def _read_rule(table: Table) -> Matcher:
    matcher = _make_matcher(table)
    table.check_all_known()
    return matcher


def _make_matcher(table: Table) -> Matcher:
    table.known_keys |= _RULES
    given = sorted(_RULES & table.content.keys() - {"status"})
    if len(given) > 1:
        raise table.error(
            "",
            f"{table.name} has {' and '.join(given)}: one rule at a time",
            "leave all but one out, or combine them with any_of or all_of",
        )
    rule = given[0] if given else "status"
    if rule in _LISTS:
        return _read_list(table, rule)
    codes = table.numbers("status", None)
    if codes is None and not given:
        raise _make_empty_error(table)
    if rule == "json_field":
        path, value = table.text(rule), table.scalar("value")
        return build(table, json_field, path=path, value=value, status=codes)
    if rule == "bearer_challenge":
        return build(table, bearer_challenge, error=_read_error_code(table), status=codes)
    return build(table, status, *(codes or ()))


def _read_list(table: Table, rule: str) -> Matcher:
    if "status" in table.content:
        raise table.error(
            "status", f"has no place beside {rule}", "put it into the rules of the list"
        )
    return build(table, _LISTS[rule], *map(_read_rule, table.tables(rule)))


def _make_empty_error(table: Table) -> Exception:
    table.known_keys.add("value")
    table.check_all_known()
    return table.error(
        "",
        f"{table.name} has no rule",
        "give json_field and value, bearer_challenge, status, any_of or all_of",
    )


def _read_error_code(table: Table) -> str | None:
    """Return the error code that the challenge must have, None for any challenge."""
    key = "bearer_challenge"
    if table.content[key] is True:
        return None
    if table.content[key] is False:
        raise table.error(
            key, "must be true or a string, not false", "leave it out if it is no rule"
        )
    return table.text(key)
