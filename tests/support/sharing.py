"""A service that is started once per process, however many test modules import its fixture."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

T = TypeVar("T")


class Shared(Generic[T]):
    """Enters a context manager for its first user, and leaves it after its last.

    pytest sets a session's fixture up once for each module that imports it; all of them end with
    the session.
    """

    def __init__(self, make: Callable[[], AbstractContextManager[T]]) -> None:
        self._make = make
        self._users = 0
        self._context: AbstractContextManager[T] | None = None
        self._value: T | None = None

    @contextmanager
    def use(self) -> Iterator[T]:
        if self._context is None:
            context = self._make()
            self._value = context.__enter__()
            self._context = context
        self._users += 1
        assert self._value is not None
        try:
            yield self._value
        finally:
            self._users -= 1
            if not self._users:
                context, self._context = self._context, None
                context.__exit__(None, None, None)
