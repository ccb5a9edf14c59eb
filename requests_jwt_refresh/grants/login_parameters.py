"""What else a login in a browser or by device asks for: parameters that not every server knows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from requests_jwt_refresh.responses import quote_list
from requests_jwt_refresh.tokens import describe_kind

if TYPE_CHECKING:
    from collections.abc import Sequence

_OWN: Final = frozenset(
    {
        *("response_type", "response_mode", "client_id", "redirect_uri", "scope", "state", "nonce"),
        *("code_challenge", "code_challenge_method", "code", "code_verifier"),
        *("grant_type", "device_code"),
        *("client_secret", "client_assertion", "client_assertion_type"),
    }
)
"""What a login sets itself, or what is no parameter of the first request."""

_RESOURCE: Final = "resource"

USUAL_PARAMETERS: Final[Mapping[str, Mapping[str, str]]] = {
    # https://developers.google.com/identity/protocols/oauth2/web-server#offline
    "https://accounts.google.com": {"access_type": "offline", "prompt": "consent"},
}
"""By issuer, what a login in a browser needs for a refresh token, and no document says."""


def copy_parameters(extra: object) -> dict[str, str | list[str]]:
    """Return a copy of the parameters. Raises TypeError or ValueError for what cannot be sent."""
    if not isinstance(extra, Mapping):
        raise TypeError(f"extra must be a mapping of parameters, not {describe_kind(extra)}")
    taken = sorted(_OWN & {*extra})
    if taken:
        raise ValueError(f"extra must not set {quote_list(taken)}: the login does, if needed")
    return {_check_name(name): _copy_value(name, value) for name, value in extra.items()}


def _check_name(name: object) -> str:
    if not isinstance(name, str) or not name:
        raise TypeError(f"extra has a name that is no string but {describe_kind(name)}")
    return name


def _copy_value(name: str, value: Any) -> str | list[str]:
    values = value if isinstance(value, (list, tuple)) else [value]
    if not values or not all(isinstance(each, str) and each for each in values):
        raise TypeError(f"extra[{name!r}] must be a string that is not empty, or a list of such")
    return str(value) if isinstance(value, str) else [str(each) for each in values]


def pick_resource(extra: Mapping[str, str | Sequence[str]]) -> dict[str, str | Sequence[str]]:
    """Return those parameters that the request for the token repeats (RFC 8707 §2.2)."""
    return {_RESOURCE: extra[_RESOURCE]} if _RESOURCE in extra else {}
