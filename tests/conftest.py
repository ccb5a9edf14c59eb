"""What all tests share."""

from __future__ import annotations

import os
import signal
import sysconfig
from typing import TYPE_CHECKING

import pytest
import requests

from requests_jwt_refresh.testing import AuthServer
from tests.support.chromium import Chromium
from tests.support.clock import Clock

if TYPE_CHECKING:
    from collections.abc import Iterator

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in the background of a shell script
    signal.signal(signal.SIGINT, signal.default_int_handler)

# What is printed then names requests-jwt as in an environment that is active. It goes last, so that
# all other programs are the same.
os.environ["PATH"] = os.pathsep.join((os.environ["PATH"], sysconfig.get_path("scripts")))

_MAX_WORKERS = 16  # each may start a keyring, a Redis and two web servers of its own


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """Take two workers a core, since tests often wait for servers and processes.

    None at all for tests that are named one by one. PYTEST_XDIST_AUTO_NUM_WORKERS goes first.
    """
    if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ:
        return None
    if all("::" in each for each in config.args):
        return 0
    return min(2 * (os.cpu_count() or 1), _MAX_WORKERS)


@pytest.fixture
def server() -> Iterator[AuthServer]:
    """A token server that rotates, detects reuse and gives tokens that live five minutes."""
    with AuthServer() as server:
        yield server


@pytest.fixture
def chromium() -> Iterator[Chromium]:
    """A real browser, without cookies. The test is skipped where there is none."""
    with Chromium() as browser:
        yield browser


@pytest.fixture
def session() -> Iterator[requests.Session]:
    """A session that no environment interferes with."""
    with requests.Session() as session:
        session.trust_env = False
        yield session


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The library's clock, standing still until the test moves it."""
    clock = Clock()
    clock.install(monkeypatch)
    return clock
