"""An access token from the environment, as CI systems and containers hand one over.

``REQUESTS_JWT_TOKEN_<PROFILE>`` is the token, ``REQUESTS_JWT_TOKEN_<PROFILE>_FILE`` names a file
with it. They are read, and never set. Such a token goes before the profile's store; it stays in
memory, and is never refreshed. Who else may read the file is up to whoever puts it there.
"""

from __future__ import annotations

import logging
import os
import re
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NoReturn

from requests_jwt_refresh.errors import InvalidToken, ProfileError, StoreError
from requests_jwt_refresh.given_files import UnreadableFile, read_text
from requests_jwt_refresh.profiles.home import NoHome, expand_user
from requests_jwt_refresh.profiles.schema import make_absolute, make_printable
from requests_jwt_refresh.tokens import Token, jwt_claims, with_values

if TYPE_CHECKING:
    from collections.abc import Iterable
    from contextlib import AbstractContextManager

    import requests
    from typing_extensions import Self

    from requests_jwt_refresh.responses import TokenResponse

_PREFIX: Final = "REQUESTS_JWT_TOKEN_"
_FILE_SUFFIX: Final = "_FILE"
_LAST_MOMENT: Final = 253402300799  # seconds since the epoch; the year 9999 ends with it
_ONE_WORD: Final = re.compile(r"[\x21\x23-\x7e]*")  # what JSON, or a line of a shell, is not
_NOT_ONE_WORD: Final = "it has a space or a quotation mark in it"
_ADVICE: Final = "put the access token there, and nothing else"

logger = logging.getLogger("requests_jwt_refresh")


@dataclass(frozen=True, eq=False)
class EnvironmentStore:
    """The token of an environment variable, or of the file that one names; never written.

    A file is read each time, so that a token which another program puts there is taken up. While
    that program is writing, or if the file has gone, the last token read is used. When the
    token expires is left to the API to say: how long it had been underway is not known, and neither
    is how wrong this machine's clock is.
    """

    variable: str
    path: str | None = None
    """The file that the variable names; None if it holds the token itself."""
    _last: list[Token] = field(default_factory=list, init=False, repr=False)
    _warned: list[str] = field(default_factory=list, init=False, repr=False)

    def __reduce__(self) -> tuple[Any, ...]:
        """Be copied and pickled without the token that was read."""
        return type(self), (self.variable, self.path)

    @property
    def label(self) -> str:
        """Where the token comes from, for people."""
        if self.path is None:
            return f"environment variable {self.variable}"
        return f"file {self.path}, named by the environment variable {self.variable}"

    @property
    def remedy(self) -> str:
        """What helps when the API refuses the token."""
        if self.path is None:
            put = f"put a new access token into {self.variable}, and start the program again"
        else:
            put = f"put a new access token into {self.path}"
        return f"{put}; or unset {self.variable}, to use the profile's own store"

    def load(self) -> Token | None:
        """Return the token, None if the variable is not set any more.

        Raises StoreError for one that cannot be read, unless one was read before.
        """
        if self.path is None:
            return self._parse(os.environ.get(self.variable, ""))
        try:
            token = self._parse(self._read(self.path))
        except StoreError as error:
            if not self._last:
                raise
            self._warn_once(error.cause)
            return self._last[-1]
        self._warned.clear()
        self._last[:] = [] if token is None else [token]
        return token

    def _warn_once(self, cause: str) -> None:
        """Log a warning, once until the file can be read again."""
        if not self._warned:
            logger.warning("%s; the token that was read before is used", cause)
        self._warned[:] = [cause]

    def _parse(self, text: str) -> Token | None:
        text = text.strip()
        try:
            token = Token(text) if text else None
        except InvalidToken as error:
            problem = error.cause
        else:
            if _ONE_WORD.fullmatch(text):
                return token
            problem = _NOT_ONE_WORD
        raise StoreError(
            f"the {self.label}{',' if self.path else ''} holds no access token that can be used: "
            f"{problem}",
            _ADVICE,
        )

    def _read(self, path: str) -> str:
        try:
            text = read_text(path)
        except UnreadableFile as error:
            problem = str(error)
        else:
            if text.strip():
                return text
            problem = "is empty"
        raise StoreError(
            f"the {self.label}, {problem}", "put the access token into a file, and nothing else"
        )

    def save(self, token: Token) -> None:
        """Raise StoreError: nothing is written."""
        del token
        self._refuse()

    def clear(self) -> None:
        """Raise StoreError: nothing is written."""
        self._refuse()

    def lock(self, timeout: float) -> AbstractContextManager[None]:  # noqa: ARG002 - a store's verb
        """Keep nobody out, as nothing is written; `timeout` is not needed."""
        return nullcontext()

    def _refuse(self) -> NoReturn:
        raise StoreError(
            f"the token comes from the {self.label}, and is never written",
            f"unset {self.variable} to use the profile's own store",
        )


def with_claimed_expiry(token: Token) -> Token:
    """Return `token` with the moment at which it says itself that it expires, for people."""
    end = jwt_claims(token.access or "").get("exp")
    if not isinstance(end, (int, float)) or not 0 < end <= _LAST_MOMENT:
        return token
    return with_values(token, expires_at=float(end))


@dataclass(frozen=True)
class NoRefresh:
    """The endpoint of a token that is never refreshed: it is never asked."""

    url: str
    """The API's own, where the token is used."""
    no_refresh: tuple[str, str]
    """Why the token is never refreshed, and what helps."""
    needs_refresh_token = True  # and there is none, so a 401 stands

    @classmethod
    def of(cls, store: EnvironmentStore, url: str) -> Self:
        """Return the endpoint for the token of `store`, which the API at `url` takes."""
        cause = f"the token is never refreshed: it comes from the {store.label}"
        return cls(url, (cause, store.remedy))

    def ask(self, url: str, token: Token | None) -> requests.Request:
        """Ask nobody."""
        raise NotImplementedError

    def read(self, response: TokenResponse) -> Token:
        """Read nothing."""
        raise NotImplementedError


def name_variable(profile: str) -> str:
    """Return the name of the variable with the token of a profile.

    >>> name_variable("my-api.v2")
    'REQUESTS_JWT_TOKEN_MY_API_V2'
    """
    return _PREFIX + re.sub("[^A-Z0-9]", "_", profile.upper())


def find_environment_store(profile: str, names: Iterable[str]) -> EnvironmentStore | None:
    """Return where the environment has the token of a profile, None if it has none.

    `names` are those of all profiles. An empty variable counts as none: so CI systems hand over a
    secret that is not there. Raises ProfileError if both variables are set, if one belongs to
    several profiles, or if the file's path cannot be used.
    """
    variable = name_variable(profile)
    file_variable = variable + _FILE_SUFFIX
    given = [each for each in (variable, file_variable) if os.environ.get(each, "").strip()]
    for each in given:
        _check_unique(each, profile, names)
    if len(given) > 1:
        raise ProfileError(
            f"both {variable} and {file_variable} are set for profile {profile!r}",
            "unset one of them",
        )
    if not given:
        return None
    if given == [variable]:
        return EnvironmentStore(variable)
    return EnvironmentStore(file_variable, _resolve(file_variable))


def _check_unique(variable: str, profile: str, names: Iterable[str]) -> None:
    """Raise ProfileError if the variable could be meant for another profile as well."""
    others = [
        make_printable(name)
        for name in names
        if name != profile and variable in (name_variable(name), name_variable(name) + _FILE_SUFFIX)
    ]
    if others:
        raise ProfileError(
            f"the environment variable {variable} belongs to several profiles: "
            f"{', '.join([profile, *others])}",
            "rename all of them but one, or unset it",
        )


def _resolve(variable: str) -> str:
    path = os.environ[variable].strip()
    try:
        return str(make_absolute(expand_user(path)))
    except NoHome as error:
        problem = str(error)
    raise ProfileError(
        f"the path in the environment variable {variable} cannot be used: {problem}",
        "give the whole path",
    )
