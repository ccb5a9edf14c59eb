"""Calling what the user gave: a callable endpoint, a login, a callback."""

from __future__ import annotations

import dis
import functools
import inspect
import logging
import os
from contextlib import suppress
from http import HTTPStatus
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Final

import requests
import urllib3

from requests_jwt_refresh.errors import (
    JWTRefreshError,
    ReentrantRefresh,
    RefreshRejected,
    RefreshUnavailable,
    StoreError,
)
from requests_jwt_refresh.tokens import Token, describe_kind, suggest_token, with_expiry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from types import TracebackType

logger = logging.getLogger("requests_jwt_refresh")

# Where no line of a user's program is. A package beside requests may be the user's own, but then
# the function is in it.
_LIBRARIES: Final = tuple(
    os.path.normcase(os.path.dirname(file) + os.sep)  # noqa: PTH120 - as a frame writes its file
    for file in (
        os.__file__,
        requests.__file__,
        urllib3.__file__,
        os.path.dirname(__file__),  # noqa: PTH120
    )
)
_PACKAGE_FOLDERS: Final = ("site-packages", "dist-packages")
_FUNCTIONS: Final = (FunctionType, MethodType, functools.partial)
_NOTHING: Final[Mapping[str, object]] = {}
_ENDINGS: Final = (RefreshRejected, RefreshUnavailable, StoreError, ReentrantRefresh)
_REFUSALS: Final = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)


# --- Before the first call -----------------------------------------------------------------------


def check_call(what: str, function: Callable[..., object], *arguments: str) -> None:
    """Raise TypeError unless `function` is a plain one that can be called with `arguments`.

    `what` names the option that it was given as, `arguments` what it will be called with. Without
    a signature, as some functions in C are, it is taken as it is.
    """
    name, call = _describe_function(function), f"({', '.join(arguments)})"
    if _is_suspended_by_calling(function):
        raise TypeError(
            f"{what} must be a plain function {call}, but {name} is async or a generator: nothing "
            "here awaits it. Write it with def and return, without await or yield"
        )
    try:
        # A decorator's own parameters count, not those of the function below it.
        signature = inspect.signature(function, follow_wrapped=False)
    except Exception:  # noqa: BLE001 - no signature, or annotations that cannot be evaluated
        return
    try:
        signature.bind(*arguments)
    except TypeError:
        taken = ", ".join(map(_describe_parameter, signature.parameters.values()))
    else:
        return
    raise TypeError(
        f"{what} is called with {call}, but {name} takes ({taken}): write it so that it takes "
        f"{call}, or fill in the others with functools.partial"
    )


def _is_suspended_by_calling(function: object) -> bool:
    """Whether a call returns a coroutine or generator instead of running the function."""
    kinds = (inspect.iscoroutinefunction, inspect.isgeneratorfunction, inspect.isasyncgenfunction)
    return any(kind(each) for kind in kinds for each in (function, _call_of(function)))


def _call_of(function: object) -> object:
    """Return what runs when an object that is not itself a function is called."""
    return getattr(type(function), "__call__", None)  # noqa: B004 - the method, to look at it


def _describe_function(function: object) -> str:
    if isinstance(function, functools.partial):
        return f"the partial of {_describe_function(function.func)}"
    name = getattr(function, "__name__", None)
    if name == "<lambda>":
        return "the lambda"
    return name if isinstance(name, str) else type(function).__name__


def _describe_parameter(parameter: inspect.Parameter) -> str:
    """Return the parameter as it is written, without its default, which may be a password."""
    if parameter.kind is parameter.VAR_POSITIONAL:
        return f"*{parameter.name}"
    if parameter.kind is parameter.VAR_KEYWORD:
        return f"**{parameter.name}"
    return f"{parameter.name}=" if parameter.kind is parameter.KEYWORD_ONLY else parameter.name


# --- The call ------------------------------------------------------------------------------------


def call_user_function(
    what: str, function: Callable[..., Token], *args: object, is_login: bool = False
) -> Token:
    """Call a user's function for a token, and return that with its expiry.

    `what` names the function in an error's text. Whatever it raises becomes one of our errors: what
    says how a refresh has ended is passed on, all else is RefreshUnavailable. Only where `is_login`
    a 401 or 403 that it raises is RefreshRejected: a refresh that the server refuses by mistake
    would forget the tokens.
    """
    try:
        token = function(*args)
    except (RefreshRejected, StoreError, ReentrantRefresh):
        raise
    except RefreshUnavailable as own:
        if is_login and "remedy" not in vars(own):  # the class's speaks of tokens that are kept
            own.remedy = "try again later"
        raise
    except Exception as error:  # noqa: BLE001 - a user's function may raise anything
        failure = _explain_error(what, function, error, is_login=is_login)
    else:
        if isinstance(token, Token) and token.access is not None:
            return with_expiry(token)
        returned, remedy = _explain_result(token)
        failure = RefreshUnavailable(f"{what} returned {returned}", remedy)
        del token  # it may be a secret in the wrong wrapping, and this frame is in the traceback
    raise failure  # without a cause: what the user's function has in its frames may be secret


def explain_login_error(
    what: str, function: Callable[..., object], error: Exception
) -> JWTRefreshError:
    """Return the error for what a function raised that was called during a login.

    That is the same one if it is one of ours that says how the login has ended.
    """
    if isinstance(error, _ENDINGS):
        return error
    return _explain_error(what, function, error, is_login=True)


def _explain_error(
    what: str, function: Callable[..., object], error: Exception, *, is_login: bool
) -> JWTRefreshError:
    description = f"{what} failed with {describe_error(error, function)}"
    if is_login and _status_of(error) in _REFUSALS and isinstance(error, requests.HTTPError):
        return RefreshRejected(description, "check the credentials that it sends")
    if isinstance(error, JWTRefreshError):  # a token or URL of the function's that is none
        return RefreshUnavailable(f"{description}: {error.cause}", error.remedy)
    kept = "" if is_login else "the tokens are kept; "
    advice = "try again later" if _may_pass(error) else "look at that line"
    return RefreshUnavailable(
        description, f"{kept}{advice}; to say that the server refused, raise RefreshRejected"
    )


def _may_pass(error: Exception) -> bool:
    """Whether the network or the server failed, rather than the function."""
    status = _status_of(error)
    if status is not None:
        return status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR
    network = (requests.ConnectionError, requests.Timeout, ConnectionError, TimeoutError)
    return isinstance(error, network)


def _explain_result(value: object) -> tuple[str, str]:
    """Return what `value` is, which is no token to use, and what to return instead."""
    if isinstance(value, Token):
        return "a Token without an access token", "return a Token with the one that the server gave"
    if inspect.iscoroutine(value):
        value.close()  # else Python warns that it was never awaited
        return "a coroutine, not a Token", "return a Token, from a function that is not async"
    return f"{describe_kind(value)}, not a Token", f"return a Token: {suggest_token(value)}"


# --- What went wrong, and where ------------------------------------------------------------------


def describe_error(error: Exception, function: object = None) -> str:
    """Return an error's type and the user's line that it came from.

    That is the last line of `function`, or of the user's own code where there is none. The error's
    text is left out, since it may hold a token; all that is shown of it is the name of a key or an
    attribute that the line itself spells out.
    """
    status = _status_of(error)
    shown = f" ({status})" if status is not None else ""
    place = _find_place(error, function)
    if place is None:
        return f"{type(error).__name__}{shown}"
    code, line = place.tb_frame.f_code, place.tb_lineno
    file = os.path.basename(code.co_filename)  # noqa: PTH119 - it may be "<stdin>"
    name = _find_missing_name(error, place)
    return f"{type(error).__name__}{name}{shown} at {file}, line {line}, in {code.co_name}"


def log_callback_error(callback: Callable[..., object], error: Exception) -> None:
    # Neither text nor traceback of the error: a callback is given tokens.
    logger.error("%s raised %s", name_of(callback), describe_error(error, callback))


def name_of(function: Callable[..., object]) -> str:
    """Return a function's name; that of its type if it has none, for its repr may hold a token."""
    name: str = getattr(function, "__qualname__", "") or type(function).__name__
    return name


def _status_of(error: Exception) -> int | None:
    response = getattr(error, "response", None)
    return response.status_code if isinstance(response, requests.Response) else None


def _find_place(error: Exception, function: object) -> TracebackType | None:
    """Return the entry of the error's traceback that the user can do something about."""
    entries = list(_walk(error.__traceback__))
    files = set(_list_files(function))
    users = [each for each in entries if not _is_library(_file_of(each))]
    own = [each for each in entries if _file_of(each) in files]
    # A function may be another package's, or wrapped by one.
    candidates = [each for each in users if each in own] or users or own
    if not candidates and function is None:
        candidates = entries
    return candidates[-1] if candidates else None


def _walk(entry: TracebackType | None) -> Iterator[TracebackType]:
    while entry is not None:
        yield entry
        entry = entry.tb_next


def _file_of(entry: TracebackType) -> str:
    return entry.tb_frame.f_code.co_filename


def _list_files(function: object) -> Iterator[str]:
    """Yield the files of `function` and of the functions that it wraps."""
    pending, seen = [function], set[int]()
    while pending:
        each = pending.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        if isinstance(each, FunctionType):
            yield each.__code__.co_filename
        pending += [inner for inner in _list_inner(each) if isinstance(inner, _FUNCTIONS)]


def _list_inner(function: object) -> Iterator[object]:
    """Yield what `function` may call when it is called, as decorators leave it behind."""
    if isinstance(function, functools.partial):
        yield function.func
    elif isinstance(function, MethodType):
        yield function.__func__
    elif isinstance(function, FunctionType):
        yield vars(function).get("__wrapped__")
        for cell in function.__closure__ or ():
            with suppress(ValueError):  # not filled yet
                yield cell.cell_contents
    else:
        yield _call_of(function)
        yield from getattr(function, "__dict__", _NOTHING).values()


def _is_library(file: str) -> bool:
    parts = file.replace("\\", "/").split("/")
    if file.startswith("<frozen ") or any(folder in parts for folder in _PACKAGE_FOLDERS):
        return True
    return os.path.normcase(file).startswith(_LIBRARIES)


def _find_missing_name(error: Exception, place: TracebackType) -> str:
    """Return the key or attribute that was not there, if the user's code spells it out.

    Then it is no secret. What the code has put into an error of its own may be one.
    """
    code = place.tb_frame.f_code
    if place.tb_next is not None or dis.opname[code.co_code[place.tb_lasti]] == "RAISE_VARARGS":
        return ""
    name = error.args[0] if isinstance(error, KeyError) and error.args else None
    if isinstance(error, (AttributeError, NameError)):
        name = error.name
    written = {*code.co_names, *(each for each in code.co_consts if isinstance(each, str))}
    return f" {name!r}" if isinstance(name, str) and name in written else ""
