"""The keys that DPoP and PrivateKeyJWT take, and what is said of those that they do not."""

from __future__ import annotations

import json
import os
import warnings
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa, x25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from joserfc.jwk import ECKey, KeySet, OctKey, OKPKey, RSAKey

from requests_jwt_refresh import DPoP, PrivateKeyJWT, Token
from tests.support.proofs import prepare, proof_of

if TYPE_CHECKING:
    from pathlib import Path

P256 = ec.generate_private_key(ec.SECP256R1())
P384 = ec.generate_private_key(ec.SECP384R1())
P521 = ec.generate_private_key(ec.SECP521R1())
ED25519 = ed25519.Ed25519PrivateKey.generate()
RSA = rsa.generate_private_key(65537, 2048)
KEYS = {"ES256": P256, "ES384": P384, "ES512": P521, "Ed25519": ED25519, "RS256": RSA}
KINDS: dict[str, Any] = {
    "ES256": ECKey,
    "ES384": ECKey,
    "ES512": ECKey,
    "Ed25519": OKPKey,
    "RS256": RSAKey,
}


def pem_of(key: Any, form: PrivateFormat = PrivateFormat.PKCS8, password: bytes = b"") -> str:
    encryption = BestAvailableEncryption(password) if password else NoEncryption()
    pem: bytes = key.private_bytes(Encoding.PEM, form, encryption)
    return pem.decode()


def public_pem_of(key: Any) -> str:
    pem: bytes = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return pem.decode()


def jwk_of(kind: str, **more: str) -> dict[str, Any]:
    return {**KINDS[kind].import_key(pem_of(KEYS[kind])).as_dict(private=True), **more}


def header_of(dpop: DPoP) -> dict[str, Any]:
    """Return the header of a proof, whose signature is right."""
    request = prepare()
    dpop.carry(request, Token("access"))
    return proof_of(request).header


def write(folder: Path, text: str) -> Path:
    path = folder / "key"
    path.write_text(text)
    return path


# --- What is taken -------------------------------------------------------------------------------


@pytest.mark.parametrize("alg", KEYS)
def test_a_key_is_taken_in_every_form(alg: str, tmp_path: Path) -> None:
    """A file of PEM or JWK, such a text, a mapping, an object of either library; one public key."""
    pem, jwk = pem_of(KEYS[alg]), jwk_of(alg)
    forms = [pem, pem.encode(), "\n" + pem, json.dumps(jwk), jwk, KEYS[alg]]
    forms += [
        KINDS[alg].import_key(jwk),
        write(tmp_path, pem),
        str(write(tmp_path, json.dumps(jwk))),
    ]
    headers = [header_of(DPoP(form)) for form in forms]
    assert headers == [headers[0]] * len(forms)
    assert headers[0]["alg"] == alg
    assert not {"d", "p", "q", "k"} & headers[0]["jwk"].keys()


@pytest.mark.parametrize("alg", [*KEYS, "EdDSA", "PS256", "RS512"])
def test_a_new_key_fits_the_algorithm(alg: str) -> None:
    """For a token that brings none, and for a login."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dpop = DPoP(alg=alg)
    assert header_of(dpop)["alg"] == alg


def test_the_algorithm_can_be_chosen() -> None:
    """EdDSA, too, by which older servers know Ed25519; without joserfc's warning."""
    assert header_of(DPoP(ED25519, alg="EdDSA"))["alg"] == "EdDSA"
    assert header_of(DPoP(RSA, alg="PS512"))["alg"] == "PS512"
    assert header_of(DPoP(jwk_of("RS256", alg="PS384")))["alg"] == "PS384"


def test_a_proof_has_nothing_of_a_jwk_but_the_key() -> None:
    """No kid, use or certificate: each proof is sent with each request."""
    jwk = jwk_of("ES256", kid="mine", use="sig")
    assert set(header_of(DPoP(jwk))["jwk"]) == {"kty", "crv", "x", "y"}


def test_a_traditional_pem_is_taken() -> None:
    """As openssl ecparam and genrsa write it."""
    assert header_of(DPoP(pem_of(RSA, PrivateFormat.TraditionalOpenSSL)))["alg"] == "RS256"
    assert header_of(DPoP(pem_of(P256, PrivateFormat.TraditionalOpenSSL)))["alg"] == "ES256"


def test_a_path_may_start_with_a_tilde_and_outlives_a_change_of_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a FileStore's."""
    write(tmp_path, pem_of(P256))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert header_of(DPoP("~/key"))["alg"] == "ES256"
    monkeypatch.chdir(tmp_path)
    assert repr(DPoP("key")) == f"DPoP({os.fspath(tmp_path / 'key')!r})"


# --- What is not ---------------------------------------------------------------------------------


UNFIT = [
    ("", "is no PEM and no JWK"),
    ("nonsense", "is no PEM and no JWK"),
    (
        "-----BEGIN PRIVATE KEY-----\nsecret\n-----END PRIVATE KEY-----\n",
        "is no PEM and no JWK",
    ),
    (public_pem_of(P256), "public key"),
    (pem_of(P256, password=b"secret"), "encrypted"),
    (pem_of(ed448.Ed448PrivateKey.generate()), "cannot sign"),
    (pem_of(x25519.X25519PrivateKey.generate()), "cannot sign"),
    ("{", "is no JWK"),
    ("{}", "is no JWK"),
    ("[" * 60_000, "is no PEM and no JWK"),
    ('{"a":' * 12_000, "is no JWK"),
    (json.dumps({"keys": [jwk_of("ES256")]}), "set of keys"),
    (json.dumps(OctKey.generate_key(256).as_dict(private=True)), "no EC, Ed25519 or RSA"),
    (json.dumps({"kty": ["EC"]}), "no EC, Ed25519 or RSA"),
    (json.dumps({**jwk_of("ES256"), "d": "secret"}), "no JWK that can be read"),
    (json.dumps({**jwk_of("ES256"), "x": 7}), "no JWK that can be read"),
    (json.dumps(OKPKey.generate_key("X25519", private=True).as_dict(private=True)), "X25519"),
    (
        json.dumps(ECKey.generate_key("secp256k1", private=True).as_dict(private=True)),
        "secp256k1",
    ),
    (json.dumps(jwk_of("ES256", use="enc")), "cannot sign with ES256"),
    (json.dumps(jwk_of("ES256", alg="RS256")), "cannot sign with ES256"),
]


@pytest.mark.parametrize("kind", [DPoP, PrivateKeyJWT])
@pytest.mark.parametrize(("content", "text"), UNFIT, ids=[text for _, text in UNFIT])
def test_a_file_without_a_key_that_signs_is_told(
    kind: Any, content: str, text: str, tmp_path: Path
) -> None:
    """By its path and what is wrong; nothing of what is in it is shown."""
    path = write(tmp_path, content)
    with pytest.raises(ValueError, match=text) as caught:
        kind(path)
    message = str(caught.value)
    assert "secret" not in message
    assert "give the path of a PEM or JWK file" in message
    assert caught.value.__context__ is None, "its frames could hold the key"
    frames = (entry.frame.f_locals for entry in caught.traceback[1:])  # the first one is this
    values = [value for each in frames for value in each.values()]
    assert not content or {content, content.encode()}.isdisjoint(
        each for each in values if isinstance(each, (str, bytes))
    )


@pytest.mark.parametrize("kind", [DPoP, PrivateKeyJWT])
def test_a_file_that_cannot_be_read_is_told(kind: Any, tmp_path: Path) -> None:
    """A path that leads nowhere, to a folder, or is none."""
    with pytest.raises(ValueError, match=f"{tmp_path}/none cannot be read: No such file"):
        kind(tmp_path / "none")
    with pytest.raises(ValueError, match=f"{tmp_path} cannot be read"):
        kind(tmp_path)
    with pytest.raises(ValueError, match="key file"):
        kind("a\0b")
    with pytest.raises(ValueError, match="empty"):
        kind("")


@pytest.mark.parametrize("kind", [DPoP, PrivateKeyJWT])
@pytest.mark.parametrize("key", [7, True, object(), DPoP, ECKey, ["key"], ("a", "b"), b""])
def test_what_is_no_key_is_told(kind: Any, key: Any) -> None:
    """By its type alone."""
    with pytest.raises((TypeError, ValueError), match="give the path of a PEM or JWK file"):
        kind(key)


@pytest.mark.parametrize("kind", [DPoP, PrivateKeyJWT])
@pytest.mark.parametrize(
    "key",
    [
        ECKey.import_key(public_pem_of(P256)),
        OctKey.generate_key(256),
        KeySet([]),
        P256.public_key(),
        json.loads(json.dumps(ECKey.import_key(public_pem_of(P256)).as_dict(private=False))),
    ],
    ids=["public", "symmetric", "set", "cryptography's public", "public JWK"],
)
def test_an_object_that_cannot_sign_is_told(kind: Any, key: Any) -> None:
    """Before anything is sent."""
    with pytest.raises((TypeError, ValueError), match="give the path of a PEM or JWK file"):
        kind(key)


@pytest.mark.parametrize(
    ("key", "alg", "text"),
    [
        (P256, "RS256", "signs with ES256"),
        (RSA, "ES256", "signs with RS256 or RS384"),
        (ED25519, "ES256", "signs with Ed25519 or EdDSA"),
        (P256, "none", "known are"),
        (P256, "HS256", "known are"),
        (None, "HS256", "known are"),
        (None, 7, "known are"),
    ],
)
def test_an_algorithm_that_does_not_fit_is_told(key: Any, alg: Any, text: str) -> None:
    """With those that do."""
    with pytest.raises(ValueError, match=text):
        DPoP(key, alg=alg)
