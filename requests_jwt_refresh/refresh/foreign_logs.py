"""What urllib3 logs about a refresh: URLs without their query, in which a token may travel.

At DEBUG it logs the URL of each request, and at WARNING of each that is sent again.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_LOGGERS: Final = ("urllib3.connectionpool", "urllib3.util.retry")
_IS_HIDDEN: Final = ContextVar("requests_jwt_refresh_hides_queries", default=False)


class _QueryFilter(logging.Filter):
    """Lets every line through; those of a refresh without queries."""

    def filter(self, record: logging.LogRecord) -> bool:
        if _IS_HIDDEN.get() and isinstance(record.args, tuple):
            record.args = tuple(map(_hide_query, record.args))
        return True


def _hide_query(value: object) -> object:
    if not isinstance(value, str) or "?" not in value:
        return value
    return f"{value.partition('?')[0]}?..."


_FILTER: Final = _QueryFilter()


@contextmanager
def hide_queries() -> Iterator[None]:
    """Let urllib3 log no query of what this thread sends in the block."""
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_FILTER)  # once, however often it is added
    before = _IS_HIDDEN.set(True)
    try:
        yield
    finally:
        _IS_HIDDEN.reset(before)
