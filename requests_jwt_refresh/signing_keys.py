"""Private keys that sign, as DPoP and PrivateKeyJWT are given them (extra ``jose``).

joserfc does the signing. It is imported when the first key is made, and not before.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from requests_jwt_refresh.given_files import UnreadableFile, read_bytes
from requests_jwt_refresh.tokens import describe_kind

if TYPE_CHECKING:
    from joserfc.jwk import ECKey, OKPKey, RSAKey

    JOSEKey: TypeAlias = ECKey | OKPKey | RSAKey

KeySource: TypeAlias = Any
"""The path of a PEM or JWK file; or the key: its text, a mapping, an object of joserfc's or
cryptography's."""

# RFC 7518 §3.1, RFC 9864 §2.2. The first of each is what its key signs with unless told; "EdDSA" is
# the name by which servers older than RFC 9864 know Ed25519.
_OF_CURVE: Final = {
    "P-256": ("ES256",),
    "P-384": ("ES384",),
    "P-521": ("ES512",),
    "Ed25519": ("Ed25519", "EdDSA"),
}
_OF_RSA: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
_RSA_BITS: Final = 2048

_PUBLIC: Final = ("kty", "crv", "x", "y", "n", "e")  # RFC 7638 §3.2
_KINDS: Final = (
    "give the path of a PEM or JWK file with a private key: EC (P-256, P-384, P-521), Ed25519 or "
    "RSA"
)


class SigningKey:
    """A private key, and the algorithm that it signs with.

    `path` is the file that it was read from, None if it was not. Its repr shows no key.
    """

    def __init__(self, key: JOSEKey, alg: str | None, path: Path | None = None) -> None:
        self._key = key
        self.path = path
        self.alg = _choose_algorithm(key, alg)
        whole = _as_jwk(key, private=True)
        self.kid: str | None = whole.get("kid")
        self.public = {name: whole[name] for name in _PUBLIC if name in whole}
        self._registry = _make_registry(self.alg)
        self._try_out()

    def __repr__(self) -> str:
        return f"<SigningKey {self.alg}>"

    @classmethod
    def read(cls, source: KeySource, alg: str | None = None) -> SigningKey:
        """Return the key of `source`. Raises TypeError or ValueError, ImportError without joserfc.

        No text and no frame of these errors holds anything of a key that a file has.
        """
        _require_joserfc()
        try:
            return cls._read(source, alg)
        except (TypeError, ValueError) as error:
            problem = type(error)(str(error))
        del source  # this frame may be in a traceback
        raise problem

    @classmethod
    def _read(cls, source: KeySource, alg: str | None) -> SigningKey:
        path = _find_path(source)
        if path is None:
            return cls(_import(source, "the key"), alg)
        what = f"the key file {path}"
        try:
            content = read_bytes(path)
        except UnreadableFile as error:
            raise ValueError(f"{what} {error}; {_KINDS}") from None
        return cls(_import(content, what), alg, path)

    @classmethod
    def generate(cls, alg: str | None = None) -> SigningKey:
        """Return a new key: EC P-256, or what `alg` signs with. Raises ValueError, ImportError."""
        jwk = _require_joserfc()
        name = alg or "ES256"
        curve = next((each for each, algs in _OF_CURVE.items() if name in algs), None)
        if curve is not None:
            kind = jwk.OKPKey if curve == "Ed25519" else jwk.ECKey
            return cls(kind.generate_key(curve, private=True), name)
        _check_algorithm(name, _OF_RSA)
        return cls(jwk.RSAKey.generate_key(_RSA_BITS, private=True), name)

    def as_jwk(self) -> dict[str, Any]:
        """Return the private key as a JWK (RFC 7517)."""
        return _as_jwk(self._key, private=True)

    def sign(self, header: Mapping[str, Any], claims: Mapping[str, Any]) -> str:
        """Return a signed JWT with these `claims` (RFC 7519); `header` may have more than alg."""
        from joserfc import jwt

        full = {"alg": self.alg, **header}
        return jwt.encode(full, dict(claims), self._key, [self.alg], registry=self._registry)

    def _try_out(self) -> None:
        with suppress(Exception):  # joserfc's and cryptography's; their texts may show the key
            self.sign({}, {})
            return
        raise ValueError(f"the key cannot sign with {self.alg}; {_KINDS}")


# --- Reading -------------------------------------------------------------------------------------


def _require_joserfc() -> Any:
    try:
        from joserfc import jwk, jwt  # noqa: F401 - what a signature needs, before the first fork
    except ImportError:
        raise ImportError(
            "DPoP and PrivateKeyJWT need joserfc: pip install 'requests-jwt-refresh[jose]'"
        ) from None
    return jwk


def _find_path(source: KeySource) -> Path | None:
    """Return the file that `source` names, None if it is a key itself."""
    if isinstance(source, str) and source.lstrip().startswith(("-----BEGIN", "{")):
        return None
    if not isinstance(source, (str, os.PathLike)):
        return None
    if not os.fspath(source):
        raise ValueError(f"the path of the key file is empty; {_KINDS}")
    try:
        return Path(os.path.abspath(Path(source).expanduser()))  # noqa: PTH100 - resolve() would follow links
    except (RuntimeError, OSError):
        raise ValueError(f"the key file {source!r} has no place; use an absolute path") from None


def _import(source: KeySource, what: str) -> JOSEKey:
    """Return the key in `source`; `what` names it in an error's text."""
    if isinstance(source, (str, bytes)):
        text = source.encode() if isinstance(source, str) else source
        source = _parse_json(text) if text.lstrip().startswith(b"{") else _read_pem(text, what)
    if isinstance(source, Mapping):
        return _read_jwk(source, what)
    if type(source).__module__.partition(".")[0] == "cryptography":
        return _read_object(source, what)
    if hasattr(source, "as_dict") and not isinstance(source, type):
        return _check_private(source, what)
    raise TypeError(f"{what} is no key but {describe_kind(source)}; {_KINDS}")


def _parse_json(text: bytes) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return {}


def _read_pem(text: bytes, what: str) -> Any:
    """Return cryptography's key out of a PEM text."""
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    problem = "is no PEM and no JWK"
    if b"PUBLIC KEY-----" in text:
        problem = "has a public key, which cannot sign"
    try:
        return load_pem_private_key(text, None)
    except TypeError:
        problem = "is encrypted, and nobody is here to give its password"
    except Exception:  # noqa: BLE001, S110 - one of many kinds; its text may show the key
        pass
    raise ValueError(f"{what} {problem}; {_KINDS}")


def _read_object(key: Any, what: str) -> JOSEKey:
    """Return the key of an object of cryptography's."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    jwk = _require_joserfc()
    kinds: tuple[tuple[type[Any], Any], ...] = (
        (ec.EllipticCurvePrivateKey, jwk.ECKey),
        (ed25519.Ed25519PrivateKey, jwk.OKPKey),
        (rsa.RSAPrivateKey, jwk.RSAKey),
    )
    for theirs, ours in kinds:
        if isinstance(key, theirs):
            pem = key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            return _check_private(ours.import_key(pem), what)
    raise ValueError(f"{what} is of a kind that cannot sign here; {_KINDS}")


def _read_jwk(jwk: Mapping[str, Any], what: str) -> JOSEKey:
    """Return the key of a JWK (RFC 7517)."""
    kinds = {"EC": "ECKey", "OKP": "OKPKey", "RSA": "RSAKey"}
    name = kinds.get(str(jwk.get("kty")))
    problem = "is a key that is no EC, Ed25519 or RSA key"
    if "keys" in jwk:
        problem = "is a set of keys, not one of them"
    elif "kty" not in jwk:
        problem = "is no JWK"
    if name is None:
        raise ValueError(f"{what} {problem}; {_KINDS}")
    try:
        key = getattr(_require_joserfc(), name).import_key(dict(jwk))
    except Exception:  # noqa: BLE001 - one of many kinds; its text may show the key
        key = None
    if key is None:
        raise ValueError(f"{what} is no JWK that can be read; {_KINDS}")
    return _check_private(key, what)


def _check_private(key: Any, what: str) -> JOSEKey:
    if getattr(key, "key_type", None) not in ("EC", "OKP", "RSA"):
        raise ValueError(f"{what} is a key that is no EC, Ed25519 or RSA key; {_KINDS}")
    if not getattr(key, "is_private", False):
        raise ValueError(f"{what} is a public key, which cannot sign; {_KINDS}")
    found: JOSEKey = key
    return found


def _as_jwk(key: JOSEKey, *, private: bool) -> dict[str, Any]:
    return dict(key.as_dict(private=private))


# --- Algorithms ----------------------------------------------------------------------------------


def _choose_algorithm(key: JOSEKey, alg: str | None) -> str:
    """Return the algorithm to sign with: `alg`, what the key says, or the usual one of its kind."""
    jwk = _as_jwk(key, private=False)
    fitting = _OF_RSA if jwk["kty"] == "RSA" else _OF_CURVE.get(str(jwk.get("crv")), ())
    if not fitting:
        raise ValueError(f"the curve {jwk.get('crv')} is none to sign with; {_KINDS}")
    said = jwk.get("alg")
    name = alg or (said if said in fitting else fitting[0])
    _check_algorithm(name, fitting)
    return name


def _check_algorithm(name: object, fitting: tuple[str, ...]) -> None:
    if name not in fitting:
        known = [each for algs in (*_OF_CURVE.values(), _OF_RSA) for each in algs]
        of_this = "" if name in known else f"; known are {', '.join(known)}"
        raise ValueError(
            f"alg={name!r} does not fit: the key signs with {' or '.join(fitting)}{of_this}"
        )


@cache
def _make_registry(alg: str) -> Any:
    """Return joserfc's registry with `alg` alone, which is taken without a warning."""
    from joserfc.jws import JWSRegistry

    class Registry(JWSRegistry):
        def get_alg(self, name: str) -> Any:
            return self.algorithms[name]  # also EdDSA, of which the original warns

    return Registry(algorithms=[alg])
