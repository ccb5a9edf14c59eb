"""What a test's own faults and predicates raise: to its client each looks like an outage."""

from __future__ import annotations

import contextlib
import re
import traceback
from typing import TYPE_CHECKING, Final

from requests_jwt_refresh.testing.reading import path_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from requests_jwt_refresh.testing.ledger import Ledger
    from requests_jwt_refresh.testing.values import RecordedRequest

# What writing to a client raises that has left, and a pause or a gate that the server's stop ends.
_DEPARTURES: Final = (BrokenPipeError, ConnectionAbortedError, ConnectionResetError)
_TOKEN_PIECE: Final = re.compile(r"[A-Za-z0-9_-]{8,}")  # shortened or not


@contextlib.contextmanager
def record_errors(ledger: Ledger, where: str, request: RecordedRequest) -> Iterator[None]:
    """Let the ledger have what is raised in here for a request, and raise it on.

    Also what no handler of Exception sees, such as pytest.fail() and sys.exit().
    """
    try:
        yield
    except _DEPARTURES:
        raise
    except BaseException as error:
        text = f"{where}, at {request.method} {path_of(request)}:\n\n{_format(error)}"
        ledger.record_error(_hide_tokens(text, ledger.list_secrets()))
        raise


def _format(error: BaseException) -> str:
    frames = _skip_own_frames(error.__traceback__)  # the rest says nothing of the mistake
    return "".join(traceback.format_exception(type(error), error, frames)).rstrip()


def _skip_own_frames(frames: TracebackType | None) -> TracebackType | None:
    """Return the traceback from the test's own code on; whole if there is none of it."""
    found = frames
    while found is not None and _is_own(found):
        found = found.tb_next
    return found or frames


def _is_own(frames: TracebackType) -> bool:
    name: str = frames.tb_frame.f_globals.get("__name__", "")
    return name.rpartition(".")[0] == __package__


def _hide_tokens(text: str, secrets: list[str]) -> str:
    """Return the text without tokens, and without pieces of them as pytest's assertions show."""

    def hide(found: re.Match[str]) -> str:
        return "***" if any(found[0] in each for each in secrets) else found[0]

    return _TOKEN_PIECE.sub(hide, text)
