"""Where a profile says that a value comes from which must not stand in the file itself.

In place of the value: ``{ file = "PATH" }``, ``{ keyring = true }`` or, for one that looks like a
secret and is none, ``{ public = "VALUE" }``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from requests_jwt_refresh.authorization import check_header_name, starts_with_bearer
from requests_jwt_refresh.errors import StoreError
from requests_jwt_refresh.profiles.schema import SOURCES, is_source
from requests_jwt_refresh.profiles.secrets import (
    PLACEHOLDER,
    SecretFile,
    SecretInKeyring,
    WithSecrets,
    is_fit_for_header,
)
from requests_jwt_refresh.tokens import jwt_claims

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from requests_jwt_refresh.profiles.schema import Table
    from requests_jwt_refresh.profiles.secrets import Secret

_CHOICES: Final = '{ file = "PATH" }, { keyring = true } or { public = "VALUE" }'
_KEY_NAME = re.compile(r"(?:.*[-_])?key", re.IGNORECASE)  # X-Functions-Key, Subscription-Key


@dataclass(frozen=True)
class HeaderValue:
    """The value of a header, read from a file or the keyring when it is needed."""

    name: str
    secret: Secret

    def __call__(self) -> str:
        """Return the value. Raises StoreError."""
        value = self.secret.read()
        if is_fit_for_header(value):
            return value
        del value  # this frame may be in a traceback
        raise StoreError(
            f"the value of the header {self.name} has a line break, or another character that no "
            "header carries",
            "give the value alone, on one line",
        )


def read_source(table: Table, service: str) -> Secret | str:
    """Return where a value comes from, or the value itself if it is public. Raises ProfileError."""
    table.known_keys |= set(SOURCES)
    table.check_all_known()
    given = [key for key in SOURCES if key in table.content]
    if len(given) != 1:
        what = " and ".join(given) or "no source"
        raise table.error("", f"{table.name} has {what}: it needs one of {_CHOICES}", "write one")
    if given == ["file"]:
        return SecretFile(table.file_path("file"))
    if given == ["public"]:
        return _read_public(table)
    if not table.flag("keyring"):
        raise table.error("keyring", "must be true", "write true, or a file in its place")
    return SecretInKeyring(service, table.profile, table.name)


def _read_public(table: Table) -> str:
    value = table.text("public")
    # What providers call public has a secret twin, which is easily taken for it.
    is_secret = value.startswith("sb_secret_") or jwt_claims(value).get("role") == "service_role"
    if is_secret:
        del value
        raise table.error(
            "public", "is a key that must stay secret (role service_role)", "take the anon key"
        )
    return value


@dataclass(frozen=True)
class EndpointHeader:
    """A header of the API's that the endpoint knows once its secrets have been read."""

    name: str
    endpoint: WithSecrets

    def __call__(self) -> str:
        """Return the value. Raises StoreError."""
        return str(self.endpoint.complete().api_headers[self.name])


def read_api_headers(endpoint: object) -> dict[str, str | Callable[[], str]]:
    """Return the headers that go with each API request because the endpoint says so."""
    found: Mapping[str, str] = getattr(endpoint, "api_headers", None) or {}
    return {
        name: EndpointHeader(name, endpoint)
        if isinstance(endpoint, WithSecrets) and PLACEHOLDER in value
        else value
        for name, value in found.items()
    }


# --- [headers] -----------------------------------------------------------------------------------


def read_headers(
    table: Table | None, service: str, token_header: str | None
) -> dict[str, str | Callable[[], str]]:
    """Return the headers that go with each API request: names to values, or functions for them.

    `token_header` is the header of the token, which none of them may be. Raises ProfileError.
    """
    headers: dict[str, str | Callable[[], str]] = {}
    for name in () if table is None else table.content:
        assert table is not None  # noqa: S101 - for mypy
        table.known_keys.add(name)
        _check_name(table, name, headers, token_header)
        value = read_header(table, name, service)
        headers[name] = value if isinstance(value, str) else HeaderValue(name, value)
    return headers


def read_header(table: Table, name: str, service: str) -> Secret | str:
    """Return the value of a header, or where it comes from. Raises ProfileError."""
    content = table.content[name]
    if isinstance(content, dict):
        value = read_source(table.subtable(name, content), service)
    else:
        value = table.text(name)
        if _KEY_NAME.fullmatch(name) or starts_with_bearer(value) or _is_basic(value):
            del value
            raise table.secret_error(name)
    if isinstance(value, str) and not is_fit_for_header(value):
        raise table.error(
            name,
            "has a line break, or another character that no header carries",
            "write the value alone, in printable ASCII",
        )
    return value


def _is_basic(value: str) -> bool:
    scheme, space, _ = value.partition(" ")
    return bool(space) and scheme.lower() == "basic"


def _check_name(
    table: Table, name: str, others: Mapping[str, object], token_header: str | None
) -> None:
    if name.lower() == "cookie":
        raise table.error(
            name,
            "is no header to be set here",
            'if the token is a cookie, write attach = { cookie = "NAME" }',
        )
    try:
        check_header_name(name)
    except ValueError as error:
        problem = str(error)
    else:
        problem = ""
    if problem:
        raise table.error(name, f"cannot be used: {problem}", "write another name")
    if token_header is not None and name.lower() == token_header.lower():
        raise table.error(name, "is the header of the access token", "leave it out")
    if name.lower() in map(str.lower, others):
        raise table.error(name, "stands there twice, in other letters", "leave one of them out")


# --- in [refresh] --------------------------------------------------------------------------------


def take_out(table: Table, service: str) -> tuple[Table, dict[tuple[str, ...], Secret]]:
    """Return the table with a placeholder for each secret in it, and the secrets by their places.

    What is public stands in the table itself then. Raises ProfileError.
    """
    content = _copy(table.content)
    secrets: dict[tuple[str, ...], Secret] = {}
    for place in list(_find_sources(table.content, (table.name,))):
        value = _read_at(table, place, service)
        below: Any = content
        for key in place[:-1]:
            below = below[key]
        below[place[-1]] = value if isinstance(value, str) else PLACEHOLDER
        if not isinstance(value, str):
            secrets[place] = value
    return replace(table, content=content), secrets


def _read_at(table: Table, place: tuple[str, ...], service: str) -> Secret | str:
    *parents, last = place
    for key in parents:
        table = table.subtable(key, table.content[key])
    if parents == ["headers"]:
        return read_header(table, last, service)
    return read_source(table.subtable(last, table.content[last]), service)


def _find_sources(content: Mapping[str, Any], above: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Yield the places, below `above`, of sources and of all headers."""
    for key, value in content.items():
        if is_source(".".join(above), key, value) or above[1:] == ("headers",):
            yield (*above[1:], key)
        elif isinstance(value, dict):
            yield from _find_sources(value, (*above, key))


def _copy(content: Any) -> Any:
    return (
        {key: _copy(value) for key, value in content.items()}
        if isinstance(content, dict)
        else content
    )
