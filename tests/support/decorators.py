"""Decorators as users have them in a module of their own: their frames stand between."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def wrapping(function: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap as functools.wraps does it."""

    @functools.wraps(function)
    def inner(*args: Any) -> Any:
        return function(*args)

    return inner


def opaque(function: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap without a word about what is inside."""

    def inner(*args: Any) -> Any:
        return function(*args)

    return inner


class Wrapper:
    """Wrap in an object."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def __call__(self, *args: Any) -> Any:
        return self._function(*args)


def with_client(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give the function one argument more than the caller does."""

    @functools.wraps(function)
    def inner(session: Any) -> Any:
        return function(session, "a client")

    return inner
