"""Keeps a 401 that was recovered from in ``response.history``, also where there are redirects.

``Session.send`` writes the history of redirects over what an adapter has put there. Wrapping it
on the class, as relative_urls.py does with another method, survives pickling and copying. The
wrap changes no response but those that `keep_refused` has marked, and those that follow them.
"""

from __future__ import annotations

import functools
import os
import threading
from typing import TYPE_CHECKING, Any

from requests_jwt_refresh.sessions import PlainSession

if TYPE_CHECKING:
    from collections.abc import Iterable

    import requests
    from requests import Response

_MARK = "_keeps_refused"  # an attribute of our wrap
_REFUSED = "_refused"  # an attribute of a response: the 401s that came in its place
_mutex = threading.Lock()  # guards Session.send while it is looked at and wrapped


def keep_refused(response: Response, refused: Response) -> None:
    """Put `refused` into the history of the `response` that came instead, and see that it stays."""
    response.history = [*refused.history, refused]
    vars(response)[_REFUSED] = tuple(response.history)


def keep_history() -> None:
    """Wrap ``Session.send``, once in this process."""
    with _mutex:
        if not hasattr(PlainSession.send, _MARK):
            PlainSession.send = _wrap(PlainSession.send)  # type: ignore[method-assign]


def _renew_lock_in_child() -> None:
    global _mutex  # noqa: PLW0603 - the thread that held it does not exist in a forked child
    _mutex = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock_in_child)


def _wrap(send: Any) -> Any:
    @functools.wraps(send)
    def send_and_restore(
        session: requests.Session, request: requests.PreparedRequest, **options: Any
    ) -> Response:
        response: Response = send(session, request, **options)
        history = getattr(response, "history", None)
        if history or _REFUSED in getattr(response, "__dict__", ()):
            chain = [*(history or ()), response]
            if any(_REFUSED in getattr(each, "__dict__", ()) for each in chain):
                _restore(chain)
        return response

    vars(send_and_restore)[_MARK] = True  # functools.wraps hands it on to a wrap around ours
    return send_and_restore


def _restore(chain: Iterable[Response]) -> None:
    """Put each 401 back in front of the response that came instead of it."""
    history: list[Response] = []
    for response in chain:
        before = [*history, *vars(response).get(_REFUSED, ())]
        response.history = list({id(each): each for each in before}.values())
        history = [*response.history, response]
