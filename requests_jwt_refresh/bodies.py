"""What a matcher may see of a response's body, and sending a request's body again."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Final

import requests
from requests.exceptions import UnrewindableBodyError
from requests.utils import rewind_body
from urllib3.response import HTTPResponse

from requests_jwt_refresh.peeking import Bounds, EarlyBody

if TYPE_CHECKING:
    from collections.abc import Callable

    from requests import PreparedRequest, Response

logger = logging.getLogger("requests_jwt_refresh")

MATCH_BYTES: Final = 256 * 1024  # how much of a body, unpacked, a matcher may see unless told

# Seconds that are waited for a body at most.
_STREAM_SECONDS: Final = 0.5  # of a good answer that the caller will read bit by bit
_ERROR_SECONDS: Final = 5.0
_KEEP_SECONDS: Final = 1.0  # of a 401 whose connection is released

_LOWEST_ERROR: Final = 400
_JSON: Final = re.compile(r"[^/]+/(x-|[^/]+\+)?json")  # RFC 8259 §11, RFC 6839 §3.1
_EVENT_STREAM: Final = "text/event-stream"  # WHATWG HTML §9.2; has no end


def says_expired(
    response: Response,
    matcher: Callable[[Response], bool],
    request: PreparedRequest,
    *,
    stream: bool,
    match_limit: int,
) -> bool:
    """Ask `matcher` about the response to `request`; if it says yes, release the connection.

    Either way the caller can still read the whole body, streamed or not. The matcher gets a copy of
    the response. Of the body it sees all or, by a requests exception or a ProtocolError, that it is
    not to be seen: longer than `match_limit` bytes (of what is unpacked), too slow, or of a kind
    that is not read. What the matcher raises goes through, after the connection was closed.
    """
    raw = response.raw
    if not isinstance(raw, HTTPResponse) or raw._fp is None:  # noqa: SLF001 - of another kind, without a connection
        return bool(matcher(response))
    body = EarlyBody(raw, request.method, is_awaited=not stream)
    try:
        expired = bool(matcher(_copy_for_matcher(response, body, stream, match_limit)))
    except BaseException:
        body.release()
        raise
    if body.unseen:
        logger.debug(
            "The body of the %d could not be looked at: %s", response.status_code, body.unseen
        )
    if expired:
        # A server that refuses an upload unread promises keep-alive and then hangs up, and the next
        # request on that connection would fail.
        response.raw = body.keep(
            _shorter(_KEEP_SECONDS, body.read_timeout), is_reusable=request.body is None
        )
    else:
        body.put_back()
    return expired


def release(response: Response, request: PreparedRequest) -> None:
    """Release the connection of the response to `request`; its body can still be read."""
    says_expired(response, lambda _: True, request, stream=True, match_limit=0)


def can_be_resent(request: PreparedRequest) -> bool:
    """Whether the body can be sent once more, whole; that of a generator cannot."""
    body = request.body
    if body is None or isinstance(body, (str, bytes, bytearray, memoryview)):
        return True
    return isinstance(request._body_position, int) and hasattr(body, "seek")  # noqa: SLF001 - where rewind_body() goes back to


def rewind(request: PreparedRequest) -> bool:
    """Seek a file body to where the caller had it; return False if the body cannot be resent."""
    if not can_be_resent(request):
        return False
    if request._body_position is None or not hasattr(request.body, "seek"):  # noqa: SLF001 - likewise
        return True
    try:
        rewind_body(request)
    except (UnrewindableBodyError, ValueError):  # ValueError: closed in the meantime
        return False
    return True


def _copy_for_matcher(
    response: Response, body: EarlyBody, stream: bool, match_limit: int
) -> Response:
    copy = requests.Response()
    copy.__dict__.update(response.__dict__)  # copy.copy() would read the body to the end
    is_error = response.status_code >= _LOWEST_ERROR
    media_type = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if media_type == _EVENT_STREAM or not (is_error or _JSON.fullmatch(media_type)):
        copy.raw = body.hide(f"its media type is {media_type or 'not told'}")
        return copy
    seconds: float | None = None  # the caller waits for all of it anyway
    if is_error:
        seconds = _shorter(_ERROR_SECONDS, body.read_timeout)
    elif stream:
        seconds = _STREAM_SECONDS
    copy.raw = body.peek(Bounds(seconds, match_limit))
    return copy


def _shorter(seconds: float, timeout: float | None) -> float:
    return seconds if timeout is None else min(seconds, timeout)
