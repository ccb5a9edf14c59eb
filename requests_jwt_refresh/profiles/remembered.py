"""A password that its user wants to be remembered, and the login that uses it.

It is in the keyring and nowhere else, for one login URL and one user name. Once the server has
refused it, it is deleted, so that no account is locked by trying it again and again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from requests_jwt_refresh.errors import RefreshRejected, StoreError
from requests_jwt_refresh.profiles.secrets import advise, seal, unseal
from requests_jwt_refresh.stores.keyring import KeyringStore

if TYPE_CHECKING:
    from collections.abc import Callable

    import requests

    from requests_jwt_refresh.stores.base import TokenStore
    from requests_jwt_refresh.tokens import Token

_REMEMBER: Final = "a password is remembered in a keyring alone; log in without --remember"


class Account(NamedTuple):
    """A user name and a password. Never print it."""

    username: str
    password: str

    def __repr__(self) -> str:
        return "Account('***')"


@dataclass(frozen=True)
class RememberedPassword:
    """The entry of a profile's password in the keyring."""

    service: str
    profile: str
    url: str
    """The login URL that it is for."""

    def load(self) -> Account | None:
        """Return the account, None if none is remembered for this URL. Raises StoreError."""
        with advise(_REMEMBER):
            stored = self.entry.load()
        match None if stored is None else unseal(stored):
            case [self.url, str(username), str(password)]:
                return Account(username, password)
        return None

    def save(self, account: Account) -> None:
        """Remember the account. Raises StoreError."""
        with advise(_REMEMBER):
            self.entry.save(seal([self.url, account.username, account.password]))

    def forget(self) -> bool:
        """Delete what is remembered, for whatever URL; return whether there was something.

        Raises StoreError.
        """
        with advise(_REMEMBER):
            is_there = self.entry.load() is not None
            if is_there:
                self.entry.clear()
        return is_there

    def check_writable(self) -> None:
        """Raise StoreError if there is no keyring to remember the password in."""
        probe = KeyringStore(f"{self.entry.service} login", self.profile)
        with advise(_REMEMBER):
            probe.save(seal("requests-jwt-login"))
            probe.clear()

    @property
    def entry(self) -> KeyringStore:
        """The store of the password."""
        return KeyringStore(f"{self.service} password", self.profile)


@dataclass(frozen=True)
class RememberedLogin:
    """Logs in with the remembered password; a `login` of JWTRefreshAdapter."""

    log_in: Callable[[requests.Session, str, str], Token] = field(repr=False)
    """Logs in with a user name and a password."""
    password: RememberedPassword
    store: TokenStore
    timeout: float
    """Seconds to wait for a lock that another program holds."""

    def __call__(self, session: requests.Session) -> Token:
        """Return a new token.

        One program after the other: each but the first finds the token of the first in the store.
        Raises RefreshRejected if no password is remembered, or if the server refuses it.
        """
        before = self.store.load()
        with self.password.entry.lock(self.timeout):
            newer = self.store.load()
            if newer is not None and newer != before:
                return newer
            return self._log_in(session)

    def _log_in(self, session: requests.Session) -> Token:
        name = self.password.profile
        account = self.password.load()
        if account is None:
            refusal = RefreshRejected(
                f"profile {name!r} is not logged in, and no password is remembered",
                f"log in with: requests-jwt login {name}",
            )
            refusal.nothing_to_refresh = True
            raise refusal
        try:
            token = self.log_in(session, *account)
        except RefreshRejected as error:
            cause = error.cause
        else:
            self._save(token)
            return token
        self.password.forget()
        raise RefreshRejected(
            f"{cause}; the password that was remembered for profile {name!r} is forgotten",
            f"log in with: requests-jwt login {name} --remember",
        )

    def _save(self, token: Token) -> None:
        """Save the token before the next program may look for it; else the adapter says why not."""
        try:
            with self.store.lock(self.timeout):
                self.store.save(token)
        except StoreError:
            pass
