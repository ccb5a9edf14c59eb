"""KeyringStore: one entry of a keyring, long tokens in parts; on a real Secret Service as well.

tests/test_keyring_failures.py has what goes wrong, tests/test_locking.py its lock.
"""

from __future__ import annotations

import copy
import gc
import math
import pickle
from typing import TYPE_CHECKING, Any

import pytest

from requests_jwt_refresh import clock
from requests_jwt_refresh.errors import StoreError
from requests_jwt_refresh.stores.base import encode
from requests_jwt_refresh.stores.keyring import KeyringStore
from requests_jwt_refresh.testing.contract import StoreContract
from requests_jwt_refresh.tokens import Token
from tests.support.home import set_home
from tests.support.keyrings import (
    LONG,
    LONGER,
    NEWER,
    SERVICE,
    TOKEN,
    DictKeyring,
    DyingVault,
    FileVault,
    WinVaultKeyring,
    catch_failure,
    catch_failures,
)
from tests.support.processes import run_python
from tests.support.secret_service import (
    SecretService,
    again_if_the_daemon_dies,
    new_service_name,
    running_secret_service,
    secret_service,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = ["running_secret_service", "secret_service"]  # fixtures: used by their names


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep lock files out of the home of the user who runs the tests."""
    set_home(monkeypatch, tmp_path)


# The contract


@again_if_the_daemon_dies
class TestOnASecretService(StoreContract):
    """Every promise of a store, on the real thing."""

    @pytest.fixture(autouse=True)
    def _service(self, secret_service: SecretService) -> None:
        self.service = secret_service  # for the decorator

    def make_store(self) -> KeyringStore:
        return KeyringStore(SERVICE, "contract")


class TestOnWindowsVault(StoreContract):
    """Every promise of a store, within Windows' limit and with its odd saving again."""

    @pytest.fixture(autouse=True)
    def _vault(self, tmp_path: Path) -> Iterator[None]:
        self.path = tmp_path / "vault.json"
        yield
        self.make_store().clear()
        assert FileVault(self.path).entries() == {}, "nothing may be left after a clear"

    def make_store(self) -> KeyringStore:
        return KeyringStore(SERVICE, "contract", backend=FileVault(self.path))


# The entry


def test_one_entry_holds_all_of_it() -> None:
    """Both tokens and the expiry, under a service name of the account's own."""
    backend = DictKeyring()
    KeyringStore(SERVICE, "alice", backend=backend).save(LONG)
    assert list(backend.entries) == [("api.example.com (alice)", "alice")]


@pytest.mark.usefixtures("clock")
def test_accounts_and_services_do_not_mix() -> None:
    """Each service and account has a token of its own."""
    backend = DictKeyring()
    stores = [KeyringStore(s, a, backend=backend) for s in ("s", "t") for a in ("a", "b")]
    tokens = [Token(f"token-{n}") for n in range(4)]
    for store, token in zip(stores, tokens, strict=True):
        store.save(token)
    assert [store.load() for store in stores] == tokens
    stores[0].clear()
    assert [store.load() for store in stores] == [None, *tokens[1:]]


def test_a_foreign_entry_is_left_alone() -> None:
    """What another program wrote there is a StoreError that does not show it."""
    backend = DictKeyring()
    store = KeyringStore(SERVICE, backend=backend)
    backend.entries["api.example.com (default)", "default"] = "access-secret"
    error = catch_failure(store.load)
    assert "'api.example.com (default)' holds something that is not a token" in error.cause
    assert "if it belongs to another program, give this store another place" in error.remedy
    assert list(backend.entries.values()) == ["access-secret"]


@pytest.mark.usefixtures("clock")
def test_an_entry_missing_for_a_moment_is_not_a_logout() -> None:
    """macOS replaces by deleting first: None is only believed when it stays."""

    class Blinking(DictKeyring):
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
def vault() -> WinVaultKeyring:
    return WinVaultKeyring()


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
        assert len(list_parts(vault)) == count_parts(token)
        assert len({name.split(" part ")[1][0] for name in list_parts(vault)}) == 1
    store.save(TOKEN)
    assert list_parts(vault) == []


@pytest.mark.usefixtures("clock")
def test_parts_that_a_killed_save_left_go(vault: WinVaultKeyring) -> None:
    """A shorter token in their place leaves none of a longer one that never came to be."""
    for _ in die_at_each_call(vault, TOKEN, "save", LONGER):
        vault_store(vault).save(LONG)
        assert len(list_parts(vault)) == count_parts(LONG)


def list_parts(vault: WinVaultKeyring) -> list[str]:
    return [name for name in vault.entries() if " part " in name]


def count_parts(token: Token) -> int:
    return math.ceil(len(encode(token)) / 1200)


def die_at_each_call(
    vault: WinVaultKeyring, before: Token | None, verb: str, *token: Token
) -> Iterator[bool]:
    """Let a verb die at each of its calls in turn; yield each time whether it returned."""
    for dies_at in range(100):
        vault.replace({})
        store = vault_store(vault)
        if before is not None:
            store.save(before)
        dying = DyingVault(vault.entries())
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


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("before", [None, TOKEN, LONG], ids=["empty", "short", "long"])
@pytest.mark.parametrize("after", [NEWER, LONGER], ids=["to short", "to long"])
def test_a_save_killed_anywhere_is_all_or_nothing(
    vault: WinVaultKeyring, before: Token | None, after: Token
) -> None:
    """The old token or the new one, the new one if it said so; the next save tidies up."""
    store = vault_store(vault)
    for is_saved in die_at_each_call(vault, before, "save", after):
        assert store.load() in ((after,) if is_saved else (before, after))
        store.save(after)
        assert store.load() == after
        store.clear()
        assert vault.entries() == {}


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("before", [TOKEN, LONG], ids=["short", "long"])
def test_a_clear_killed_anywhere_is_all_or_nothing(vault: WinVaultKeyring, before: Token) -> None:
    """The token or none, never half, none if it said so; the next clear finishes."""
    store = vault_store(vault)
    for is_cleared in die_at_each_call(vault, before, "clear"):
        assert store.load() in ((None,) if is_cleared else (before, None))
        store.clear()
        assert vault.entries() == {}


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("damage", ["missing", "changed", "shorter"])
def test_half_a_token_is_never_read(vault: WinVaultKeyring, damage: str) -> None:
    """A part that is gone or other than it was is a StoreError; nothing is deleted."""
    store = vault_store(vault)
    store.save(LONG)
    entries = copy.deepcopy(vault.entries())
    part = next(name for name in entries if name.endswith(" part a1"))
    if damage == "missing":
        del entries[part]
    else:
        entries[part][1] = "x" if damage == "changed" else entries[part][1][:-1]
    vault.replace(entries)
    assert "'api.example.com (alice)' is incomplete" in catch_failure(store.load).cause
    assert vault.entries() == entries
    store.save(NEWER)
    assert store.load() == NEWER


# A value


def test_a_store_is_a_value() -> None:
    """Stores of one entry are equal, whatever their options; others are not."""
    store = KeyringStore("s", "a")
    assert store == KeyringStore("s", "a", timeout=1, allow_plaintext=True)
    assert hash(store) == hash(KeyringStore("s", "a", timeout=1))
    assert KeyringStore("s") == KeyringStore("s", "default")
    others = {
        KeyringStore("s", "b"),
        KeyringStore("t", "a"),
        KeyringStore("s", backend=DictKeyring()),
    }
    assert len({store, *others}) == 4


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_a_copy_is_equal(copied: Callable[[KeyringStore], KeyringStore]) -> None:
    """A copied Session shares the login."""
    store = KeyringStore("s", backend=DictKeyring())
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
    store: Any = KeyringStore("s", backend=DictKeyring())
    with pytest.raises(TypeError, match="holds a Token, not a str"):
        store.save("access-secret")


def test_importing_it_is_cheap() -> None:
    """The heavy ones come late."""
    code = (
        "import sys, requests_jwt_refresh.stores.keyring\n"
        "print({'keyring', 'filelock', 'platformdirs'} & set(sys.modules))"
    )
    assert run_python(code) == "set()"


# On the real Secret Service


# keyring does not close its connection to the bus when it finds the collection locked.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_locked_keyring_is_an_error_and_loses_nothing(
    secret_service: SecretService,
) -> None:
    """Locked is neither empty nor broken; after unlocking the token is there."""
    store = KeyringStore(SERVICE, "locked")
    store.save(TOKEN)
    secret_service.lock()
    try:
        for error in catch_failures(store):
            assert "the keyring is locked" in error.cause
            assert "KeyringLocked" in error.cause
            assert "unlock it and try again" in error.remedy
    finally:
        secret_service.unlock()
    assert store.load() == TOKEN
    gc.collect()  # the connections go now, where their warnings are expected


# keyring does not close its connection to the bus when it finds no collection, either.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_collection_lost_for_a_moment_is_found_again(
    secret_service: SecretService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As gnome-keyring does it under several programs; nobody is asked to set up a new one."""
    store = KeyringStore(SERVICE, "lost")
    store.save(TOKEN)
    for call, expected in ((store.load, TOKEN), (lambda: store.save(NEWER), None)):
        path = secret_service.lose_default()
        found_after: list[float] = []

        def find(pause: float, path: str = path, found_after: list[float] = found_after) -> None:
            if pause:
                found_after.append(pause)
                secret_service.find_default(path)

        try:
            with monkeypatch.context() as patch:
                patch.setattr(clock, "sleep", find)
                assert call() == expected
        finally:
            secret_service.find_default(path)
        assert len(found_after) == 1
    assert store.load() == NEWER
    gc.collect()  # the connections go now, where their warnings are expected


SAVE_AND_LOAD = """
import sys
from requests_jwt_refresh.stores.keyring import KeyringStore
from requests_jwt_refresh.tokens import Token
store = KeyringStore(sys.argv[1], "child")
print(store.load() == Token("from-parent" * 500))
store.save(Token("from-child" * 500))
"""


@pytest.mark.usefixtures("secret_service")
def test_other_processes_share_it() -> None:
    """A process of its own finds the token and leaves another."""
    name = new_service_name()
    store = KeyringStore(name, "child")
    store.save(Token("from-parent" * 500))
    assert run_python(SAVE_AND_LOAD, name) == "True"
    assert store.load() == Token("from-child" * 500)
