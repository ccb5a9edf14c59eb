"""What a request costs, beside plain requests and other libraries, with the network stubbed out.

    python -m tests.benchmarks.hot_path [--quick]

Processor time of `session.get` or `.post`. All sessions end in the same stub, which makes an empty
200; the bare one sends no token at all. With trust_env on, requests' default, requests itself scans
the environment and netrc for each request.
"""

from __future__ import annotations

import copy
import io
import sys
import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import requests
from requests.adapters import HTTPAdapter

from requests_jwt_refresh import Token
from tests.benchmarks.clients import (
    BARE,
    EVERYBODY,
    OURS,
    RIVALS,
    Client,
    Setup,
    find_clients,
    list_missing,
)
from tests.benchmarks.measuring import Samples, time_processor
from tests.benchmarks.table import Figure, Goal, Row, Table, at_most

if TYPE_CHECKING:
    from collections.abc import Callable

    from requests import PreparedRequest, Response

BASE: Final = "https://api.example.com"
PATH: Final = "/users?page=2"
COOKIES: Final = 10
HEADERS: Final = {f"X-Header-{number}": "value" for number in range(30)}


class StubTransport(HTTPAdapter):
    """Answers everything with an empty 200, at once."""

    def send(self, request: PreparedRequest, *_args: Any, **_options: Any) -> Response:
        response = requests.Response()
        response.status_code = 200
        response.raw = io.BytesIO()
        response.url, response.request = str(request.url), request
        return response


@dataclass(frozen=True)
class Case:
    """One kind of request, and what it may cost over a bare one."""

    name: str
    microseconds: float
    """With trust_env off."""
    ratio: float | None = None
    """With trust_env on."""
    method: str = "GET"
    cookies: int = 0
    is_relative: bool = False
    options: dict[str, Any] = field(default_factory=dict)

    def make_goals(self, figure: Figure, *, trust_env: bool) -> tuple[Goal, ...]:
        limit = self.ratio if trust_env else self.microseconds
        return () if limit is None else (at_most(figure, limit),)


CASES: Final = (
    Case("plain", 4.0, 0.98),
    Case("relative URL", 6.0, 0.98, is_relative=True),
    Case("JSON body", 4.0, method="POST", options={"json": {"name": "alice", "age": 42}}),
    Case(f"{COOKIES} cookies", 4.0, cookies=COOKIES),
    Case(f"{len(HEADERS)} headers", 6.0, 0.98, options={"headers": HEADERS}),
)


def measure(*, quick: bool) -> list[Table]:
    """Return a table for trust_env off, and one for on."""
    rounds, times = (2, 5) if quick else (31, 120)
    tables = []
    for trust_env, what in (
        (False, "bare, and what each adds to it"),
        (True, "bare, and each as a multiple of it"),
    ):
        rows = [_measure_case(case, rounds, times, trust_env=trust_env) for case in CASES]
        title = f"Hot path: processor time of one request, the network stubbed out: {what}"
        tables.append(Table(title, rows, list_missing(RIVALS)))
    return tables


def _measure_case(case: Case, rounds: int, times: int, *, trust_env: bool) -> Row:
    clients = [each for each in find_clients(*EVERYBODY) if _can_do(each, case)]
    requests_made = {each.name: _make_request(each, case, trust_env) for each in clients}
    samples = Samples.take(
        {name: partial(time_processor, send, times) for name, send in requests_made.items()},
        rounds,
    )
    figures: dict[str, Figure | None] = dict.fromkeys(
        each.name for each in find_clients(*EVERYBODY)
    )
    for name in requests_made:
        figures[name] = samples.ratio(name, BARE) if trust_env else samples.added(name, BARE, "µs")
    figures[BARE] = samples.median(BARE, "µs")
    ours = figures[OURS]
    assert ours is not None
    name = f"{case.name}, trust_env {'on' if trust_env else 'off'}"
    return Row(name, figures, case.make_goals(ours, trust_env=trust_env))


def _can_do(client: Client, case: Case) -> bool:
    """Whether it takes such a request; bare requests gets the whole URL instead."""
    return not case.is_relative or client.name in (BARE, OURS)


def _make_request(client: Client, case: Case, trust_env: bool) -> Callable[[], object]:
    """Return a function that sends such a request over a session that has sent one."""
    token = Token("a" * 800, "r" * 800, time.time() + 3600)
    session = client.make(Setup(BASE, token, transport=StubTransport))
    session.trust_env = trust_env
    for number in range(case.cookies):
        session.cookies.set(f"cookie{number}", "value", domain="api.example.com", path="/")
    url = PATH if case.is_relative and client.name == OURS else f"{BASE}{PATH}"
    options = copy.deepcopy(case.options)  # requests-oauthlib writes its token into the headers
    send = partial(session.request, case.method, url, **options)
    response = send()
    has_token = f"Bearer {token.access}" == response.request.headers.get("Authorization")
    assert has_token is (client.name != BARE), f"{client.name} sent something else"
    return send


if __name__ == "__main__":
    from tests.benchmarks.__main__ import main

    main(["hot_path", *sys.argv[1:]])
