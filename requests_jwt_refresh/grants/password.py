"""Logging in with a user name and a password."""

from __future__ import annotations

import copy
import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast
from urllib.parse import quote

import requests
from requests.auth import HTTPBasicAuth
from requests.cookies import RequestsCookieJar

from requests_jwt_refresh.authorization import check_header_name
from requests_jwt_refresh.endpoint_options import check_json
from requests_jwt_refresh.endpoints import JSONEndpoint
from requests_jwt_refresh.errors import RefreshRejected, RefreshUnavailable
from requests_jwt_refresh.field_names import describe_request_fields
from requests_jwt_refresh.grants import LOGIN_SENDS, as_answer_to, first_tokens
from requests_jwt_refresh.grants.documented import find_documented
from requests_jwt_refresh.matching import check_path
from requests_jwt_refresh.refresh.client import ClientSession, send_request
from requests_jwt_refresh.refresh.logins import OwnLogin, RefusedLogins
from requests_jwt_refresh.refresh.token_server import is_endpoint
from requests_jwt_refresh.refresh.user_functions import check_call
from requests_jwt_refresh.response_errors import (
    LoginWords,
    check_not_throttled,
    describe_status,
    make_fault,
)
from requests_jwt_refresh.responses import DefaultPath, says_refused
from requests_jwt_refresh.tokens import describe_kind, with_expiry
from requests_jwt_refresh.urls import join_endpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from typing_extensions import Self

    from requests_jwt_refresh.authorization import Place, Proofs
    from requests_jwt_refresh.grants import OAuth2Client, Reader
    from requests_jwt_refresh.matching import Matcher
    from requests_jwt_refresh.refresh.client import SendOptions
    from requests_jwt_refresh.responses import TokenResponse
    from requests_jwt_refresh.tokens import Token

_REFUSALS: Final = (400, 401, 403, 422)
_READING: Final = (
    *("access", "refresh", "expires_in", "expires_in_unit", "expires_at", "ok", "rejected"),
)
_CHECK: Final = (
    "check that this is where users log in, how it is sent, and what the fields of the answer are "
    "called: url=, send= and access= of the PasswordLogin"
)
_WORDS: Final = LoginWords("password", _CHECK, rule_place="the PasswordLogin")
_NEEDS_OAUTH2: Final = 'if that URL is a token endpoint of OAuth 2.0, the login needs send="oauth2"'
# Error codes of RFC 6749 §5.2 that no wrong password has.
_SET_UP_FAULTS: Final = frozenset(
    {"unsupported_grant_type", "unauthorized_client", "invalid_client"}
)
_FIELD_NAMES: Final = ("username_field", "password_field")
_FIELD_SENDS: Final = ("json", "form")  # those that send the two in fields of such names
_IN_URL: Final = ("{username}", "%7Busername%7D")  # as it is written, and as requests sends it


@dataclass(frozen=True, repr=False)
class PasswordLogin(OwnLogin):
    """Log in with a user name and a password: a ``login=`` for servers that take them.

    ```python
    from getpass import getpass

    login = PasswordLogin(None, "alice", getpass)  # as the preset's documentation has it
    mount(session, "https://api.example.com", presets.SimpleJWT(), login=login)

    token = header("X-Auth-Token")  # a server with a login and no refresh
    login = PasswordLogin("/session", "admin", getpass, access=token)
    mount(session, "https://nas.example.com", None, attach=token, login=login)
    ```

    Args:
        url: where to log in, absolute or relative to the base URL; a ``{username}`` in it is the
            user name. None is the login that the documentation of the endpoint's preset has, whose
            other options are the defaults of those below.
        username: the user name.
        password: the password, or a function without arguments that returns it, such as
            ``getpass.getpass``: it is called for each login. Without user name and password there
            is no login but by ``adapter.log_in(username, password)``.
        send: how they are sent: ``"json"`` or ``"form"``, in the two fields named below and with
            `extra` beside them; ``"basic"``, in the Authorization header (RFC 7617); ``"oauth2"``,
            as the password grant of RFC 6749 §4.3, whose client and scope are those of the
            adapter's OAuth2Endpoint.
        username_field: the field of the user name, in JSON also a path with dots; None for none.
        password_field: the field of the password, likewise.
        extra: what else to send as fields; it may hold secrets, and is not shown.
        headers: more headers of the request; likewise.
        method: the HTTP method.
        access, refresh, expires_in, expires_in_unit, expires_at, ok: where the response has the
            tokens, as in JSONEndpoint; what is not given is read as the adapter's endpoint reads
            its own responses, and as JSONEndpoint does where there is none.
        rejected: what a refusal looks like: statuses, or a matcher; 400, 401, 403 and 422 if
            omitted. An answer that says "not so often" is none.
        endpoint: what reads the response, if that is not the adapter's endpoint.

    A refused password is not sent again for the adapter's own needs, so that the account is not
    locked: not before set_token(), clear_token(), log_in() or log_out(), or until the function
    returns another one. Until then requests get the API's own 401.

    It pickles with its adapter, and a password that is a string with it; give a function that can
    be imported if the password must not be in the pickle. The repr shows none.

    Raises TypeError or ValueError for options that make no sense.

    >>> PasswordLogin("/auth/login", "alice", "hunter2")
    PasswordLogin('/auth/login', 'alice', '***')

    """

    takes_password: ClassVar[bool] = True

    url: str | None = None
    username: str | None = None
    password: str | Callable[[], str] | None = field(default=None, repr=False)
    # A DefaultPath is what nobody has given: the preset's goes before.
    send: str = field(
        default=DefaultPath(LOGIN_SENDS[0]), kw_only=True, metadata={"choices": LOGIN_SENDS}
    )
    username_field: str | None = field(default=DefaultPath("username"), kw_only=True)
    password_field: str = field(default=DefaultPath("password"), kw_only=True)
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False, hash=False, kw_only=True)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False, hash=False, kw_only=True)
    method: str = field(default="POST", kw_only=True)
    access: Place | None = field(default=DefaultPath("access_token"), kw_only=True)
    refresh: Place | None = field(default=DefaultPath("refresh_token"), kw_only=True)
    expires_in: str | None = field(default=DefaultPath("expires_in"), kw_only=True)
    expires_in_unit: str | None = field(default=None, kw_only=True)
    expires_at: str | None = field(default=None, kw_only=True)
    ok: tuple[int, ...] | None = field(default=None, kw_only=True)
    rejected: tuple[int, ...] | Matcher | None = field(default=None, kw_only=True)
    endpoint: Reader | None = field(default=None, kw_only=True)
    timeout: float = field(default=30.0, init=False, repr=False, compare=False)
    """Seconds for one login."""

    def __post_init__(self) -> None:
        _check_credentials(self.url, self.username, self.password)
        if self.send not in LOGIN_SENDS:
            raise ValueError(f"send must be one of {', '.join(map(repr, LOGIN_SENDS))}")
        if self.send == "basic" and ":" in (self.username or ""):
            raise ValueError("a user name with a colon cannot be sent with send='basic' (RFC 7617)")
        if not isinstance(self.method, str) or not self.method.isalpha():
            raise ValueError(f"{self.method!r} is no HTTP method such as 'POST'")
        # Copies: a frozen value must not change with the caller's dict.
        object.__setattr__(self, "extra", copy.deepcopy(dict(self.extra)))
        object.__setattr__(self, "headers", _check_headers(self.headers))
        if self.send == "json":
            for path in filter(None, (self.username_field, self.password_field)):
                check_path(path)
            check_json(self._fields("", ""))
        self._find_reader()

    def __repr__(self) -> str:
        given = [self.url, self.username, None if self.password is None else "***"]
        while given and given[-1] is None:
            given.pop()
        return f"{type(self).__name__}({', '.join(map(repr, given))})"

    # As a login of an adapter

    @property
    def can_log_in_alone(self) -> bool:
        """Whether it has a user name and a password."""
        return self.username is not None and self.password is not None

    def bind(
        self, endpoint: object, base_url: str, *, allow_http: bool = False, timeout: float = 30.0
    ) -> Self:
        """Return the login with its URL made absolute, and its responses read as `endpoint` does.

        `timeout` is in seconds, for one login. Raises TypeError if there is no URL, or no client
        for the password grant, and InvalidURL.
        """
        is_complete = self.url is not None and self.endpoint is not None
        documented = {} if is_complete else dict(find_documented(endpoint, "login"))
        if documented:  # then it is the endpoint's own server, which may want an API key
            own = getattr(endpoint, "headers", {})
            documented["headers"] = {**own, **documented.get("headers", {})}
        login = self._replace(**self._find_defaults(documented))
        url = login.url
        if login.send == "oauth2":
            if not hasattr(endpoint, "as_client"):
                raise TypeError(
                    "send='oauth2' is the password grant of OAuth 2.0, and needs an OAuth2Endpoint "
                    "as the adapter's endpoint"
                )
            url = url or endpoint.url  # type: ignore[attr-defined]
        if url is None:
            reason = (
                "has a url= of its own, and may not be where its documented login is"
                if documented
                else "has no documented login"
            )
            raise TypeError(
                f"{type(login).__name__} needs a URL, since the endpoint {reason}: "
                "PasswordLogin('/auth/login', username, password)"
            )
        reader = endpoint if is_endpoint(cast("Any", endpoint)) else None
        return login._replace(
            url=join_endpoint(base_url, url, what="the login URL", allow_http=allow_http),
            endpoint=login.endpoint or reader,
            timeout=timeout,
        )

    @classmethod
    def find(
        cls, endpoint: object, base_url: str, *, allow_http: bool = False, timeout: float = 30.0
    ) -> Self:
        """Return the login that the documentation of the endpoint's preset has, bound.

        Raises TypeError if there is none.
        """
        if not find_documented(endpoint, "login"):
            raise TypeError(
                "log_in() does not know where to log in, since the endpoint has no documented "
                "login with a password: give the adapter login=PasswordLogin('/auth/login'), or "
                "get the tokens elsewhere and give them to set_token()"
            )
        return cls().bind(endpoint, base_url, allow_http=allow_http, timeout=timeout)

    def for_user(self, username: str, password: str) -> Self:
        """Return the same login for this user. Raises TypeError, ValueError."""
        for what, value in (("user name", username), ("password", password)):
            if not isinstance(value, str):
                raise TypeError(f"the {what} must be a string, not {describe_kind(value)}")
        return self._replace(username=username, password=password)

    def obtain(
        self, session: requests.Session, options: SendOptions, refused: RefusedLogins
    ) -> Token:
        """Log in over `session`, unless the same password is among the `refused`.

        Raises RefreshRejected or RefreshUnavailable.
        """
        password = self._ask_password()
        key, ask = self._find_key(password), self.prepare(self.username or "", password)
        del password  # this frame may be in a traceback
        known = refused.find(key)
        if known is not None:
            raise RefreshRejected(
                f"{known}; that is not sent again, so that the account is not locked",
                "check both, and log in with adapter.log_in(username, password)",
            )
        try:
            return self.send_over(session, ask, options, self.timeout)
        except RefreshRejected as refusal:
            refused.note(key, refusal.cause)
            raise

    def _find_key(self, password: str) -> int:
        return hash((self.url, self.username, password))

    def _ask_password(self) -> str:
        if self.password is None or self.username is None:
            raise RefreshUnavailable(
                "the PasswordLogin has no user name or no password",
                "give both, or log in with adapter.log_in(username, password)",
            )
        self._url_for(self.username)  # raises before anyone is asked, and a frame has a password
        password = self.password() if callable(self.password) else self.password
        if isinstance(password, str):
            return password
        raise RefreshUnavailable(
            f"the function for the password returned {describe_kind(password)}, not a string",
            "return the password",
        )

    def _find_defaults(self, documented: Mapping[str, Any]) -> dict[str, Any]:
        """Return those `documented` options that nobody has given, and what is beside the others.

        Fields in `extra` and `headers` go one by one.
        """
        found = dict(documented)
        for each in dataclasses.fields(self):
            own = getattr(self, each.name)
            if each.name in ("extra", "headers"):
                found[each.name] = {**documented.get(each.name, {}), **own}
            elif own != each.default or (
                isinstance(each.default, DefaultPath) and not isinstance(own, DefaultPath)
            ):
                found.pop(each.name, None)
        return found

    def _replace(self, **values: Any) -> Self:
        other = copy.copy(self)
        for name, value in values.items():
            object.__setattr__(other, name, value)
        other.__post_init__()
        return other

    # As a value: what to send, and how to read what comes back

    def ask(self, username: str, password: str) -> requests.Request:
        """Return the request that logs in."""
        url, fields = self._url_for(username), self._fields(username, password)
        if self.send == "oauth2":
            client = cast("OAuth2Client", self.endpoint)
            scope = getattr(client, "scope", None)  # what is refreshed cannot exceed it (§6)
            form = {"grant_type": "password", **({"scope": scope} if scope else {}), **fields}
            request = client.as_client(url, form)
            request.headers = {**request.headers, **self.headers}
            return request
        headers = {"Accept": "application/json", **self.headers}
        request = requests.Request(self.method, url, headers=headers)
        if self.send == "basic":
            request.json = dict(self.extra) or None
            request.auth = HTTPBasicAuth(username.encode(), password.encode())
        elif self.send == "form":
            request.data = fields
        else:
            request.json = fields
        return request

    def _url_for(self, username: str) -> str:
        url = self.url or ""
        if not any(each in url for each in _IN_URL):
            return url
        if not username.strip("."):
            raise RefreshUnavailable(
                f"the user name {username!r} cannot be part of a URL", "check the user name"
            )
        for each in _IN_URL:
            url = url.replace(each, quote(username, safe=""))
        return url

    def _fields(self, username: str, password: str) -> dict[str, Any]:
        """Return the fields of the body: those of `extra`, user name and password."""
        fields = copy.deepcopy(dict(self.extra))
        for path, value in ((self.username_field, username), (self.password_field, password)):
            if path is not None:
                _put(fields, path if self.send == "json" else (path,), value)
        return fields

    def read(self, response: TokenResponse) -> Token:
        """Return the token. Raises RefreshRejected for a wrong password, or RefreshUnavailable."""
        response = as_answer_to(_WORDS, response)
        by_status = self.rejected is None and self.send != "oauth2"
        with first_tokens():
            if not by_status or response.status not in _REFUSALS:
                try:
                    return with_expiry(self._find_reader().read(response))
                except RefreshRejected:
                    pass  # its text is about a refresh token
            check_not_throttled(response)
        status = describe_status(response)
        code = status.partition(" ")[2]
        if by_status and code.lower() in _SET_UP_FAULTS:
            raise make_fault(
                f"the {response.source} answered {status}, which is about the request, not the "
                "password",
                f"{_CHECK}; {_NEEDS_OAUTH2}",
            )
        remedy = f"check both, {self._list_guesses()}, and try again"
        if self.send != "oauth2" and code.lower() in ("invalid_grant", "invalid_request"):
            remedy += f"; {_NEEDS_OAUTH2}"
        raise RefreshRejected(
            f"the {response.source} refused the user name or the password ({status})", remedy
        )

    def _list_guesses(self) -> str:
        """Return what else may be wrong: the URL, and the fields that no preset has documented."""
        if self.send not in _FIELD_SENDS or self._has_documented_fields():
            return "and the login's URL"
        names = [name for name in _FIELD_NAMES if getattr(self, name) is not None]
        what = "the names of its fields" if len(names) > 1 else "the name of its field"
        return f"the login's URL and {what} ({', '.join(names)})"

    def _has_documented_fields(self) -> bool:
        """Whether the two fields are those that the documentation of the endpoint's preset has."""
        documented = find_documented(self.endpoint, "login")
        usual = {each.name: each.default for each in dataclasses.fields(PasswordLogin)}
        return bool(documented) and all(
            documented.get(name, usual[name]) == getattr(self, name) for name in _FIELD_NAMES
        )

    def _find_reader(self) -> Reader:
        """Return what reads the response: the endpoint, but for what is said here."""
        given = {
            name: value
            for name in _READING
            if not isinstance(value := getattr(self, name), DefaultPath)
            and (value is not None or name in ("access", "refresh", "expires_in"))
        }
        endpoint: Any = self.endpoint
        if endpoint is not None and not given:
            return cast("Reader", endpoint)
        if dataclasses.is_dataclass(endpoint) and given.keys() <= _list_names(endpoint):
            return cast("Reader", dataclasses.replace(endpoint, **given))  # type: ignore[type-var]
        return JSONEndpoint("/login", **given)

    def prepare(self, username: str, password: str) -> Callable[[], requests.Request]:
        """Return what makes the request of `ask`; it shows no password, as a partial would."""
        return lambda: self.ask(username, password)

    def send_over(
        self,
        session: requests.Session,
        ask: Callable[[], requests.Request],
        options: SendOptions,
        seconds: float,
    ) -> Token:
        """Return the tokens for what `ask` makes, within `seconds`.

        Raises RefreshRejected if the server refuses it, RefreshUnavailable if there is no usable
        response.
        """
        with first_tokens():
            request = ask()
            response = send_request(session, request, options, seconds, "login endpoint", ask=ask)
            del ask
            try:
                return self.read(response)
            except RefreshRejected as error:
                refusal = error.about()
            if not says_refused(response):  # then the request may be at fault
                fields = describe_request_fields(request)
                refusal.cause += f"; the request had {fields}" if fields else ""
            del request, response
            raise refusal


def log_in(
    login: PasswordLogin,
    username: str,
    password: str,
    options: SendOptions,
    seconds: float,
    *,
    proofs: Proofs | None = None,
) -> Token:
    """Log in over a session of its own, with `proofs`. Raises as PasswordLogin.send_over does."""
    cookies, ask = RequestsCookieJar(), login.prepare(username, password)
    del password  # this frame may be in a traceback
    with first_tokens(), ClientSession(seconds, options, cookies, proofs=proofs) as session:
        token = login.send_over(session, ask, options, seconds)
    return token if proofs is None else proofs.bind(token)


def _list_names(value: Any) -> set[str]:
    """Return the names of a dataclass's fields."""
    return {each.name for each in dataclasses.fields(value)}


def _put(fields: dict[str, Any], path: str | tuple[str], value: str) -> None:
    """Put `value` into `fields` at a dotted path, or under the one name of a tuple."""
    *parents, last = path.split(".") if isinstance(path, str) else path
    place: Any = fields
    for name in parents:
        place = place.setdefault(name, {}) if isinstance(place, dict) else None
    if not isinstance(place, dict):
        raise ValueError(  # noqa: TRY004 - the options contradict each other
            f"extra must leave {path!r} free: the user name or password goes there"
        )
    place[last] = value


def _check_credentials(url: object, username: object, password: object) -> None:
    """Raise TypeError or ValueError; no text shows the password."""
    if url is not None and not (isinstance(url, str) and url.strip()):
        raise TypeError("the URL of a PasswordLogin must be a string such as '/auth/login'")
    if username is not None and not isinstance(username, str):
        raise TypeError(f"the user name must be a string, not {describe_kind(username)}")
    if username == "":
        raise ValueError("the user name is empty: give it, or leave it out")
    if callable(password):
        check_call("password", password)
    elif password is not None and not isinstance(password, str):
        raise TypeError(
            "the password must be a string, or a function that returns one, not "
            f"{describe_kind(password)}"
        )


def _check_headers(headers: Mapping[str, str]) -> dict[str, str]:
    for name, value in headers.items():
        check_header_name(name)
        if not isinstance(value, str) or not value.isprintable():
            raise ValueError(f"the header {name} must be a string without line breaks")
    return dict(headers)
