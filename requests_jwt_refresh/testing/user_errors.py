"""What a test's own faults and predicates raise: to its client each looks like an outage."""

from __future__ import annotations

import contextlib
import re
import sys
import traceback
from typing import TYPE_CHECKING, Any, Final

from requests_jwt_refresh.testing.reading import path_of, read_cookies, read_fields

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from requests_jwt_refresh.testing.ledger import Ledger
    from requests_jwt_refresh.testing.values import RecordedRequest

# What writing to a client raises that has left, and a pause or a gate that the server's stop ends.
_DEPARTURES: Final = (BrokenPipeError, ConnectionAbortedError, ConnectionResetError)
_TOKEN_PIECE: Final = re.compile(r"[A-Za-z0-9_-]{8,}")  # shortened or not
_SHORTEST: Final = 4  # characters of a password that is hidden
_SECRET_FIELD: Final = re.compile(
    "token$|pass|secret|code$|assertion|key$|jwt|session", re.IGNORECASE
)


class Told(Exception):
    """Ends the answer to a request for what a test's own code has raised, which has been said."""


@contextlib.contextmanager
def tell_errors(ledger: Ledger, where: str, request: RecordedRequest) -> Iterator[None]:
    """Tell the ledger, and on stderr, what is raised in here for a request. Raises Told for it.

    Also for what no handler of Exception sees, such as pytest.fail() and sys.exit(). The
    ConnectionErrors of a client that has left are raised on.
    """
    try:
        yield
    except _DEPARTURES:
        raise
    except BaseException as error:  # noqa: BLE001 - see above
        text = f"{where}, at {request.method} {path_of(request)}:\n\n{_format(error)}"
        text = _hide_secrets(text, [*ledger.list_tokens(), *_list_sent(ledger)])
        ledger.record_error(text)
        sys.stderr.write(f"AuthServer: raised {text}\n")
        raise Told from None


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


def _list_sent(ledger: Ledger) -> Iterator[str]:
    """Yield what clients have sent that may be a secret, whoever gave it."""
    for request in ledger.requests():
        yield request.access or ""
        yield request.headers.get("Authorization", "").partition(" ")[2]
        yield from read_cookies(request).values()
        yield from _list_leaves(read_fields(request))


def _list_leaves(content: dict[str, Any]) -> Iterator[str]:
    for name, value in content.items():
        if isinstance(value, dict):
            yield from _list_leaves(value)
        elif isinstance(value, str) and _SECRET_FIELD.search(name):
            yield value


def _hide_secrets(text: str, secrets: list[str]) -> str:
    """Return the text without secrets, and without pieces of them as pytest's assertions show."""

    def hide(found: re.Match[str]) -> str:
        return "***" if any(found[0] in each for each in secrets) else found[0]

    for each in secrets:
        if not _TOKEN_PIECE.fullmatch(each) and len(each) >= _SHORTEST:
            text = text.replace(each, "***")
    return _TOKEN_PIECE.sub(hide, text)
