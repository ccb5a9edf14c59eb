"""Keyrings that behave, and that misbehave as real ones do.

None of them has a priority, so that keyring never picks one by itself.
"""

from __future__ import annotations

import json
import threading
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keyring.backends.fail
import keyring.backends.null
import keyring.backends.SecretService
import keyring.core
import keyring.errors
import pytest
from keyring.backend import KeyringBackend
from keyring.backends.chainer import ChainerBackend

from requests_jwt_refresh.errors import StoreError
from requests_jwt_refresh.tokens import Token
from tests.support.waits import WAIT

if TYPE_CHECKING:
    from collections.abc import Callable

    from requests_jwt_refresh.stores.keyring import KeyringStore

SERVICE = "api.example.com"
TOKEN = Token("access-secret", "refresh-secret", 1.1e9)
NEWER = Token("newer-access-secret", "newer-refresh-secret", 1.2e9)
LONG = Token("access-secret".ljust(5000, "a"), "refresh-secret".ljust(5000, "r"), 1.1e9)
LONGER = Token("newer-secret".ljust(6000, "a"), "refresh-secret".ljust(6000, "r"), 1.2e9)

fail_backend: Callable[[], KeyringBackend] = keyring.backends.fail.Keyring
null_backend: Callable[[], KeyringBackend] = keyring.backends.null.Keyring
secret_service_backend: Callable[[], KeyringBackend] = keyring.backends.SecretService.Keyring


class DictKeyring(KeyringBackend):
    """A keyring as it should be, in memory, that counts what it is asked."""

    def __init__(self) -> None:
        self.entries: dict[tuple[str, str], str] = {}
        self.asked: list[str] = []

    def get_password(self, service: str, username: str) -> str | None:
        self.asked.append("get")
        return self.entries.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.asked.append("set")
        self.entries[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        self.asked.append("delete")
        if self.entries.pop((service, username), None) is None:
            raise keyring.errors.PasswordDeleteError(service)


class WinVaultKeyring(KeyringBackend):
    """Windows' vault as keyring uses it; those made with one dict share their entries.

    An entry takes 1280 UTF-16 units. Before an entry is written, what it held is saved again as
    ``user@service``; an entry belongs to the user who wrote it last.
    """

    def __init__(self, shared: dict[str, list[str]] | None = None) -> None:
        self._shared = {} if shared is None else shared

    def entries(self) -> dict[str, list[str]]:
        return self._shared

    def replace(self, entries: dict[str, list[str]]) -> None:
        kept = {key: list(value) for key, value in entries.items()}
        self._shared.clear()
        self._shared.update(kept)

    def get_password(self, service: str, username: str) -> str | None:
        for target in (service, f"{username}@{service}"):
            owner, value = self.entries().get(target, ["", ""])
            if owner == username:
                return value
        return None

    def set_password(self, service: str, username: str, password: str) -> None:
        entries = self.entries()
        if service in entries:
            owner, value = entries[service]
            self._write(f"{owner}@{service}", owner, value)
        self._write(service, username, password)

    def delete_password(self, service: str, username: str) -> None:
        entries = self.entries()
        targets = [
            target
            for target in (service, f"{username}@{service}")
            if entries.get(target, [""])[0] == username
        ]
        if not targets:
            raise keyring.errors.PasswordDeleteError(service)
        self.replace({key: value for key, value in entries.items() if key not in targets})

    def _write(self, target: str, username: str, value: str) -> None:
        if len(value.encode("utf-16-le")) > 2560:
            raise pywintypes_error(1783, "CredWrite", "The stub received bad data")
        self.replace({**self.entries(), target: [username, value]})


class FileVault(WinVaultKeyring):
    """The vault in a file, so that processes can share it."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def entries(self) -> dict[str, list[str]]:
        text = self._path.read_text() if self._path.exists() else "{}"
        entries: dict[str, list[str]] = json.loads(text)
        return entries

    def replace(self, entries: dict[str, list[str]]) -> None:
        new = self._path.with_suffix(".new")
        new.write_text(json.dumps(entries))
        new.replace(self._path)


class pywintypes_error(Exception):  # noqa: N801 - pywintypes.error is not ours to name
    """What the vault raises: no KeyringError, no OSError."""


class FailingKeyring(DictKeyring):
    """Raises `error` instead of doing what the calls whose numbers are in `failing` ask for."""

    def __init__(self, error: Exception, failing: range = range(1_000_000)) -> None:
        super().__init__()
        self.error, self.failing = error, failing

    def get_password(self, service: str, username: str) -> str | None:
        self.fail_if_due("get")
        return super().get_password(service, username)

    def set_password(self, service: str, username: str, password: str) -> None:
        self.fail_if_due("set")
        super().set_password(service, username, password)

    def delete_password(self, service: str, username: str) -> None:
        self.fail_if_due("delete")
        super().delete_password(service, username)

    def fail_if_due(self, verb: str) -> None:
        if len(self.asked) in self.failing:
            self.asked.append(verb)
            raise self.error


class DyingVault(WinVaultKeyring):
    """The vault, when its caller is killed instead of making call number `dies_at`."""

    dies_at = -1
    calls = 0

    def get_password(self, service: str, username: str) -> str | None:
        self.count()
        return super().get_password(service, username)

    def set_password(self, service: str, username: str, password: str) -> None:
        self.count()
        super().set_password(service, username, password)

    def delete_password(self, service: str, username: str) -> None:
        self.count()
        super().delete_password(service, username)

    def count(self) -> None:
        self.calls += 1
        if self.calls > self.dies_at >= 0:
            raise ConnectionError


class ItemNotFoundException(Exception):
    """The daemon's passing error. The real one is no KeyringError either."""


class PlaintextKeyring(DictKeyring):
    """Writes a readable file, says its name."""


class ChainKeyring(ChainerBackend):
    """keyring's chainer with backends of ours."""

    backends: Any = ()

    def __init__(self, *backends: KeyringBackend) -> None:
        self.backends = backends


class HangingKeyring(DictKeyring):
    """Waits at a prompt until it is answered."""

    def __init__(self) -> None:
        super().__init__()
        self.answered = threading.Event()

    def get_password(self, service: str, username: str) -> str | None:
        self.answered.wait(WAIT)
        return super().get_password(service, username)


def catch_failure(call: Callable[[], object]) -> StoreError:
    """Return the StoreError that `call` raises, having looked for secrets in it."""
    with pytest.raises(StoreError) as caught:
        call()
    error = caught.value
    assert error.__cause__ is None, "a foreign text may hold a token"
    assert error.__context__ is None
    shown = "".join(traceback.format_exception_only(error))
    assert "-secret" not in shown
    assert error.cause
    assert any(each in error.remedy for each in ("FileStore", "delete it by hand", "log in again"))
    return error


def catch_failures(store: KeyringStore) -> list[StoreError]:
    """Return the errors of all three verbs."""
    return [catch_failure(call) for call in (store.load, lambda: store.save(TOKEN), store.clear)]


def use_keyring(monkeypatch: pytest.MonkeyPatch, backend: KeyringBackend | None) -> None:
    """Make `backend` keyring's own; None makes keyring look for one.

    keyring.set_keyring() could not be undone: keyring has no public way to forget its backend.
    """
    monkeypatch.setattr(keyring.core, "_keyring_backend", backend)


def use_working_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have programs that are started from here find a keyring that works."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent.parent.parent))
    name = "tests.support.working_keyring.WorkingKeyring"
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", name)


def count_keyring_threads() -> int:
    return sum(t.name == "requests-jwt-refresh-keyring" for t in threading.enumerate())
