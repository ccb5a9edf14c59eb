"""Proof of possession, `DPoP`, and clients that sign, `PrivateKeyJWT` (extra ``jose``)."""

from __future__ import annotations

import base64
import hashlib
import logging
import re
import secrets
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from requests_jwt_refresh import clock
from requests_jwt_refresh.authorization import BEARER, header
from requests_jwt_refresh.error_codes import find_error_code
from requests_jwt_refresh.errors import InvalidToken
from requests_jwt_refresh.frozen_json import freeze_object
from requests_jwt_refresh.matching import parse_json
from requests_jwt_refresh.response_errors import parse_http_date
from requests_jwt_refresh.signing_keys import KeySource, SigningKey
from requests_jwt_refresh.tokens import Token, with_values
from requests_jwt_refresh.urls import Origin, origin_of

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping

    from requests import PreparedRequest, Response
    from typing_extensions import Self

    from requests_jwt_refresh.responses import TokenResponse

logger = logging.getLogger("requests_jwt_refresh")

EXTRA_NAME: Final = "dpop_key"
"""Where in ``Token.extra`` the key is that a token is bound to: a private JWK (RFC 7517)."""

_PLACE: Final = header(scheme="DPoP")  # RFC 9449 §7.1
_PROOF: Final = "DPoP"  # the header of the proof (§4.1)
_NONCE_HEADER: Final = "DPoP-Nonce"
_NONCE: Final = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,1024}")  # §8.1
_ASKS_FOR_NONCE: Final = "use_dpop_nonce"
_REFUSES_PROOF: Final = "invalid_dpop_proof"
_CHALLENGED: Final = (400, 401)
_MAX_ORIGINS: Final = 64  # whose nonces are kept
_CLOCK_SLACK: Final = 5.0  # seconds of difference between two clocks that no server minds
_ASSERTION_TYPE: Final = (  # RFC 7523 §2.2
    f"urn:ietf:params:oauth:client-assertion-type:jwt-{BEARER.lower()}"
)


class DPoP:
    """An ``attach=`` that proves possession of a key with each request (RFC 9449).

    ```python
    endpoint = OAuth2Endpoint("https://id.example.com/token", "my-client")
    mount(session, "https://api.example.com", endpoint, attach=DPoP())
    ```

    Every request carries ``Authorization: DPoP`` and a proof of its own, signed over its method,
    URL and token; so do the requests to the token endpoint and those of a `login`'s session. A
    nonce that a server asks for (§8, §9) is given within the same request, and kept for the next.

    Args:
        key: None makes a key at each login. It is kept with the token it belongs to, in
            ``Token.extra["dpop_key"]`` as a private JWK, so that every program that reads the store
            can use the token. Or the path of a PEM or JWK file with a private key; or such a key
            itself: its text, a mapping, an object of joserfc's or cryptography's.
        alg: the JWS algorithm. By default that of the key: ES256 for EC P-256 (and for a new key),
            Ed25519, or RS256 for RSA.

    A token that is set by hand brings the key that it was got with:
    ``Token(access, refresh, extra={"dpop_key": jwk})``; a `key` given here needs none.

    Pickling carries a path as a path, and raises TypeError for a key itself.

    Raises ImportError without joserfc, TypeError or ValueError for what is no key to sign with.

    """

    def __init__(self, key: KeySource = None, *, alg: str | None = None) -> None:
        self._alg = alg
        self._key = None if key is None else SigningKey.read(key, alg)
        # The key of a token that came without one, which this process signs with.
        self._spare = SigningKey.generate(alg) if key is None else None
        # Of the last token, as its JWK and parsed. Replaced as a whole, so no lock guards it.
        self._parsed: tuple[Any, SigningKey | None] = (None, None)
        # By origin. A change is one step of a dict, so no lock guards them, and a fork finds none.
        self._nonces: dict[Origin, str] = {}
        self._offsets: dict[Origin, float] = {}  # seconds that a server's clock is ahead of ours
        self._has_warned = False

    def __repr__(self) -> str:
        given = (
            [] if self._key is None else [repr(str(self._key.path)) if self._key.path else "'***'"]
        )
        return f"DPoP({', '.join([*given, *([f'alg={self._alg!r}'] if self._alg else [])])})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _remake, (type(self), _require_path(self, self._key), {"alg": self._alg})

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _memo: object) -> Self:
        return self  # its nonces are good for every copy of a session

    # As an attach

    def carry(self, request: PreparedRequest, token: Token) -> None:
        """Write the access token of `token` on `request`, and a proof for both."""
        if token.access is not None:
            _PLACE.write(request.headers, token.access)
            self.prove(request, token)

    def is_callers(self, request: PreparedRequest) -> bool:
        """Whether the caller authenticates this request in a way of their own."""
        return _PLACE.is_callers(request)

    def find_problem(self, secret: str) -> str | None:
        """Return why the header cannot carry an access token, None if it can."""
        return _PLACE.find_problem(secret)

    def prove(
        self, request: PreparedRequest, token: Token, refused: Response | None = None
    ) -> None:
        """Write a new proof on `request` (§4.2), with the last nonce of its origin.

        With that of the answer `refused` to it, if it has one: other threads may get others.
        """
        nonce = None if refused is None else _read_nonce(refused.headers)
        self._sign(request, self._key_of(token), token.access, nonce)

    def note_answer(self, response: Response, challenge: Response | None = None) -> bool:
        """Note what an API's answer says of its nonces (§8.2, §9).

        `challenge` is the one that came before it, if the request was sent once more. Return
        whether it asks for that.
        """
        if challenge is None and self.asks_for_nonce(response):
            return _read_nonce(response.headers) is not None  # for that request alone as yet
        code = _REFUSES_PROOF if _is_challenge(response, _REFUSES_PROOF) else None
        headers = response.headers
        if challenge is not None and _read_nonce(headers) is None:
            headers = challenge.headers  # the server took its nonce, and has no newer one
        self._note(response.url, headers, code)
        # urllib3's own retries repeat a proof, and a clock may differ: a new one may be taken.
        return code is not None

    def asks_for_nonce(self, response: Response) -> bool:
        """Whether an API's answer asks for the same request with a nonce (§9)."""
        return _is_challenge(response, _ASKS_FOR_NONCE)

    def open(self, token: Token | None) -> Proofs:
        """Return what proves the requests of one exchange with the token endpoint.

        With the key of `token`; a new one where there is no token yet.
        """
        if token is not None or self._key is not None:
            return Proofs(self, self._key_of(token))
        return Proofs(self, SigningKey.generate(self._alg))

    # Keys

    def _key_of(self, token: Token | None) -> SigningKey:
        if self._key is not None:
            return self._key
        jwk = None if token is None else token.extra.get(EXTRA_NAME)
        if jwk is None:
            return self._take_spare(token)
        known, key = self._parsed
        if key is None or known != jwk:
            jwk = jwk if isinstance(jwk, dict) else {}  # whose repr shows none of its values
            key = _parse_key(jwk, self._alg)
            self._parsed = (jwk, key)
        return key

    def _take_spare(self, token: Token | None) -> SigningKey:
        if token is not None and token.access is not None and not self._has_warned:
            self._has_warned = True
            logger.warning(
                "The token came without the key that it is bound to, so another one signs. If the "
                'server refuses it, log in again, or set a Token with extra={"%s": the JWK}',
                EXTRA_NAME,
            )
        assert self._spare is not None  # noqa: S101 - made where no key was given
        return self._spare

    def _bind(self, token: Token, key: SigningKey) -> Token:
        """Return `token` with the key that it is bound to."""
        kind = token.extra.get("token_type")
        if isinstance(kind, str) and kind.lower() != _PROOF.lower() and not self._has_warned:
            self._has_warned = True
            logger.warning(
                "The server gave a token of the type %.20r, which is bound to no key: see whether "
                "it does DPoP, and for this client",
                kind,
            )
        if self._key is not None:
            return token
        extra = freeze_object({**token.extra, EXTRA_NAME: key.as_jwk()})
        return with_values(token, extra=extra)

    # Proofs

    def _sign(
        self,
        request: PreparedRequest,
        key: SigningKey,
        access: str | None = None,
        nonce: str | None = None,
    ) -> None:
        origin = origin_of(request.url)
        nonce = nonce or (None if origin is None else self._nonces.get(origin))
        ahead = 0.0 if origin is None else self._offsets.get(origin, 0.0)
        claims: dict[str, Any] = {
            "jti": secrets.token_urlsafe(16),
            "htm": request.method,
            "htu": _strip_url(request),
            "iat": int(clock.time() + ahead),
        }
        if access is not None:
            digest = hashlib.sha256(access.encode("ascii")).digest()
            claims["ath"] = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if nonce is not None:
            claims["nonce"] = nonce
        request.headers[_PROOF] = key.sign({"typ": "dpop+jwt", "jwk": key.public}, claims)

    def _note(self, url: str | None, headers: Mapping[str, str], code: str | None) -> bool:
        origin = origin_of(url)
        if origin is None:
            return False
        nonce = _read_nonce(headers)
        if nonce is not None:
            _keep(self._nonces, origin, nonce)
        if code == _ASKS_FOR_NONCE:
            return nonce is not None
        return code == _REFUSES_PROOF and self._note_clock(origin, headers)

    def _note_clock(self, origin: Origin, headers: Mapping[str, str]) -> bool:
        """Take a server's clock for proofs (its iat, §11.1); return whether that is news."""
        now = parse_http_date(headers.get("Date") or "")
        if now is None:
            return False
        ahead = now - clock.time()
        if abs(ahead - self._offsets.get(origin, 0.0)) <= _CLOCK_SLACK:
            return False
        _keep(self._offsets, origin, ahead)
        return True


class Proofs:
    """The proofs of one exchange with a token endpoint, or of one login: all with the same key."""

    def __init__(self, dpop: DPoP, key: SigningKey) -> None:
        self._dpop = dpop
        self._key = key
        self._is_used = False

    def prove(self, request: PreparedRequest) -> None:
        """Write a new proof on `request` (RFC 9449 §5)."""
        self._is_used = True
        self._dpop._sign(request, self._key)  # noqa: SLF001 - the class above

    def note_answer(self, url: str | None, answer: TokenResponse) -> bool:
        """Note the nonce of an answer (§8); return whether it asks for the same request with it."""
        code = None
        if answer.status in _CHALLENGED:
            code = find_error_code(parse_json(answer.body), answer.headers)
        return self._dpop._note(url, answer.headers, code)  # noqa: SLF001 - likewise

    def bind(self, token: Token) -> Token:
        """Return the `token` that came of it, with the key, unless it came without a proof."""
        return self._dpop._bind(token, self._key) if self._is_used else token  # noqa: SLF001 - likewise


class PrivateKeyJWT:
    """A ``client_auth=`` that signs: private_key_jwt (RFC 7523 §2.2, OpenID Connect Core §9).

    ```python
    signer = PrivateKeyJWT("my-client.pem")
    OAuth2Endpoint("https://id.example.com/token", "my-client", client_auth=signer)
    ```

    Every request, also one that is sent again, has an assertion of its own.

    Args:
        key: the path of a PEM or JWK file with a private key, or such a key itself, as for `DPoP`.
        alg: the JWS algorithm. By default what a JWK says in its ``alg``, else RS256 for RSA, ES256
            for EC P-256, Ed25519.
        kid: the key's id, which the server knows it by; by default that of the JWK, if it has one.
        audience: what the assertion is for; by default the URL that is asked. Some servers want
            their issuer instead.
        lifetime: for how many seconds an assertion is good.

    Pickling carries a path as a path, and raises TypeError for a key itself.

    Raises ImportError without joserfc, TypeError or ValueError for what is no key to sign with.

    """

    def __init__(
        self,
        key: KeySource,
        *,
        alg: str | None = None,
        kid: str | None = None,
        audience: str | None = None,
        lifetime: float = 60,
    ) -> None:
        if isinstance(lifetime, bool) or not isinstance(lifetime, (int, float)):
            raise TypeError("lifetime must be a number of seconds")
        if not 0 < lifetime <= 3600:  # noqa: PLR2004 - an hour
            raise ValueError("lifetime must be more than 0 and at most 3600 seconds")
        for name, value in (("kid", kid), ("audience", audience)):
            if value is not None and not (isinstance(value, str) and value):
                raise TypeError(f"{name} must be a string that is not empty, or None")
        self._key = SigningKey.read(key, alg)
        self._options = {"alg": alg, "kid": kid, "audience": audience, "lifetime": lifetime}
        self._kid = kid or self._key.kid
        self._audience = audience
        self._lifetime = lifetime

    def __repr__(self) -> str:
        defaults = {"alg": None, "kid": None, "audience": None, "lifetime": 60}
        source = str(self._key.path) if self._key.path else "***"
        others = [
            f"{name}={value!r}" for name, value in self._options.items() if value != defaults[name]
        ]
        return f"PrivateKeyJWT({', '.join([repr(source), *others])})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _remake, (type(self), _require_path(self, self._key), self._options)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _memo: object) -> Self:
        return self

    def add(self, url: str, form: MutableMapping[str, Any], _headers: object) -> None:
        """Put a new assertion for a request to `url` into its `form`, which has the client_id."""
        client, now = form.get("client_id"), int(clock.time())
        if not client:
            raise ValueError("PrivateKeyJWT needs a client_id: give the endpoint one")
        claims = {
            "iss": client,
            "sub": client,
            "aud": self._audience or url,
            "jti": secrets.token_urlsafe(16),
            "iat": now,
            "exp": now + max(int(self._lifetime), 1),
        }
        form["client_assertion_type"] = _ASSERTION_TYPE
        form["client_assertion"] = self._key.sign({"kid": self._kid} if self._kid else {}, claims)


def _read_nonce(headers: Mapping[str, str]) -> str | None:
    """Return the nonce that an answer brings (RFC 9449 §8.1), None if it brings none."""
    nonce = headers.get(_NONCE_HEADER) or ""
    return nonce if _NONCE.fullmatch(nonce) else None


def _is_challenge(response: Response, code: str) -> bool:
    challenge = response.headers.get("WWW-Authenticate") or ""
    return response.status_code in _CHALLENGED and code in challenge


def _strip_url(request: PreparedRequest) -> str:
    """Return the URL as a proof has it: without user, query and fragment (§4.2).

    Of the host that the request names, which is what the server sees; without a default port
    (RFC 3986 §6.2.3).
    """
    url = request.url or ""
    parts = urlsplit(url)
    host = request.headers.get("Host")
    if isinstance(host, bytes):
        host = host.decode("latin-1")
    named = f"{parts.scheme}://{host}" if host else url
    return f"{origin_of(named) or named}{parts.path or '/'}"


def _keep(values: dict[Origin, Any], origin: Origin, value: object) -> None:
    """Keep a value for `origin`, and no more than _MAX_ORIGINS of them."""
    values[origin] = value
    for oldest in list(values)[:-_MAX_ORIGINS]:
        values.pop(oldest, None)


def _parse_key(jwk: object, alg: str | None) -> SigningKey:
    try:
        return SigningKey.read(jwk, alg)
    except (ValueError, TypeError):
        pass
    raise InvalidToken(
        f'the key in Token.extra["{EXTRA_NAME}"] is no private JWK to sign with'
        + (f" by {alg}" if alg else ""),
        "log in again, or set a Token with the JWK that it is bound to",
    )


def _require_path(owner: object, key: SigningKey | None) -> str | None:
    """Return what to pickle instead of `key`. Raises TypeError if it is no path."""
    if key is None or key.path is not None:
        return None if key is None else str(key.path)
    name = type(owner).__name__
    raise TypeError(
        f"a {name} with a key of its own cannot be pickled, since the key is secret: give {name} "
        "the path of a key file"
    )


def _remake(kind: type[Any], path: str | None, options: dict[str, Any]) -> Any:
    return kind(path, **options)
