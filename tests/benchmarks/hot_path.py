"""What a request costs through JWTRefreshAdapter, beside a plain HTTPAdapter, in one run.

    python -m tests.benchmarks.hot_path [--rounds N] [--requests N] [--imports N]

Three tables, of processor time, in microseconds for one request or milliseconds for an import:

send        `adapter.send` alone: what copying the request and adding the token adds.
session.get with trust_env off and on (requests' default; then requests itself scans the
            environment and netrc for each request, and the addition is small beside that).
import      `import requests` and `import requests_jwt_refresh`, each in a fresh interpreter.

The network is stubbed out: both adapters end in the same stub, which makes an empty 200. Both are
measured in turns, round after round, and the best round of each is shown: what else a machine does
makes a round slower, never faster. Compare the ratios; the figures themselves are the machine's.
"""

from __future__ import annotations

import argparse
import io
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import requests
from requests.adapters import BaseAdapter, HTTPAdapter

from requests_jwt_refresh import JSONEndpoint, JWTRefreshAdapter, MemoryStore, Token

if TYPE_CHECKING:
    from collections.abc import Callable

    from requests import PreparedRequest, Response

BASE: Final = "https://api.example.com"
URL: Final = f"{BASE}/users?page=2"
COOKIES: Final = 10
MODULES: Final = ("requests", "requests_jwt_refresh")
IMPORT_CODE: Final = """
import sys, time
before, start = len(sys.modules), time.process_time()
import {module}
print((time.process_time() - start) * 1000, len(sys.modules) - before)
"""


class StubTransport(HTTPAdapter):
    """Answers everything with an empty 200, at once."""

    def send(self, request: PreparedRequest, *_args: Any, **_options: Any) -> Response:
        response = requests.Response()
        response.status_code = 200
        response.raw = io.BytesIO()
        response.url, response.request = str(request.url), request
        return response


@dataclass
class Comparison:
    """The same work through a plain adapter and through ours."""

    name: str
    plain: Callable[[], object]
    ours: Callable[[], object]

    def measure(self, rounds: int, times: int) -> tuple[float, float]:
        """Return the microseconds of the best round of each, measured in turns."""
        pairs = [
            (measure_time(self.plain, times), measure_time(self.ours, times)) for _ in range(rounds)
        ]
        return min(plain for plain, _ in pairs), min(ours for _, ours in pairs)


def measure_time(work: Callable[[], object], times: int) -> float:
    """Return the microseconds of processor time that one `work` takes, over so many times."""
    start = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - start) / times * 1e6


def make_session(adapter: BaseAdapter, *, trust_env: bool, cookies: int) -> requests.Session:
    """Return a session with the adapter mounted and so many cookies for the API."""
    session = requests.Session()
    session.trust_env = trust_env
    session.mount(f"{BASE}/", adapter)
    for number in range(cookies):
        session.cookies.set(f"cookie{number}", "value", domain="api.example.com", path="/")
    return session


def make_adapter() -> JWTRefreshAdapter:
    """Return an adapter with a token that is valid for an hour, its store read already."""
    store = MemoryStore(Token("a" * 800, "r" * 800, time.time() + 3600))
    endpoint = JSONEndpoint("/auth/refresh")
    adapter = JWTRefreshAdapter(BASE, endpoint, store, transport=StubTransport())
    adapter.send(requests.Request("GET", URL).prepare())
    return adapter


def compare_send(cookies: int) -> Comparison:
    with make_session(StubTransport(), trust_env=False, cookies=cookies) as session:
        request = session.prepare_request(requests.Request("GET", URL))
    plain, adapter = StubTransport(), make_adapter()
    name = f"adapter.send, {cookies} cookies"
    return Comparison(name, lambda: plain.send(request), lambda: adapter.send(request))


def compare_get(*, trust_env: bool, cookies: int, url: str = URL) -> Comparison:
    plain = make_session(StubTransport(), trust_env=trust_env, cookies=cookies)
    mounted = make_session(make_adapter(), trust_env=trust_env, cookies=cookies)
    what = "relative" if url != URL else f"{cookies} cookies"
    name = f"session.get, trust_env {'on ' if trust_env else 'off'}, {what}"
    return Comparison(name, lambda: plain.get(URL), lambda: mounted.get(url))


def time_import(module: str, cache: str) -> tuple[float, int]:
    """Return the milliseconds that an import takes in a fresh interpreter, and its modules."""
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": cache}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # what is installed has been compiled
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_CODE.format(module=module)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env=environment,
    )
    milliseconds, modules = done.stdout.split()
    return float(milliseconds), int(modules)


def make_import_table(times: int) -> list[str]:
    with tempfile.TemporaryDirectory() as cache:
        rounds = [[time_import(module, cache) for module in MODULES] for _ in range(times + 1)]
    columns = list(zip(*rounds[1:], strict=True))  # the first round has compiled
    base = min(columns[0])[0]
    return [
        f"import {module:<39}{min(column)[0]:6.1f} ms best"
        f"{statistics.median(ms for ms, _ in column):7.1f} ms median"
        f"{min(column)[0] / base:6.2f} x {column[0][1]:5} modules"
        for module, column in zip(MODULES, columns, strict=True)
    ]


def print_request_table(rounds: int, times: int) -> None:
    comparisons = [
        compare_send(0),
        compare_send(COOKIES),
        compare_get(trust_env=False, cookies=0),
        compare_get(trust_env=False, cookies=COOKIES),
        compare_get(trust_env=False, cookies=0, url="/users?page=2"),
        compare_get(trust_env=True, cookies=0),
    ]
    print(f"{'':<46}{'plain':>9}{'ours':>9}{'added':>9}{'ratio':>7}")
    for each in comparisons:
        plain, ours = each.measure(rounds, times)
        added, ratio = ours - plain, ours / plain
        print(f"{each.name:<46}{plain:6.1f} µs{ours:6.1f} µs{added:6.1f} µs{ratio:7.2f}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="The cost of the hot path, beside plain requests")
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--requests", type=int, default=300, help="in each round")
    parser.add_argument("--imports", type=int, default=15)
    options = parser.parse_args()
    print_request_table(options.rounds, options.requests)
    print()
    for line in make_import_table(options.imports):
        print(line)


if __name__ == "__main__":
    main()
