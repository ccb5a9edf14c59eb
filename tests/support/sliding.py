"""An API that hands out a newer access token with each answer: sliding sessions."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from requests_jwt_refresh.refresh.renewal import _unsaved  # nothing else tells
from requests_jwt_refresh.refresh.single_flight import THREAD_NAME
from requests_jwt_refresh.testing.values import json_response
from tests.support.waits import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from requests_jwt_refresh.testing import AuthServer
    from requests_jwt_refresh.testing.faults import Exchange

NAME = "X-New-Token"


@dataclass
class Sliding:
    """A fault that is none: the API's own answer, with one header more.

    `value` makes the header of the new token; `status` is another one than the API's.
    """

    server: AuthServer
    name: str = NAME
    value: Callable[[str], str] = str
    status: int | None = None
    more: Mapping[str, str] = field(default_factory=dict)
    given: list[str] = field(default_factory=list)

    def play(self, exchange: Exchange) -> None:
        answer = exchange.work()
        if answer.status == 200:
            token = self.server.login().access or ""
            self.given.append(token)
            added = {self.name: self.value(token), **self.more}
            answer = replace(answer, headers={**answer.headers, **added})
            if self.status is not None:
                answer = replace(json_response(self.status, {}), headers=added)
        exchange.send(answer)


def wait_for_saves() -> None:
    """Wait until all that is to be saved now has been, and no thread of the library's is left."""

    def are_done() -> bool:
        is_due = any(each.memory.is_renewal_due for each in list(_unsaved.values()))
        return not is_due and all(each.name != THREAD_NAME for each in threading.enumerate())

    wait_until(are_done, "the end of all saves")


def forget_unsaved() -> None:
    """Forget what the adapters of other tests have left for the end of the program."""
    _unsaved.clear()


def slide(server: AuthServer, **options: object) -> Sliding:
    """Have `server` hand out a token with each answer from now on."""
    sliding = Sliding(server, **options)  # type: ignore[arg-type]
    server.fail(sliding, on="api", times=None)
    return sliding
