"""KeyringStore when the keyring fails, hangs, is none or cannot be trusted."""

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any, NoReturn

import keyring.core
import keyring.errors
import pytest
from keyring.backends import SecretService

from requests_jwt_refresh.errors import StoreError
from requests_jwt_refresh.stores.file import FileStore
from requests_jwt_refresh.stores.keyring import KeyringStore
from tests.support.keyrings import (
    LONG,
    NEWER,
    SERVICE,
    TOKEN,
    ChainKeyring,
    DictKeyring,
    FailingKeyring,
    HangingKeyring,
    ItemNotFoundException,
    PlaintextKeyring,
    catch_failure,
    catch_failures,
    count_keyring_threads,
    fail_backend,
    null_backend,
    pywintypes_error,
    secret_service_backend,
    use_keyring,
)
from tests.support.waits import WAIT, join, start, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


HERE = FailingKeyring.__module__
IN_A_FILE = 'FileStore("~/.local/state/myapp/token.json")'

# What goes wrong


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (keyring.errors.KeyringLocked("refresh-secret"), "unlock it and try again"),
        (type("LockedException", (Exception,), {})("refresh-secret"), "unlock it and try again"),
        (type("PromptDismissedException", (Exception,), {})(), "unlock it and try again"),
        (keyring.errors.NoKeyringError("refresh-secret"), "no keyring on this machine"),
        (keyring.errors.InitError("refresh-secret"), "log in to the desktop"),
        (keyring.errors.PasswordSetError("refresh-secret"), "allow this program to write"),
        (FileNotFoundError(2, "refresh-secret"), "service and its D-Bus session are running"),
        (RuntimeError("refresh-secret"), "service and its D-Bus session are running"),
        (pywintypes_error("refresh-secret"), "service and its D-Bus session are running"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_every_exception_is_a_store_error(error: Exception, advice: str) -> None:
    """KeyringError or not: the type is named, the advice fits, no foreign text is shown."""
    backend = FailingKeyring(error)
    for caught in catch_failures(KeyringStore(SERVICE, backend=backend)):
        assert f"{HERE}.FailingKeyring: {type(error).__name__})" in caught.cause
        assert advice in f"{caught.cause}; {caught.remedy}"
        assert caught.remedy.endswith(f", or keep the token in a file: {IN_A_FILE}")


def test_the_text_reads_well() -> None:
    """What happened, what is kept, what to do."""
    store = KeyringStore(SERVICE, "alice", backend=FailingKeyring(keyring.errors.KeyringLocked()))
    assert str(catch_failure(store.load)) == (
        "the keyring entry 'api.example.com (alice)' could not be read"
        f": the keyring is locked ({HERE}.FailingKeyring: KeyringLocked). What it holds is safe; "
        f"unlock it and try again, or keep the token in a file: {IN_A_FILE}"
    )


def test_the_line_in_the_remedy_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no keyring it comes first, and is all that has to be typed."""
    monkeypatch.setenv("HOME", str(tmp_path))
    error = catch_failure(KeyringStore(SERVICE, backend=fail_backend()).load)
    assert error.remedy.startswith(f"keep the token in a file: {IN_A_FILE}")
    store: FileStore = eval(IN_A_FILE, {"FileStore": FileStore})
    store.save(TOKEN)
    assert store.load() == TOKEN


def test_errors_are_of_a_public_class() -> None:
    """A user who reads the traceback can name it in an `except`."""
    for backend in (fail_backend(), PlaintextKeyring(), FailingKeyring(RuntimeError())):
        for error in catch_failures(KeyringStore(SERVICE, backend=backend)):
            assert type(error) is StoreError
            again = pickle.loads(pickle.dumps(error.about()))
            assert (again.cause, again.remedy) == (error.cause, error.remedy)


@pytest.mark.parametrize(
    ("platform", "command"),
    [("darwin", "security unlock-keychain"), ("win32", "session of a user who has logged in")],
)
def test_other_systems_have_no_d_bus(
    monkeypatch: pytest.MonkeyPatch, platform: str, command: str
) -> None:
    """What to do about a keychain that cannot be asked over SSH, or a service's account."""
    monkeypatch.setattr(sys, "platform", platform)
    error = catch_failure(KeyringStore(SERVICE, backend=FailingKeyring(RuntimeError())).load)
    assert command in error.remedy
    assert "D-Bus" not in error.remedy
    locked = FailingKeyring(keyring.errors.KeyringLocked())
    advice = catch_failure(KeyringStore(SERVICE, backend=locked).load).remedy
    assert (command in advice) == (platform == "darwin")


def test_passing_errors_are_asked_again() -> None:
    """The daemon's race is over in a moment: more tries, at each call."""
    backend = FailingKeyring(ItemNotFoundException(), range(2))
    store = KeyringStore(SERVICE, backend=backend)
    store.save(TOKEN)
    assert backend.asked == ["get", "get", "get", "set", "get"]
    backend.failing = range(6, 8)
    store.save(NEWER)
    assert backend.asked[5:] == ["get", "set", "set", "set", "get"]
    assert store.load() == NEWER


def test_passing_errors_that_stay_are_reported() -> None:
    """After six tries it is a StoreError."""
    backend = FailingKeyring(ItemNotFoundException())
    assert "ItemNotFoundException" in str(
        catch_failure(KeyringStore(SERVICE, backend=backend).load)
    )
    assert backend.asked == ["get"] * 6


def test_a_secret_service_backend_of_ones_own_is_used_as_it_is() -> None:
    """It may keep something in itself: a cache, a connection, a count."""

    class OwnKeyring(SecretService.Keyring):
        kept: str | None = None

        def get_password(self, service: str, username: str) -> str | None:
            del service, username
            return self.kept

        def set_password(self, service: str, username: str, password: str) -> None:
            del service, username
            self.kept = password

        def __copy__(self) -> NoReturn:
            raise TypeError

    store = KeyringStore(SERVICE, backend=OwnKeyring())  # type: ignore[no-untyped-call]
    store.save(TOKEN)
    assert store.load() == TOKEN


def test_other_errors_are_not_asked_again() -> None:
    """A prompt that was refused is not shown three times."""
    backend = FailingKeyring(keyring.errors.KeyringLocked())
    catch_failure(KeyringStore(SERVICE, backend=backend).load)
    assert backend.asked == ["get"]


def test_what_is_written_is_read_back() -> None:
    """A backend that stores nothing and says nothing is found out."""

    class Silent(DictKeyring):
        def set_password(self, service: str, username: str, password: str) -> None:
            pass

    error = catch_failure(lambda: KeyringStore(SERVICE, backend=Silent()).save(TOKEN))
    assert "does not give back what was written" in str(error)


def test_what_cannot_be_deleted_is_an_error() -> None:
    """A logout that leaves the token there is no logout."""

    class Sticky(DictKeyring):
        def delete_password(self, service: str, username: str) -> None:
            pass

    store = KeyringStore(SERVICE, backend=Sticky())
    store.save(TOKEN)
    error = catch_failure(store.clear)
    assert "still holds the entry 'api.example.com (default)' after it was deleted" in str(error)


# What other programs have left there


FOREIGN: list[Any] = [
    b"bytes",
    17,
    ["list"],
    "",
    "\ud800",
    '{"access": "\ud800", "refresh": null, "expires_at": null}',
    "in 1 parts a sha256 " + "0" * 64,
    "in 9999 parts b sha256 " + "0" * 64,
]


@pytest.mark.parametrize("foreign", FOREIGN, ids=range(len(FOREIGN)))
@pytest.mark.parametrize(
    "part", [None, "\ud800", b"bytes", "x"], ids=["", "surrogate", "bytes", "x"]
)
def test_an_entry_of_another_program(foreign: Any, part: Any) -> None:
    """It is a StoreError, soon, and can be replaced or cleared when asked to."""

    class Odd(DictKeyring):
        def get_password(self, service: str, username: str) -> Any:
            self.asked.append("get")
            if not self.entries:
                return foreign if " part " not in service else part if service[-1] == "0" else None
            return super().get_password(service, username)

    backend = Odd()
    store = KeyringStore(SERVICE, backend=backend)
    error = catch_failure(store.load)
    assert "left as it is" in error.remedy
    assert len(backend.asked) < 12
    store.save(TOKEN)
    assert store.load() == TOKEN


# Which backend


@pytest.mark.parametrize("given", [False, True], ids=["found", "given"])
def test_no_keyring_is_refused(monkeypatch: pytest.MonkeyPatch, given: bool) -> None:
    """The fail backend is not taken for an empty store."""
    backend = fail_backend()
    use_keyring(monkeypatch, backend)
    for error in catch_failures(KeyringStore(SERVICE, backend=backend if given else None)):
        assert str(error).startswith("there is no keyring on this machine")


def test_a_keyring_switched_off_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The null backend stores nothing and says nothing."""
    use_keyring(monkeypatch, null_backend())
    for error in catch_failures(KeyringStore(SERVICE)):
        assert str(error).startswith("keyring is switched off (null backend)")
        assert "keyringrc.cfg" in str(error)


def test_plaintext_is_refused() -> None:
    """A readable file is not what a keyring is chosen for; nothing is written."""
    backend = PlaintextKeyring()
    for error in catch_failures(KeyringStore(SERVICE, backend=backend)):
        assert f"({HERE}.PlaintextKeyring) writes a file that can be read" in str(error)
        assert "allow_plaintext=True" in str(error)
    assert backend.asked == []


def test_plaintext_can_be_accepted() -> None:
    """With allow_plaintext=True it is used."""
    store = KeyringStore(SERVICE, backend=PlaintextKeyring(), allow_plaintext=True)
    store.save(TOKEN)
    assert store.load() == TOKEN


def test_the_plaintext_keyring_of_keyrings_alt(tmp_path: Path) -> None:
    """The real one: refused, and accepted on request."""
    alt = pytest.importorskip("keyrings.alt.file")
    backend = alt.PlaintextKeyring()
    backend.file_path = str(tmp_path / "keyring_pass.cfg")
    assert "keyrings.alt.file.PlaintextKeyring" in str(
        catch_failures(KeyringStore("x", backend=backend))
    )
    store = KeyringStore("x", backend=backend, allow_plaintext=True)
    store.save(LONG)
    assert store.load() == LONG
    store.clear()
    assert store.load() is None


def test_of_a_chain_the_first_fit_backend_is_used() -> None:
    """Merely installing keyrings.alt must not put the token into a readable file."""
    plain, real, other = PlaintextKeyring(), DictKeyring(), DictKeyring()
    store = KeyringStore(SERVICE, backend=ChainKeyring(null_backend(), plain, real, other))
    store.save(TOKEN)
    assert store.load() == TOKEN
    assert real.entries
    assert plain.asked == other.asked == []


def test_a_chain_of_nothing_fit_is_refused() -> None:
    """An empty chain is as good as null; one with plaintext alone says so."""
    assert "no keyring on this machine" in str(
        catch_failures(KeyringStore(SERVICE, backend=ChainKeyring()))
    )
    plain = KeyringStore(SERVICE, backend=ChainKeyring(null_backend(), PlaintextKeyring()))
    assert all("allow_plaintext=True" in each.remedy for each in catch_failures(plain))


def test_a_cleared_chain_does_not_bring_the_token_back() -> None:
    """keyring's own delete hits the first backend only (jaraco/keyring #697)."""
    backends = PlaintextKeyring(), DictKeyring(), DictKeyring()
    for backend in backends:
        KeyringStore(SERVICE, backend=backend, allow_plaintext=True).save(TOKEN)
    KeyringStore(SERVICE, backend=ChainKeyring(*backends)).clear()
    assert [backend.entries for backend in backends] == [{}, {}, {}]


@pytest.mark.parametrize("name", ["no.such.Backend", "nonsense", "", "keyring.backends.null.No"])
def test_an_unknown_backend_is_a_store_error(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A wrong PYTHON_KEYRING_BACKEND says where to look."""
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", name)
    use_keyring(monkeypatch, None)
    for error in catch_failures(KeyringStore(SERVICE)):
        assert "the keyring backend could not be loaded" in str(error)
        assert "PYTHON_KEYRING_BACKEND" in str(error)


@pytest.mark.parametrize("asked_for", [False, True], ids=["later", "at once"])
def test_a_dead_bus_is_a_store_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, asked_for: bool
) -> None:
    """No D-Bus where there should be one: is it running?"""
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", f"unix:path={tmp_path}/none")
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.SecretService.Keyring")
    use_keyring(monkeypatch, None if asked_for else secret_service_backend())
    for error in catch_failures(KeyringStore(SERVICE)):
        assert "service" in str(error)
        assert "running" in error.remedy or "start the keyring's service" in error.remedy


# Time


@pytest.fixture
def hanging() -> Iterator[HangingKeyring]:
    backend = HangingKeyring()
    yield backend
    backend.answered.set()
    wait_until(lambda: count_keyring_threads() == 0)


def test_an_unanswered_prompt_is_a_store_error(hanging: HangingKeyring) -> None:
    """A call that hangs is given up, those behind it too; one thread is left, not more."""
    store = KeyringStore(SERVICE, backend=hanging, timeout=0.05)
    for error in catch_failures(store) + catch_failures(store):
        assert "did not answer within 0.05 s: a prompt may be waiting" in str(error)
    wait_until(lambda: count_keyring_threads() == 1)


def test_a_late_answer_writes_nothing(hanging: HangingKeyring) -> None:
    """A save that was given up must not overwrite what came after it."""
    catch_failure(lambda: KeyringStore(SERVICE, backend=hanging, timeout=0.05).save(TOKEN))
    hanging.answered.set()
    KeyringStore(SERVICE, backend=hanging).save(NEWER)  # has to wait for its turn
    assert hanging.asked == ["get", "get", "set", "get"]
    assert KeyringStore(SERVICE, backend=hanging).load() == NEWER


def test_an_interrupted_save_is_finished() -> None:
    """Ctrl-C during a save passes on, and does not cost the rotated token."""
    is_left = threading.Event()

    class Interrupted(DictKeyring):
        def set_password(self, service: str, username: str, password: str) -> None:
            os.kill(os.getpid(), signal.SIGINT)
            is_left.wait(0.2)  # at once, if a Ctrl-C could end the save before this
            super().set_password(service, username, password)

    backend = Interrupted()
    with pytest.raises(KeyboardInterrupt):
        KeyringStore(SERVICE, backend=backend).save(TOKEN)
    entries = dict(backend.entries)
    is_left.set()
    assert len(entries) == 1


def test_it_works_when_no_thread_can_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """An interpreter that is shutting down still saves the token that it has just received."""

    def refuse(_: threading.Thread) -> NoReturn:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    store = KeyringStore(SERVICE, backend=DictKeyring())
    store.save(TOKEN)
    assert store.load() == TOKEN


def test_threads_take_turns() -> None:
    """One keyring call at a time in this process: daemons lose track otherwise."""

    class Counting(DictKeyring):
        inside = most = 0

        def get_password(self, service: str, username: str) -> str | None:
            self.inside += 1
            self.most = max(self.most, self.inside)
            if not self.asked:  # until all are there, to come in if they could
                wait_until(lambda: count_keyring_threads() == len(stores))
            self.inside -= 1
            return super().get_password(service, username)

    backend = Counting()
    stores = [KeyringStore(SERVICE, str(n), backend=backend) for n in range(8)]
    join(*start(*(store.load for store in stores)))
    assert backend.most == 1
    assert len(backend.asked) == 8 * 3


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this platform")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_fork_during_a_call_does_not_block_the_child(hanging: HangingKeyring) -> None:
    """The turn is the parent's thread's: the child starts anew."""
    catch_failure(KeyringStore(SERVICE, backend=hanging, timeout=0.05).load)
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            store = KeyringStore(SERVICE, backend=DictKeyring(), timeout=WAIT)
            store.save(TOKEN)
            status = int(store.load() != TOKEN)
        finally:
            os._exit(status)
    assert os.waitpid(pid, 0)[1] == 0
