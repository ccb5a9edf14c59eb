"""What can go wrong, and what is left afterwards.

    requests.RequestException
    └── JWTRefreshError
        ├── RefreshRejected      the server refused the refresh token: forgotten, log in again
        ├── RefreshUnavailable   no usable answer: tokens kept, try again later
        ├── ReentrantRefresh     a refresh or login that calls through the adapter it serves
        ├── StoreError           the token store cannot be read, written or trusted
        │   └── LockTimeout      another program or thread holds the store's lock
        ├── DiscoveryError       what a server says of itself is missing, or cannot be believed
        ├── ProfileError         the profiles file, or a profile in it, cannot be used
        ├── InvalidToken         not a string fit for a header (also a ValueError)
        └── InvalidURL           a URL with no clear meaning (also requests' InvalidURL, ValueError)
            └── InsecureURL      tokens would travel unencrypted

Every one of them says what happened (``cause``) and what to do about it (``remedy``), and may carry
the API's answer as ``response`` and the request as ``request``. No text holds a token.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import requests
from requests.exceptions import InvalidURL as RequestsInvalidURL

if TYPE_CHECKING:
    from typing_extensions import Self


class JWTRefreshError(requests.RequestException):
    """The base of every error this library raises.

    ``str()`` joins `cause` and `remedy` into two sentences. Both begin in lower case and have
    no full stop at the end, so that they can also stand on lines of their own. A request's error
    also has its `request` and `response`, as every error of requests does: here the API's 401, if
    there was one.

    >>> str(RefreshRejected("the account is locked", "ask the administrator"))
    'the account is locked. Ask the administrator'
    """

    cause: str
    """What happened, naming the URL, field or file."""
    remedy: str = ""
    """What to do about it; the class's own if the error was raised without one."""

    def __init__(self, cause: object = "", remedy: str | None = None, **carried: Any) -> None:
        """Say what happened, and what to do about it; `carried` is as in RequestException."""
        super().__init__(cause, **carried)
        self.cause = str(cause)
        if remedy is not None:
            self.remedy = remedy

    def __str__(self) -> str:
        sentences = (self.cause, capitalize(self.remedy))
        return ". ".join(filter(None, sentences))

    def about(
        self,
        request: requests.PreparedRequest | None = None,
        response: requests.Response | None = None,
    ) -> Self:
        """Return a copy that belongs to one request, so that threads can share a failure.

        The copy has no traceback, which would keep the frames of another request alive.
        """
        mine = copy.copy(self)
        mine.request, mine.response = request, response
        mine.__cause__ = self.__cause__
        return mine


class RefreshRejected(JWTRefreshError):
    """The server refused the refresh token: a new login is needed.

    ```python
    try:
        token = adapter.valid_token(60)
    except RefreshRejected:
        adapter.set_token(Token("access", "refresh"))  # after another login
    ```

    A request never raises it, since the caller gets the API's own 401; `on_logout` and the
    adapter's ``refresh()`` and ``valid_token()`` do. An endpoint function or a `login` of your own
    raises it to say that the server refused.
    """

    remedy = "log in again"

    nothing_to_refresh: bool = False
    """Whether there was no token to ask with, so that nothing was refused."""


class RefreshUnavailable(JWTRefreshError):
    """A refresh got no usable response. The tokens are kept.

    ```python
    try:
        session.get("https://api.example.com/users")
    except RefreshUnavailable as error:
        print(error.cause, error.remedy, error.response)  # a response, if there was one: the 401
    ```

    The server was not reached, was too slow, is overloaded, or answered something that holds no
    token. `response` is the API's 401 if a request raises it.
    """

    remedy = "the tokens are kept; try again later"

    retry_after: float = 0.0
    """Seconds that the server asked to wait (Retry-After, RFC 9110 §10.2.3), else 0."""

    is_set_up_fault: bool = False
    """Whether the server did answer, but not as the set-up has it: trying again does not help."""


class ReentrantRefresh(JWTRefreshError):
    """A refresh or login has called through the adapter that is waiting for it.

    ```python
    def log_in(plain):
        fields = session.get("https://api.example.com/login").json()  # wrong: plain.get() is right
        return Token(fields["access_token"])


    mount(session, "https://api.example.com", None, MemoryStore(), login=log_in)
    try:
        session.get("https://api.example.com/users")
    except ReentrantRefresh as error:
        print(error.cause, error.remedy)
    ```

    It would wait for itself. The session that an endpoint function or a `login` is given calls
    without the adapter; so does ``auth=anonymous``. Mend the function: to try again is of no use.
    """

    remedy = "use the session that the function was given, or auth=anonymous"


class StoreError(JWTRefreshError):
    """The token store cannot be read, written or trusted. Nothing has been deleted.

    ```python
    try:
        adapter.set_token(Token("access", "refresh"))
    except StoreError as error:
        print(error.cause, error.remedy)
    ```
    """

    remedy = "nothing was deleted; make sure that this program can read and write the store"


class LockTimeout(StoreError):
    """The store's lock was not free within the time given. Nothing was changed.

    ```python
    store = FileStore("token")
    endpoint = JSONEndpoint("/auth/refresh")
    adapter = mount(session, "https://api.example.com", endpoint, store, refresh_timeout=0.1)
    with store.lock(0):  # stands for another program that has it
        try:
            adapter.set_token(Token("access", "refresh"))
        except LockTimeout as error:
            print(error.cause, error.remedy)
    ```

    Another program or thread has held it for longer than the adapter's `refresh_timeout`, or than
    the time that a store's ``lock(timeout)`` was given: it refreshes, slowly, or hangs. Try again
    later. ``set_token()``, ``clear_token()`` and ``log_out()`` raise it; a request that has to wait
    for so long raises RefreshUnavailable.
    """

    remedy = "nothing was changed; try again, or look for a program that hangs"


class DiscoveryError(JWTRefreshError):
    """A server does not describe itself, or what it says of itself cannot be believed.

    ```python
    try:
        ServerMetadata.discover("https://id.example.com")
    except DiscoveryError as error:
        print(error.cause)  # which document, and what is wrong with it
    ```

    Nothing that it said was used. `cause` names the document and the field.
    """

    remedy = "nothing of it was used; check the URL, or give the server's endpoints yourself"


class ProfileError(JWTRefreshError):
    """The profiles file, or a profile in it, cannot be used.

    ```python
    try:
        adapter = JWTRefreshAdapter.from_profile("myapi")
    except ProfileError as error:
        print(error.cause, error.remedy)
    ```

    `cause` names the file, the profile and the key, and `remedy` says what to write there, or which
    command makes the profile that is missing.
    """

    remedy = "edit the profiles file"


class InvalidToken(JWTRefreshError, ValueError):
    r"""A token that cannot be sent in a header (RFC 6749 appendix A, RFC 6750 §2.1).

    ```python
    try:
        token = Token("a token\n")  # read from a file, with the end of its line
    except InvalidToken as error:
        print(error.cause, error.remedy)
    ```

    It is a ValueError, too, and does not show the token. Give the token as the server wrote it:
    without ``Bearer`` before it, quotes around it or a line's end behind it.
    """

    remedy = "give the token alone, as the server wrote it"


class InvalidURL(JWTRefreshError, RequestsInvalidURL):
    """A base URL or relative URL that has no clear meaning.

    ```python
    try:
        mount(session, "api.example.com", JSONEndpoint("/auth/refresh"))  # https:// is missing
    except InvalidURL as error:
        print(error.cause, error.remedy)
    ```

    Other reasons: a user name in it, a backslash, a port that there is not, or a relative URL such
    as ``//host/path`` that would leave the base URL. ``mount()`` raises it for the URLs that it is
    given, a request for its own. It is requests' InvalidURL as well, and a ValueError.
    """

    remedy = "write the whole URL, with https:// before it"


class InsecureURL(InvalidURL):
    """A URL that would carry tokens unencrypted to another machine.

    ```python
    try:
        mount(session, "http://api.example.com", JSONEndpoint("/auth/refresh"))
    except InsecureURL as error:
        print(error.cause, error.remedy)
    ```

    Write ``https://``. Loopback needs no https; ``allow_http=True`` takes any other machine's http
    as well, for a network that you trust.
    """

    remedy = "use https, or give allow_http=True if you trust the network"


def capitalize(sentence: str) -> str:
    """Return `sentence` with a capital, unless it begins with something to type.

    >>> capitalize("try again later"), capitalize("client_id is missing")
    ('Try again later', 'client_id is missing')
    """
    first = sentence.partition(" ")[0].rstrip(".,;:?!")
    return sentence[:1].upper() + sentence[1:] if first.isalpha() else sentence
