"""What a request costs with a token that is good: processor time, as a multiple of a bare request.

The network is stubbed out, which makes the most of the difference: a request over a real one takes
longer for all alike. With trust_env on, requests' default, requests itself scans the environment
and netrc each time; a client that sets an `auth` or a header before that may spare it.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from tests.benchmarks.clients import BARE, CLIENTS, Client
from tests.benchmarks.compare.results import Cell, Row, Verdict
from tests.benchmarks.compare.stage import set_stage
from tests.benchmarks.hot_path import StubTransport
from tests.benchmarks.measuring import Samples, time_processor

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


@dataclass(frozen=True)
class CostOutcome:
    """What came of it."""

    ratio: float
    microseconds: float

    @property
    def cell(self) -> Cell:
        return Cell(Verdict.FIGURE, f"{self.ratio:.1f} x", facts=vars(self))


def measure_costs(clients: Sequence[Client], *, trust_env: bool, quick: bool) -> Row:
    """Return the row of all clients, which take turns in each round."""
    rounds, times = (3, 10) if quick else (41, 200)
    with ExitStack() as stack:
        works = {
            client.name: partial(time_processor, _make_call(client, trust_env, stack), times)
            for client in (CLIENTS[BARE], *clients)
        }
        samples = Samples.take(works, rounds)
    outcomes = {
        client.name: CostOutcome(
            samples.ratio(client.name, BARE).value, samples.median(client.name, "µs").value
        )
        for client in clients
    }
    return Row(
        f"cost-trust-env-{'on' if trust_env else 'off'}",
        f"cost, trust_env {'on' if trust_env else 'off'}",
        "Processor time of a request, as a multiple of a bare one, trust_env "
        + ("on (the default)" if trust_env else "off"),
        "less is better",
        {name: outcome.cell for name, outcome in outcomes.items()},
    )


def _make_call(client: Client, trust_env: bool, stack: ExitStack) -> Callable[[], object]:
    stage = stack.enter_context(set_stage(client, expiry_known=False, transport=StubTransport))
    session = stack.enter_context(client.make(stage.setup))
    session.trust_env = trust_env
    call = partial(session.get, stage.url)
    has_token = "Authorization" in call().request.headers
    assert has_token is (client.name != BARE), f"{client.name} sent something else"
    return call
