"""A password that its user wants to be remembered, and the login that uses it.

It is in the keyring and nowhere else, for one login URL and one user name. Once the server has
refused it, it is deleted, so that no account is locked by trying it again and again.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Final, NamedTuple

from requests_jwt_refresh.errors import RefreshRejected, StoreError
from requests_jwt_refresh.profiles.accounts import DEFAULT
from requests_jwt_refresh.profiles.secrets import advise, seal, unseal
from requests_jwt_refresh.refresh.logins import OwnLogin
from requests_jwt_refresh.stores.keyring import KeyringStore

if TYPE_CHECKING:
    from collections.abc import Callable

    import requests
    from typing_extensions import Self

    from requests_jwt_refresh.grants.password import PasswordLogin
    from requests_jwt_refresh.refresh.client import SendOptions
    from requests_jwt_refresh.refresh.logins import RefusedLogins
    from requests_jwt_refresh.stores.base import TokenStore
    from requests_jwt_refresh.tokens import Token

_REMEMBER: Final = "a password is remembered in a keyring alone; log in without --remember"
_FORGET: Final = "if there was one when it was remembered, log out again where that can be reached"


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
    account: str = DEFAULT

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
        with advise(_FORGET):
            is_there = self.entry.load() is not None
            if is_there:
                self.entry.clear()
        return is_there

    def check_writable(self) -> None:
        """Raise StoreError if there is no keyring to remember the password in."""
        probe = KeyringStore(f"{self.entry.service} login", self.entry.account)
        with advise(_REMEMBER):
            probe.save(seal("requests-jwt-login"))
            probe.clear()

    @property
    def entry(self) -> KeyringStore:
        """The store of the password."""
        return KeyringStore(f"{self.service} password", self._name)

    @property
    def reference(self) -> str:
        """How the command line names profile and account."""
        is_default = self.account == DEFAULT
        return self.profile if is_default else f"{self.profile} --account {self.account}"

    @property
    def _name(self) -> str:
        return self.profile if self.account == DEFAULT else f"{self.profile}@{self.account}"


def has_refresh_token(endpoint: object) -> bool:
    """Whether an endpoint keeps a login going by itself, however long nothing is sent."""
    if endpoint is None or getattr(endpoint, "needs_live_token", False):
        return False
    is_given_none = getattr(endpoint, "refresh", "") is None
    return not (getattr(endpoint, "needs_refresh_token", True) and is_given_none)


@dataclass(frozen=True)
class RememberedLogin(OwnLogin):
    """Logs in with the remembered password; a `login` of JWTRefreshAdapter."""

    takes_password: ClassVar[bool] = True

    login: PasswordLogin
    """With an absolute URL."""
    password: RememberedPassword
    store: TokenStore
    timeout: float
    """Seconds to wait for a lock that another program holds, and for one login."""
    missing: tuple[str, str]
    """What to say where nobody has logged in: the cause and the remedy."""
    on_failure: Callable[[RefreshRejected], object] | None = None
    """Called if there is no password, or none that the server takes."""

    @property
    def url(self) -> str | None:  # type: ignore[override]  # this one is never changed
        """The login URL."""
        return self.login.url

    def bind(
        self, endpoint: object, base_url: str, *, allow_http: bool = False, timeout: float = 30.0
    ) -> Self:
        """Return the login, bound as PasswordLogin.bind does."""
        bound = self.login.bind(endpoint, base_url, allow_http=allow_http, timeout=timeout)
        return replace(self, login=bound)

    def for_user(self, username: str, password: str) -> OwnLogin:
        """Return the login of this user, who gives the password now."""
        return self.login.for_user(username, password)

    def obtain(
        self, session: requests.Session, options: SendOptions, refused: RefusedLogins
    ) -> Token:
        """Return a new token.

        One program after the other: each but the first finds the token of the first in the store.
        Raises RefreshRejected if no password is remembered, or if the server refuses it,
        RefreshUnavailable or StoreError, after which the password stays.
        """
        before = self.store.load()
        with self.password.entry.lock(self.timeout):
            newer = self.store.load()
            if newer is not None and newer != before:
                return newer
            try:
                return self._log_in(session, options, refused, had_token=before is not None)
            except RefreshRejected as refusal:
                if self.on_failure is not None:
                    self.on_failure(refusal)
                raise

    def _log_in(
        self,
        session: requests.Session,
        options: SendOptions,
        refused: RefusedLogins,
        *,
        had_token: bool,
    ) -> Token:
        # A server may have no keyring at all: that is no fault beside the API's own answer.
        is_possible = not self.password.entry.is_missing()
        account = self.password.load() if is_possible else None
        if account is None:
            cause, remedy = self.missing
            cause += ", and no password is remembered for it"
            if had_token:
                cause = "the login has expired, and no password is remembered"
                remedy = f"log in with: requests-jwt login {self.password.reference}"
            refusal = RefreshRejected(cause, remedy)
            refusal.nothing_to_refresh = not had_token
            raise refusal
        login = self.login.for_user(*account)
        del account  # this frame may be in a traceback
        try:
            token = login.obtain(session, options, refused)
        except RefreshRejected as error:
            cause = error.cause
        else:
            with suppress(StoreError):  # the adapter, which saves it as well, says why not
                self._save(token)
            return token
        self.password.forget()
        raise RefreshRejected(
            f"{cause}; the password that was remembered for profile {self.password.profile!r} is "
            "forgotten",
            f"log in with: requests-jwt login {self.password.reference} --remember",
        )

    def _save(self, token: Token) -> None:
        """Save the token before the next program may look for it."""
        with self.store.lock(self.timeout):
            self.store.save(token)
