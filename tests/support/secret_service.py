"""A real Secret Service for tests: a D-Bus and a gnome-keyring of their own, in a folder of theirs.

Import the two fixtures into a test module; both are needed there.
"""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
import tempfile
import uuid
from contextlib import closing, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from requests_jwt_refresh.errors import StoreError
from tests.support.keyrings import use_keyring
from tests.support.sharing import Shared
from tests.support.waits import WAIT, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jeepney.io.blocking import DBusConnection  # type: ignore[import-untyped]
    from secretstorage import Collection
    from typing_extensions import Self

_Class = TypeVar("_Class", bound=type)

_PASSWORD = b"ci-password"

# gnome-keyring's own door for unlocking without a prompt.
_MASTER_PASSWORD = "org.gnome.keyring.InternalUnsupportedGuiltRiddenInterface"

# No service folders: nothing is started on demand, so there is no prompter, and a prompt fails.
_BUS = """<busconfig>
  <type>session</type>
  <listen>unix:dir={folder}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*"/>
    <allow receive_sender="*"/>
    <allow own="*"/>
  </policy>
</busconfig>
"""


class SecretService:
    """A keyring that is unlocked, and that no other program sees. A context manager."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="rjr-"))
        self._running: list[subprocess.Popen[bytes]] = []
        self.environment = {
            "HOME": str(self._folder),
            "XDG_DATA_HOME": str(self._folder / "data"),
            "XDG_CONFIG_HOME": str(self._folder / "config"),
            "XDG_RUNTIME_DIR": str(self._folder),
            "PYTHON_KEYRING_BACKEND": "keyring.backends.SecretService.Keyring",
        }

    def __enter__(self) -> Self:
        try:
            self._start_bus()
            self._start_keyring()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def lock(self) -> None:
        """Lock the keyring, as a desktop does that is left alone."""
        with self._default_collection() as collection:
            collection.lock()

    def unlock(self) -> None:
        """Unlock it with the password, as a login does."""
        from secretstorage import defines, util

        with self._default_collection() as collection:
            bus = collection.connection
            secret = util.format_secret(util.open_session(bus), _PASSWORD, "text/plain")
            service = util.DBusAddressWrapper(defines.SS_PATH, _MASTER_PASSWORD, bus)
            path = collection.collection_path
            service.call("UnlockWithMasterPassword", "o(oayays)", path, secret)

    def lose_default(self) -> str:
        """Leave no collection under the name "default"; return the path of the one there was."""
        from secretstorage import defines, util

        with self._default_collection() as collection:
            service = util.DBusAddressWrapper(
                defines.SS_PATH, util.SERVICE_IFACE, collection.connection
            )
            (path,) = service.call("ReadAlias", "s", "default")
            service.call("SetAlias", "so", "default", "/")
        return str(path)

    def find_default(self, path: str) -> None:
        """Have the collection at `path` be the default again."""
        from secretstorage import defines, util

        with self._connect() as bus:
            service = util.DBusAddressWrapper(defines.SS_PATH, util.SERVICE_IFACE, bus)
            service.call("SetAlias", "so", "default", path)

    def kill_keyring(self) -> None:
        """Kill the daemon, as a crash would. What it had saved is on the disk."""
        _end(self._running.pop())

    def start_keyring(self) -> None:
        """Start the daemon, unlocked; once more after it was killed."""
        self._start_keyring()

    def clear(self) -> None:
        """Delete all that tests have left."""
        with self._default_collection() as collection:
            for item in collection.get_all_items():
                item.delete()

    def has_died(self, patience: float = 0.0) -> bool:
        """Whether the keyring's daemon ends by itself within `patience` seconds; no store's fault.

        gnome-keyring 42 does so on an assertion of its own when it is asked for a property before
        it has noted the client, as the first question of each connection is: once in some hundred
        thousand, on a busy machine.
        """
        try:
            self._running[-1].wait(patience)
        except subprocess.TimeoutExpired:
            return False
        return True

    def revive(self) -> None:
        """Start a daemon for one that has died."""
        _end(self._running.pop())
        self._start_keyring()

    def stop(self) -> None:
        for process in reversed(self._running):
            _end(process)
        self._running.clear()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _start_bus(self) -> None:
        config = self._folder / "bus.conf"
        config.write_text(_BUS.format(folder=self._folder))
        bus = self._start("dbus-daemon", f"--config-file={config}", "--nofork", "--print-address")
        assert bus.stdout is not None
        self.environment["DBUS_SESSION_BUS_ADDRESS"] = bus.stdout.readline().decode().strip()

    def _start_keyring(self) -> None:
        daemon = self._start(
            "gnome-keyring-daemon", "--foreground", "--unlock", "--components=secrets"
        )
        assert daemon.stdin is not None
        daemon.stdin.write(_PASSWORD)
        daemon.stdin.close()
        wait_until(self._is_ready, "gnome-keyring-daemon's start")  # it does not say so itself

    def _is_ready(self) -> bool:
        from secretstorage import SecretStorageException

        try:
            with self._default_collection() as collection:
                return not collection.is_locked()
        except SecretStorageException:
            return False

    @contextmanager
    def _default_collection(self) -> Iterator[Collection]:
        import secretstorage

        with self._connect() as bus:
            yield secretstorage.get_default_collection(bus)

    def _connect(self) -> closing[DBusConnection]:
        from jeepney.io import blocking  # type: ignore[import-untyped]

        address = self.environment["DBUS_SESSION_BUS_ADDRESS"]
        return closing(blocking.open_dbus_connection(address))

    def _start(self, *command: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            command,
            env={**os.environ, **self.environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._running.append(process)
        return process


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait(WAIT)
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()


def again_if_the_daemon_dies(cls: _Class) -> _Class:
    """Let each test of a class run once more if the daemon of its `service` has died meanwhile."""
    for name in filter(re.compile("test_").match, dir(cls)):
        setattr(cls, name, _run_again_if_it_dies(getattr(cls, name)))
    return cls


def _run_again_if_it_dies(test: Callable[[Any], None]) -> Callable[[Any], None]:
    @functools.wraps(test)
    def run(self: Any) -> None:
        try:
            test(self)
        except (AssertionError, StoreError):
            if not self.service.has_died(patience=1.0):  # the bus may know of it first
                raise
            self.service.revive()
            test(self)

    return run


def new_service_name() -> str:
    """Return a name for the entries of one test.

    The lock of a KeyringStore belongs to the user of the machine and the entry's name: test
    processes that run at the same time, each with a daemon of its own, would share the lock.
    """
    return f"{uuid.uuid4().hex}.example.com"


_shared = Shared(SecretService)


@pytest.fixture(scope="session")
def running_secret_service() -> Iterator[SecretService]:
    """One daemon per process for all tests: it is slow to start."""
    missing = [name for name in ("dbus-daemon", "gnome-keyring-daemon") if not shutil.which(name)]
    missing += [name for name in ("secretstorage", "jeepney") if not find_spec(name)]
    if missing:
        pytest.skip(f"no real Secret Service to test with: install {' and '.join(missing)}")
    with _shared.use() as service:
        yield service


@pytest.fixture
def secret_service(
    running_secret_service: SecretService, monkeypatch: pytest.MonkeyPatch
) -> SecretService:
    """Make the real Secret Service the keyring of this test and of the processes it starts.

    It is unlocked and empty.
    """
    if running_secret_service.has_died():
        running_secret_service.revive()
    running_secret_service.unlock()
    running_secret_service.clear()
    for name, value in running_secret_service.environment.items():
        if name != "HOME":  # the daemon's alone
            monkeypatch.setenv(name, value)
    use_keyring(monkeypatch, None)
    return running_secret_service
