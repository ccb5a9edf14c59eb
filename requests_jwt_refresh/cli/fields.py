"""The fields that a profile names for a login's tokens, and whether the response has them."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from requests_jwt_refresh.cli.console import complain, fill_in
from requests_jwt_refresh.field_names import list_fields, quote_list
from requests_jwt_refresh.grants.password import PasswordLogin
from requests_jwt_refresh.matching import MISSING, find, parse_json
from requests_jwt_refresh.responses import (
    DefaultPath,
    describe_missing_refresh,
    describe_unread_expiry,
)
from requests_jwt_refresh.tokens import with_expiry

if TYPE_CHECKING:
    from typing_extensions import Self

    from requests_jwt_refresh.profiles.load import Profile
    from requests_jwt_refresh.responses import TokenResponse
    from requests_jwt_refresh.tokens import Token


@dataclass(frozen=True, repr=False)
class RecordedLogin(PasswordLogin):
    """A login that also keeps the response to it."""

    responses: list[TokenResponse] = field(default_factory=list, compare=False, kw_only=True)

    @classmethod
    def of(cls, login: PasswordLogin) -> Self:
        """Return `login` as one that is recorded."""
        arguments = {each.name: getattr(login, each.name) for each in fields(login) if each.init}
        return cls(**arguments)

    def read(self, response: TokenResponse) -> Token:
        """Return the token. Raises RefreshRejected or RefreshUnavailable."""
        self.responses.append(response)
        return super().read(response)


class ResponseRecorder:
    """The endpoint that reads a login's response, which also keeps that response."""

    def __init__(self, endpoint: Any) -> None:
        self.endpoint = endpoint
        self.response: TokenResponse | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.endpoint, name)

    def read(self, response: TokenResponse) -> Token:
        """Return the token. Raises RefreshRejected or RefreshUnavailable."""
        self.response = response
        token: Token = self.endpoint.read(response)
        return token


def warn_of_fields(profile: Profile, reader: object, response: TokenResponse | None) -> None:
    """Say on stderr what a login's response has in other fields than the profile names."""
    if response is not None:
        _warn_of_missing_refresh(profile, reader, response)
        _warn_of_unread_expiry(profile, reader, response)


def _warn_of_unread_expiry(profile: Profile, reader: object, response: TokenResponse) -> None:
    """Say where the response tells when the access token ends, if no key names that field."""
    endpoint: Any = _unwrap(reader)
    found = describe_unread_expiry(response, endpoint, noun="key", mark="")
    if found is None or with_expiry(endpoint.read(response)).expires_at is not None:
        return
    place = f"{describe_table(profile, reader)} of {profile.file}"
    remedy = f"name the right field with {found.option} in {place}"
    complain(found.problem, f"add to {place}: {found.suggested}" if found.suggested else remedy)


def _warn_of_missing_refresh(profile: Profile, reader: object, response: TokenResponse) -> None:
    """Say that the response has no refresh token where the profile names one."""
    problem = describe_missing_refresh(response, _unwrap(reader))
    if problem is None:
        return
    is_named = find_named_field(reader) is not None
    document, path = parse_json(response.body), getattr(_unwrap(reader), "refresh", None)
    if isinstance(path, str) and find(document, path) is MISSING:
        fields = quote_list(list_fields(document)) or "no fields"
        whose = "which the profile has" if is_named else "the default"
        problem = (
            f"the {response.source} gave no {path!r}, {whose} for the refresh token; it gave "
            f"{fields}"
        )
    table = describe_table(profile, reader)
    complain(
        problem,
        f"{'correct' if is_named else 'set'} refresh in {table} of {profile.file} and log in "
        "again; until then there is an access token alone",
    )


def find_reader(profile: Profile) -> object:
    """Return the endpoint that reads a login's response."""
    if profile.login is not None and profile.device is None and profile.browser is None:
        return profile.login.endpoint
    return profile.refresh


def find_named_field(reader: object) -> str | None:
    """Return the field that the profile itself names for the refresh token, None if it does not."""
    path = getattr(_unwrap(reader), "refresh", None)
    return path if isinstance(path, str) and not isinstance(path, DefaultPath) else None


def describe_table(profile: Profile, reader: object) -> str:
    """Return the table in which that field is named, as it is written in the file."""
    is_same = _unwrap(reader) == _unwrap(profile.refresh)
    return fill_in("[NAME.refresh]" if is_same else "[NAME.login]", profile.name)


def _unwrap(endpoint: object) -> object:
    """Return the endpoint that knows the fields: what records or adds a secret is around it."""
    while (inner := vars(endpoint).get("endpoint")) is not None:
        endpoint = inner
    return endpoint
