"""An API that hands out a newer access token with each answer: sliding sessions."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from requests_jwt_refresh.testing.values import json_response

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


def slide(server: AuthServer, **options: object) -> Sliding:
    """Have `server` hand out a token with each answer from now on."""
    sliding = Sliding(server, **options)  # type: ignore[arg-type]
    server.fail(sliding, on="api", times=None)
    return sliding
