"""What users have been told of a login, so that no trouble is told again with each request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from requests_jwt_refresh.tokens import Token

_NEVER: Final = object()


class Notices:
    """What has been told, and when it may be told again.

    Each `tell` answers whether to tell it now, and counts as having told it. No lock guards them:
    two threads at once may both tell it.
    """

    def __init__(self) -> None:
        self._told: dict[str, object] = {}  # each notice, and which login it was about, if one
        self._unconfirmed: Token | None = None  # told to be

    def tell_no_login(self) -> bool:
        """Whether to tell that there is no valid token: once until the next one comes."""
        return self._is_untold("no login")

    def tell_missing_refresh(self, login_id: str | None) -> bool:
        """Whether to tell that an answer has no refresh token where it should: once in a login."""
        return self._is_untold("missing refresh", login_id)

    def tell_unread_expiry(self) -> bool:
        """Whether to tell that an answer has the token's end in a field that is not read: once."""
        return self._is_untold("unread expiry")

    def tell_unconfirmed(self, token: Token) -> bool:
        """Whether to tell that `token` has been accepted nowhere: once for each token."""
        told, self._unconfirmed = self._unconfirmed, token
        return told is not token  # an equal one of another login is another one

    def tell_no_room(self) -> bool:
        """Whether to tell that the store cannot be written: once until it can."""
        return self._is_untold("no room")

    def tell_no_extra(self, login_id: str | None) -> bool:
        """Whether to tell that Token.extra was left out of a save: once in a login."""
        return self._is_untold("no extra", login_id)

    def tell_backup(self) -> bool:
        """Whether to tell that the store has an older token of the same login: once."""
        return self._is_untold("backup")

    def tell_renewal_unsaved(self) -> bool:
        """Whether to tell that a renewed token could not be saved: once until one can."""
        return self._is_untold("renewal unsaved")

    def tell_inherited(self) -> bool:
        """Whether to tell that the parent of this process has the token, too: once in a process."""
        return self._is_untold("inherited")

    def note_token(self) -> None:
        """Note that there is a token: if it goes, that is news."""
        self._forget("no login")

    def note_room(self) -> None:
        """Note that the store can be written."""
        self._forget("no room")

    def note_renewal_saved(self) -> None:
        """Note that a renewed token could be saved, or that there is none to save."""
        self._forget("renewal unsaved")

    def note_fork(self) -> None:
        """Note, in a forked child, that another process has the token in use, too."""
        self._forget("inherited")

    def _is_untold(self, notice: str, login_id: str | None = None) -> bool:
        told = self._told.get(notice, _NEVER)
        self._told[notice] = login_id
        return told != login_id

    def _forget(self, notice: str) -> None:
        self._told.pop(notice, None)
