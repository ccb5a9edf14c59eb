"""Grants that need no refresh token: the first request fetches a token, each expiry another one."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Final, TypeAlias

from requests_jwt_refresh.authorization import BEARER
from requests_jwt_refresh.endpoints import OAuth2Endpoint
from requests_jwt_refresh.errors import JWTRefreshError, RefreshUnavailable
from requests_jwt_refresh.tokens import describe_kind

if TYPE_CHECKING:  # some for tools alone that read the annotations of inherited fields
    from collections.abc import Mapping, Sequence  # noqa: F401 - of an inherited field

    import requests

    from requests_jwt_refresh.authorization import Place
    from requests_jwt_refresh.client_auth import ClientAuth  # noqa: F401 - likewise
    from requests_jwt_refresh.endpoints import Refusals  # noqa: F401 - likewise
    from requests_jwt_refresh.matching import Matcher  # noqa: F401 - likewise
    from requests_jwt_refresh.tokens import Token

Proof: TypeAlias = str | Callable[[], str]
"""What a grant hands in: a string, or a function that returns a fresh one each time."""

ACCESS_TOKEN_TYPE: Final = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - a name
"""RFC 8693 §3."""

_JWT_BEARER: Final = f"urn:ietf:params:oauth:grant-type:jwt-{BEARER.lower()}"
_TOKEN_EXCHANGE: Final = "urn:ietf:params:oauth:grant-type:token-exchange"  # noqa: S105 - a name


@dataclass(frozen=True, repr=False)
class ClientCredentials(OAuth2Endpoint):
    """Ask with the client's own credentials (RFC 6749 §4.4): machine to machine, nobody logs in.

    Args:
        url: the token endpoint, absolute or relative to the base URL.
        client_id, client_secret, client_auth, scope, extra, access, expires_in, expires_in_unit,
            expires_at, rejected, headers, when: as in OAuth2Endpoint; `client_auth` must
            authenticate the client.
        refresh: None, since no refresh token is needed.

    ``invalid_grant`` is a refusal, ``invalid_client`` a faulty set-up. Raises ValueError or
    TypeError for options that make no sense.

    >>> ClientCredentials("https://login.example.com/token", "my-client", "hunter2", scope="read")
    ClientCredentials('https://login.example.com/token', 'my-client', '***', scope='read')

    """

    client_id: str | None = field()  # it must be given
    refresh: Place | None = field(default=None, kw_only=True)

    needs_refresh_token: ClassVar[bool] = False
    handed_in: ClassVar[str] = "client credential"
    grant_fields: ClassVar[frozenset[str]] = frozenset()

    def __post_init__(self) -> None:
        super().__post_init__()
        if self._auth_method() == "none":
            raise ValueError(
                "client credentials need a client_secret, or a client_auth that signs for the "
                "client, such as PrivateKeyJWT(...)"
            )

    def ask(self, url: str, token: Token | None = None) -> requests.Request:  # noqa: ARG002 - needs none
        """Return the POST with the form of RFC 6749 §4.4.2; `token` plays no part."""
        return self.as_grant(url, {"grant_type": "client_credentials"})


@dataclass(frozen=True, repr=False)
class JWTBearer(OAuth2Endpoint):
    """Trade an assertion for a token (RFC 7523 §2.1), as a service account does.

    Args:
        url: the token endpoint, absolute or relative to the base URL.
        assertion: the assertion; or a function without arguments that returns a fresh one for the
            same subject, each time that a token is fetched. It is not shown.
        client_id, client_secret, client_auth, scope, extra, access, expires_in, expires_in_unit,
            expires_at, rejected, headers, when: as in OAuth2Endpoint.
        refresh: None, since no refresh token is needed.

    ``invalid_grant`` is a refusal, ``invalid_client`` a faulty set-up. Raises ValueError or
    TypeError for options that make no sense.

    >>> JWTBearer("https://login.example.com/token", "an assertion", scope="read")
    JWTBearer('https://login.example.com/token', '***', scope='read')

    """

    assertion: Proof = field(repr=False)
    client_id: str | None = field(default=None, kw_only=True)
    client_secret: str | None = field(default=None, repr=False, kw_only=True)
    refresh: Place | None = field(default=None, kw_only=True)

    needs_refresh_token: ClassVar[bool] = False
    handed_in: ClassVar[str] = "assertion"
    grant_fields: ClassVar[frozenset[str]] = frozenset({"assertion"})

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_proof("assertion", self.assertion)

    def ask(self, url: str, token: Token | None = None) -> requests.Request:  # noqa: ARG002 - needs none
        """Return the POST with the form of RFC 7523 §2.1; `token` plays no part.

        Raises RefreshUnavailable if the function raises, or returns no assertion.
        """
        assertion = _get_proof("assertion", self.assertion)
        return self.as_grant(url, {"grant_type": _JWT_BEARER, "assertion": assertion})


@dataclass(frozen=True, repr=False)
class TokenExchange(OAuth2Endpoint):
    """Trade a token of another kind, or of another service, for one of this API's (RFC 8693 §2.1).

    Args:
        url: the token endpoint, absolute or relative to the base URL.
        subject_token: the token that is traded in; or a function without arguments that returns a
            fresh one for the same subject, each time that a token is fetched. It is not shown.
        subject_token_type: what kind of token that is, as a URI (§3).
        client_id, client_secret, client_auth, scope, access, expires_in, expires_in_unit,
            expires_at, rejected, headers, when: as in OAuth2Endpoint.
        extra: more fields of the form, such as ``audience``, ``resource``, ``requested_token_type``
            or ``actor_token``; as in OAuth2Endpoint.
        refresh: None, since no refresh token is needed.

    ``invalid_grant`` is a refusal, ``invalid_client`` a faulty set-up. Raises ValueError or
    TypeError for options that make no sense.

    >>> TokenExchange("https://login.example.com/token", "a token", extra={"audience": "api"})
    TokenExchange('https://login.example.com/token', '***', extra='***')

    """

    subject_token: Proof = field(repr=False)
    subject_token_type: str = field(default=ACCESS_TOKEN_TYPE, kw_only=True)
    client_id: str | None = field(default=None, kw_only=True)
    client_secret: str | None = field(default=None, repr=False, kw_only=True)
    refresh: Place | None = field(default=None, kw_only=True)

    needs_refresh_token: ClassVar[bool] = False
    handed_in: ClassVar[str] = "subject token"
    grant_fields: ClassVar[frozenset[str]] = frozenset({"subject_token", "subject_token_type"})

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_proof("subject_token", self.subject_token)
        if not isinstance(self.subject_token_type, str) or not self.subject_token_type.strip():
            raise ValueError(
                f"subject_token_type takes a URI of RFC 8693 §3, such as {ACCESS_TOKEN_TYPE!r}"
            )

    def ask(self, url: str, token: Token | None = None) -> requests.Request:  # noqa: ARG002 - needs none
        """Return the POST with the form of RFC 8693 §2.1; `token` plays no part.

        Raises RefreshUnavailable if the function raises, or returns no token.
        """
        form = {
            "grant_type": _TOKEN_EXCHANGE,
            "subject_token": _get_proof("subject_token", self.subject_token),
            "subject_token_type": self.subject_token_type,
        }
        return self.as_grant(url, form)


def _check_proof(name: str, proof: object) -> None:
    """Raise TypeError or ValueError unless `proof` is a token or a function without arguments."""
    if isinstance(proof, str):
        problem = _find_problem(proof)
        if problem is not None:
            raise ValueError(f"{name} cannot be sent: {problem}")
        return
    takes = f"{name} takes a string, or a function without arguments that returns one"
    if not callable(proof) or isinstance(proof, type):
        raise TypeError(f"{takes}, not {describe_kind(proof)}")
    if inspect.iscoroutinefunction(proof):
        raise TypeError(f"{takes}, not a coroutine function: write it with def, not async def")
    if not _takes_no_argument(proof):
        raise TypeError(f"{takes}; this one needs an argument")


def _takes_no_argument(function: Callable[..., object]) -> bool:
    try:
        inspect.signature(function).bind()
    except TypeError:
        return False
    except ValueError:  # written in C, say: it cannot be told
        return True
    return True


def _find_problem(secret: str) -> str | None:
    """Return why `secret` is no token, None if it is one. Nothing out of it is shown."""
    if secret.isascii() and secret.isprintable() and secret == secret.strip():
        return None if secret else "it is empty"
    return "it has a line break, a space at one end, or another character that no token has"


def _get_proof(name: str, proof: Proof) -> str:
    """Return the string that is handed in. Raises RefreshUnavailable if a function gives none."""
    if isinstance(proof, str):
        return proof
    failure: JWTRefreshError
    try:
        given: object = proof()
    except JWTRefreshError as error:
        failure = error.about()  # it says what it means
    except Exception as error:  # noqa: BLE001 - a user's function may raise anything
        failure = _make_failure(name, f"raised {type(error).__name__}")  # its text may be a secret
    else:
        problem = _describe_wrong(given)
        if problem is None:
            return str(given)
        failure = _make_failure(name, problem)
        del given
    raise failure  # outside: the frames behind the other may hold secrets


def _describe_wrong(given: object) -> str | None:
    """Return what is wrong with what a function has returned, None if nothing is."""
    if isinstance(given, str):
        problem = _find_problem(given)
        return None if problem is None else f"returned what cannot be sent: {problem}"
    if inspect.iscoroutine(given):
        given.close()  # else Python warns that it was never awaited
    return f"returned {describe_kind(given)}, not a string"


def _make_failure(name: str, problem: str) -> RefreshUnavailable:
    return RefreshUnavailable(
        f"the function that {name}= names {problem}",
        f"the tokens are kept; mend the function, so that it returns the {name} as a string",
    )
