"""Where the processes of an exploration keep their one token, with the real service behind it."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tests.support.redis_server import RedisServer
from tests.support.secret_service import SecretService

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator, Mapping

STORES = ("file", "keyring", "redis")


class StoreLocation(NamedTuple):
    """Where a store keeps its token, and the environment in which its users find it."""

    kind: str
    """One of STORES."""
    name: str
    """A path, a service of the keyring, or the URL of a Redis."""
    environment: Mapping[str, str]


@contextmanager
def new_location(kind: str) -> Iterator[StoreLocation]:
    """Yield a new location for one token, with the service that it needs."""
    if kind == "file":
        with tempfile.TemporaryDirectory() as folder:
            yield StoreLocation(kind, str(Path(folder) / "token.json"), dict(os.environ))
    elif kind == "redis":
        with RedisServer() as redis:
            yield StoreLocation(kind, redis.url, dict(os.environ))
    else:
        with SecretService() as service, _environment(service.environment):
            yield StoreLocation(kind, "stress.example.com", dict(os.environ))


class Service(NamedTuple):
    """What a store needs to run, which may fail for a while."""

    stop: Callable[[], object]
    start: Callable[[], object]


@contextmanager
def new_service(kind: str) -> Iterator[tuple[StoreLocation, Service]]:
    """Yield a new location as `new_location` does, and its service, which keeps what it has.

    A file needs none.
    """
    if kind == "redis":
        with (
            tempfile.TemporaryDirectory() as folder,
            RedisServer("--dir", folder, "--appendonly", "yes") as redis,
        ):
            location = StoreLocation(kind, redis.url, dict(os.environ))
            yield location, Service(redis.stop, redis.start)
    else:
        with SecretService() as service, _environment(service.environment):
            location = StoreLocation(kind, "stress.example.com", dict(os.environ))
            yield location, Service(service.kill_keyring, service.start_keyring)


@contextmanager
def _environment(changes: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(changes)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def add_store_option(parser: argparse.ArgumentParser) -> None:
    """Add --store, one of STORES or "all"."""
    parser.add_argument("--store", choices=[*STORES, "all"], default="all")


def list_chosen_stores(store: str) -> tuple[str, ...]:
    """Return the kinds of store that --store has asked for."""
    return STORES if store == "all" else (store,)
