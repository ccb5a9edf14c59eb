"""Another host: does the token go there?"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from requests_jwt_refresh.testing import AuthServer
from tests.benchmarks.compare.results import Cell, Verdict
from tests.benchmarks.compare.stage import Task, set_stage

if TYPE_CHECKING:
    from collections.abc import Callable

    from requests_jwt_refresh.testing import RecordedRequest
    from tests.benchmarks.clients import Client


@dataclass(frozen=True)
class HostOutcome:
    """What came of it."""

    requests: int
    """That arrived at the other host."""
    with_token: int

    @property
    def cell(self) -> Cell:
        if not self.requests:
            return Cell(Verdict.CANNOT, "no request", facts=vars(self))
        if self.with_token:
            return Cell(Verdict.BAD, "token sent", facts=vars(self))
        return Cell(Verdict.GOOD, "no token", facts=vars(self))


def try_redirect(client: Client) -> HostOutcome:
    """Follow the API's redirect to another host."""
    return _try(client, lambda api, other: f"{api}/redirect?to={other}")


def try_link(client: Client) -> HostOutcome:
    """Call another host's URL, as an API may give one for a download, over the same session."""
    return _try(client, lambda _api, other: other)


def _try(client: Client, make_url: Callable[[str, str], str]) -> HostOutcome:
    with AuthServer() as other, set_stage(client, expiry_known=False) as stage:
        elsewhere = f"{other.url.replace('127.0.0.1', 'localhost')}/public/x"
        with client.make(stage.setup) as session, suppress(Exception):
            session.trust_env = False
            session.get(make_url(stage.server.url, elsewhere), timeout=30)
        received = other.requests
    return HostOutcome(len(received), sum(map(_has_token, received)))


def _has_token(request: RecordedRequest) -> bool:
    return "Authorization" in request.headers or "access_token" in request.path


def _try_client(try_host: Callable[[Client], HostOutcome], client: Client) -> Cell:
    return try_host(client).cell


TASKS: Final = (
    Task(
        "redirect",
        "redirect to another host",
        "The API redirects to another host: what arrives there",
        "no token",
        partial(_try_client, try_redirect),
    ),
    Task(
        "link",
        "another host's URL",
        "Another host's URL, called with the same session: what arrives there",
        "no token",
        partial(_try_client, try_link),
    ),
)
