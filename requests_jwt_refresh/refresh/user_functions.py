"""Calling what the user gave: a callable endpoint, a login, a callback."""

from __future__ import annotations

import logging
import traceback
from typing import TYPE_CHECKING

import requests

from requests_jwt_refresh.errors import (
    ReentrantRefresh,
    RefreshRejected,
    RefreshUnavailable,
    StoreError,
)
from requests_jwt_refresh.tokens import Token, with_expiry

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger("requests_jwt_refresh")


def call_user_function(what: str, function: Callable[..., Token], *args: object) -> Token:
    """Call a user's function for a token, and return that with its expiry.

    `what` names the function in an error's text. Whatever it raises becomes one of our errors: our
    own are passed on, all else is RefreshUnavailable.
    """
    try:
        token = function(*args)
    except (RefreshRejected, RefreshUnavailable, StoreError, ReentrantRefresh):
        raise
    except Exception as error:  # noqa: BLE001 - a user's function may raise anything
        description, cause = describe_error(error), showable_cause(error)
    else:
        if isinstance(token, Token) and token.access is not None:
            return with_expiry(token)
        kind = "Token without an access token" if isinstance(token, Token) else type(token).__name__
        raise RefreshUnavailable(f"{what} returned a {kind}", "return a Token")
    raise RefreshUnavailable(
        f"{what} failed with {description}",
        "the tokens are kept; to say that the server refused, raise RefreshRejected",
    ) from cause


def showable_cause(error: Exception) -> Exception | None:
    """Return `error` to be shown as a cause, or None.

    The errors of requests repeat the URL, in which a token may be.
    """
    return None if isinstance(error, requests.RequestException) else error


def describe_error(error: Exception) -> str:
    """Return an error's type and where it was raised, without its text, which may hold a token."""
    response = getattr(error, "response", None)
    status = f" ({response.status_code})" if isinstance(response, requests.Response) else ""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{type(error).__name__}{status} at {frames[-1].name}, line {frames[-1].lineno}"


def log_callback_error(callback: Callable[..., object], error: Exception) -> None:
    # Neither text nor traceback of the error: a callback is given tokens.
    logger.error("%s raised %s", name_of(callback), type(error).__name__)


def name_of(function: Callable[..., object]) -> str:
    """Return a function's name; that of its type if it has none, for its repr may hold a token."""
    name: str = getattr(function, "__qualname__", "") or type(function).__name__
    return name
