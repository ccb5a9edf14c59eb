"""What a profile says about where the token lives: [store]."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import parse_qs, urlsplit

from requests_jwt_refresh.errors import StoreError
from requests_jwt_refresh.profiles.kinds import STORE_KINDS
from requests_jwt_refresh.profiles.schema import build
from requests_jwt_refresh.profiles.secrets import SecretFile
from requests_jwt_refresh.urls import origin_of

if TYPE_CHECKING:
    from requests_jwt_refresh.profiles.schema import Table
    from requests_jwt_refresh.stores.base import TokenStore

_PROBE: Final = "doctor"  # added to the name of a store, for one to try things on


class Stores(NamedTuple):
    """The store of a profile's token, and what goes with it."""

    store: TokenStore
    probe_store: TokenStore
    label: str


def read_store(profile: Table, base_url: str, account: str | None = None) -> Stores:
    """Return the stores that the profile describes, by default in the keyring.

    The name of an `account` is added to the name under which the profile keeps its token.
    """
    suffix = "" if account is None else f"@{account}"
    table = profile.table("store")
    if table is None:
        return _read_keyring(profile.subtable("store", {}), base_url, suffix)
    readers = dict(zip(STORE_KINDS, (_read_keyring, _read_file, _read_redis), strict=True))
    stores = readers[table.choice("kind", readers)](table, base_url, suffix)
    table.check_all_known()
    return stores


def _read_keyring(table: Table, base_url: str, suffix: str) -> Stores:
    from requests_jwt_refresh.stores.keyring import KeyringStore

    service = table.text("service", str(origin_of(base_url)))
    account = table.text("account", table.profile) + suffix
    plaintext = table.flag("allow_plaintext", False)

    def make(account: str) -> TokenStore:
        return build(table, KeyringStore, service, account, allow_plaintext=plaintext)

    label = f"keyring, entry '{service} ({account})'"
    return Stores(make(account), make(f"{account} {_PROBE}"), label)


def _read_file(table: Table, _base_url: str, suffix: str) -> Stores:
    from requests_jwt_refresh.stores.file import FileStore

    path = f"{table.file_path('path')}{suffix}"
    return Stores(FileStore(path), FileStore(f"{path}.{_PROBE}"), f"file {path}")


def _read_redis(table: Table, _base_url: str, suffix: str) -> Stores:
    from requests_jwt_refresh.stores.redis import RedisStore

    key, url = table.text("key") + suffix, _read_redis_url(table)
    options: dict[str, Any] = {}
    if table.text("encryption_key_file", None) is not None:
        options["encryption_key"] = _read_secret(table, "encryption_key_file")

    def make(key: str) -> TokenStore:
        try:
            return build(table, RedisStore, url, key, **options)
        except ImportError as error:
            problem = str(error)
        raise table.error("kind", f"is 'redis', but {problem}", "install it, or use another kind")

    return Stores(make(key), make(f"{key}:{_PROBE}"), f"Redis, key {key!r}")


def _read_redis_url(table: Table) -> str:
    url, url_file = table.text("url", None), table.text("url_file", None)
    if (url is None) is (url_file is None):
        raise table.error("url", "or url_file is needed, and only one of them", "give one of them")
    if url is None:
        return _read_secret(table, "url_file")
    if "@" in url or "password" in parse_qs(urlsplit(url).query):
        raise table.error(
            "url",
            "holds a password, and this file must not hold secrets",
            "put the URL into a file of its own and name that as url_file",
        )
    return url


def _read_secret(table: Table, key: str) -> str:
    """Return the secret in the file that `key` names. Raises ProfileError."""
    try:
        return SecretFile(table.file_path(key)).read()
    except StoreError as error:
        cause, remedy = error.cause, error.remedy
    raise table.error(key, f"cannot be used: {cause}", remedy)
