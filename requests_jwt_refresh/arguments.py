"""The arguments of JWTRefreshAdapter and mount(): each mistake is an error that says how it goes.

The errors are TypeError and ValueError, as Python's own would be. None shows a value that may be a
secret.
"""

from __future__ import annotations

import inspect
import threading
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final, TypeVar

from requests.adapters import BaseAdapter, HTTPAdapter

from requests_jwt_refresh.bodies import MATCH_BYTES
from requests_jwt_refresh.refresh.logins import needs_login
from requests_jwt_refresh.refresh.token_server import is_endpoint
from requests_jwt_refresh.refresh.user_functions import check_call
from requests_jwt_refresh.sessions import PlainSession
from requests_jwt_refresh.tokens import LONGEST_LIFETIME, Token, describe_kind
from requests_jwt_refresh.urls import Origin, join_endpoint, origin_of, validate_origin

if TYPE_CHECKING:
    import requests

    from requests_jwt_refresh.endpoints import Endpoint
    from requests_jwt_refresh.refresh.token_server import RefreshCallable
    from requests_jwt_refresh.stores.base import TokenStore

C = TypeVar("C")

_STORE_VERBS: Final = ("load", "save", "clear", "lock")
_ORDER: Final = "mount(session, base_url, refresh, store)"
# What people look for under another name. difflib finds what is only misspelt.
_SYNONYMS: Final[Mapping[str, str]] = {
    "endpoint": "refresh",
    "refresh_url": "refresh",
    "url": "base_url",
    "token_store": "store",
    "storage": "store",
    "timeout": "refresh_timeout",
    "matcher": "when",
    "expired": "when",
    "insecure": "allow_http",
    "adapter": "transport",
    "on_token": "on_refresh",
    "callback": "on_refresh",
    "retries": "max_retries",
}
_OF_SESSIONS: Final = ("auth", "cert", "cookies", "headers", "params", "proxies", "verify")


def check_options(caller: str, names: Iterable[str], *functions: Any) -> None:
    """Raise TypeError for a name that none of `functions` has as a parameter.

    `caller` is what the user has called, for the text, which also has the nearest name.
    """
    known = [name for each in functions for name in _list_parameters(each)]
    for name in names:
        if name not in known:
            text = f"{caller} has no option {name!r}{_suggest_option(name, known)}"
            raise TypeError(text) from None  # not also what Python says of it, of another class


def check_adapter_options(adapter: HTTPAdapter, names: Iterable[str]) -> None:
    """Raise TypeError for an option that no class of `adapter` knows."""
    above = [vars(each)["__init__"] for each in type(adapter).__mro__ if "__init__" in vars(each)]
    check_options(f"{type(adapter).__name__}()", names, *above)


def list_http_options() -> frozenset[str]:
    """Return the options of requests' HTTPAdapter."""
    return frozenset(_list_parameters(HTTPAdapter.__init__))


def _list_parameters(function: Any) -> list[str]:
    """Return the parameters that can be given by name, without looking at their annotations."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    if code is None:  # object.__init__
        return []
    return list(code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount])


def _suggest_option(name: str, known: list[str]) -> str:
    if name in _OF_SESSIONS:
        return f"; it belongs to the session: session.{name} = ..."
    nearest = [_SYNONYMS[name]] if name in _SYNONYMS else get_close_matches(name, known, 1)
    return f"; did you mean {nearest[0]!r}?" if nearest else f": it has {', '.join(known)}"


# --- One argument at a time ----------------------------------------------------------------------


def check_session(session: object, base_url: object) -> None:
    """Raise TypeError unless `session` is a requests.Session."""
    if isinstance(session, PlainSession):
        return
    if isinstance(base_url, PlainSession):
        raise TypeError(f"mount takes the session first, then the base URL: {_ORDER}")
    raise TypeError(
        f"mount takes a requests.Session first, not {_describe(session)}: session = "
        f"requests.Session(), then {_ORDER}"
    )


def validate_endpoint(
    refresh: Endpoint | RefreshCallable | None, login: object
) -> Endpoint | RefreshCallable | None:
    """Return `refresh` if it is an endpoint, a callable, or None with a `login`.

    Raises TypeError, for a `login` that nobody would ask as well.
    """
    if refresh is None and login is not None:
        return None
    if isinstance(refresh, type):
        call = "()" if hasattr(refresh, "url") else "('/auth/refresh')"  # presets know their URL
        raise TypeError(_describe_uncalled("refresh", refresh, call))
    if is_endpoint(refresh):
        if not isinstance(getattr(refresh, "url", None), str):
            raise TypeError(
                f"refresh has no URL: {describe_kind(refresh)} needs an attribute url, absolute or "
                "relative to the base URL"
            )
        if login is not None and not needs_login(refresh):
            raise TypeError(
                f"login has nothing to do beside {describe_kind(refresh)}, which gets its tokens "
                "without a refresh token; leave login out"
            )
        return refresh
    if _is_store(refresh):
        raise TypeError(f"refresh is a store; the endpoint comes before the store: {_ORDER}")
    if not callable(refresh):
        also = "; None needs a login" if refresh is None else ""
        raise TypeError(
            f"refresh must be an endpoint, not {_describe(refresh)}: JSONEndpoint('/auth/refresh') "
            f"for example, or a function (session, token) -> Token{also}"
        )
    check_call("refresh", refresh, "session", "token")
    return refresh


def validate_store(store: TokenStore) -> TokenStore:
    """Return `store` if it has the four verbs. Raises TypeError."""
    if isinstance(store, type):
        raise TypeError(_describe_uncalled("store", store, "(...)"))
    if _is_store(store):
        return store
    if hasattr(store, "ask"):
        raise TypeError(f"store is an endpoint, which comes before the store: {_ORDER}")
    raise TypeError(
        f"store must be a token store with load, save, clear and lock, not {_describe(store)}: "
        f"{_suggest_store(store)}"
    )


def validate_login(login: C) -> C:
    """Return `login` if it is None or can be called with a session. Raises TypeError."""
    if isinstance(login, type):
        raise TypeError(
            f"login is the class {login.__name__}: give a function (session) -> Token, or an "
            "object that can be called like one"
        )
    return validate_callable("login", login, "session", returns="Token")


def validate_callable(name: str, function: C, *arguments: str, returns: str = "None") -> C:
    """Return `function` if it is None or can be called with `arguments`. Raises TypeError."""
    if function is None:
        return function
    if not callable(function):
        raise TypeError(
            f"{name} must be a function ({', '.join(arguments)}) -> {returns}, "
            f"not {_describe(function)}"
        )
    check_call(name, function, *arguments)
    return function


def validate_timeout(seconds: float) -> float:
    """Return `seconds` if that is a time with an end. Raises ValueError."""
    is_number = isinstance(seconds, (int, float)) and not isinstance(seconds, bool)
    if not is_number:
        given = f", not {describe_kind(seconds)}"
    elif not 0 < seconds <= threading.TIMEOUT_MAX / 4:
        given = ": nothing here waits for ever"
    else:
        return float(seconds)
    raise ValueError(f"refresh_timeout must be a positive number of seconds, such as 30.0{given}")


def validate_refresh_ahead(seconds: float | None, refresh: object) -> float | None:
    """Return `seconds` if a refresh can begin so long before the end; None is a share of the life.

    Raises TypeError or ValueError.
    """
    if seconds is None:
        return None
    if not isinstance(seconds, (int, float)) or isinstance(seconds, bool):
        raise TypeError(
            "refresh_ahead must be a number of seconds such as 30.0, None for a share of the "
            f"token's lifetime, or 0 for off, not {describe_kind(seconds)}"
        )
    if not 0 <= seconds <= LONGEST_LIFETIME:
        raise ValueError(
            "refresh_ahead must be a number of seconds before the token's end, such as 30.0; 0 is "
            "off"
        )
    if seconds == 0 and getattr(refresh, "needs_live_token", False):
        raise ValueError(
            "refresh_ahead=0 does not go with this endpoint: it takes the access token only while "
            "that is valid; leave refresh_ahead out"
        )
    return float(seconds)


def validate_match_limit(size: int) -> int:
    """Return `size` if it is a number of bytes. Raises TypeError or ValueError."""
    if not isinstance(size, int) or isinstance(size, bool):
        raise TypeError(
            f"match_limit must be a number of bytes such as {MATCH_BYTES}, not {_describe(size)}"
        )
    if size <= 0:
        raise ValueError(f"match_limit must be a positive number of bytes such as {MATCH_BYTES}")
    return size


def validate_transport(transport: BaseAdapter | None) -> BaseAdapter | None:
    """Return the adapter that does the sending, if there is one. Raises TypeError."""
    transport = getattr(transport, "__wrapped__", transport)  # a proxy sends a token of its own
    if isinstance(transport, type):
        raise TypeError(_describe_uncalled("transport", transport, "()"))
    if transport is not None and not isinstance(transport, BaseAdapter):
        raise TypeError(
            "transport must be a requests adapter, such as HTTPAdapter(max_retries=3), "
            f"not {_describe(transport)}"
        )
    return transport


def validate_refresh_session(session: requests.Session | None) -> requests.Session | None:
    """Return the user's own session for refresh calls, if there is one. Raises TypeError."""
    if session is not None and not isinstance(session, PlainSession):
        raise TypeError(f"refresh_session must be a requests.Session, not {_describe(session)}")
    return session


def resolve_refresh_url(
    refresh: Endpoint | RefreshCallable | None, base: str, *, allow_http: bool
) -> str:
    """Return the endpoint's absolute URL; a callable knows its own. Raises InvalidURL."""
    if not is_endpoint(refresh):
        return base
    return join_endpoint(base, refresh.url, what="the refresh URL", allow_http=allow_http)


def resolve_origins(base: str, trusted: Iterable[str], *, allow_http: bool) -> frozenset[Origin]:
    """Return the origins that the token is sent to. Raises TypeError or InvalidURL."""
    if isinstance(trusted, (str, bytes)) or not isinstance(trusted, Iterable):
        raise TypeError(
            "trusted_origins must be a list or tuple of origins, such as "
            f"['https://cdn.example.com'], not {_describe(trusted)}"
        )
    origins = [validate_origin(url, allow_http=allow_http) for url in trusted]
    return frozenset(filter(None, [origin_of(base), *origins]))


def _is_store(value: object) -> bool:
    return not isinstance(value, type) and all(hasattr(value, verb) for verb in _STORE_VERBS)


def _describe(value: object) -> str:
    """Return what kind of thing `value` is, and nothing out of it."""
    return "a string" if isinstance(value, str) else describe_kind(value)


def _describe_uncalled(name: str, kind: type, call: str) -> str:
    return f"{name} is the class {kind.__name__}; make one: {kind.__name__}{call}"


def _suggest_store(value: object) -> str:
    if isinstance(value, Token):
        return "MemoryStore(token), or leave it out and call set_token(token) once"
    if isinstance(value, str) or hasattr(value, "__fspath__"):
        return "FileStore(path), for example"
    return "MemoryStore() or FileStore(path), for example"
