"""RedisStore when Redis refuses: always a StoreError, whose remedy is tried where it is printed."""

from __future__ import annotations

import shlex
import ssl
import subprocess
import traceback
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import redis
import redis.asyncio
from redis.exceptions import RedisError, ResponseError

from requests_jwt_refresh import LockTimeout, RedisStore, StoreError, Token
from requests_jwt_refresh.stores.redis_errors import COMMANDS, allow, explain
from tests.support.redis_server import RedisServer, new_redis, running_redis
from tests.support.tls_server import certificate, tls_server
from tests.support.waits import WAIT, join, start, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

__all__ = ["running_redis"]  # a fixture: used by its name

KEY = "my app:[token]"
OLD = Token("old-access", "old-refresh", 1e9 + 1)
NEW = Token("new-access", "new-refresh", 1e9 + 2)


@pytest.fixture
def server_(running_redis: RedisServer) -> RedisServer:
    """An empty Redis."""
    with running_redis.client() as client:
        client.flushall()
    return running_redis


@pytest.fixture
def own() -> Iterator[RedisServer]:
    """A Redis that this test may set up in its own way."""
    with new_redis() as server:
        yield server


def enter(store: RedisStore) -> None:
    with store.lock(0):
        pass


def run(client: Any, *arguments: str) -> None:
    client.execute_command(*arguments)


def catch(call: Callable[[], object], secret: str = "old-") -> StoreError:
    """Return the StoreError that `call` raises, having looked for secrets around it."""
    with pytest.raises(StoreError) as caught:
        call()
    error = caught.value
    assert error.__cause__ is None
    assert error.__context__ is None
    assert secret not in "".join(traceback.format_exception_only(error))
    return error


def verbs(store: RedisStore) -> list[Callable[[], object]]:
    return [store.load, partial(store.save, NEW), store.clear, partial(enter, store)]


# --- What stands under the key -------------------------------------------------------------------


@pytest.mark.parametrize(
    "generation",
    ["garbage", "", "-5", "1.5", "1e300", "9" * 17, "9" * 400, "nan", "inf", "0x10", b"\xff", "²"],
)
def test_an_odd_generation_is_as_good_as_none(server_: RedisServer, generation: str) -> None:
    """The token beside it is loaded, and replaced when asked."""
    store = RedisStore(server_.url, KEY)
    store.save(OLD)
    with server_.client() as client:
        client.hset(KEY, "generation", generation)
        for fresh in (RedisStore(server_.url, KEY), store):
            assert fresh.load() == OLD
        for change, expected in ((partial(store.save, NEW), NEW), (store.clear, None)):
            client.hset(KEY, "generation", generation)
            change()
            assert store.load() == RedisStore(server_.url, KEY).load() == expected


def test_generations_grow_from_the_largest_there_can_be(server_: RedisServer) -> None:
    """A clock that runs ahead by centuries does not stop the counting."""
    store, other = RedisStore(server_.url, KEY), RedisStore(server_.url, KEY)
    store.save(OLD)
    with server_.client() as client:
        client.hset(KEY, "generation", "8" * 16)
        assert other.load() == OLD
        store.save(NEW)
        generation = client.hget(KEY, "generation")
    assert generation == b"8" * 15 + b"9"
    assert other.load() == NEW


@pytest.mark.parametrize("command", ["SET", "RPUSH", "SADD"])
def test_another_programs_value_is_left_alone(server_: RedisServer, command: str) -> None:
    """The remedy is another key, and it helps."""
    with server_.client() as client:
        run(client, command, KEY, "precious")
        before = client.dump(KEY)
        store = RedisStore(server_.url, KEY)
        for verb in (store.load, partial(store.save, NEW), store.clear):
            error = catch(verb)
            assert "another program keeps something else under this key" in error.cause
            assert error.remedy == "it was left as it is; use another key"
        assert client.dump(KEY) == before
    RedisStore(server_.url, "another").save(NEW)


def test_another_programs_hash_is_left_alone(server_: RedisServer) -> None:
    """Also if it has a token of its own: our hashes have a generation, too."""
    fields: dict[Any, Any] = {b"token": b"precious", b"user": b"alice"}
    with server_.client() as client:
        client.hset(KEY, mapping=fields)
        store = RedisStore(server_.url, KEY)
        for verb in (store.load, partial(store.save, NEW), store.clear):
            assert catch(verb, "precious").remedy.startswith("it was left as it is")
        assert client.hgetall(KEY) == fields


def test_an_unreadable_token_of_ours_may_be_replaced(server_: RedisServer) -> None:
    """When asked to, whatever the client makes of bytes."""
    for decode in (False, True):
        with redis.Redis.from_url(server_.url, decode_responses=decode) as client:
            store = RedisStore(client, KEY)
            store.save(OLD)
            client.hset(KEY, "token", b"\xff\xfe secret")
            assert "was left as it is" in catch(store.load, "secret").remedy
            store.save(NEW)
            assert store.load() == NEW


def test_a_lock_without_an_end_is_not_ours(server_: RedisServer) -> None:
    """The command in the error frees it."""
    store = RedisStore(server_.url, KEY)
    with server_.client() as client:
        client.set(f"{KEY}:lock", "precious")
        with pytest.raises(LockTimeout, match="has no end") as caught, store.lock(0):
            pass
        _, command = caught.value.remedy.split(" with: ")
        program, *arguments = shlex.split(command)
        assert program == "redis-cli"
        run(client, *arguments)
    enter(store)


# --- What a user may do --------------------------------------------------------------------------


@pytest.fixture
def restricted(own: RedisServer) -> RedisStore:
    """The store of a user who may do nothing."""
    with own.client() as client:
        run(client, "ACL", "SETUSER", "app", "on", ">hunter2")
    return RedisStore(own.url.replace("//", "//app:hunter2@"), KEY)


def test_the_command_in_the_error_is_enough(own: RedisServer, restricted: RedisStore) -> None:
    """For every verb, and for a lock that is renewed; it allows that key and no other."""
    command = catch(restricted.load).remedy.split(": ", 1)[1]
    program, *arguments = shlex.split(command)
    assert program == "redis-cli"
    with own.client() as client:
        run(client, *(each.replace("NAME", "app") for each in arguments))
        client.acl_log_reset()
        for _ in range(2):
            with restricted.lock(WAIT):
                restricted.save(NEW)
                assert restricted.load() == NEW
                restricted.save(NEW)
                restricted.clear()
        assert client.acl_log() == []
    other = RedisStore(own.url.replace("//", "//app:hunter2@"), "another")
    assert "this user may not do that" in catch(other.load).cause


@pytest.mark.parametrize("missing", [each for each in COMMANDS if each not in ("hello", "hexists")])
def test_each_command_that_is_missing(
    own: RedisServer, missing: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Inside a script or not: the error, or a warning where all is done, says what to allow."""
    with own.client() as client:
        _, *arguments = shlex.split(allow(KEY, f"{KEY}:lock").replace("NAME", "app"))
        run(client, *arguments, "on", ">hunter2", f"-{missing}")
    store = RedisStore(own.url.replace("//", "//app:hunter2@").replace("/0", "/1"), KEY)

    def use() -> None:
        with store.lock(0):
            store.load()
            store.save(NEW)
            store.save(NEW)  # once more: now it looks whether it has the lock
            store.clear()
        enter(store)  # taken, if it was not freed
        pytest.fail("nothing was missing")

    if missing == "pttl":
        with redis.Redis.from_url(own.url.replace("/0", "/1")) as client:
            client.set(f"{KEY}:lock", "taken", ex=60)
    text = f"{catch(use)} {caplog.text}"
    assert "redis-cli ACL SETUSER NAME '~my?app:\\[token\\]'" in text
    assert missing in text


# --- What state it is in -------------------------------------------------------------------------


def test_no_memory(own: RedisServer) -> None:
    """Known before the exchange, when the token there is saved again; more memory helps."""
    store = RedisStore(own.url, KEY)
    store.save(OLD)
    with own.client() as client:
        client.config_set("maxmemory", "1")
        for change in (partial(store.save, NEW), partial(enter, store)):
            error = catch(change)
            assert error.cause.endswith("Redis has no memory left")
            assert "raise its maxmemory" in error.remedy
        assert store.load() == OLD
        client.config_set("maxmemory", "0")
    store.save(NEW)


def test_a_replica(own: RedisServer) -> None:
    """It can be read, and says where to write."""
    store = RedisStore(own.url, KEY)
    store.save(OLD)
    with own.client() as client:
        client.replicaof("127.0.0.1", "1")
        for change in (partial(store.save, NEW), store.clear, partial(enter, store)):
            assert catch(change).remedy.endswith("use the address of the primary")
        assert store.load() == OLD
        client.config_set("replica-serve-stale-data", "no")
        assert "has lost its primary" in catch(store.load).cause
        client.replicaof("NO", "ONE")
    store.save(NEW)


def test_too_few_replicas(own: RedisServer) -> None:
    """It may pass."""
    with own.client() as client:
        client.config_set("min-replicas-to-write", "1")
    error = catch(partial(RedisStore(own.url, KEY).save, NEW))
    assert error.cause.endswith("Redis has too few replicas to take a change")
    assert error.remedy.endswith("try again in a moment")


def test_a_script_that_keeps_it_busy(own: RedisServer) -> None:
    """It is over some time."""
    store = RedisStore(own.url, KEY)
    store.save(OLD)

    def is_busy() -> bool:
        try:
            store.load()
        except StoreError as error:
            return "a script keeps Redis busy" in error.cause
        return False

    def run_long_script() -> None:
        with own.client() as client, pytest.raises(RedisError):
            client.eval("while true do end", 0)

    with own.client() as client:
        client.config_set("busy-reply-threshold", "1")
        threads = start(run_long_script)
        wait_until(is_busy)
        client.script_kill()
        join(*threads)
    assert store.load() == OLD


@pytest.mark.parametrize(
    ("login", "config"),
    [("", {"requirepass": "hunter2"}), (":hunter3@", {"requirepass": "hunter2"})],
    ids=["none", "wrong"],
)
def test_a_password(own: RedisServer, login: str, config: dict[str, str]) -> None:
    """None or a wrong one: the URL in the remedy has the right form."""
    with own.client() as client:
        for name, value in config.items():
            client.config_set(name, value)
    for verb in verbs(RedisStore(own.url.replace("//", f"//{login}"), KEY)):
        error = catch(verb, "hunter")
        assert "redis://USER:PASSWORD@HOST" in error.remedy
    RedisStore(own.url.replace("//", "//default:hunter2@"), KEY).save(NEW)


def test_a_database_that_there_is_not(server_: RedisServer) -> None:
    """Its number is the last part of the URL."""
    error = catch(RedisStore(server_.url.replace("/0", "/99"), KEY).load)
    assert error.remedy.endswith("use another number at the end of the URL, such as 0")


def test_a_cluster_asked_as_a_single_server(tmp_path: Path) -> None:
    """The client that the remedy names works; token and lock may be on different machines."""

    def node(name: str) -> AbstractContextManager[RedisServer]:
        folder = tmp_path / name
        folder.mkdir()
        return new_redis("--cluster-enabled", "yes", "--dir", str(folder))

    with node("a") as first, node("b") as second, first.client() as one, second.client() as other:
        assert catch(RedisStore(first.url, KEY).load).cause.endswith("the cluster is down")
        run(other, "CLUSTER", "ADDSLOTSRANGE", "0", "16383")
        host, port = second.url.removeprefix("redis://").removesuffix("/0").split(":")
        run(one, "CLUSTER", "MEET", host, port)
        wait_until(lambda: one.cluster("INFO")["cluster_state"] == "ok", "the cluster")
        for verb in verbs(RedisStore(first.url, KEY)):
            error = catch(verb)
            assert error.cause.endswith("this Redis is part of a cluster")
            assert "redis.RedisCluster.from_url(URL)" in error.remedy
        client = redis.RedisCluster.from_url(first.url)
        store = RedisStore(client, KEY)
        with store.lock(0):
            store.save(NEW)
            assert store.load() == NEW
        client.close()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("MISCONF Redis is configured to save RDB snapshots, but old-secret", "the disk of the"),
        ("unknown command 'EVALSHA', with args beginning with: 'old-secret'", "a Redis that has"),
        ("DENIED Redis is running in protected mode", "set a password"),
        ("TRYAGAIN Multiple keys request", "try again in a moment"),
        ("user_script:1: something new old-secret", "log of the Redis server"),
        ("", "log of the Redis server"),
    ],
)
def test_other_refusals(text: str, words: str) -> None:
    """What cannot be brought about here; the text itself is not shown."""
    cause, remedy = explain(ResponseError(text), KEY, f"{KEY}:lock")
    assert words in remedy
    assert "old-" not in f"{cause}{remedy}"


# --- How it is reached ---------------------------------------------------------------------------


def test_a_certificate_that_is_not_trusted(tmp_path: Path) -> None:
    """It says how to trust it. (Behind the certificate is no Redis, which is another error.)"""
    with tls_server(certificate(tmp_path, 10)) as url:
        address = url.replace("https", "rediss")
        error = catch(RedisStore(f"{address}/0", KEY).load)
        assert error.cause.endswith("its certificate is not trusted")
        option = error.remedy.split(": ")[1].replace("FILE", str(tmp_path / "tls.pem"))
        error = catch(RedisStore(f"{address}/0{option}", KEY).load)
        assert "certificate" not in error.cause


@pytest.mark.parametrize("scheme", ["redis", "rediss"])
def test_tls_where_there_is_none_and_none_where_there_is(
    server_: RedisServer, tmp_path: Path, scheme: str
) -> None:
    """The remedy names both schemes."""
    options = "?socket_timeout=0.5&socket_connect_timeout=0.5&ssl_cert_reqs=none"
    if scheme == "rediss":
        error = catch(RedisStore(server_.url.replace("redis:", "rediss:") + options, KEY).load)
    else:
        with tls_server(certificate(tmp_path, 10)) as url:
            plain = url.replace("https", "redis")
            error = catch(RedisStore(f"{plain}/0?socket_timeout=0.5", KEY).load)
    assert "begins with rediss:// if it expects TLS" in error.remedy


@pytest.mark.parametrize("option", ["bogus=1", "ssl_cert_reqs=none", "socket_timeout=never"])
def test_an_option_in_the_url_that_makes_no_sense(server_: RedisServer, option: str) -> None:
    """It is found when the store is made, or says where to look."""
    with pytest.raises((StoreError, ValueError), match="URL") as caught:
        RedisStore(f"{server_.url}?{option}", KEY).load()
    assert "percent-encoded" in str(caught.value) or "after the ?" in str(caught.value)


# --- What is given as a client -------------------------------------------------------------------


def test_clients_of_another_kind() -> None:
    """They are refused when the store is made, a subclass of one as well."""

    class Mine(redis.asyncio.Redis):
        pass

    client = redis.Redis()
    others: list[Any] = [redis.asyncio.Redis(), Mine(), client.pipeline(), redis.Redis, None, b"x"]
    for other in others:
        with pytest.raises(TypeError, match=r"needs a redis\.Redis or a URL"):
            RedisStore(other, KEY)


def test_a_client_that_was_closed(server_: RedisServer) -> None:
    """It connects again."""
    client = redis.Redis.from_url(server_.url)
    client.close()
    store = RedisStore(client, KEY)
    store.save(OLD)
    client.connection_pool.disconnect()
    assert store.load() == OLD
    client.close()


@pytest.mark.parametrize("error", [OSError("old-secret"), ValueError("old-"), ssl.SSLError(1, "x")])
def test_a_client_that_raises_anything(error: Exception) -> None:
    """A client of the user's own need not know what Redis's errors are."""

    class Odd(redis.Redis):
        def execute_command(self, *_arguments: object, **_options: object) -> Any:
            raise error

    for verb in verbs(RedisStore(Odd(), KEY)):
        assert type(error).__name__ in catch(verb).cause


@pytest.mark.parametrize("lease", [0, -1, 0.01, float("nan"), float("inf"), 1e9])
def test_a_lease_that_makes_no_sense(lease: float) -> None:
    """It is refused when the store is made."""
    with pytest.raises(ValueError, match="lease is a number of seconds"):
        RedisStore("redis://127.0.0.1:1/0", KEY, lease=lease)


def test_no_password_shows(own: RedisServer) -> None:
    """Not in a repr and not in an error, however the URL carries it."""
    with own.client() as client:
        client.config_set("requirepass", "another")
    for url in (
        own.url.replace("//", "//app:hunter2@"),
        f"{own.url}?password=hunter2",
        f"{own.url}?username=hunter2",
    ):
        store = RedisStore(url, KEY)
        assert "hunter2" not in f"{store!r} {catch(store.load, 'hunter2')}"


def test_the_command_line_of_redis_takes_the_remedy(own: RedisServer) -> None:
    """In a shell, with the quotes that it has."""
    if subprocess.run(["which", "redis-cli"], capture_output=True, check=False).returncode:
        pytest.skip("there is no redis-cli")
    command = allow(KEY, f"{KEY}:lock").replace("NAME", "app")
    port = own.url.split(":")[2].split("/")[0]
    done = subprocess.run(
        command.replace("redis-cli", f"redis-cli -p {port}"),
        shell=True,
        capture_output=True,
        text=True,
        timeout=WAIT,
        check=True,
    )
    assert done.stdout.strip() == "OK"
