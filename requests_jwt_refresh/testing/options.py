"""The server's options, which every part of it may read: values, and nothing else."""

from __future__ import annotations

import functools
import secrets
from dataclasses import dataclass, field, fields
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from requests_jwt_refresh.testing.faults import Status
from requests_jwt_refresh.testing.likes import find_shape
from requests_jwt_refresh.testing.paths import is_taken
from requests_jwt_refresh.testing.rendering import find_slot
from requests_jwt_refresh.testing.shapes import (
    EXPIRIES,
    InCookie,
    InField,
    InHeader,
    Slot,
    throttle,
)
from requests_jwt_refresh.testing.validation import (
    check_attach,
    check_choice,
    check_field,
    check_fields_apart,
    check_paths_apart,
    check_seconds,
    check_status,
    check_type,
    check_url_path,
    suggest,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from requests_jwt_refresh.authorization import WirePlace
    from requests_jwt_refresh.testing.shapes import RequestPlace, Shape

_Options = TypeVar("_Options", bound="ServerOptions")

_INVALID_JWT = Status(
    401,
    body=b'{"message": "Invalid JWT"}',
    headers={"WWW-Authenticate": 'Bearer error="invalid_token"'},  # RFC 6750 §3
)


# One token endpoint for all grants; a public client, as programs with users have.
_OPENID: Mapping[str, Any] = {"refresh_path": "/auth/token", "client_secret": None}
LIFETIMES: Mapping[str, Slot] = {"s": Slot.SECONDS, "ms": Slot.MILLISECONDS}
MOMENTS: Mapping[str, Slot] = {"s": Slot.EPOCH, "ms": Slot.EPOCH_MS, "date": Slot.DATE}
_THROTTLED = throttle({"message": "Too Many Requests"})


def note_given(options: type[_Options]) -> type[_Options]:
    """Make a class of options remember which of them its user gave, and refuse unknown ones."""
    initialize = options.__init__
    known = [each.name for each in fields(options) if each.init]

    @functools.wraps(initialize)
    def initialize_noted(self: _Options, **given: Any) -> None:
        for name in given:
            if name not in known:
                text = f"{options.__name__}() has no option {name!r}{suggest(name, known)}"
                raise TypeError(text)
        self._given = frozenset(given)
        initialize(self, **given)

    options.__init__ = initialize_noted  # type: ignore[assignment, method-assign]
    return options


@note_given
@dataclass(kw_only=True, eq=False, repr=False)
class ServerOptions:
    """How an `AuthServer` behaves: its arguments, by name, and its attributes.

    ```python
    with AuthServer(lifetime=60, opaque=True) as server:
        server.rotate = False  # from now on the refresh token stays
    ```

    All but `like` and `openid` may be changed between requests.

    An option of a wrong type is a TypeError at once, one that makes no sense a ValueError, and an
    unknown name an AttributeError; a subclass may have attributes of its own. A field is named by a
    dotted path, as in `JSONEndpoint`: ``"data.accessToken"`` into objects, ``"tokens.0"`` into
    lists.

    Args:
        like: the known server to play, such as ``"github"``: see AuthServer. It sets the options
            below that are not given. Raises ValueError for a name that is not known.
        lifetime: seconds an access token lives. 0 gives tokens that have expired already.
        rotate: whether a refresh replaces the refresh token too (RFC 6749 §6).
        detect_reuse: whether the second use of a rotated refresh token revokes its whole family
            (RFC 6749 §10.4).
        grace: seconds in which a second use is answered with the family's newest tokens instead.
        revoke_old_access: whether an access token expires the moment its family is given a newer
            one.
        opaque: whether access tokens are random strings instead of JWTs (RFC 7519), which say their
            own end.
        clock_skew: seconds by which the clock that writes iat and exp is ahead of ours.
        read_body_first: if False, an upload without a good token is answered before its body was
            read. Keep-alive is promised, and the connection closed when the next request arrives on
            it, which is the worst moment.
        attach: where API requests carry their access token: what `header` or `cookie` makes, as for
            the adapter's ``attach=``. None is ``Authorization: Bearer`` (RFC 6750 §2.1). A token
            anywhere else is none: 401 "No token". A cookie with ``csrf`` is a ValueError. This
            option and the next four are not for `like`, which has its own: ValueError.
        refused: the response to a refresh token that is not good; None is 400 ``invalid_grant``
            (RFC 6749 §5.2). A refresh without a token is ``invalid_request`` as ever.
        login_path: where users log in: no path at which the server does something else, or
            ValueError.
        username_field: the field of a login, in JSON or in a form, that holds the user name; None
            for none: it is alice who logs in.
        password_field: likewise the password.
        expired: the API's response to an access token that has expired or was never good.
        refresh_path: where refresh tokens are taken.
        request_field: the field of the refresh request that holds the refresh token.
        access_field: the field of a response that holds the access token.
        refresh_field: the field of a response that holds the refresh token.
        expires_field: the field that says how long the token lives. None leaves it out, and of a
            known server every field that says its end.
        expires_in_unit: the unit of `expires_field`: ``"s"``, or ``"ms"`` for milliseconds.
        expires_at_field: the field that says the moment when the token ends; None leaves it out.
        expires_at_unit: how it is written: ``"s"`` or ``"ms"`` since the epoch, or ``"date"``
            (RFC 3339).
        status: the HTTP status of a response that gives tokens.
        bare: whether a refresh is answered with the access token alone, as a JSON string.
        device_lifetime: seconds a device code lives, from when it is given (RFC 8628 §3.2).
        device_interval: seconds between two polls with a device code, as its response says
            (RFC 8628 §3.2).
        client_id: the OAuth 2.0 client that a known server or an OpenID provider knows.
        client_secret: its secret; None makes it a public client (RFC 6749 §2.1).
        api_key: the key that a known server wants beside the tokens, if it wants one (Firebase,
            Supabase).
        openid: whether it is an OpenID provider as well: see AuthServer. Not with `like`:
            ValueError.
        issuer: who an OpenID provider says it is; None is the truth, its URL.
        scopes: what may be asked of it, beside ``offline_access``. What is not known is not
            granted.
        refresh_tokens: which logins get a refresh token there. ``"asked"``: those that ask for the
            scope ``offline_access``, with ``prompt=consent`` if it is by a browser (OpenID Connect
            Core §11). With ``"always"`` and ``"never"`` there is no such scope.
        consent: what the person says who is asked there; None shows a page and lets a browser
            answer. True and False answer at once, as ``login_hint`` or alice.
        redirect_uris: where it sends the codes of `client_id`; None is any http URI of this
            machine. The port of such a URI may be another one (RFC 8252 §7.3).
        response_modes: how it hands out codes.
        metadata: what it says of itself other than the truth; a value of None leaves a field out.
        resource_metadata: likewise what its API says (RFC 9728).
        callback_fields: likewise what it sends to redirect URIs: ``state``, ``iss``, ``code``,
            ``error``.
        id_token_claims: likewise what it writes into ID tokens.
        signing_key: the key of the JWTs' HS256 (RFC 7518 §3.2); a new one for each server unless
            given.

    """

    like: str | None = None
    lifetime: float = 300.0
    rotate: bool = True
    detect_reuse: bool = True
    grace: float = 0.0
    revoke_old_access: bool = False
    opaque: bool = False
    clock_skew: float = 0.0
    read_body_first: bool = True
    expired: Status = _INVALID_JWT
    attach: WirePlace | None = None
    refused: Status | None = None
    login_path: str = "/auth/login"
    username_field: str | None = "username"
    password_field: str = "password"  # noqa: S105 - a field
    refresh_path: str = "/auth/refresh"
    request_field: str = "refresh_token"
    access_field: str = "access_token"
    refresh_field: str = "refresh_token"
    expires_field: str | None = "expires_in"
    expires_in_unit: Literal["s", "ms"] = "s"
    expires_at_field: str | None = None
    expires_at_unit: Literal["s", "ms", "date"] = "s"
    status: int = 200
    bare: bool = False
    device_lifetime: float = 600.0
    device_interval: float = 5.0
    client_id: str = "client-id"
    client_secret: str | None = "client-secret"  # noqa: S105 - an example
    api_key: str = "api-key"
    openid: bool = False
    issuer: str | None = None
    scopes: Sequence[str] = ("openid", "profile", "email")
    refresh_tokens: Literal["asked", "always", "never"] = "asked"
    consent: bool | None = None
    redirect_uris: Sequence[str] | None = None
    response_modes: Sequence[str] = ("query", "form_post")
    metadata: Mapping[str, Any] = field(default_factory=dict)
    resource_metadata: Mapping[str, Any] = field(default_factory=dict)
    callback_fields: Mapping[str, str | None] = field(default_factory=dict)
    id_token_claims: Mapping[str, Any] = field(default_factory=dict)
    signing_key: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    _given: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        if self.openid and self.like is not None:
            raise ValueError(f"openid=True and like={self.like!r}: give one of them")
        self._shape: Shape | None = None if self.like is None else find_shape(self.like)
        usual = _OPENID if self.openid else {}
        for name, value in (usual if self._shape is None else list_options(self._shape)).items():
            if not self._is_given(name):
                object.__setattr__(self, name, value)  # "" is no field of a user's
        for name in _OWN_SHAPE:
            self._check_own_shape(name, getattr(self, name))
        for names in _TOGETHER:
            self._check_together(names, {})
        self._is_made = True

    if not TYPE_CHECKING:  # or type checkers would let every name pass

        def __setattr__(self, name: str, value: Any) -> None:
            if name in _OPTIONS:
                self._check_option(name, value)
            elif not name.startswith("_"):
                self._check_own_name(name, value)
            super().__setattr__(name, value)

    def _check_option(self, name: str, value: Any) -> None:
        """Raise what is wrong with a value for an option: AttributeError, TypeError, ValueError."""
        is_made = getattr(self, "_is_made", False)
        if is_made and name in _FOR_LIFE:
            raise AttributeError(f"{name} cannot be changed: give it to AuthServer({name}=...)")
        check_type(name, value, _OPTIONS[name])
        check_value = _VALUES.get(name)
        if check_value is not None and not self._is_usual(name, value):
            check_value(value)
        if is_made:
            self._check_own_shape(name, value)
            for names in _TOGETHER:
                if name in names:
                    self._check_together(names, {name: value})

    def _check_own_shape(self, name: str, value: Any) -> None:
        """Raise ValueError if a known server, which has its own, was given this option."""
        if name in _OWN_SHAPE and self.like is not None and not self._is_usual(name, value):
            raise ValueError(
                f"{name} and like={self.like!r}: a known server has its own; leave out one of them"
            )

    def _check_together(self, names: tuple[str, ...], changed: Mapping[str, Any]) -> None:
        """Raise ValueError if the options of these names do not go with one another."""
        options = {each: changed.get(each, getattr(self, each)) for each in names}
        if names == _RESPONSE_FIELDS:
            check_fields_apart(options, "response")
        elif self.like is not None:
            return  # its login is what it is
        elif names == _LOGIN_FIELDS:
            check_fields_apart(options, "login")
        else:
            check_paths_apart(options, partial(is_taken, openid=self.openid))

    def _is_usual(self, name: str, value: Any) -> bool:
        """Whether the known server has this value itself: a test may put it back."""
        usual = {} if self.like is None else list_options(find_shape(self.like))
        return name in usual and bool(usual[name] == value)

    def _check_own_name(self, name: str, value: object) -> None:
        """Raise AttributeError for a name that is neither an option nor a subclass's own."""
        if type(self).__module__.rpartition(".")[0] != __package__:
            return
        found, kind = getattr(type(self), name, None), type(self).__name__
        if callable(found) and callable(value):
            return  # a test's spy
        if callable(found):
            text = f"{name} is a method of {kind}: call {name}()"
        elif found is not None:
            text = f"{name} of {kind} cannot be set"
        else:
            own = "attributes of its own in a subclass"
            text = f"{kind} has no option {name!r}{suggest(name, [*_OPTIONS], own)}"
        raise AttributeError(text)

    def _is_given(self, name: str) -> bool:
        given: frozenset[str] | None = getattr(self, "_given", None)
        if given is not None:
            return name in given
        # The options of a user's own class, whose __init__ notes nothing.
        (default,) = (each.default for each in fields(self) if each.name == name)
        return bool(getattr(self, name) != default)

    @property
    def throttled(self) -> Status:
        """How the server says "not so often": a fault, for fail().

        ```python
        server.fail(server.throttled)  # the next refresh
        ```
        """
        return _THROTTLED if self._shape is None else self._shape.throttled


_OPTIONS: Mapping[str, str] = {
    each.name: str(each.type) for each in fields(ServerOptions) if each.init
}
_FOR_LIFE = ("like", "openid")
_TIMES = ("lifetime", "grace", "device_lifetime", "device_interval")
_OWN_SHAPE = ("attach", "refused", "login_path", "username_field", "password_field")
_RESPONSE_FIELDS = ("access_field", "refresh_field", "expires_field", "expires_at_field")
_LOGIN_FIELDS = ("username_field", "password_field")
_LOGIN_PATHS = ("login_path", "refresh_path")
_TOGETHER = (_RESPONSE_FIELDS, _LOGIN_FIELDS, _LOGIN_PATHS)
_FIELDS = ("request_field", *_RESPONSE_FIELDS, *_LOGIN_FIELDS)
_CHOICES = {
    "expires_in_unit": tuple(LIFETIMES),
    "expires_at_unit": tuple(MOMENTS),
    "refresh_tokens": ("asked", "always", "never"),
}
_VALUES: Mapping[str, Callable[[Any], None]] = {
    **{name: partial(check_seconds, name) for name in _TIMES},
    **{name: partial(check_field, name) for name in _FIELDS},
    **{name: partial(check_choice, name, choices=each) for name, each in _CHOICES.items()},
    **{name: partial(check_url_path, name) for name in _LOGIN_PATHS},
    "attach": check_attach,
    "status": check_status,
}


def shape_of(options: ServerOptions) -> Shape | None:
    """Return what describes the known server that is played, if one is."""
    return options._shape  # noqa: SLF001 - no public name, which a subclass may want


def prefixes_of(options: ServerOptions) -> tuple[str, str]:
    """Return how access tokens and refresh tokens begin."""
    shape = shape_of(options)
    return ("", "") if shape is None else shape.prefixes


def place_of(options: ServerOptions) -> InHeader | InCookie:
    """Return where API requests carry their access token, if no known server is played."""
    attach = options.attach
    if attach is None:
        return InHeader()
    if hasattr(attach, "scheme"):
        return InHeader(attach.name, attach.scheme)
    return InCookie(attach.name)


def list_expiries(options: ServerOptions) -> dict[str, Slot]:
    """Return the fields that say when a token ends, by their dotted paths."""
    lifetime, moment = LIFETIMES[options.expires_in_unit], MOMENTS[options.expires_at_unit]
    found = {options.expires_field: lifetime, options.expires_at_field: moment}
    return {path: slot for path, slot in found.items() if path is not None}


def list_options(shape: Shape) -> dict[str, Any]:
    """Return the options of a known server."""
    found: dict[str, Any] = {"expired": shape.api_errors.find("expired")}
    found |= {"attach": None, "refused": None, **_list_login_options(shape)}
    if shape.refresh:
        ask = shape.refresh[0]
        fields = [each.path for each in ask.secret if isinstance(each, InField)]
        found |= {"refresh_path": ask.path, "request_field": fields[0] if fields else ""}
        found |= {"expires_field": None, **list_field_options(shape)}
        has_milliseconds = find_slot(ask.answer, Slot.MILLISECONDS) is not None
        found["expires_in_unit"] = "ms" if has_milliseconds else "s"
    return {**found, **shape.options}


def _list_login_options(shape: Shape) -> dict[str, Any]:
    """Return the options that say how users log in there; those of none are "" and None."""
    if not shape.login:
        return {"login_path": "", "username_field": None, "password_field": ""}
    ask = shape.login[0]
    user, password = _find_field(ask.user), _find_field(*ask.secret)
    return {"login_path": ask.path, "username_field": user, "password_field": password or ""}


def _find_field(*places: RequestPlace | None) -> str | None:
    return next((each.path for each in places if isinstance(each, InField)), None)


def list_field_options(shape: Shape) -> dict[str, str]:
    """Return the options that name a field of the response to a refresh, by their names."""
    if not shape.refresh:
        return {}
    answer = shape.refresh[0].answer
    found = {
        "access_field": find_slot(answer, Slot.ACCESS),
        "refresh_field": find_slot(answer, Slot.REFRESH, Slot.KEPT),
        "expires_field": find_slot(answer, *EXPIRIES),
    }
    return {name: path for name, path in found.items() if path is not None}
