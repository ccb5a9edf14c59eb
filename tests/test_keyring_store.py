"""KeyringStore: on a real Secret Service, and on backends that misbehave as real ones do."""

from __future__ import annotations

import copy
import errno
import gc
import json
import math
import os
import pickle
import signal
import stat
import subprocess
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import keyring.backends.fail
import keyring.backends.null
import keyring.backends.SecretService
import keyring.core
import keyring.errors
import pytest
from keyring.backend import KeyringBackend
from keyring.backends.chainer import ChainerBackend

from requests_jwt_refresh.errors import LockTimeout, StoreError
from requests_jwt_refresh.stores import locking
from requests_jwt_refresh.stores.base import encode
from requests_jwt_refresh.stores.keyring import KeyringStore
from requests_jwt_refresh.stores.locking import file_lock, user_lock_path
from requests_jwt_refresh.testing.contract import StoreContract
from requests_jwt_refresh.tokens import Token
from tests.support.secret_service import (
    SecretService,
    running_secret_service,
    secret_service,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["running_secret_service", "secret_service"]  # fixtures: used by their names

TOKEN = Token("access-secret", "refresh-secret", 1.0)
NEWER = Token("newer-access-secret", "newer-refresh-secret", 2.0)
LONG = Token("access-secret".ljust(5000, "a"), "refresh-secret".ljust(5000, "r"), 1.0)
LONGER = Token("newer-secret".ljust(6000, "a"), "refresh-secret".ljust(6000, "r"), 2.0)
SERVICE = "api.example.com"
PATIENCE_S = 30


@pytest.fixture(autouse=True)
def locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep lock files out of the home of whoever runs the tests; return where they go."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setattr(locking, "_home_in_the_password_database", lambda: home)
    return home / ".local" / "state" / "requests-jwt-refresh" / "locks"


# Backends. None of them has a priority, so that keyring never picks one by itself.

fail_backend: Callable[[], KeyringBackend] = keyring.backends.fail.Keyring
null_backend: Callable[[], KeyringBackend] = keyring.backends.null.Keyring
secret_service_backend: Callable[[], KeyringBackend] = keyring.backends.SecretService.Keyring


class Dictionary(KeyringBackend):
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
    """Windows' vault as keyring uses it, in a file, so that processes can share it.

    An entry takes 1280 UTF-16 units. Before an entry is written, what it held is saved again as
    ``user@service``; an entry belongs to the user who wrote it last.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def entries(self) -> dict[str, list[str]]:
        entries: dict[str, list[str]] = (
            json.loads(self.path.read_text()) if self.path.exists() else {}
        )
        return entries

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
        self._replace({key: value for key, value in entries.items() if key not in targets})

    def _write(self, target: str, username: str, value: str) -> None:
        if len(value.encode("utf-16-le")) > 2560:
            raise pywintypes_error(1783, "CredWrite", "The stub received bad data")
        self._replace({**self.entries(), target: [username, value]})

    def _replace(self, entries: dict[str, list[str]]) -> None:
        new = self.path.with_suffix(".new")
        new.write_text(json.dumps(entries))
        new.replace(self.path)


class pywintypes_error(Exception):  # noqa: N801 - pywintypes.error is not ours to name
    """What the vault raises: no KeyringError, no OSError."""


class Failing(Dictionary):
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


# The contract


class TestOnASecretService(StoreContract):
    """Every promise of a store, on the real thing."""

    @pytest.fixture(autouse=True)
    def _service(self, secret_service: SecretService) -> Iterator[None]:
        del secret_service  # in place is enough
        yield
        self.make_store().clear()

    def make_store(self) -> KeyringStore:
        return KeyringStore(SERVICE, "contract")


class TestOnWindowsVault(StoreContract):
    """Every promise of a store, within Windows' limit and with its odd saving again."""

    @pytest.fixture(autouse=True)
    def _vault(self, tmp_path: Path) -> Iterator[None]:
        self.path = tmp_path / "vault.json"
        yield
        self.make_store().clear()
        assert WinVaultKeyring(self.path).entries() == {}, "nothing may be left after a clear"

    def make_store(self) -> KeyringStore:
        return KeyringStore(SERVICE, "contract", backend=WinVaultKeyring(self.path))


# The entry


def test_one_entry_holds_all_of_it() -> None:
    """Both tokens and the expiry, under a service name of the account's own."""
    backend = Dictionary()
    KeyringStore(SERVICE, "alice", backend=backend).save(LONG)
    assert list(backend.entries) == [("api.example.com (alice)", "alice")]


def test_accounts_and_services_do_not_mix() -> None:
    """Each service and account has a token of its own."""
    backend = Dictionary()
    stores = [KeyringStore(s, a, backend=backend) for s in ("s", "t") for a in ("a", "b")]
    tokens = [Token(f"token-{n}") for n in range(4)]
    for store, token in zip(stores, tokens, strict=True):
        store.save(token)
    assert [store.load() for store in stores] == tokens
    stores[0].clear()
    assert [store.load() for store in stores] == [None, *tokens[1:]]


def test_a_foreign_entry_is_left_alone() -> None:
    """What somebody else wrote there is a StoreError that does not show it."""
    backend = Dictionary()
    store = KeyringStore(SERVICE, backend=backend)
    backend.entries["api.example.com (default)", "default"] = "access-secret"
    error = failure(store.load)
    assert "'api.example.com (default)' holds something that is not a token" in str(error)
    assert list(backend.entries.values()) == ["access-secret"]


def test_an_entry_missing_for_a_moment_is_not_a_logout() -> None:
    """macOS replaces by deleting first: None is only believed when it stays."""

    class Blinking(Dictionary):
        def get_password(self, service: str, username: str) -> str | None:
            found = super().get_password(service, username)
            return None if len(self.asked) == 1 else found

    backend = Blinking()
    store = KeyringStore(SERVICE, backend=backend)
    store.save(TOKEN)
    backend.asked.clear()
    assert store.load() == TOKEN
    assert backend.asked == ["get", "get"]


# Long tokens on Windows


@pytest.fixture
def vault(tmp_path: Path) -> WinVaultKeyring:
    return WinVaultKeyring(tmp_path / "vault.json")


def vault_store(vault: WinVaultKeyring) -> KeyringStore:
    return KeyringStore(SERVICE, "alice", backend=vault)


def test_a_short_token_is_one_entry(vault: WinVaultKeyring) -> None:
    """What fits is not split."""
    vault_store(vault).save(TOKEN)
    assert list(vault.entries()) == ["api.example.com (alice)"]


def test_a_long_token_is_split_and_old_parts_go(vault: WinVaultKeyring) -> None:
    """After each save only the current parts are there; after a short one, none."""
    store = vault_store(vault)
    for token in (LONG, LONGER, LONG):
        store.save(token)
        assert store.load() == token
        assert len(parts(vault)) == parts_needed(token)
        assert len({name.split(" part ")[1][0] for name in parts(vault)}) == 1
    store.save(TOKEN)
    assert parts(vault) == []


def test_parts_that_a_killed_save_left_go(vault: WinVaultKeyring) -> None:
    """A shorter token in their place leaves none of a longer one that never came to be."""
    for _ in deaths(vault.path, TOKEN, "save", LONGER):
        vault_store(vault).save(LONG)
        assert len(parts(vault)) == parts_needed(LONG)


def parts(vault: WinVaultKeyring) -> list[str]:
    return [name for name in vault.entries() if " part " in name]


def parts_needed(token: Token) -> int:
    return math.ceil(len(encode(token)) / 1200)


def deaths(path: Path, before: Token | None, verb: str, *token: Token) -> Iterator[bool]:
    """Let a verb die at each of its calls in turn; say each time whether it came to an end."""
    for dies_at in range(100):
        path.unlink(missing_ok=True)
        store = vault_store(WinVaultKeyring(path))
        if before is not None:
            store.save(before)
        dying = DyingVault(path)
        dying.dies_at = dies_at
        try:
            getattr(vault_store(dying), verb)(*token)
        except StoreError:
            yield False
        else:
            yield True
            if dying.calls <= dies_at:  # it was not even tried to stop it
                return
    raise AssertionError("there is no end to it")


@pytest.mark.parametrize("before", [None, TOKEN, LONG], ids=["empty", "short", "long"])
@pytest.mark.parametrize("after", [NEWER, LONGER], ids=["to short", "to long"])
def test_a_save_killed_anywhere_is_all_or_nothing(
    vault: WinVaultKeyring, before: Token | None, after: Token
) -> None:
    """The old token or the new one, the new one if it said so; the next save tidies up."""
    store = vault_store(vault)
    for saved in deaths(vault.path, before, "save", after):
        assert store.load() in ((after,) if saved else (before, after))
        store.save(after)
        assert store.load() == after
        store.clear()
        assert vault.entries() == {}


@pytest.mark.parametrize("before", [TOKEN, LONG], ids=["short", "long"])
def test_a_clear_killed_anywhere_is_all_or_nothing(vault: WinVaultKeyring, before: Token) -> None:
    """The token or none, never half, none if it said so; the next clear finishes."""
    store = vault_store(vault)
    for cleared in deaths(vault.path, before, "clear"):
        assert store.load() in ((None,) if cleared else (before, None))
        store.clear()
        assert vault.entries() == {}


@pytest.mark.parametrize("damage", ["missing", "changed", "shorter"])
def test_half_a_token_is_never_read(vault: WinVaultKeyring, damage: str) -> None:
    """A part that is gone or other than it was is a StoreError; nothing is deleted."""
    store = vault_store(vault)
    store.save(LONG)
    entries = vault.entries()
    part = next(name for name in entries if name.endswith(" part a1"))
    if damage == "missing":
        del entries[part]
    else:
        entries[part][1] = "x" if damage == "changed" else entries[part][1][:-1]
    vault.path.write_text(json.dumps(entries))
    assert "'api.example.com (alice)' is incomplete" in str(failure(store.load))
    assert vault.entries() == entries
    store.save(NEWER)
    assert store.load() == NEWER


# What goes wrong


def failure(call: Callable[[], object]) -> StoreError:
    """Return the StoreError that `call` raises, having looked for secrets in it."""
    with pytest.raises(StoreError) as caught:
        call()
    error = caught.value
    assert error.__cause__ is None, "a foreign text may hold a token"
    assert error.__context__ is None
    shown = "".join(traceback.format_exception_only(error))
    assert "-secret" not in shown
    assert "FileStore" in shown or "Delete it by hand" in shown or "log in again" in shown
    return error


def failures(store: KeyringStore) -> list[StoreError]:
    """Return the errors of all three verbs."""
    return [failure(call) for call in (store.load, lambda: store.save(TOKEN), store.clear)]


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (keyring.errors.KeyringLocked("refresh-secret"), "Unlock it and try again"),
        (type("LockedException", (Exception,), {})("refresh-secret"), "Unlock it and try again"),
        (type("PromptDismissedException", (Exception,), {})(), "Unlock it and try again"),
        (keyring.errors.NoKeyringError("refresh-secret"), "no keyring on this machine"),
        (keyring.errors.InitError("refresh-secret"), "Log in to the desktop"),
        (keyring.errors.PasswordSetError("refresh-secret"), "Allow this program to write"),
        (FileNotFoundError(2, "refresh-secret"), "service running, and its D-Bus session?"),
        (RuntimeError("refresh-secret"), "service running, and its D-Bus session?"),
        (pywintypes_error("refresh-secret"), "service running, and its D-Bus session?"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_every_exception_is_a_store_error(error: Exception, advice: str) -> None:
    """KeyringError or not: the type is named, the advice fits, no foreign text is shown."""
    backend = Failing(error)
    for caught in failures(KeyringStore(SERVICE, backend=backend)):
        assert f"{__name__}.Failing: {type(error).__name__})" in str(caught)
        assert advice in str(caught)


def test_the_text_reads_well() -> None:
    """What happened, what is kept, what to do."""
    store = KeyringStore(SERVICE, "alice", backend=Failing(keyring.errors.KeyringLocked()))
    assert str(failure(store.load)) == (
        "the keyring entry 'api.example.com (alice)' could not be read "
        f"({__name__}.Failing: KeyringLocked). The keyring is locked; what it holds is safe. "
        "Unlock it and try again, or use FileStore or MemoryStore instead"
    )


def test_passing_errors_are_asked_again() -> None:
    """The daemon's race is over in a moment: two more tries, at each call."""
    backend = Failing(ItemNotFoundException(), range(2))
    store = KeyringStore(SERVICE, backend=backend)
    store.save(TOKEN)
    assert backend.asked == ["get", "get", "get", "set", "get"]
    backend.failing = range(6, 8)
    store.save(NEWER)
    assert backend.asked[5:] == ["get", "set", "set", "set", "get"]
    assert store.load() == NEWER


def test_passing_errors_that_stay_are_told() -> None:
    """After three tries it is a StoreError."""
    backend = Failing(ItemNotFoundException())
    assert "ItemNotFoundException" in str(failure(KeyringStore(SERVICE, backend=backend).load))
    assert backend.asked == ["get"] * 3


def test_other_errors_are_not_asked_again() -> None:
    """A prompt that was refused is not shown three times."""
    backend = Failing(keyring.errors.KeyringLocked())
    failure(KeyringStore(SERVICE, backend=backend).load)
    assert backend.asked == ["get"]


def test_what_is_written_is_read_back() -> None:
    """A backend that stores nothing and says nothing is found out."""

    class Silent(Dictionary):
        def set_password(self, service: str, username: str, password: str) -> None:
            pass

    error = failure(lambda: KeyringStore(SERVICE, backend=Silent()).save(TOKEN))
    assert "does not give back what was written" in str(error)


def test_what_cannot_be_deleted_is_told() -> None:
    """A logout that leaves the token there is no logout."""

    class Sticky(Dictionary):
        def delete_password(self, service: str, username: str) -> None:
            pass

    store = KeyringStore(SERVICE, backend=Sticky())
    store.save(TOKEN)
    error = failure(store.clear)
    assert "still holds the entry 'api.example.com (default)' after it was deleted" in str(error)


# Which backend


def use(monkeypatch: pytest.MonkeyPatch, backend: KeyringBackend | None) -> None:
    """Make `backend` keyring's own; None makes keyring look for one."""
    monkeypatch.setattr(keyring.core, "_keyring_backend", backend)


@pytest.mark.parametrize("given", [False, True], ids=["found", "given"])
def test_no_keyring_is_refused(monkeypatch: pytest.MonkeyPatch, given: bool) -> None:
    """The fail backend is told apart from an empty store."""
    backend = fail_backend()
    use(monkeypatch, backend)
    for error in failures(KeyringStore(SERVICE, backend=backend if given else None)):
        assert str(error).startswith("there is no keyring on this machine")


def test_a_keyring_switched_off_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The null backend stores nothing and says nothing."""
    use(monkeypatch, null_backend())
    for error in failures(KeyringStore(SERVICE)):
        assert str(error).startswith("keyring is switched off (null backend)")
        assert "keyringrc.cfg" in str(error)


class PlaintextKeyring(Dictionary):
    """Writes a readable file, says its name."""


def test_plaintext_is_refused() -> None:
    """A readable file is not what a keyring is chosen for; nothing is written."""
    backend = PlaintextKeyring()
    for error in failures(KeyringStore(SERVICE, backend=backend)):
        assert f"({__name__}.PlaintextKeyring) writes a file that can be read" in str(error)
        assert "allow_plaintext=True" in str(error)
    assert backend.asked == []


def test_plaintext_can_be_accepted() -> None:
    """Said aloud, it is used."""
    store = KeyringStore(SERVICE, backend=PlaintextKeyring(), allow_plaintext=True)
    store.save(TOKEN)
    assert store.load() == TOKEN


def test_the_plaintext_keyring_of_keyrings_alt(tmp_path: Path) -> None:
    """The real one: refused, and accepted on request."""
    alt = pytest.importorskip("keyrings.alt.file")
    backend = alt.PlaintextKeyring()
    backend.file_path = str(tmp_path / "keyring_pass.cfg")
    assert "keyrings.alt.file.PlaintextKeyring" in str(failures(KeyringStore("x", backend=backend)))
    store = KeyringStore("x", backend=backend, allow_plaintext=True)
    store.save(LONG)
    assert store.load() == LONG
    store.clear()
    assert store.load() is None


class Chain(ChainerBackend):
    """keyring's chainer with backends of ours."""

    backends: Any = ()

    def __init__(self, *backends: KeyringBackend) -> None:
        self.backends = backends


def test_of_a_chain_the_first_fit_backend_is_used() -> None:
    """Merely installing keyrings.alt must not put the token into a readable file."""
    plain, real, other = PlaintextKeyring(), Dictionary(), Dictionary()
    store = KeyringStore(SERVICE, backend=Chain(null_backend(), plain, real, other))
    store.save(TOKEN)
    assert store.load() == TOKEN
    assert real.entries
    assert plain.asked == other.asked == []


def test_a_chain_of_nothing_fit_is_refused() -> None:
    """An empty chain is as good as null; one with plaintext alone says so."""
    assert "no keyring on this machine" in str(failures(KeyringStore(SERVICE, backend=Chain())))
    plain = KeyringStore(SERVICE, backend=Chain(null_backend(), PlaintextKeyring()))
    assert "allow_plaintext=True" in str(failures(plain))


def test_a_cleared_chain_does_not_bring_the_token_back() -> None:
    """keyring's own delete hits the first backend only (jaraco/keyring #697)."""
    backends = PlaintextKeyring(), Dictionary(), Dictionary()
    for backend in backends:
        KeyringStore(SERVICE, backend=backend, allow_plaintext=True).save(TOKEN)
    KeyringStore(SERVICE, backend=Chain(*backends)).clear()
    assert [backend.entries for backend in backends] == [{}, {}, {}]


@pytest.mark.parametrize("name", ["no.such.Backend", "nonsense", "", "keyring.backends.null.No"])
def test_an_unknown_backend_is_a_store_error(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A wrong PYTHON_KEYRING_BACKEND says where to look."""
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", name)
    use(monkeypatch, None)
    for error in failures(KeyringStore(SERVICE)):
        assert "the keyring backend could not be loaded" in str(error)
        assert "PYTHON_KEYRING_BACKEND" in str(error)


@pytest.mark.parametrize("asked_for", [False, True], ids=["later", "at once"])
def test_a_dead_bus_is_a_store_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, asked_for: bool
) -> None:
    """No D-Bus where there should be one: is it running?"""
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", f"unix:path={tmp_path}/none")
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.SecretService.Keyring")
    use(monkeypatch, None if asked_for else secret_service_backend())
    for error in failures(KeyringStore(SERVICE)):
        assert "service" in str(error)
        assert "Start it" in str(error) or "start the keyring's service" in str(error)


# Time


class Hanging(Dictionary):
    """Waits at a prompt until somebody answers."""

    def __init__(self) -> None:
        super().__init__()
        self.answered = threading.Event()

    def get_password(self, service: str, username: str) -> str | None:
        self.answered.wait(PATIENCE_S)
        return super().get_password(service, username)


@pytest.fixture
def hanging() -> Iterator[Hanging]:
    backend = Hanging()
    yield backend
    backend.answered.set()
    wait_until(lambda: keyring_threads() == 0)


def keyring_threads() -> int:
    return sum(t.name == "requests-jwt-refresh-keyring" for t in threading.enumerate())


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_prompt_that_nobody_answers_is_a_store_error(hanging: Hanging) -> None:
    """A call that hangs is given up, those behind it too; one thread is left, not more."""
    store = KeyringStore(SERVICE, backend=hanging, timeout=0.05)
    for error in failures(store) + failures(store):
        assert "did not answer within 0.05 s: is a prompt waiting" in str(error)
    wait_until(lambda: keyring_threads() == 1)


def test_a_late_answer_writes_nothing(hanging: Hanging) -> None:
    """A save that was given up must not overwrite what came after it."""
    failure(lambda: KeyringStore(SERVICE, backend=hanging, timeout=0.05).save(TOKEN))
    hanging.answered.set()
    KeyringStore(SERVICE, backend=hanging).save(NEWER)  # has to wait for its turn
    assert hanging.asked == ["get", "get", "set", "get"]
    assert KeyringStore(SERVICE, backend=hanging).load() == NEWER


def test_an_interrupted_save_gets_home() -> None:
    """Ctrl-C during a save passes on, and does not cost the rotated token."""

    class Interrupted(Dictionary):
        def set_password(self, service: str, username: str, password: str) -> None:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.2)  # long enough for a Ctrl-C to win, if it could
            super().set_password(service, username, password)

    backend = Interrupted()
    with pytest.raises(KeyboardInterrupt):
        KeyringStore(SERVICE, backend=backend).save(TOKEN)
    assert len(backend.entries) == 1


def test_it_works_when_no_thread_can_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """An interpreter on its way out still saves the token it has just got."""

    def refuse(_: threading.Thread) -> NoReturn:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    store = KeyringStore(SERVICE, backend=Dictionary())
    store.save(TOKEN)
    assert store.load() == TOKEN


def test_threads_take_turns() -> None:
    """One keyring call at a time in this process: daemons lose track otherwise."""

    class Counting(Dictionary):
        inside = most = 0

        def get_password(self, service: str, username: str) -> str | None:
            self.inside += 1
            self.most = max(self.most, self.inside)
            time.sleep(0.001)  # time for another to come in, if it could
            self.inside -= 1
            return super().get_password(service, username)

    backend = Counting()
    stores = [KeyringStore(SERVICE, str(n), backend=backend) for n in range(8)]
    threads = [threading.Thread(target=store.load) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert backend.most == 1
    assert len(backend.asked) == 8 * 3


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this platform")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_fork_during_a_call_does_not_block_the_child(hanging: Hanging) -> None:
    """The turn is the parent's thread's: the child starts anew."""
    failure(KeyringStore(SERVICE, backend=hanging, timeout=0.05).load)
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            store = KeyringStore(SERVICE, backend=Dictionary(), timeout=PATIENCE_S)
            store.save(TOKEN)
            status = int(store.load() != TOKEN)
        finally:
            os._exit(status)
    assert os.waitpid(pid, 0)[1] == 0


# A value


def test_a_store_is_a_value() -> None:
    """Stores of one entry are equal, whatever else they are told; others are not."""
    store = KeyringStore("s", "a")
    assert store == KeyringStore("s", "a", timeout=1, allow_plaintext=True)
    assert hash(store) == hash(KeyringStore("s", "a", timeout=1))
    assert KeyringStore("s") == KeyringStore("s", "default")
    others = {
        KeyringStore("s", "b"),
        KeyringStore("t", "a"),
        KeyringStore("s", backend=Dictionary()),
    }
    assert len({store, *others}) == 4


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_a_copy_is_equal(copied: Callable[[KeyringStore], KeyringStore]) -> None:
    """A copied Session shares the login."""
    store = KeyringStore("s", backend=Dictionary())
    assert copied(store) == store


def test_a_pickle_is_equal() -> None:
    """A pickled Session finds the same entry."""
    store = KeyringStore("s", "a", timeout=1, allow_plaintext=True)
    again = pickle.loads(pickle.dumps(store))
    assert again == store
    assert (again.timeout, again.allow_plaintext) == (1, True)


@pytest.mark.parametrize("name", ["", " ", "a\nb", "a\0", None, 1, b"a"])
def test_names_are_printable_text(name: Any) -> None:
    """A service or account that no keyring could show is refused when it arrives."""
    with pytest.raises((TypeError, ValueError), match="the service is"):
        KeyringStore(name)
    with pytest.raises((TypeError, ValueError), match="the account is"):
        KeyringStore("s", name)


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf")])
def test_a_timeout_is_a_bound(timeout: float) -> None:
    """Waiting for ever, or not at all, is no bound."""
    with pytest.raises(ValueError, match="timeout"):
        KeyringStore("s", timeout=timeout)


def test_only_tokens_are_saved() -> None:
    """Anything else is a TypeError that does not show it."""
    store: Any = KeyringStore("s", backend=Dictionary())
    with pytest.raises(TypeError, match="holds a Token, not str"):
        store.save("access-secret")


def test_importing_it_is_cheap() -> None:
    """The heavy ones come late."""
    code = (
        "import sys, requests_jwt_refresh.stores.keyring\n"
        "print({'keyring', 'filelock', 'platformdirs'} & set(sys.modules))"
    )
    assert run(code) == "set()"


# The lock


def run(code: str, cwd: Path | None = None, **environment: str) -> str:
    """Run `code` in a Python of its own and return what it prints."""
    root = str(Path(__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": root, **environment}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=True,
    )
    return done.stdout.strip()


TRY_THE_LOCK = """
from requests_jwt_refresh.errors import LockTimeout
from requests_jwt_refresh.stores.keyring import KeyringStore
try:
    with KeyringStore("lock-test.example", "alice").lock(0):
        print("free")
except LockTimeout:
    print("held")
"""


def test_the_lock_is_the_users_whatever_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Processes with another HOME, XDG folders, TMPDIR and working directory share it."""
    monkeypatch.undo()  # the real home, for once
    other = str(tmp_path)
    elsewhere = {
        "HOME": other,
        "USERPROFILE": other,
        "XDG_STATE_HOME": other,
        "XDG_RUNTIME_DIR": other,
        "XDG_DATA_HOME": other,
        "TMPDIR": other,
    }
    path = user_lock_path("keyring", "lock-test.example", "alice")
    try:
        with KeyringStore("lock-test.example", "alice").lock(PATIENCE_S):
            assert run(TRY_THE_LOCK, tmp_path, **elsewhere) == "held"
        assert run(TRY_THE_LOCK, tmp_path, **elsewhere) == "free"
    finally:
        path.unlink(missing_ok=True)


def test_each_credential_has_its_own_lock() -> None:
    """Other accounts and services do not wait for each other, however their names are put."""
    with (
        KeyringStore("s", "a").lock(0),
        KeyringStore("s", "b").lock(0),
        KeyringStore("s", "ab").lock(0),
        KeyringStore("sa", "b").lock(0),
        KeyringStore('s", "a', "a").lock(0),
        KeyringStore("s", 'a", "a').lock(0),
    ):
        pass


def test_the_lock_file_stays_and_is_private(locks: Path) -> None:
    """Deleting it would let two hold the lock. Its name shows neither service nor account."""
    with KeyringStore("service-name", "account-name").lock(0):
        pass
    (path,) = locks.iterdir()
    assert "name" not in path.name
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(locks.stat().st_mode) == 0o700
    with KeyringStore("service-name", "account-name").lock(0):
        pass
    assert list(locks.iterdir()) == [path]


def test_the_lock_timeout_reads_well(locks: Path) -> None:
    """Who holds what, for how long, and what to do."""
    store = KeyringStore("s")
    with store.lock(0), pytest.raises(LockTimeout) as caught, store.lock(0.01):
        pass
    assert str(caught.value).startswith(f"the lock {locks}")
    assert "was not free within 0.01 s" in str(caught.value)


@pytest.mark.parametrize("home", ["missing", "a file", "not private", "unknown"])
def test_without_a_home_the_lock_is_in_the_temp_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, locks: Path, home: str
) -> None:
    """A home that cannot be written, or that others can write, is not used."""
    path = tmp_path / "elsewhere"
    if home == "a file":
        path = tmp_path / "home"
        path.joinpath(".local").write_text("in the way")
    elif home == "not private":
        path = tmp_path / "home"
        locks.mkdir(parents=True)
        locks.chmod(0o770)
    found = None if home == "unknown" else path
    monkeypatch.setattr(locking, "_home_in_the_password_database", lambda: found)
    monkeypatch.setattr(locking, "_SYSTEM_TEMP", tmp_path)
    folder = tmp_path / f"requests-jwt-refresh-{os.getuid()}"
    assert user_lock_path("x").parent == folder
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_user_without_a_name_has_no_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """A container may run under a number that the password database does not know."""
    monkeypatch.undo()
    monkeypatch.setattr(os, "getuid", lambda: 2_000_000_000)
    assert locking._home_in_the_password_database() is None  # noqa: SLF001 - what is tested


@pytest.mark.parametrize("trap", ["open", "symlink"])
def test_a_temp_folder_of_somebody_else_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, trap: str
) -> None:
    """In a folder that all may write, the place must be ours: else a StoreError says which."""
    monkeypatch.setattr(locking, "_home_in_the_password_database", lambda: None)
    monkeypatch.setattr(locking, "_SYSTEM_TEMP", tmp_path)
    folder = tmp_path / f"requests-jwt-refresh-{os.getuid()}"
    if trap == "open":
        folder.mkdir()
        folder.chmod(0o777)
    else:
        tmp_path.joinpath("theirs").mkdir(mode=0o700)
        folder.symlink_to(tmp_path / "theirs")
    with pytest.raises(StoreError, match="no place for a lock file") as caught:
        KeyringStore("s").lock(0)
    assert str(folder) in str(caught.value)


def test_a_full_disk_is_no_reason_for_a_second_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    """What may be over in a second is a StoreError: to go elsewhere would make two locks."""

    def full(*_: object, **__: object) -> NoReturn:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "mkdir", full)
    with pytest.raises(StoreError, match="No space left on device"):
        KeyringStore("s").lock(0)


@pytest.mark.parametrize("trap", ["folder", "symlink", "nowhere"])
def test_a_lock_file_that_is_none_is_a_store_error(tmp_path: Path, trap: str) -> None:
    """The path is named, and what to do."""
    path = tmp_path / "lock"
    if trap == "folder":
        path.mkdir()
    elif trap == "symlink":
        path.symlink_to(tmp_path / "target")
    else:
        tmp_path.joinpath("file").touch()
        path = tmp_path / "file" / "lock"
    with pytest.raises(StoreError, match="cannot be used") as caught, file_lock(path, 0):
        pass
    assert str(path) in str(caught.value)
    assert not isinstance(caught.value, LockTimeout)
    assert not tmp_path.joinpath("target").exists()


def test_an_os_error_of_the_holder_is_its_own(tmp_path: Path) -> None:
    """What fails inside the block has nothing to do with the lock."""
    with pytest.raises(OSError, match="theirs") as caught, file_lock(tmp_path / "lock", 0):
        raise OSError("theirs")
    assert type(caught.value) is OSError


# On the real Secret Service


# keyring does not close its connection to the bus when it finds the collection locked.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_locked_keyring_is_told_and_loses_nothing(
    secret_service: SecretService,
) -> None:
    """Locked is neither empty nor broken; after unlocking the token is there."""
    store = KeyringStore(SERVICE, "locked")
    store.save(TOKEN)
    secret_service.lock()
    try:
        for error in failures(store):
            assert "KeyringLocked" in str(error)
            assert "Unlock it and try again" in str(error)
    finally:
        secret_service.unlock()
    assert store.load() == TOKEN
    store.clear()
    gc.collect()  # the connections go now, where their warnings are expected


SAVE_AND_LOAD = """
from requests_jwt_refresh.stores.keyring import KeyringStore
from requests_jwt_refresh.tokens import Token
store = KeyringStore("api.example.com", "child")
print(store.load() == Token("from-parent" * 500))
store.save(Token("from-child" * 500))
"""


@pytest.mark.usefixtures("secret_service")
def test_other_processes_share_it() -> None:
    """A process of its own finds the token and leaves another."""
    store = KeyringStore(SERVICE, "child")
    store.save(Token("from-parent" * 500))
    assert run(SAVE_AND_LOAD) == "True"
    assert store.load() == Token("from-child" * 500)
    store.clear()
