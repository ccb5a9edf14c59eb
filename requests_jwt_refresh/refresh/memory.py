"""What one process knows of a login: the token in use, and how far the store is behind it.

Nothing here reads or writes a store: token_cache.py does, and saving.py.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from requests_jwt_refresh import clock
from requests_jwt_refresh.refresh.notices import Notices
from requests_jwt_refresh.tokens import with_values

if TYPE_CHECKING:
    from requests_jwt_refresh.tokens import Token

RENEWAL_INTERVAL: Final = 60.0  # seconds between two saves of tokens of unknown lifetime
RENEWAL_SHARE: Final = 0.1  # of the lifetime, between two saves of tokens out of API answers
_UNKNOWN: Final = object()  # what the store holds before the first look


class Memory:
    """What this process knows of the token in one store; all adapters on an equal store share it.

    The mutex guards every change of `token`, `stored`, `dirty`, `renewed`, `version` and `counter`,
    which change together, and of `next_renewal_save`; each may be read without it. It is taken in
    threads that no signal handler interrupts, and never held over I/O. The other fields are
    assigned without it: of two threads at once the later one wins, which costs a save or a look
    into the store too many.
    """

    def __init__(self) -> None:
        self.mutex = threading.Lock()
        self.token: Token | None = None
        self.stored: object = _UNKNOWN  # the token that the store held when last seen, or None
        self.dirty = False  # memory is ahead of the store
        self.renewed = False  # the API has handed out the token in use, and the store has it not
        self.version = 0  # grows with every publication
        self.epoch = 0  # grows with every set_token() and clear_token()
        self.counter = 0  # of the last save of this login, here or by another program
        self.unconfirmed: Token | None = None  # new from the server; no API call with it has ended
        self.next_glance = 0.0  # clock.monotonic(): when the store may be looked into again
        self.next_save = 0.0  # clock.monotonic(): when a dirty token is saved again
        self.next_renewal_save = 0.0  # clock.monotonic(): when a renewed token may be saved
        self.inherited: Token | None = None  # the one in use when this process was forked
        self.notices = Notices()

    @property
    def has_looked(self) -> bool:
        """Whether the store has been read or written."""
        return self.stored is not _UNKNOWN

    @property
    def login_id(self) -> str | None:
        """The login of the token in use."""
        mine = self.token
        return None if mine is None else mine.login_id

    def login_id_of(self, token: Token | None) -> str | None:
        """Return the login of `token`, which the store holds; None for one it does not have yet."""
        mine = self.token
        if token is None or mine is None or mine != token:
            return None if token is None else token.login_id
        return mine.login_id

    def is_unconfirmed(self, token: Token) -> bool:
        """Whether `token` is new from the server, and no API call with it has ended."""
        return token is self.unconfirmed

    def note_confirmed(self, token: Token | None) -> None:
        """Remember that an API call with `token` has ended without a refusal."""
        if token is self.unconfirmed:
            self.unconfirmed = None

    def note_fork(self) -> None:
        """Note, in a forked child, that its parent has the token in use as well.

        It is another object here, so that what was planned for the parent's is planned anew.
        """
        mine = self.token
        self.inherited = mine
        self.notices.note_fork()
        if mine is not None:
            self.token = with_values(mine)
            self.unconfirmed = self.token if self.unconfirmed is mine else self.unconfirmed

    # Another token in use

    def publish(self, token: Token | None, *, stored: bool = True) -> None:
        """Make `token` the one that requests are sent with; `stored`: the store holds it too."""
        with self.mutex:
            self._publish(token, stored=stored)

    def publish_for_user(self, token: Token | None, *, stored: bool = True) -> None:
        """Publish what set_token() or clear_token() has put into the store."""
        with self.mutex:
            self.epoch += 1
            self._publish(token, stored=stored)

    def publish_unsaved_in(self, epoch: int, token: Token) -> bool:
        """Publish a token that the store has not, unless the user has set or cleared one since."""
        with self.mutex:
            if self.epoch != epoch:
                return False
            self._publish(token, stored=False)
            return True

    def publish_if(self, version: int, token: Token | None) -> bool:
        """Publish what was read at `version` without the store's lock, if it still stands."""
        with self.mutex:
            if self.version != version:
                return False
            self._publish(token, stored=True)
            return True

    def publish_renewed(self, sent: Token, renewed: Token) -> bool:
        """Publish a token out of an API's answer, if `sent` is still the one in use.

        The store does not have it yet, and another program does not need it: its counter is that of
        `sent` until it is saved. `sent` may have been saved meanwhile, and have got its login's id.
        """
        with self.mutex:
            if self.token is None or not is_in_use(sent, self.token):
                return False
            if self.token is not sent:
                renewed = with_values(renewed, login_id=self.token.login_id)
            self.version += 1
            self.unconfirmed, self.token = renewed, renewed
            self.renewed = True
            return True

    def _publish(self, token: Token | None, *, stored: bool) -> None:
        self.version += 1
        self.dirty, self.renewed = not stored, False
        if stored:
            self.stored = token
        self.counter = self._counter_with(token)
        self.token = token
        if token is not None:
            self.notices.note_token()

    # Against the store

    @property
    def is_renewal_due(self) -> bool:
        """Whether there is a renewed token that may be saved now."""
        return self.renewed and clock.monotonic() >= self.next_renewal_save

    def take_renewal_turn(self) -> bool:
        """Whether to save a renewed token now: at most once in a share of its lifetime."""
        with self.mutex:
            token, now = self.token, clock.monotonic()
            if not self.renewed or token is None or now < self.next_renewal_save:
                return False
            self.next_renewal_save = now + _renewal_interval(token)
            return True

    def note_saved_again(self, token: Token, saved: Token) -> None:
        """Note that the store holds `token`, saved again as `saved`.

        `saved` may have a login's id that `token` had not, or lack its extra. A newer token may be
        in use already, out of an API's answer: it belongs to the same login.
        """
        with self.mutex:
            self.dirty, self.stored = False, saved
            if self.token is token:
                self.renewed = False
                self._replace_in_use(login_id=saved.login_id, extra=saved.extra)
            elif self.renewed:
                self._replace_in_use(login_id=saved.login_id)
            self.counter = self._counter_with(saved)

    def _replace_in_use(self, **values: object) -> None:
        """Give the token in use other values, if they are others; it stays the same one if not."""
        mine = self.token
        if mine is None or all(getattr(mine, name) == each for name, each in values.items()):
            return
        self.version += 1
        self.token = with_values(mine, **values)
        if self.unconfirmed is mine:
            self.unconfirmed = self.token

    def note_seen(self, stored: Token | None) -> None:
        """Note that the store still holds what it held, perhaps saved again by another program."""
        if stored is None:
            return
        with self.mutex:
            if self.token is not None and self.token.login_id == stored.login_id:
                self.counter = max(self.counter, stored.counter)
            elif not self.dirty:
                self._publish(stored, stored=True)

    def _counter_with(self, token: Token | None) -> int:
        if token is None:
            return 0
        if self.token is None or self.token.login_id != token.login_id:
            return token.counter
        return max(self.counter, token.counter)

    def is_news(self, stored: Token) -> bool:
        """Whether the store's token takes the place of the one in memory."""
        return stored != self.stored and not self.is_older(stored)

    def is_older(self, stored: Token) -> bool:
        """Whether `stored` is an older token of the login in use: a backup was put back.

        The counter decides and no clock; without one (version 0.1) it is taken as it is.
        """
        mine = self.token
        return (
            mine is not None
            and mine.login_id is not None
            and mine.login_id == stored.login_id
            and stored.counter < self.counter
        )

    def is_refused(self, stored: Token) -> bool:
        """Whether the store has the very tokens in use, though noted down in another way.

        For when the server has refused them.
        """
        mine = self.token
        return mine is not None and (mine.access, mine.refresh) == (stored.access, stored.refresh)


def is_in_use(sent: Token, in_use: Token | None) -> bool:
    """Whether `sent` is the token in use, or that before its first save gave the login an id."""
    return sent is in_use or (in_use is not None and sent.login_id is None and sent == in_use)


def _renewal_interval(token: Token) -> float:
    """Return the seconds between two saves of renewed tokens like `token`."""
    if token.expires_at is None or token.received_at is None:
        return RENEWAL_INTERVAL
    return (token.expires_at - token.received_at) * RENEWAL_SHARE
