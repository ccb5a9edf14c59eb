"""What a profile says about keys that sign (extra ``jose``).

attach = { dpop = true }            # or the path of a key file; alg = "ES256"

[prod.refresh]
client_auth = "private_key_jwt"
private_key_file = "client.pem"     # also private_key_alg, private_key_id, assertion_audience
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from requests_jwt_refresh.client_auth import CLIENT_AUTHS

if TYPE_CHECKING:
    from collections.abc import Callable

    from requests_jwt_refresh.jose import DPoP, PrivateKeyJWT
    from requests_jwt_refresh.profiles.schema import Table

PRIVATE_KEY_JWT: Final = "private_key_jwt"  # OpenID Connect Core §9
_KEY: Final = "private_key_file"
_OPTIONS: Final = {
    "private_key_alg": "alg",
    "private_key_id": "kid",
    "assertion_audience": "audience",
}


def read_dpop(table: Table) -> DPoP:
    """Return what the table ``attach`` says of DPoP. Raises ProfileError."""
    from requests_jwt_refresh.jose import DPoP  # late: few profiles have a key that signs

    table.known_keys |= {"dpop", "alg"}
    table.check_all_known()
    given = table.get("dpop", None, "true, or the path of a key file", _is_true_or_text)
    alg = table.text("alg", None)
    path = None if given is True else table.file_path("dpop")
    dpop: DPoP = _make(table, "dpop", lambda: DPoP(path, alg=alg))
    return dpop


def take_private_key(table: Table) -> tuple[Table, PrivateKeyJWT | None]:
    """Return the table of an OAuth 2.0 endpoint without the keys of its client's key, and that.

    None if the client authenticates in another way. Raises ProfileError.
    """
    taken = {_KEY, *_OPTIONS}
    if table.choice("client_auth", (*CLIENT_AUTHS, PRIVATE_KEY_JWT), None) != PRIVATE_KEY_JWT:
        for key in sorted(taken & table.content.keys()):
            needed = f"needs client_auth = '{PRIVATE_KEY_JWT}'"
            raise table.error(key, needed, "write that, too, or leave both out")
        return table, None
    if "client_secret_file" in table.content:
        beside = f"has no place beside client_auth = '{PRIVATE_KEY_JWT}'"
        raise table.error("client_secret_file", beside, "leave it out")
    if _KEY not in table.content:
        raise table.missing(_KEY, "the path of a PEM or JWK file with the client's private key")
    if "client_id" not in table.content:
        raise table.missing("client_id", "the id of the client that signs")
    from requests_jwt_refresh.jose import PrivateKeyJWT

    path = table.file_path(_KEY)
    options = {name: table.text(key, None) for key, name in _OPTIONS.items()}
    auth = _make(table, _KEY, lambda: PrivateKeyJWT(path, **options))  # type: ignore[arg-type]
    taken.add("client_auth")
    content = {key: value for key, value in table.content.items() if key not in taken}
    return replace(table, content=content), auth


def check_attach(table: Table, endpoint: object) -> None:
    """Raise ProfileError if a preset needs an extra for its `attach` that is not installed."""
    _make(table, "preset", lambda: getattr(endpoint, "attach", None))


def _is_true_or_text(value: object) -> bool:
    return value is True or isinstance(value, str)


def _make(table: Table, key: str, make: Callable[[], Any]) -> Any:
    """Return what `make` returns; its errors are about the key file at `key`."""
    try:
        return make()
    except ImportError as error:
        problem, remedy = str(error).split(": ", 1)
        remedy = f"run: {remedy}"
    except ValueError as error:
        problem, remedy = str(error), "give another key or algorithm"
    raise table.error(key, f"cannot be used: {problem}", remedy)
