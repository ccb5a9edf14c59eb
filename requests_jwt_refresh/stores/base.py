"""The four verbs of a token store, and how a token is written down.

A new store is one class with these four, and a test class that inherits
``requests_jwt_refresh.testing.StoreContract``. `check_token`, `encode` and `decode` are for it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Protocol

from requests_jwt_refresh.errors import InvalidToken, StoreError
from requests_jwt_refresh.frozen_json import freeze_members
from requests_jwt_refresh.tokens import (
    Token,
    describe_kind,
    is_finite,
    load_json,
    suggest_token,
    with_values,
)

if TYPE_CHECKING:
    from contextlib import AbstractContextManager


class TokenStore(Protocol):
    """Where a token lives, and who shares it. Anything with these four methods is a store.

    ```python
    import sqlite3
    from contextlib import closing
    from requests_jwt_refresh.stores.base import decode, encode  # a Token as text, and back


    class SQLiteStore:
        def __init__(self, path):
            self.path = str(path)  # of a database that others cannot read

        def __eq__(self, other):
            return isinstance(other, SQLiteStore) and other.path == self.path

        def __hash__(self):
            return hash(self.path)

        def load(self):
            rows = self._run("SELECT token FROM tokens")
            return decode(rows[0][0], self.path) if rows else None

        def save(self, token):
            self._run("INSERT OR REPLACE INTO tokens VALUES (1, ?)", encode(token))

        def clear(self):
            self._run("DELETE FROM tokens")

        def lock(self, timeout):  # between all threads and programs of this machine
            return FileStore(f"{self.path}-token").lock(timeout)

        def _run(self, statement, *values):
            try:
                with closing(sqlite3.connect(self.path)) as connection, connection:
                    connection.execute("CREATE TABLE IF NOT EXISTS tokens (id PRIMARY KEY, token)")
                    return connection.execute(statement, values).fetchall()
            except sqlite3.Error as error:
                raise StoreError(f"{self.path}: {error}") from error


    store = SQLiteStore("my-app.sqlite")
    mount(session, "https://api.example.com", JSONEndpoint("/auth/refresh"), store)
    ```

    Two stores that compare equal hold the same token, and adapters on them share one refresh. The
    lock keeps out all who share the token: threads, programs or machines. Check your own with
    `requests_jwt_refresh.testing.StoreContract`, as this one has been.

    A store may have two more methods. ``prepare()`` imports what its first use needs; it is called
    when an adapter is made, since a child that is forked in the middle of an import can never
    import it. ``reserve(size)`` returns a context manager that keeps room for a token of `size`
    bytes; it is entered under the lock before a refresh, and raises StoreError if there is none.
    """

    def load(self) -> Token | None:
        """Return the token, or None if there is none.

        Raises StoreError if the store cannot be read or what it holds makes no sense.
        """

    def save(self, token: Token) -> None:
        """Replace the token, all of it or nothing. Raises StoreError."""

    def clear(self) -> None:
        """Forget the token; it is fine if there is none. Raises StoreError."""

    def lock(self, timeout: float) -> AbstractContextManager[None]:
        """Keep all others who share the store out for the length of a ``with`` block.

        `timeout` is in seconds; 0 is one try. The adapter tries for moments only, and looks into
        the store in between. Raises LockTimeout when it passes, StoreError if there can be no
        lock. It need not be reentrant.
        """


def check_token(value: object) -> Token:
    """Return `value` if it is a Token. Raises TypeError, whose text does not show it."""
    if value is None:
        raise TypeError("a store holds a Token, not None: clear() forgets the token")
    if not isinstance(value, Token):
        raise TypeError(
            f"a store holds a Token, not {describe_kind(value)}: {suggest_token(value)}"
        )
    return value


def encode(token: Token) -> str:
    """Return `token` as one line of JSON.

    >>> encode(Token("a", refresh="r", expires_at=2e9))  # doctest: +ELLIPSIS
    '{"access":"a","refresh":"r","expires_at":2000000000.0,"received_at":null,...,"counter":0}'
    """
    fields: dict[str, object] = {
        "access": token.access,
        "refresh": token.refresh,
        "expires_at": token.expires_at,
        "received_at": token.received_at,
        "login_id": token.login_id,
        "counter": token.counter,
    }
    if token.extra:
        fields["extra"] = token.extra
    return json.dumps(fields, separators=(",", ":"))


def decode(text: str, where: str) -> Token:
    """Return the token that `encode` wrote.

    Raises StoreError, which names `where`, if it is something else; the text is never shown.

    >>> decode(encode(Token("a")), "the file") == Token("a")
    True
    """
    try:
        fields = load_json(text)
        token = Token(fields["access"], fields["refresh"])
        # Unchecked by Token: a moment long ago is one that has passed, and no reason to lose it.
        return with_values(token, expires_at=_read_expiry(fields), **_read_rest(fields))
    except (ValueError, TypeError, KeyError, RecursionError, InvalidToken):
        pass  # and no cause: a JSON error would carry the text
    raise StoreError(
        f"{where} holds something that is not a token of this library",
        "it was left as it is; if it belongs to another program, give this store another place, "
        "else clear it and log in again",
    )


def _read_expiry(fields: dict[str, object]) -> float | None:
    expires_at = fields["expires_at"]
    if expires_at is None or is_finite(expires_at):
        return expires_at
    raise ValueError


def _read_rest(fields: dict[str, object]) -> dict[str, object]:
    """Return what else was written, as far as it is there and fit: version 0.1 wrote less."""
    received_at, login_id, counter = map(fields.get, ("received_at", "login_id", "counter"))
    return {
        "received_at": received_at if is_finite(received_at) else None,
        "login_id": login_id if isinstance(login_id, str) else None,
        "counter": counter if type(counter) is int and counter >= 0 else 0,
        "extra": freeze_members(fields.get("extra")),
    }
