"""Where a profile's secrets live, and an endpoint that reads them when they are needed.

A secret is in a file of its own or in the keyring; the profile says which of the two, and never the
secret itself.
"""

from __future__ import annotations

import base64
import json
import re
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from requests_jwt_refresh.errors import InvalidToken, StoreError
from requests_jwt_refresh.given_files import UnreadableFile, read_text
from requests_jwt_refresh.stores.keyring import KeyringStore
from requests_jwt_refresh.tokens import Token, load_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import requests

    from requests_jwt_refresh.responses import TokenResponse

CLIENT_SECRET: Final = "client secret"  # noqa: S105 - the name of a secret
PLACEHOLDER: Final = "read when needed"
"""What stands in an endpoint where its secret will be."""

# What KeyringStore advises where there is no keyring; a token's file would not hold the secret.
_FILE_ADVICE: Final = (
    "use FileStore or MemoryStore instead",
    'keep the token in a file: FileStore("~/.local/state/myapp/token.json")',
)
# What a header carries unchanged (RFC 9110 §5.5): printable ASCII without outer spaces.
_FIT_FOR_A_HEADER = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")


def is_fit_for_header(value: str) -> bool:
    """Whether a header carries `value` unchanged."""
    return bool(_FIT_FOR_A_HEADER.fullmatch(value))


@dataclass(frozen=True)
class SecretFile:
    """A secret in a file of its own, such as the ones that containers mount."""

    path: str

    def __call__(self) -> str:
        """Return the secret, as an endpoint asks for it each time. Raises StoreError."""
        return self.read()

    def read(self) -> str:
        """Return the file's text without the white space around it. Raises StoreError."""
        try:
            secret = read_text(self.path).strip()
        except UnreadableFile as error:
            problem = str(error)
        else:
            if secret:
                return secret
            problem = "is empty"
        raise StoreError(
            f"the secret's file {self.path} {problem}", "put the secret there, and nothing else"
        )


@contextmanager
def advise(instead: str) -> Iterator[None]:
    """Have an error about the keyring name what to do `instead`, and not a file for the token."""
    try:
        yield
    except StoreError as error:
        for advice in _FILE_ADVICE:
            error.remedy = error.remedy.replace(advice, instead)
        raise


@dataclass(frozen=True)
class SecretInKeyring:
    """A secret in the keyring, beside the token of the profile it belongs to."""

    service: str
    profile: str
    name: str = CLIENT_SECRET
    """What it is, as in "client secret", or its key in the profile, as in "headers.apikey"."""

    def read(self) -> str:
        """Return the secret. Raises StoreError, also if there is none."""
        with advise(f"put it into a file: {self._file_key}"):
            stored = self._entry.load()
        if stored is None or stored.access is None:
            raise StoreError(
                f"there is no {self.name} for profile {self.profile!r} in the keyring",
                f"give it with: requests-jwt login {self.profile}, or name a file: "
                f"{self._file_key}",
            )
        return stored.access if self._is_client_secret else str(unseal(stored))

    def write(self, secret: str) -> None:
        """Save the secret. Raises StoreError, or InvalidToken if no header could carry it."""
        token = self._make_entry(secret)
        del secret  # this frame may be in a traceback
        if token is None:
            raise InvalidToken(
                f"the {self.name} cannot be kept in the keyring, which takes printable ASCII "
                "without outer spaces and without a scheme before it",
                f"give the secret alone, or put it into a file: {self._file_key}",
            )
        with advise(f"put it into a file: {self._file_key}"):
            self._entry.save(token)

    def is_there(self) -> bool:
        """Whether there is a secret. Raises StoreError."""
        with advise(f"put it into a file: {self._file_key}"):
            return self._entry.load() is not None

    def _make_entry(self, secret: str) -> Token | None:
        """Return how the secret is kept, None if it is not fit."""
        if not self._is_client_secret:
            return seal(secret) if is_fit_for_header(secret) else None
        try:
            return Token(secret)
        except InvalidToken:
            return None  # its text is about an access token

    @property
    def _is_client_secret(self) -> bool:
        return self.name == CLIENT_SECRET

    @property
    def _file_key(self) -> str:
        """How the profile would name a file in place of the keyring."""
        return "client_secret_file" if self._is_client_secret else f'{self.name}.file = "PATH"'

    @property
    def _entry(self) -> KeyringStore:
        return KeyringStore(f"{self.service} {self.name}", self.profile)


def seal(value: object) -> Token:
    """Return `value`, of any characters, in a form that a store keeps."""
    return Token(base64.urlsafe_b64encode(json.dumps(value).encode()).decode())


def unseal(stored: Token) -> Any:
    """Return what `seal` was given; None if that makes no sense."""
    try:
        return load_json(base64.urlsafe_b64decode(stored.access or ""))
    except (ValueError, RecursionError):
        return None


Secret = SecretFile | SecretInKeyring


@dataclass(frozen=True)
class WithSecrets:
    """An endpoint whose secrets are read each time it is needed."""

    endpoint: Any
    """Made with a placeholder for each secret."""
    secrets: Mapping[tuple[str, ...], Secret] = field(hash=False)
    """Each secret by where it goes: an argument of the endpoint, and the keys below it."""
    make: Callable[..., Any] = field(repr=False)
    arguments: Mapping[str, Any] = field(repr=False, hash=False)

    def __getattr__(self, name: str) -> Any:
        """Return what the endpoint says of itself: its fields, where it attaches the token."""
        if name.startswith("__") or "endpoint" not in self.__dict__:
            raise AttributeError(name)
        return getattr(self.endpoint, name)

    @property
    def url(self) -> str:
        """The URL to ask."""
        return str(self.endpoint.url)

    def ask(self, url: str, token: Token | None) -> requests.Request:
        """Return the refresh request. Raises StoreError if a secret cannot be read."""
        request: requests.Request = self.complete().ask(url, token)
        return request

    def as_client(self, url: str, form: Mapping[str, Any]) -> requests.Request:
        """Return the POST of any form. Raises StoreError if a secret cannot be read."""
        request: requests.Request = self.complete().as_client(url, form)
        return request

    def read(self, response: TokenResponse) -> Token:
        """Return the new token. Raises RefreshRejected or RefreshUnavailable."""
        token: Token = self.endpoint.read(response)
        return token

    def secrets_by_name(self) -> dict[str, Secret]:
        """Return the secrets by what they are called: by their keys in the profile."""
        return {
            CLIENT_SECRET if place == ("client_secret",) else ".".join(("refresh", *place)): secret
            for place, secret in self.secrets.items()
        }

    def with_arguments(self, **others: Any) -> WithSecrets:
        """Return the endpoint with `others` in place of some of its arguments."""
        arguments = {**self.arguments, **others}
        return replace(self, endpoint=self.make(**arguments), arguments=arguments)

    def complete(self) -> Any:
        """Return the endpoint with its secrets. Raises StoreError if one cannot be read."""
        arguments = deepcopy(dict(self.arguments))
        for place, secret in self.secrets.items():
            put(arguments, place, secret.read())
        return self.make(**arguments)


def put(document: dict[str, Any], place: tuple[str, ...], value: object) -> None:
    """Write `value` into `document` at the keys of `place`, one below the other."""
    *parents, last = place
    for key in parents:
        document = document[key]
    document[last] = value
