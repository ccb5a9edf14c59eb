"""Where an OAuth 2.0 client's secret lives, and an endpoint that reads it when it is needed."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from requests_jwt_refresh.errors import InvalidToken, StoreError
from requests_jwt_refresh.stores.keyring import KeyringStore
from requests_jwt_refresh.tokens import Token

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import requests

    from requests_jwt_refresh.endpoints import OAuth2Endpoint
    from requests_jwt_refresh.matching import Matcher
    from requests_jwt_refresh.responses import TokenResponse

# What KeyringStore advises where there is no keyring; a token's file would not hold the secret.
_FILE_ADVICE: Final = (
    "use FileStore or MemoryStore instead",
    'keep the token in a file: FileStore("~/.config/myapp/token.json")',
)


@dataclass(frozen=True)
class SecretFile:
    """A secret in a file of its own, such as the ones that containers mount."""

    path: str

    def read(self) -> str:
        """Return the file's text without the white space around it. Raises StoreError."""
        try:
            secret = Path(self.path).read_text(encoding="utf-8-sig").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is no text"
            problem = f"could not be read: {reason}"
        else:
            if secret:
                return secret
            problem = "is empty"
        raise StoreError(
            f"the secret's file {self.path} {problem}", "put the secret there, and nothing else"
        )


@contextmanager
def _advise_file() -> Iterator[None]:
    """Have an error about the keyring name a file for the secret, and not one for the token."""
    try:
        yield
    except StoreError as error:
        for advice in _FILE_ADVICE:
            error.remedy = error.remedy.replace(advice, "put it into a file: client_secret_file")
        raise


@dataclass(frozen=True)
class SecretInKeyring:
    """A secret in the keyring, beside the token of the profile it belongs to."""

    service: str
    profile: str

    def read(self) -> str:
        """Return the secret. Raises StoreError, also if there is none."""
        with _advise_file():
            stored = self._entry.load()
        if stored is None or stored.access is None:
            raise StoreError(
                f"there is no client secret for profile {self.profile!r} in the keyring",
                f"give it with: requests-jwt login {self.profile}, or name a client_secret_file",
            )
        return stored.access

    def write(self, secret: str) -> None:
        """Save the secret. Raises StoreError, or InvalidToken if an entry cannot hold it."""
        try:
            token = Token(secret)
        except InvalidToken:
            pass  # not the cause: its text is about an access token
        else:
            with _advise_file():
                return self._entry.save(token)
        raise InvalidToken(
            "the client secret cannot be kept in the keyring, which takes printable ASCII without "
            "outer spaces and without a scheme before it",
            "give the secret alone, or put it into a client_secret_file",
        )

    def is_there(self) -> bool:
        """Whether there is a secret. Raises StoreError."""
        with _advise_file():
            return self._entry.load() is not None

    @property
    def _entry(self) -> KeyringStore:
        return KeyringStore(f"{self.service} client secret", self.profile)


@dataclass(frozen=True)
class WithSecret:
    """An OAuth2Endpoint whose client secret is read each time it is needed."""

    endpoint: OAuth2Endpoint
    """Made with a placeholder for the secret."""
    secret: SecretFile | SecretInKeyring

    @property
    def url(self) -> str:
        """The token endpoint's URL."""
        return self.endpoint.url

    @property
    def when(self) -> Matcher:
        """What "expired" looks like."""
        return self.endpoint.when

    def ask(self, url: str, token: Token) -> requests.Request:
        """Return the refresh request. Raises StoreError if the secret cannot be read."""
        return self._complete().ask(url, token)

    def as_client(self, url: str, form: Mapping[str, str]) -> requests.Request:
        """Return the POST of any form. Raises StoreError if the secret cannot be read."""
        return self._complete().as_client(url, form)

    def read(self, response: TokenResponse) -> Token:
        """Return the new token. Raises RefreshRejected or RefreshUnavailable."""
        return self.endpoint.read(response)

    def _complete(self) -> OAuth2Endpoint:
        return replace(self.endpoint, client_secret=self.secret.read())
